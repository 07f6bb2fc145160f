"""The files of a store: symbolic links that another user could have created are refused."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gamcli.errors import StoreUnusableError
from gamcli.store import Store, schema
from gamcli.store.sqlite import file_header, files
from tests.cases import for_each


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "own"
    found.mkdir(mode=0o700)
    Store.create(found / "store.db").close()
    return found


def refused(path: Path) -> str:
    with pytest.raises(StoreUnusableError) as opening:
        Store.open(path)
    with pytest.raises(StoreUnusableError) as making:
        Store.create(path)
    assert making.value.message == opening.value.message
    assert str(making.value.hint).startswith("--store /")
    return opening.value.message


def test_a_link_of_ones_own_is_followed(folder: Path) -> None:
    (folder / "link.db").symlink_to("store.db")
    Store.open(folder / "link.db").close()
    folder.chmod(0o1777)
    Store.open(folder / "link.db").close()


@pytest.mark.parametrize("name", ["link.db", "link/store.db", "link/../own/./store.db", "far"])
@pytest.mark.parametrize("target", ["..", "absolute"])
def test_a_link_in_a_folder_that_all_can_write_is_refused(folder: Path, tmp_path: Path, name: str, target: str) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    back = tmp_path if target == "absolute" else Path("..")
    (shared / "link.db").symlink_to(back / "own" / "store.db")
    (shared / "link").symlink_to(back / "own")
    (folder / "far").symlink_to(back / "shared" / "link.db")
    path = folder / "far" if name == "far" else shared / name
    Store.open(path).close()
    shared.chmod(0o777)
    link = "link.db" if name in ("link.db", "far") else "link"
    assert f"contains the link {shared / link}, which another user could have created" in refused(path)


def test_a_folder_of_another_group_is_shared_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "link.db").symlink_to("store.db")
    folder.chmod(0o770)
    Store.open(folder / "link.db").close()
    monkeypatch.setattr(os, "getegid", lambda: folder.stat().st_gid + 1)
    assert "another user" in refused(folder / "link.db")


def test_a_link_of_another_user_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "link.db").symlink_to("store.db")
    if os.geteuid() == 0:
        Store.open(folder / "link.db").close()
        os.lchown(folder / "link.db", 1234, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 1234)
    assert "another user" in refused(folder / "link.db")


def test_a_link_that_leads_nowhere_or_in_circles_ends(folder: Path) -> None:
    (folder / "circle").symlink_to("circle")
    (folder / "nowhere").symlink_to("no/such/file")
    for name in ("circle", "nowhere", "circle/..", "no/such/file"):
        files.require_trusted_path(folder / name)
    assert not (folder / "no").exists()


def test_a_folder_is_not_a_store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreUnusableError, match="is a folder; a store is a file") as caught:
        Store.create(folder)
    assert caught.value.hint == f"--store {folder}/store.db"

    def closed(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", closed)
    files.require_not_directory(folder)


def test_no_new_store_is_made_where_a_planted_link_leads(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (shared / "gam").symlink_to(tmp_path / "elsewhere")
    assert "shared/gam" in refused(shared / "gam" / "deep" / "store.db")
    assert [*tmp_path.iterdir()] == [shared]


def test_an_empty_file_of_another_user_does_not_become_a_store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "empty.db"
    path.touch(mode=0o644)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(StoreUnusableError, match=r"the empty file .* is owned by user"):
        Store.create(path)
    assert (path.stat().st_size, path.stat().st_mode & 0o777) == (0, 0o644)


MOUNTS = """24 30 0:22 / /proc rw,relatime shared:13 - proc proc rw
30 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
99 30 0:55 / /srv/a\\040b rw,relatime shared:50 - nfs4 host:/export rw,vers=4.2
100 30 0:56 / /home/ana/far rw,nosuid - fuse.sshfs ana@host: rw
"""


@for_each(("device", "name"), [("8:1", "ext4"), ("0:55", "nfs4"), ("0:56", "fuse.sshfs"), ("0:5", None), ("", None)])
def test_the_file_system_is_that_of_the_device(device: str, name: str | None) -> None:
    assert files.parse_mount_table(MOUNTS, device) == name


@pytest.mark.skipif(not Path("/proc/self/mountinfo").exists(), reason="only Linux has this table")
def test_the_file_system_of_a_folder_is_known(folder: Path) -> None:
    assert files.find_file_system(folder)
    assert files.find_file_system(folder / "no") is None


def test_the_file_of_another_program_does_not_have_the_header_of_a_store(folder: Path) -> None:
    path = folder / "other.db"
    for application_id in (schema.APPLICATION_ID - 1, schema.APPLICATION_ID, schema.APPLICATION_ID + 1):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA application_id = {application_id}")
        assert file_header.has_store_header(path) == (application_id == schema.APPLICATION_ID)


def test_only_a_readable_file_that_is_no_link_has_the_header_of_a_store(folder: Path) -> None:
    link, text, missing = (folder / name for name in ("link", "text", "missing"))
    link.symlink_to(folder / "store.db")
    text.write_text("text")
    paths = folder / "store.db", link, text, folder, missing
    assert [file_header.has_store_header(each) for each in paths] == [True, False, False, False, False]
    assert [file_header.is_other_file(each) for each in paths] == [False, False, True, False, False]
