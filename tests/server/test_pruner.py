"""Old tokens are deleted while a server runs."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from time import sleep

import pytest

from gamcli.actions import Gam, users
from gamcli.server import pruner
from gamcli.server.pruner import Pruner
from gamcli.store import audit
from gamcli.store.timestamps import to_micros

OFTEN = timedelta(seconds=0.01)


def put_tokens(gam: Gam, count: int, days: int) -> None:
    at = to_micros(gam.now() - timedelta(days=days))
    user = users.show(gam, "sam").guid
    with gam.store.writing() as tx:
        tx.run_many(
            """INSERT INTO token (id, digest, user_guid, client_id, scopes, issued_at, expires_at)
            VALUES (?, ?, ?, '', '', ?, ?)""",
            [(at + number, bytes(32), user, at, at) for number in range(count)],
        )


def left(gam: Gam) -> int:
    with gam.store.reading() as tx:
        return len(list(tx.each("SELECT id FROM token")))


def prune_entries(gam: Gam) -> list[str]:
    with gam.store.reading() as tx:
        return [entry.details for entry in audit.search(tx) if entry.action == "token.prune"]


def wait_until(done: Callable[[], bool]) -> None:
    for _ in range(2000):
        if done():
            return
        sleep(0.01)
    pytest.fail("it never was")


@pytest.fixture
def peopled(gam: Gam) -> Gam:
    users.create(gam, "sam", {})
    put_tokens(gam, 2500, 40)
    put_tokens(gam, 1, 0)
    return gam


def test_what_is_expired_goes_while_the_server_runs(peopled: Gam) -> None:
    with closing(Pruner(peopled, OFTEN)):
        wait_until(lambda: prune_entries(peopled) == ['{"tokens":2500,"sessions":0}'])
        put_tokens(peopled, 5, 35)
        wait_until(lambda: len(prune_entries(peopled)) == 2)
    assert prune_entries(peopled)[1] == '{"tokens":5,"sessions":0}'
    assert left(peopled) == 1


@pytest.mark.needs_file
def test_another_who_writes_is_waited_for(peopled: Gam, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruner, "BUSY_SECONDS", 0.0)
    with closing(sqlite3.connect(peopled.store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with closing(Pruner(peopled, OFTEN)):
            sleep(0.1)
            assert left(peopled) == 2501
            other.execute("ROLLBACK")
            wait_until(lambda: left(peopled) == 1)


@pytest.mark.needs_file
def test_a_store_that_is_gone_ends_nothing(peopled: Gam) -> None:
    away = peopled.store.path.with_name("away.db")
    peopled.store.path.rename(away)
    with closing(Pruner(peopled, OFTEN)):
        sleep(0.05)
        away.rename(peopled.store.path)
        wait_until(lambda: left(peopled) == 1)


def test_it_ends_in_the_middle_of_its_work(peopled: Gam, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gamcli.store.pruning.CHUNK_ROWS", 1)
    working = Pruner(peopled, OFTEN)
    wait_until(lambda: left(peopled) < 2501)
    working.close()
    assert left(peopled) > 1
