"""The steps of the schema and how a store is brought up to date."""

import re
import sqlite3
from pathlib import Path

import pytest

from gamcli.errors import StoreUnusableError, StoreVersionError
from gamcli.store import Store, schema

TABLES = {
    "migration", "auth_type", "repository", "app", "app_use", "user", "user_attribute", "key", "token", "token_floor",
    "audit", "adoption",
}  # fmt: skip

MORE = "ALTER TABLE audit ADD COLUMN note TEXT;\nCREATE TABLE more (x INTEGER) STRICT;\n"
FAILS = "CREATE TABLE more (x INTEGER) STRICT;\nCREATE TABLE more (x INTEGER) STRICT;\n"


def ask(path: Path, sql: str) -> list[tuple[object, ...]]:
    """Return what the file itself answers."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def tables(path: Path) -> set[object]:
    """Return the names of the tables in the file."""
    return {name for (name,) in ask(path, "SELECT name FROM sqlite_schema WHERE type = 'table'")}


def version(path: Path) -> object:
    """Return the version of the file."""
    return ask(path, "PRAGMA user_version")[0][0]


@pytest.fixture
def closed(store: Store, store_path: Path) -> Path:
    """Return where a store of the present version lies."""
    store.close()
    return store_path


def test_a_new_store_has_all_tables_and_the_record_of_each_step(closed: Path) -> None:
    """Every table, strict, and one row of history a version."""
    assert tables(closed) == TABLES
    assert version(closed) == len(schema.STEPS)
    assert [row[0] for row in ask(closed, "SELECT version FROM migration")] == list(range(1, len(schema.STEPS) + 1))
    assert {
        row[0]
        for row in ask(closed, "SELECT strict FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite%'")
    } == {1}


def test_the_history_tells_every_step() -> None:
    """The docstring of the schema has a line for each version."""
    assert re.findall(r"^    (\d+)  ", schema.__doc__ or "", re.MULTILINE) == [
        str(step) for step in range(1, len(schema.STEPS) + 1)
    ]


def test_every_table_says_what_it_keeps() -> None:
    """The file itself carries the comments, for whoever opens it with another program."""
    assert all("--" in step for step in schema.STEPS)


def test_an_older_store_is_brought_up_to_date_when_it_is_opened(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new step is done and recorded once."""
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, MORE))
    for _ in range(2):
        Store.open(closed).close()
    assert tables(closed) == {*TABLES, "more"}
    assert version(closed) == len(schema.STEPS)
    assert len(ask(closed, "SELECT * FROM migration")) == len(schema.STEPS)


def test_a_step_that_fails_changes_nothing(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its tables nor its record nor the version: the store is as it was before."""
    before = version(closed)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", (*schema.STEPS, FAILS))
        with pytest.raises(StoreUnusableError, match="table more already exists"):
            Store.open(closed)
    assert tables(closed) == TABLES
    assert version(closed) == before
    assert len(ask(closed, "SELECT * FROM migration")) == before
    Store.open(closed).close()


def test_the_steps_before_one_that_fails_are_kept(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step is a transaction of its own."""
    known = len(schema.STEPS)
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, MORE, FAILS))
    with pytest.raises(StoreUnusableError):
        Store.open(closed)
    assert version(closed) == known + 1
    assert tables(closed) == {*TABLES, "more"}


def test_a_newer_store_names_both_versions(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this gamcli knows and what the store is."""
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", (*schema.STEPS, MORE))
        Store.open(closed).close()
    known = len(schema.STEPS)
    with pytest.raises(StoreVersionError, match=f"has version {known + 1}; this gamcli knows {known}"):
        Store.open(closed)
