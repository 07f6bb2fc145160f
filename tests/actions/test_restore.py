"""Restoring, migrating and compacting a store."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gamcli import store as stored
from gamcli.actions import Gam, maintenance, restore, users
from gamcli.errors import GamcliError, StoreError, StoreUnusableError, StoreVersionError, UsageError
from gamcli.model import AuditEntry
from gamcli.store import Store, schema
from gamcli.store.sqlite import checks

pytestmark = pytest.mark.needs_file

VERSION = len(schema.MIGRATIONS)
OLD = Path(__file__).parent.parent / "store" / "kept" / "1.sql"


@pytest.fixture
def backup(gam: Gam, tmp_path: Path) -> Path:
    users.create(gam, "ana", {})
    path = tmp_path / "backup.db"
    maintenance.backup(gam.store.path, path)
    users.create(gam, "eva", {})
    gam.store.close()
    return path


@pytest.fixture
def acting(gam: Gam) -> restore.OpenGam:
    return lambda opened: replace(gam, store=opened)


def names(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM user ORDER BY name")]


def last(path: Path) -> AuditEntry:
    with Store.open(path) as store, store.reading() as tx:
        return list(stored.audit.search(tx))[-1]


def test_a_backup_is_restored_and_the_replaced_store_is_kept(gam: Gam, backup: Path, acting: restore.OpenGam) -> None:
    path, before = gam.store.path, backup.read_bytes()
    made = restore.restore(path, backup, acting, overwrite=True)
    assert made.kept is not None
    assert (names(path), names(Path(made.kept)), backup.read_bytes()) == (["ana"], ["ana", "eva"], before)
    assert (made.users, made.version_before, made.version) == (1, VERSION, VERSION)
    assert [each.name for each in checks.check_store(path) if not each.ok] == []
    assert {each.name for each in path.parent.iterdir()} == {"store.db", "store.db-lock", Path(made.kept).name}


def test_a_restore_is_audited(gam: Gam, backup: Path, acting: restore.OpenGam) -> None:
    with closing(sqlite3.connect(gam.store.path)) as connection:
        (head,) = connection.execute("SELECT hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    made = restore.restore(gam.store.path, backup, acting, overwrite=True)
    entry = last(gam.store.path)
    assert (entry.action, entry.target) == ("store.restore", made.guid)
    assert f'"source":"{backup}"' in entry.details
    assert f'"head":"{head}"' in entry.details


def test_restoring_without_a_store_keeps_nothing(tmp_path: Path, backup: Path, acting: restore.OpenGam) -> None:
    path = tmp_path / "new" / "folder" / "store.db"
    made = restore.restore(path, backup, acting)
    assert (made.kept, names(path)) == (None, ["ana"])
    assert (path.parent.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)


@pytest.mark.parametrize(
    ("damage", "hint"),
    [
        ("junk", "nothing was changed; choose another backup"),
        ("PRAGMA application_id = 1", "nothing was changed; choose another backup"),
        ("PRAGMA user_version = 1000", "upgrade gamcli, or choose another backup"),
    ],
)
def test_an_invalid_backup_is_reported_with_a_hint(
    gam: Gam, backup: Path, acting: restore.OpenGam, damage: str, hint: str
) -> None:
    if damage == "junk":
        backup.write_bytes(b"x" * 8192)
    else:
        with closing(sqlite3.connect(backup)) as connection:
            connection.execute(damage)
    with pytest.raises(StoreError) as caught:
        restore.restore(gam.store.path, backup, acting, overwrite=True)
    assert caught.value.hint == hint
    assert names(gam.store.path) == ["ana", "eva"]


def damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xa5" * 4096 * 8)


def tamper(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE audit SET target = 'other'")


def outdo(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 1000")


def overwrite(path: Path) -> None:
    path.write_text("name,email\n" * 1000, encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (damage, StoreUnusableError),
        (tamper, StoreUnusableError),
        (outdo, StoreVersionError),
        (overwrite, StoreUnusableError),
        (Path.unlink, UsageError),
    ],
)
def test_a_damaged_backup_changes_nothing(
    gam: Gam, backup: Path, acting: restore.OpenGam, spoil: Callable[[Path], None], error: type[GamcliError]
) -> None:
    spoil(backup)
    before = gam.store.path.read_bytes()
    with pytest.raises(error) as caught:
        restore.restore(gam.store.path, backup, acting, overwrite=True)
    assert str(backup) in caught.value.message
    assert gam.store.path.read_bytes() == before
    assert {each.name for each in gam.store.path.parent.iterdir()} == {"store.db", "store.db-lock"}


def test_a_damaged_store_is_replaced(gam: Gam, backup: Path, acting: restore.OpenGam) -> None:
    gam.store.path.write_bytes(b"x" * 8192)
    made = restore.restore(gam.store.path, backup, acting, overwrite=True)
    assert names(gam.store.path) == ["ana"]
    assert made.kept
    assert Path(made.kept).read_bytes() == b"x" * 8192
    assert '"replaces":null' in last(gam.store.path).details


def test_a_backup_of_an_earlier_version_is_migrated(gam: Gam, tmp_path: Path, acting: restore.OpenGam) -> None:
    gam.store.close()
    old = tmp_path / "old.db"
    with closing(sqlite3.connect(old)) as connection:
        connection.executescript(OLD.read_text(encoding="utf-8"))
    before = old.read_bytes()
    made = restore.restore(gam.store.path, old, acting, overwrite=True, accept=restore.Reactivation(3))
    assert (made.version_before, made.version, old.read_bytes()) == (1, VERSION, before)
    assert names(gam.store.path) == ["María José", "ana"]
    assert len(list(gam.store.path.parent.iterdir())) == 3


def test_the_store_cannot_be_restored_from_itself(gam: Gam, acting: restore.OpenGam) -> None:
    with pytest.raises(UsageError, match="the store itself"):
        restore.restore(gam.store.path, gam.store.path, acting, overwrite=True)


def test_a_link_to_a_store_points_to_the_restored_one(
    gam: Gam, backup: Path, acting: restore.OpenGam, tmp_path: Path
) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(gam.store.path)
    restore.restore(link, backup, acting, overwrite=True)
    assert link.is_symlink()
    assert names(gam.store.path) == ["ana"]
