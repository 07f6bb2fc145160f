"""Migrating the stores of earlier versions, dumped when these were released, without losing data."""

import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gamcli.errors import FailedError, StoreUnusableError
from gamcli.store import Store, schema
from gamcli.store.engine import Migration
from gamcli.store.sqlite import backups, checks

KEPT = sorted((Path(__file__).parent.parent / "kept").glob("*.sql"))
SKIPPED = {
    "key": {"user_guid", "client_id", "current", "auth_type"},
    "audit": {"details", "hash"},
    "migration": set[str](),
}
"""Columns of which a later step makes others."""

OPENER = "import sys; from pathlib import Path; from gamcli.store import Store; Store.open(Path(sys.argv[1])).close()"


def rows(path: Path, like: dict[str, list[str]] | None = None) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(path)) as connection:
        found = like or columns(connection)
        return {
            table: connection.execute(f"SELECT {', '.join(names)} FROM {table} ORDER BY 1, 2").fetchall()
            for table, names in found.items()
        }


def columns(connection: sqlite3.Connection) -> dict[str, list[str]]:
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return {
        table: [
            name
            for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", [table])
            if name not in SKIPPED.get(table, set())
        ]
        for (table,) in tables
    }


@pytest.fixture(params=KEPT, ids=lambda path: f"version {path.stem}")
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "gam" / "store.db"
    path.parent.mkdir(mode=0o700)
    path.touch(0o600)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(request.param.read_text(encoding="utf-8"))
        connection.execute("PRAGMA journal_mode = WAL")
    return path


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def names(path: Path) -> set[str]:
    """Return the names of the files next to the store, without the lock file."""
    return {each.name for each in path.parent.iterdir()} - {f"{path.name}-lock"}


def test_a_store_of_each_earlier_version_is_kept() -> None:
    assert [int(path.stem) for path in KEPT] == list(range(1, len(schema.MIGRATIONS)))


def test_everything_that_an_older_store_holds_is_there_afterwards(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        like = columns(connection)
    before = rows(old, like)
    assert all(before[table] for table in ("app", "user", "key", "token", "audit"))
    Store.open(old).close()
    after = rows(old, like)
    assert after.pop("migration")[: version(old) - 1][: len(before["migration"])] == before.pop("migration")
    assert after == before
    assert version(old) == len(schema.MIGRATIONS)
    assert [each.what for each in checks.check_store(old) if not each.ok] == []


def test_a_copy_of_before_is_kept_for_its_owner_alone(old: Path) -> None:
    was, before = version(old), rows(old)
    with Store.open(old) as store:
        assert store.migrated
        assert store.migrated.version_before == was
        backup = store.migrated.backup
    assert backup == old.with_name(f"store.db.v{was}-backup")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert (version(backup), rows(backup)) == (was, before)
    with Store.open(old) as store:
        assert store.migrated is None
    assert names(old) == {"store.db", backup.name}


def test_an_earlier_copy_is_not_overwritten(old: Path) -> None:
    was = version(old)
    earlier = old.with_name(f"store.db.v{was}-backup")
    earlier.write_text("mine", encoding="utf-8")
    with Store.open(old) as store:
        assert store.migrated
        assert store.migrated.backup == old.with_name(f"store.db.v{was}-backup-2")
    assert earlier.read_text(encoding="utf-8") == "mine"


def test_nothing_is_changed_before_the_copy_is_kept(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise FailedError("the disk of / is full", "make room")

    was, before = version(old), rows(old)
    monkeypatch.setattr(backups, "copy_own", full)
    with pytest.raises(StoreUnusableError, match=f"from version {was}: the backup failed: .* full") as caught:
        Store.open(old)
    assert caught.value.hint == "make room"
    assert (version(old), rows(old), names(old)) == (was, before, {"store.db"})


def test_a_step_that_fails_leaves_no_copy_behind(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    was = version(old)
    steps = list(schema.MIGRATIONS)
    steps[was] = "CREATE TABLE audit (x INTEGER) STRICT;\n"
    monkeypatch.setattr(schema, "MIGRATIONS", tuple(steps))
    with pytest.raises(StoreUnusableError, match="table audit already exists"):
        Store.open(old)
    assert (version(old), names(old)) == (was, {"store.db"})


def test_processes_that_open_an_old_store_at_once_bring_it_up_to_date_once(old: Path) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", OPENER, str(old)], stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    assert [process.communicate(timeout=60)[1] for process in started] == [""] * 4
    assert len(names(old)) == 2
    with closing(sqlite3.connect(old)) as connection:
        assert len(connection.execute("SELECT * FROM migration").fetchall()) == len(schema.MIGRATIONS)


def test_a_new_store_has_nothing_to_keep(tmp_path: Path) -> None:
    with Store.create(tmp_path / "store.db") as store:
        assert store.migrated == Migration(0, None)
    shutil.rmtree(tmp_path)
