"""What `doctor` reads from a store, without changing it."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gamcli.actions import Gam
from gamcli.errors import StoreMissingError, StoreUnusableError
from gamcli.model import App, Key, User
from gamcli.model.doctor import DisabledAuthType, StoreContents
from gamcli.model.overviews import CountWithNames
from gamcli.store import Store, apps, auth_types, keys, pruning, users
from gamcli.store.sqlite import doctor, files
from gamcli.store.timestamps import LATEST, to_micros

Change = Callable[..., None]
TOKEN = "INSERT INTO token (id, digest, user_guid, client_id, scopes, issued_at) VALUES (?, x'', '', '', '', 1)"


@pytest.fixture
def change(gam: Gam, store_path: Path) -> Change:
    gam.store.close()

    def run(statement: str, *values: object) -> None:
        with closing(sqlite3.connect(store_path, isolation_level=None)) as connection:
            connection.execute(statement, values)

    return run


@pytest.fixture
def held(gam: Gam, ana: User, portal: App, key: Key) -> Iterator[Key]:
    with gam.store.writing() as tx:
        users.add(tx, ana)
        apps.add(tx, portal)
        keys.add(tx, key)
        tx.run("UPDATE app SET api_keys_enabled = 1, remote_rest = 1")
    return iter([key])


@pytest.fixture
def look(store_path: Path, now: datetime) -> Callable[[], StoreContents]:
    def load() -> StoreContents:
        _, _, contents = doctor.load_contents(store_path, now)
        assert contents is not None
        return contents

    return load


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


@pytest.mark.usefixtures("held", "change")
def test_to_look_changes_nothing(store_path: Path, look: Callable[[], StoreContents]) -> None:
    before = bytes_of(store_path.parent)
    look()
    assert bytes_of(store_path.parent) == before
    assert {*before} == {"store.db", "store.db-lock"}


@pytest.mark.usefixtures("held")
def test_a_store_that_is_open_elsewhere_is_looked_into_too(store_path: Path, look: Callable[[], StoreContents]) -> None:
    assert Path(f"{store_path}-wal").stat().st_size > 0
    assert look().unlimited_keys == 1


@pytest.mark.usefixtures("held")
def test_a_store_in_order_has_nothing_to_tell(look: Callable[[], StoreContents], now: datetime) -> None:
    assert look() == StoreContents(
        uses_wal=True,
        latest_timestamps=(("the newest key", now), ("an audit entry", now)),
        clock_step=None,
        default_auth_type=("local", False),
        default_type_uses=0,
        disabled_auth_types=(),
        apps_without_rest=CountWithNames(0, ()),
        unlimited_keys=1,
        unlimited_key=None,
        apps_without_timeout=("Portal",),
        idle_apps=CountWithNames(0, ()),
        idle_users=CountWithNames(0, ()),
        orphaned_tokens=0,
    )


@pytest.mark.usefixtures("held")
def test_a_store_without_a_log_is_reported(change: Change, look: Callable[[], StoreContents]) -> None:
    change("PRAGMA journal_mode = DELETE")
    assert not look().uses_wal


@pytest.mark.usefixtures("held")
def test_a_disabled_type_counts_the_active_keys_that_need_it(change: Change, look: Callable[[], StoreContents]) -> None:
    change("UPDATE auth_type SET enabled = 0")
    assert look().default_auth_type == ("local", False)
    assert look().disabled_auth_types == (DisabledAuthType("apikey", 1, ()),)
    change("UPDATE app SET api_key_auth_type = 'apikey'")
    for ending in ("expires_at = 1", "expires_at = NULL, retires_at = 1", "ended_at = 1, end_status = 'revoked'"):
        change(f"UPDATE key SET {ending}")
        assert look().disabled_auth_types == (DisabledAuthType("apikey", 0, ("Portal",)),)


@pytest.mark.usefixtures("held")
def test_a_count_that_stops_early_says_so(
    change: Change, look: Callable[[], StoreContents], monkeypatch: pytest.MonkeyPatch
) -> None:
    change("UPDATE auth_type SET enabled = 0")
    monkeypatch.setattr("gamcli.store.contents.MAX_ROWS", 0)
    assert look().disabled_auth_types == (DisabledAuthType("apikey", 0, (), has_more=True),)
    assert look().idle_users is None


@pytest.mark.usefixtures("held")
def test_applications_and_users_without_keys_are_named(change: Change, look: Callable[[], StoreContents]) -> None:
    change("DELETE FROM key")
    assert look().idle_apps == CountWithNames(1, ("Portal",))
    assert look().idle_users == CountWithNames(1, ("Ana",))
    change("UPDATE user SET blocked = 1")
    change("UPDATE app SET api_keys_enabled = 0")
    assert look().idle_apps == look().idle_users == CountWithNames(0, ())


@pytest.mark.usefixtures("held")
def test_an_application_without_remote_rest_is_named(change: Change, look: Callable[[], StoreContents]) -> None:
    change("UPDATE app SET remote_rest = 0")
    assert look().apps_without_rest == CountWithNames(1, ("Portal",))
    change("UPDATE app SET enabled = 0")
    assert look().apps_without_rest == CountWithNames(0, ())


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("gone", ["user_guid", "client_id", "key"])
def test_a_token_of_what_is_gone_is_an_orphan(change: Change, look: Callable[[], StoreContents], gone: str) -> None:
    change(
        """INSERT INTO token (id, digest, user_guid, client_id, key, scopes, issued_at)
        SELECT 1, randomblob(32), user.guid, app.client_id, key.id, '', 1 FROM user, app, key"""
    )
    change(TOKEN, 2)
    assert look().orphaned_tokens == 0
    change("UPDATE token SET key = NULL")
    assert look().orphaned_tokens == 0
    change(f"UPDATE token SET {gone} = 'gone'")
    assert look().orphaned_tokens == 1


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize(
    ("user", "app", "number"), [("guid", "client_id", 0), ("'x'", "client_id", 1), ("guid", "'x'", 1)]
)
def test_a_session_without_its_owners_is_counted(
    change: Change, look: Callable[[], StoreContents], user: str, app: str, number: int
) -> None:
    change(f"INSERT INTO session SELECT 1, {user}, {app}, 'local', NULL, '', '[]', NULL FROM user, app")
    assert look().orphaned_sessions == number


@pytest.mark.usefixtures("held")
def test_an_orphan_that_a_prune_leaves_is_not_reported(
    change: Change, look: Callable[[], StoreContents], now: datetime
) -> None:
    old = to_micros(now - pruning.DEFAULT_RETENTION)
    change(TOKEN, old)
    assert look().orphaned_tokens == 0
    change(TOKEN, old + 1)
    assert look().orphaned_tokens == 1
    change(TOKEN, old + 2)
    assert look().orphaned_tokens == 1


@pytest.mark.usefixtures("held")
def test_a_key_that_its_application_would_bound_today_is_named(
    change: Change, look: Callable[[], StoreContents], key: Key
) -> None:
    assert look().unlimited_key is None
    change("UPDATE app SET api_key_timeout_hours = 1")
    assert look().unlimited_key == key.id
    for ending in ("expires_at = 1", "expires_at = NULL, retires_at = 1", "ended_at = 1, end_status = 'revoked'"):
        change(f"UPDATE key SET {ending}")
        assert look().unlimited_key is None


@pytest.mark.usefixtures("held")
def test_the_latest_instants_are_reported(change: Change, look: Callable[[], StoreContents], now: datetime) -> None:
    change(TOKEN, 2**62)
    change("INSERT INTO audit (seq, at, actor, action, target, details) VALUES (99, 'never', '', '', '', '{}')")
    assert dict(look().latest_timestamps) == {"the newest key": now, "the newest token": LATEST, "an audit entry": now}


@pytest.mark.parametrize(("seconds", "expected"), [(300, None), (301, (3, 301))])
def test_a_clock_that_went_back_is_seen_in_the_audit(
    change: Change, look: Callable[[], StoreContents], now: datetime, seconds: int, expected: tuple[int, int] | None
) -> None:
    for seq, at in ((2, now), (3, now - timedelta(seconds=seconds))):
        row = (seq, f"{at:%Y-%m-%dT%H:%M:%SZ}", "", "", "", "{}")
        change("INSERT INTO audit (seq, at, actor, action, target, details) VALUES (?, ?, ?, ?, ?, ?)", *row)
    assert look().clock_step == expected


def test_only_the_version_of_an_older_store_is_returned(change: Change, store_path: Path, now: datetime) -> None:
    change("PRAGMA user_version = 1")
    change("DELETE FROM migration WHERE version > 1")
    assert doctor.load_contents(store_path, now) == (1, (), None)


def test_what_is_not_a_store_is_refused(store: Store, tmp_path: Path, now: datetime) -> None:
    missing, empty, other, damaged = (tmp_path / name for name in ("missing", "empty", "other", "damaged"))
    empty.touch()
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE other (id)")
    damaged.write_bytes(b"SQLite format 3\0" + bytes(4096))
    for path in (missing, empty, store.path):
        with pytest.raises(StoreMissingError):
            doctor.load_contents(path, now)
    for path in (other, damaged, tmp_path):
        with pytest.raises(StoreUnusableError):
            doctor.load_contents(path, now)


@pytest.mark.usefixtures("held", "change")
def test_a_page_that_nobody_reads_is_looked_at_too(
    store_path: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(store_path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'user_attribute'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    data = bytearray(store_path.read_bytes())
    data[(page - 1) * size : page * size] = b"\xff" * size
    store_path.write_bytes(data)
    with pytest.raises(StoreUnusableError, match="is damaged"):
        doctor.load_contents(store_path, now)
    monkeypatch.setattr(doctor, "MAX_QUICK_CHECK_BYTES", 0)
    assert doctor.load_contents(store_path, now)[2] is not None


def test_outputs_of_batches_are_known(change: Change, store_path: Path, now: datetime) -> None:
    for number in (1, 2):
        change("INSERT INTO batch VALUES (?, x'', 1, '/gam/keys.csv', 1, 0)", number)
    assert doctor.load_contents(store_path, now)[1] == ("/gam/keys.csv",)


def test_every_file_called_like_the_store_is_next_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "gam"
    folder.mkdir(mode=0o700)
    path = folder / "a[b]*.db"
    for name, size in (("", 7), ("-wal", 3), ("-shm", 0), ("-journal", 0), (".2026", 0)):
        file = Path(f"{path}{name}")
        file.write_bytes(bytes(size))
        file.chmod(0o640)
    (folder / "ab.db").touch()
    (folder / "a[b]*.db.folder").mkdir()
    found = {each.role: each for each in files.find_files(path)}
    assert [*found] == ["folder", "store", "journal", "SHM", "WAL", "copy"]
    assert (found["store"].mode, found["store"].size, found["store"].uid) == (0o640, 7, os.geteuid())
    assert found["store"].is_secret
    assert (found["folder"].mode, found["folder"].is_secret) == (0o700, False)


def test_what_killed_copies_left_is_found_once_nobody_writes_to_it(tmp_path: Path, now: datetime) -> None:
    names = [".b.db.0123abcd.part", ".b.db.0123abcd.part-wal", ".young.db.0123abcd.part", "b.part", ".b.0123.part"]
    for name in names:
        (tmp_path / name).touch()
        age = 3599 if "young" in name else 3601
        os.utime(tmp_path / name, (now.timestamp() - age,) * 2)
    (tmp_path / ".folder.0123abcd.part").mkdir()
    found = [*files.find_leftover_files(tmp_path / "store.db", now)]
    assert [(each.role, Path(each.path).name) for each in found] == [("part", name) for name in names[:2]]
    assert [*files.find_leftover_files(tmp_path / "no" / "store.db", now)] == []


def test_nothing_is_where_there_is_no_folder(tmp_path: Path) -> None:
    assert [*files.find_files(tmp_path / "no" / "store.db")] == []
    assert files.find_free_bytes(tmp_path / "no" / "store.db") is None
    assert files.find_free_bytes(tmp_path / "store.db")


def test_the_default_type_is_that_of_the_repository(gam: Gam, look: Callable[[], StoreContents], now: datetime) -> None:
    with gam.store.writing() as tx:
        found = auth_types.get(tx, "apikey")
        tx.run("UPDATE auth_type SET name = 'APIkey'")
    assert found.created_at == now
    assert look().default_auth_type == ("APIkey", True)
