"""Statements that are sent straight through libpq."""

from collections.abc import Iterator
from time import monotonic

import psycopg
import pytest

from gamcli.errors import StoreUnusableError
from gamcli.store import Store
from gamcli.store.engine import Query
from gamcli.store.postgres import statements, transaction
from gamcli.store.postgres.connection import DatabaseConnection, SessionSettings, Silence, connect
from gamcli.store.postgres.statements import Statement
from gamcli.store.postgres.url import parse_url


@pytest.fixture
def connection(postgres_url: str) -> Iterator[DatabaseConnection]:
    with connect(parse_url(postgres_url), SessionSettings(), Silence()) as opened:
        yield opened


def test_values_and_rows_of_all_types_come_back_as_they_were(connection: DatabaseConnection) -> None:
    values = ("é'\\\"{}", 2**40, -(2**70), b"\0\\x'\xff", True, None)
    sql = "SELECT $1, $2, $3, $4, $5, $6::text"
    (result,) = connection.run([(sql, values)])
    assert result.rows == [values]
    with pytest.raises(psycopg.DataError, match="NUL"):
        connection.run([(sql, ("a\0b", *values[1:]))])
    assert not connection.closed


def test_a_statement_that_fails_ends_those_after_it_and_the_connection_goes_on(connection: DatabaseConnection) -> None:
    connection.run([("CREATE TEMP TABLE saved (id bigint)", ())])
    insert = "INSERT INTO saved VALUES ($1)"
    for _ in range(2):
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.run([("BEGIN", ()), (insert, [1]), ("SELECT 1 / $1", [0]), (insert, [2]), ("COMMIT", ())])
        connection.run([("ROLLBACK", ())])
    counted, inserted = connection.run([("SELECT count(*) FROM saved", ()), (insert, [3])])
    assert (counted.rows, inserted.row_count, inserted.command) == ([(0,)], 1, "INSERT 0 1")


def test_a_statement_of_an_iterator_runs_while_the_next_one_is_prepared(
    connection: DatabaseConnection, postgres_url: str
) -> None:
    sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = $1"
    with connect(parse_url(postgres_url), SessionSettings(), Silence()) as observer:

        def prepare() -> Iterator[Statement]:
            yield "SELECT pg_advisory_lock(1)", ()
            end = monotonic() + 10
            while observer.run([(sql, [connection.info.backend_pid])])[0].rows == [(0,)]:
                assert monotonic() < end
            yield "SELECT 2", ()

        assert [each.row_count for each in connection.run(prepare())] == [1, 1]


def test_an_iterator_that_fails_closes_the_connection(connection: DatabaseConnection) -> None:
    def prepare() -> Iterator[Statement]:
        yield "SELECT 1", ()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        connection.run(prepare())
    assert connection.closed


def test_statements_of_a_round_trip_are_a_transaction_whose_commit_may_fail(connection: DatabaseConnection) -> None:
    connection.run([("CREATE TEMP TABLE unique_later (id bigint UNIQUE DEFERRABLE INITIALLY DEFERRED)", ())])
    insert = "INSERT INTO unique_later VALUES ($1)"
    for rows, error in ([1, 1], psycopg.errors.UniqueViolation), ([2, 0], psycopg.errors.DivisionByZero):
        with pytest.raises(error):
            connection.run([(insert, [rows[0]]), (insert, [rows[1]]), ("SELECT 1 / $1", [rows[1]])])
        assert not connection.closed
    connection.run([(insert, [3]), (insert, [4])])
    assert connection.run([("SELECT count(*) FROM unique_later", ())])[0].rows == [(2,)]


def test_at_most_a_number_of_statements_stay_prepared(
    connection: DatabaseConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "MAX_PREPARED", 3)
    for _ in range(2):
        for number in range(5):
            assert [each.rows for each in connection.run([(f"SELECT {number} + $1", [1])] * 2)] == [[(number + 1,)]] * 2
    prepared = connection.execute("SELECT statement FROM pg_prepared_statements").fetchall()
    assert sorted(prepared) == [(f"SELECT {number} + $1",) for number in (2, 3, 4)]


def test_a_statement_that_was_not_deallocated_still_counts_as_prepared(
    connection: DatabaseConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "MAX_PREPARED", 2)
    connection.run([("SELECT 1 + $1", [1]), ("SELECT 1 / $1", [1])])
    with pytest.raises(psycopg.errors.DivisionByZero):
        connection.run([("SELECT 1 / $1", [0]), ("SELECT 1 - $1", [1])])
    connection.run([("SELECT 1 - $1", [1])])
    prepared = connection.execute("SELECT statement FROM pg_prepared_statements").fetchall()
    assert sorted(prepared) == [("SELECT 1 - $1",), ("SELECT 1 / $1",)]


def test_more_than_the_buffers_of_the_network_hold_is_sent_and_received(connection: DatabaseConnection) -> None:
    texts = [letter * 5_000_000 for letter in "abc"]
    results = connection.run([("SELECT $1::text", [text]) for text in texts])
    assert [each.rows for each in results] == [[(text,)] for text in texts]


def test_a_query_that_fails_when_a_transaction_begins_fails_where_it_is_asked(postgres_url: str) -> None:
    with Store.create(parse_url(postgres_url)) as store:
        queries = [Query("SELECT 1 / ?", [0], list)]
        tx = store.begin(queries)
        with pytest.raises(StoreUnusableError, match="division by zero"):
            store.run(lambda: tx.fetch_together(queries))
        store.rollback()
        assert store.begin().fetch(Query("SELECT 1 / ?", [1], list)) == [(1,)]
        store.commit()


def test_rows_that_were_saved_are_streamed(postgres_url: str) -> None:
    with Store.create(parse_url(postgres_url)) as store, store.writing() as tx:
        tx.save("INSERT INTO adoption (kind, id) VALUES (?, ?)", [("app", "a"), ("app", "b")])
        assert sorted(tx.stream("SELECT id FROM adoption")) == [("a",), ("b",)]


def test_rows_are_streamed_by_several_cursors_at_once(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "ROWS_PER_FETCH", 2)
    sql = "SELECT CAST(? AS INTEGER) + number FROM generate_series(1, 5) AS number"
    with Store.create(parse_url(postgres_url)) as store, store.reading() as tx:
        first, second = tx.stream(sql, [10]), tx.stream(sql, [20])
        assert (next(first), next(second), next(second)) == ((11,), (21,), (22,))
        assert [*first] == [(12,), (13,), (14,), (15,)]
        assert [*tx.stream(sql, [30])] == [(31,), (32,), (33,), (34,), (35,)]  # takes the place of the first
        assert [*second] == [(23,), (24,), (25,)]
        assert tx.one("SELECT count(*) FROM pg_cursors WHERE name <> ''") == (0,)
