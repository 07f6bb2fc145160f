"""A transaction on PostgreSQL: runs queries until its `with` block ends."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count, islice
from typing import Any

import psycopg
from psycopg import Cursor, RawServerCursor
from psycopg.pq import PipelineStatus

from gamcli.store.engine import Query, Result, Row, Transaction
from gamcli.store.postgres.connection import Connection
from gamcli.store.postgres.dialect import translate
from gamcli.store.postgres.slots import IdSlot

ROWS_PER_FETCH = 2000
ROWS_PER_STATEMENT = 5000

_CURSOR_NUMBERS = count(1)

_INSERT = re.compile(
    r"INSERT INTO (?P<table>[\w.]+) \((?P<columns>[\w,\s]+)\)\s+VALUES \([?, ]+\)(?P<rest>.*)", re.DOTALL
)

_COLUMN_TYPES: dict[str, dict[str, str]] = {}
"""The types of the columns by table, which are those of the schema version."""


class PostgresTransaction(Transaction):
    """
    Runs queries; valid until the end of the `with` block that created it.

    `find_slot` takes a number for this connection when the first token is issued. `is_open` is false where each
    statement is a transaction. `answered` are the rows of queries that were sent when the transaction began.
    """

    __slots__ = ("_cache", "_connection", "_find_slot", "_is_open", "_is_writing", "_saved", "answered")

    def __init__(
        self,
        connection: Connection,
        find_slot: Callable[[Connection], IdSlot],
        cache: dict[object, Any],
        *,
        is_open: bool = True,
        is_writing: bool = False,
    ) -> None:
        self._connection = connection
        self._find_slot = find_slot
        self._cache = cache
        self._is_open = is_open
        self._is_writing = is_writing
        self.answered: Mapping[str, Row] = {}
        self._saved: list[tuple[str, Sequence[Sequence[object]]]] = []

    @property
    def node(self) -> int:  # type: ignore[override] # it is known when it is needed
        return self._find_slot(self._connection).number

    def cached(self, query: Callable[[Transaction], Result]) -> Result:
        if query not in self._cache:
            self._cache[query] = query(self)
        answered: Result = self._cache[query]
        return answered

    def data_version(self) -> None:
        """Return None: PostgreSQL has no number that changes with every commit."""

    def one(self, sql: str, *values: object) -> Row | None:
        if sql in self.answered:
            return self.answered[sql]
        self.send_saved()
        row: Row | None = self._connection.execute(translate(sql), _clean(values)).fetchone()
        return row

    def each(self, sql: str, values: Sequence[object] = ()) -> Iterator[Row]:
        self.send_saved()
        return iter(self._connection.execute(translate(sql), _clean(values)).fetchall())

    def stream(self, sql: str, values: Sequence[object] = ()) -> Iterator[Row]:
        if not self._is_open:  # a cursor lasts until its transaction ends
            yield from self.each(sql, values)
            return
        self.send_saved()
        with RawServerCursor(self._connection, f"rows_{next(_CURSOR_NUMBERS)}") as cursor:
            cursor.itersize = ROWS_PER_FETCH
            yield from cursor.execute(translate(sql), _clean(values))

    def run(self, sql: str, *values: object) -> int:
        self.send_saved()
        return self._connection.execute(translate(sql), values or None).rowcount

    def run_many(self, sql: str, rows: Iterable[Sequence[object]]) -> int:
        self.send_saved()
        count, remaining = 0, iter(rows)
        while chunk := [*islice(remaining, ROWS_PER_STATEMENT)]:
            with self._connection.cursor() as cursor:
                _execute(cursor, *self._combine(sql, chunk))
                count += max(cursor.rowcount, 0)
        return count

    def save(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement for each of `rows` before the next query, or in the round trip of the commit."""
        combined = self._combine(sql, rows)  # first: it may send what was saved before
        self._saved.append(combined)

    def _combine(self, sql: str, rows: Sequence[Sequence[object]]) -> tuple[str, Sequence[Sequence[object]]]:
        """Return one INSERT for all rows, which needs a third of the processor time; other statements as they are."""
        insert = _INSERT.fullmatch(sql)
        if insert is None:
            return sql, rows
        table, columns, rest = insert["table"], insert["columns"], insert["rest"]
        types = self._column_types(table)
        arrays = ", ".join(f"?::{types[name]}[]" for name in re.split(r",\s+", columns))
        one_insert = f"INSERT INTO {table} ({columns}) SELECT * FROM unnest({arrays}) {rest}"
        return one_insert, [[_format_array(column) for column in zip(*rows, strict=True)]]

    def send_saved(self) -> None:
        """Send what was saved; in a pipeline, this does not wait for the results."""
        saved, self._saved = self._saved, []
        for sql, rows in saved:
            with self._connection.cursor() as cursor:
                _execute(cursor, sql, rows)

    def _column_types(self, table: str) -> dict[str, str]:
        if table not in _COLUMN_TYPES:
            rows: Any = self.each(
                """SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
                WHERE attrelid = ?::regclass AND attnum > 0 AND NOT attisdropped""",
                [translate(table)],
            )
            _COLUMN_TYPES[table] = dict(rows)
        return _COLUMN_TYPES[table]

    def fetch_together(self, queries: Sequence[Query[Any]]) -> list[Any]:
        if len(queries) < 2:  # noqa: PLR2004 - a pipeline costs more
            return [query.build(self.each(self._lock(query), query.values)) for query in queries]
        self.send_saved()
        with pipelined(self._connection):
            cursors = [
                self._connection.execute(translate(self._lock(query)), _clean(query.values)) for query in queries
            ]
        return [query.build(cursor.fetchall()) for query, cursor in zip(queries, cursors, strict=True)]

    def _lock(self, query: Query[Any]) -> str:
        if not query.keep or not self._is_writing:
            return query.sql
        return f"{query.sql} FOR {'SHARE' if query.is_shared else 'UPDATE'} OF {query.keep}"

    def next_id(self, at_least: int) -> int:
        return self._find_slot(self._connection).next_id(at_least)

    def columns(self, table: str) -> dict[str, bool]:
        sql = """SELECT column_name::text, data_type = 'boolean' FROM information_schema.columns
            WHERE table_schema = current_schema() AND table_name = ? ORDER BY ordinal_position"""
        return {str(name): bool(is_boolean) for name, is_boolean in self.each(sql, [table])}

    def use_more_memory(self) -> None:
        """Do nothing: the memory of the database is configured there."""


@contextmanager
def pipelined(connection: Connection) -> Iterator[None]:
    """Send all statements of the block in one round trip; their results are known after it."""
    try:
        with connection.pipeline():
            yield
    except psycopg.OperationalError:
        if connection.pgconn.pipeline_status != PipelineStatus.OFF:  # the answer was cut off
            connection.close()
        raise


def _execute(cursor: Cursor[Any], sql: str, rows: Sequence[Sequence[object]]) -> None:
    if len(rows) == 1:
        cursor.execute(translate(sql), rows[0])
    else:
        cursor.executemany(translate(sql), rows)


def _format_array(values: Sequence[Any]) -> str:
    """Return an array in PostgreSQL's text format; psycopg needs ten times the processor time."""
    with suppress(TypeError):  # one of them is NULL
        if isinstance(values[0], int):
            return f"{{{','.join(map(int.__repr__, values))}}}"
        if isinstance(values[0], bytes):
            return '{"\\\\x' + '","\\\\x'.join(map(bytes.hex, values)) + '"}'
        if isinstance(values[0], str):
            joined = '","'.join(values)
            if "\\" not in joined and joined.count('"') == 2 * len(values) - 2:
                return f'{{"{joined}"}}'
    return f"{{{','.join(map(_format_element, values))}}}"


def _format_element(value: object) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, bytes):
        return f'"\\\\x{value.hex()}"'
    assert value is None, "no column has values of another type"
    return "NULL"


_NO_TEXT = "\uffff"
"""What NUL, which PostgreSQL cannot store, is replaced by in queries: no stored text contains it."""


def _clean(values: Sequence[object]) -> Sequence[object] | None:
    if any(isinstance(value, str) and "\0" in value for value in values):
        return [value.replace("\0", _NO_TEXT) if isinstance(value, str) else value for value in values]
    return values or None
