"""The migrations of the schema."""

import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gamcli.errors import StoreUnusableError, StoreVersionError
from gamcli.store import Store, apps, audit, keys, schema, users
from gamcli.store.apps import AppFilter
from gamcli.store.keys import KeyFilter
from gamcli.store.schema.step3 import CHUNK

pytestmark = pytest.mark.needs_file

TABLES = {
    "migration", "auth_type", "repository", "app", "app_use", "user", "user_attribute", "key", "token", "token_floor",
    "audit", "adoption", "batch", "batch_part", "key_request", "session", "default_type_use",
    "refresh_token",
}  # fmt: skip

MORE = "ALTER TABLE audit ADD COLUMN note TEXT;\nCREATE TABLE more (x INTEGER) STRICT;\n"
FAILS = "CREATE TABLE more (x INTEGER) STRICT;\nCREATE TABLE more (x INTEGER) STRICT;\n"


def ask(path: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def tables(path: Path) -> set[object]:
    return {name for (name,) in ask(path, "SELECT name FROM sqlite_schema WHERE type = 'table'")}


def version(path: Path) -> object:
    return ask(path, "PRAGMA user_version")[0][0]


@pytest.fixture
def closed(store: Store, store_path: Path) -> Path:
    store.close()
    return store_path


def test_a_new_store_has_all_tables_and_the_record_of_each_step(closed: Path) -> None:
    assert tables(closed) == TABLES
    assert version(closed) == len(schema.MIGRATIONS)
    assert [row[0] for row in ask(closed, "SELECT version FROM migration")] == list(
        range(1, len(schema.MIGRATIONS) + 1)
    )
    assert {
        row[0]
        for row in ask(closed, "SELECT strict FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite%'")
    } == {1}


def test_the_history_reports_every_step() -> None:
    assert re.findall(r"^    (\d+)  ", schema.__doc__ or "", re.MULTILINE) == [
        str(step) for step in range(1, len(schema.MIGRATIONS) + 1)
    ]


def test_every_table_says_what_it_keeps() -> None:
    assert all("--" in step for step in schema.MIGRATIONS)


def test_an_older_store_is_brought_up_to_date_when_it_is_opened(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, MORE))
    for _ in range(2):
        Store.open(closed).close()
    assert tables(closed) == {*TABLES, "more"}
    assert version(closed) == len(schema.MIGRATIONS)
    assert len(ask(closed, "SELECT * FROM migration")) == len(schema.MIGRATIONS)


def test_a_step_that_fails_changes_nothing(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = version(closed)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, FAILS))
        with pytest.raises(StoreUnusableError, match="table more already exists"):
            Store.open(closed)
    assert tables(closed) == TABLES
    assert version(closed) == before
    assert len(ask(closed, "SELECT * FROM migration")) == before
    Store.open(closed).close()


def test_the_steps_before_one_that_fails_are_undone(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = len(schema.MIGRATIONS)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, MORE, FAILS))
    with pytest.raises(StoreUnusableError):
        Store.open(closed)
    assert version(closed) == known
    assert tables(closed) == TABLES
    assert not [each.name for each in closed.parent.iterdir() if "backup" in each.name]


def test_no_process_finds_a_store_between_two_steps(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would migrate the rest, after a second backup."""
    known, found = len(schema.MIGRATIONS), list[object]()
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, MORE, "CREATE TABLE most (name TEXT) STRICT"))
    monkeypatch.setitem(schema.PYTHON_STEPS, known + 2, lambda _: found.append(version(closed)))
    Store.open(closed).close()
    assert found == [known]
    assert version(closed) == known + 2


def test_a_newer_store_names_both_versions(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, MORE))
        Store.open(closed).close()
    known = len(schema.MIGRATIONS)
    with pytest.raises(StoreVersionError, match=f"has version {known + 1}; this gamcli supports version {known}"):
        Store.open(closed)


def filled_as_step_1(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in schema.MIGRATIONS[0].split(";\n"):
        connection.execute(statement)
    connection.executescript(
        f"""
        PRAGMA journal_mode = WAL; PRAGMA application_id = {schema.APPLICATION_ID}; PRAGMA user_version = 1;
        INSERT INTO migration VALUES (1, 0);
        INSERT INTO app SELECT value, value, value, x'00', 7, 7, '', 1, 'gam_user_data', 1, 1, 0, NULL, 1, 0, 0, 0, 1,
            0, NULL FROM json_each('["portal", "gate"]');
        INSERT INTO app_use SELECT client_id, 3, 7 FROM app;
        INSERT INTO user SELECT value, value, value, 7, 7, '', NULL, 0, '', '', '', '', 'N', '', '', '', '', '', '',
            '', '', '', '', '{{}}', 1, 0, NULL, NULL FROM json_each('["zoe", "ana"]');
        INSERT INTO user_attribute VALUES ('Area', 'ana');
        INSERT INTO token_floor VALUES ('gate', 'ana', 9);
        INSERT INTO key VALUES
            ('K1111111', 'ana', 'gate', 'apikey', 'a+b', x'01', 1, 9, 'one', 2, 3, 4, 'replaced', 'why', 'm', 0),
            ('K2222222', 'ana', 'gate', 'apikey', '', x'02', 2, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, 1),
            ('K3333333', 'zoe', 'portal', 'apikey', '', x'03', 3, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, 1);
        INSERT INTO audit SELECT value, '2026-03-01T12:00:00Z', 'ana@desk', 'user.create', 'zoë',
            '{{"guid": "z", "roles": [null, "a b: ñ,"]}}', NULL FROM json_each('{[*range(1, OLD_ENTRIES + 1)]}');
        """
    )
    connection.close()


OLD_ENTRIES = 2 * CHUNK + 1
"""How many entries a store of an earlier version has: more than are chained at a time."""


def filled_as_step_2(path: Path) -> None:
    filled_as_step_1(path)
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in schema.MIGRATIONS[1].split(";\n"):
        connection.execute(statement)
    connection.execute("PRAGMA user_version = 2")
    connection.execute("INSERT INTO migration VALUES (2, 0)")
    connection.close()


@pytest.mark.parametrize("filled", [filled_as_step_1, filled_as_step_2])
def test_the_audit_log_of_an_earlier_version_is_chained(tmp_path: Path, filled: Callable[[Path], None]) -> None:
    path = tmp_path / "old.db"
    filled(path)
    with Store.open(path) as store, store.writing() as tx:
        assert audit.verify(tx) == audit.load_head(tx)
        entries = list(audit.search(tx))
        assert [entry.seq for entry in entries] == list(range(1, OLD_ENTRIES + 1))
        assert (entries[-1].actor, entries[-1].target) == ("ana@desk", "zoë")
        assert {entry.details for entry in entries} == {'{"guid":"z","roles":[null,"a b: ñ,"]}'}
        audit.add(tx, "2026-03-02T12:00:00Z", "ana@desk", "user.delete", "zoë", "{}")
        assert audit.verify(tx, entries[0].hash).seq == OLD_ENTRIES + 1


def test_details_that_are_no_json_are_chained_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    filled_as_step_1(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE audit SET details = '{ what' WHERE seq = 2")
    connection.close()
    with Store.open(path) as store, store.reading() as tx:
        assert audit.verify(tx).seq == OLD_ENTRIES
        assert [entry.details for entry in audit.search(tx)][1] == "{ what"


def test_a_filled_store_of_the_first_step_keeps_everything(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    filled_as_step_1(path)
    with Store.open(path) as store, store.writing() as tx:
        one, two, three = keys.search(tx, KeyFilter(sort="id"))
        assert (one.user_guid, one.client_id, one.scopes, one.digest) == ("ana", "gate", ("a", "b"), b"\1")
        assert (one.label, one.end, one.reason, one.managed_by) == ("one", "replaced", "why", "m")
        assert (two.user_guid, two.client_id, two.user, two.app) == ("ana", "gate", "ana", "gate")
        assert (three.user_guid, three.client_id) == ("zoe", "portal")
        assert keys.find_current(tx, "ana", "gate") == two
        assert (users.is_attribute_used(tx, "Area"), [app.grants for app in apps.search(tx, AppFilter())]) == (
            True,
            [3, 3],
        )
        users.delete(tx, "ana")
        assert [key.id for key in keys.search(tx, KeyFilter())] == ["K3333333"]
        apps.delete(tx, "portal")
        assert list(keys.search(tx, KeyFilter())) == []
    assert ask(path, "SELECT * FROM token_floor") == []
    assert ask(path, "PRAGMA foreign_key_check") == []


def test_passwords_of_earlier_versions_are_known_to_be_set(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    filled_as_step_1(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE user SET password_hash = 'scrypt$2$8$1$AAAA$AAAA' WHERE guid = 'ana'")
    connection.close()
    with Store.open(path) as store, store.reading() as tx:
        ana, zoe = users.get(tx, "ana"), users.get(tx, "zoe")
    assert (ana.password_set_at, ana.password_must_change, ana.password_expires_at) == (ana.updated_at, False, None)
    assert zoe.password_set_at is None


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        (KeyFilter(), "key_by_creation"),
        (
            KeyFilter(not_ended=True, expires_before=datetime(2026, 1, 1, tzinfo=UTC), sort="expires_at"),
            "key_by_expiry",
        ),
    ],
)
def test_long_lists_of_keys_come_in_the_order_of_an_index(store: Store, filters: KeyFilter, index: str) -> None:
    asked: list[str] = []
    store._connection.set_trace_callback(asked.append)  # type: ignore[attr-defined]  # noqa: SLF001 - the statement as it is asked
    with store.reading() as tx:
        assert list(keys.search(tx, filters)) == []
        plan = [str(row[3]) for row in tx.each(f"EXPLAIN QUERY PLAN {asked[1]}")]
    assert f"USING INDEX {index}" in plan[0]
    assert not any("TEMP B-TREE" in step for step in plan), plan
