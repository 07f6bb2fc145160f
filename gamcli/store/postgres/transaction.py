"""A transaction on PostgreSQL: runs queries until its `with` block ends."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, count, islice
from typing import Any

import psycopg

from gamcli.store.engine import Query, Row, Transaction
from gamcli.store.postgres.clock import TOLERANCE
from gamcli.store.postgres.connection import DatabaseConnection
from gamcli.store.postgres.dialect import translate
from gamcli.store.postgres.slots import IdSlot
from gamcli.store.postgres.statements import Statement, StatementResult

ROWS_PER_FETCH = 2000
ROWS_PER_STATEMENT = 1000

MAX_SAVED = 1000
"""At most this many statements wait for the next query."""

FIRST_REPLAN = 64
"""
Plan statements again after this many changes in a transaction, then each time the number doubles.

An index that suits a table of ten rows may be slow for ten thousand.
"""

WRITE: Statement = "BEGIN ISOLATION LEVEL READ COMMITTED", ()
CHECK_HEAD = f"""SELECT set_config('lock_timeout', $1, TRUE), 1 / count(*)
    FROM (SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1) AS head WHERE seq = $2 AND coalesce(hash, '') = $3
    AND abs(extract(epoch FROM clock_timestamp() - $4::timestamptz)) < {TOLERANCE.total_seconds()}"""
"""Divides by zero unless the last audit entry and the difference of the clocks are those that are expected."""

_INSERT = re.compile(
    r"INSERT INTO (?P<table>[\w.]+) \((?P<columns>[\w,\s]+)\)\s+VALUES \([?, ]+\)(?P<rest>.*)", re.DOTALL
)

_COMBINED: dict[str, str | None] = {}
"""The INSERT of many rows for that of one, None for other statements; the types are those of the schema version."""


class PostgresTransaction(Transaction):
    """
    Runs queries; valid until the end of the `with` block that created it.

    `find_slot` takes a number for this connection when the first token is issued. `is_open` is false where each
    statement is a transaction. With a `first` statement nothing was sent yet: the transaction `is_begun` by a query, or
    it is what is sent in one round trip. `proof` is the last query of `prove_by`.
    """

    __slots__ = (
        "_answered", "_connection", "_cursors", "_find_slot", "_is_open", "_is_writing", "_runs", "_saved", "is_begun",
        "is_optimistic", "proof", "written_head",
    )  # fmt: skip

    def __init__(
        self,
        connection: DatabaseConnection,
        find_slot: Callable[[DatabaseConnection], IdSlot],
        *,
        is_open: bool = True,
        is_writing: bool = False,
        first: Statement | None = None,
    ) -> None:
        self._connection = connection
        self._find_slot = find_slot
        self._is_open = is_open
        self._is_writing = is_writing
        self._answered: tuple[Sequence[Query[Any]], list[StatementResult] | psycopg.Error] = (), []
        self._saved = [] if first is None else [first]
        self.is_optimistic = first is not None
        self.is_begun = first is None
        self._cursors: set[int] = set()
        self._runs = 0
        self.proof: Statement | None = None
        self.written_head: tuple[int, str] | None = None

    @property
    def node(self) -> int:  # type: ignore[override] # it is known when it is needed
        return self._find_slot(self._connection).number

    def data_version(self) -> None:
        """Return None: PostgreSQL has no number that changes with every commit."""

    def one(self, sql: str, *values: object) -> Row | None:
        return next(self.each(sql, values), None)

    def each(self, sql: str, values: Sequence[object] = ()) -> Iterator[Row]:
        return iter(self._execute((translate(sql), _clean(values)))[0].rows)

    def stream(self, sql: str, values: Sequence[object] = ()) -> Iterator[Row]:
        if not self._is_open:  # a cursor lasts until its transaction ends
            yield from self.each(sql, values)
            return
        number = next(each for each in count(1) if each not in self._cursors)
        fetch: Statement = f"FETCH {ROWS_PER_FETCH} FROM rows_{number}", ()
        declare = f"DECLARE rows_{number} NO SCROLL CURSOR FOR {translate(sql)}", _clean(values)
        _, result = self._execute(declare, fetch)
        self._cursors.add(number)
        try:
            yield from result.rows
            while len(result.rows) == ROWS_PER_FETCH:
                (result,) = self._execute(fetch)
                yield from result.rows
        finally:
            self._cursors.remove(number)
            self._saved.append((f"CLOSE rows_{number}", ()))

    def run(self, sql: str, *values: object) -> int:
        self._count_change()
        return self._execute((translate(sql), values))[0].row_count

    def _count_change(self) -> None:
        self._runs += 1
        if self._runs >= FIRST_REPLAN and self._runs.bit_count() == 1:
            self._saved.append(("DISCARD PLANS", ()))

    def run_many(self, sql: str, rows: Iterable[Sequence[object]]) -> int:
        self._find_combined(sql)  # it may run a query
        remaining = iter(rows)
        chunks = iter(lambda: [*islice(remaining, ROWS_PER_STATEMENT)], [])
        statements = chain.from_iterable(self._combine(sql, chunk) for chunk in chunks)
        first = next(statements, None)
        if first is None:
            return 0
        saved = self._take_saved()
        results = self._connection.run(chain(saved, [first], statements))
        return sum(each.row_count for each in results[len(saved) :])

    def save(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement for each of `rows` before the next query, or in the round trip of the commit."""
        self._count_change()
        combined = self._combine(sql, rows)  # first: it may send what was saved before
        self._saved += combined
        if len(self._saved) > MAX_SAVED:
            self._execute()

    def keep_head(self, seq: int, digest: str) -> None:
        self.written_head = seq, digest

    def prove_by(self, sql: str, *values: object) -> None:
        self.proof = translate(sql), values

    def _execute(self, *statements: Statement) -> list[StatementResult]:
        """Run statements, after those that were saved, in one round trip."""
        if not self._saved and not statements:
            return []
        saved = self._take_saved()
        return self._connection.run([*saved, *statements])[len(saved) :]

    def _take_saved(self) -> list[Statement]:
        """Return what is sent before a query."""
        begin = [] if self.is_begun else [WRITE]
        self.is_begun = True
        return [*begin, *self.pop_saved()]

    def pop_saved(self) -> list[Statement]:
        saved, self._saved = self._saved, []
        return saved

    def _combine(self, sql: str, rows: Sequence[Sequence[object]]) -> list[Statement]:
        """Return one INSERT for all rows, which needs a third of the processor time; other statements one by one."""
        combined = self._find_combined(sql)
        if combined is None:
            translated = translate(sql)
            return [(translated, row) for row in rows]
        return [(combined, [_format_array(column) for column in zip(*rows, strict=True)])]

    def _find_combined(self, sql: str) -> str | None:
        if sql not in _COMBINED:
            _COMBINED[sql] = self._combine_insert(sql)
        return _COMBINED[sql]

    def _combine_insert(self, sql: str) -> str | None:
        insert = _INSERT.fullmatch(sql)
        if insert is None:
            return None
        table, columns, rest = insert["table"], insert["columns"], insert["rest"]
        types = self._column_types(table)
        arrays = ", ".join(f"?::{types[name]}[]" for name in re.split(r",\s+", columns))
        return translate(f"INSERT INTO {table} ({columns}) SELECT * FROM unnest({arrays}) {rest}")

    def _column_types(self, table: str) -> dict[str, str]:
        rows: Any = self.each(
            """SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute
            WHERE attrelid = ?::regclass AND attnum > 0 AND NOT attisdropped""",
            [translate(table)],
        )
        return dict(rows)

    def fetch_together(self, queries: Sequence[Query[Any]]) -> list[Any]:
        asked, results = self._answered
        if queries is not asked:
            results = self._execute(*self.format_queries(queries)) if queries else []
        if isinstance(results, psycopg.Error):
            raise results
        return [query.build(result.rows) for query, result in zip(queries, results, strict=True)]

    def format_queries(self, queries: Sequence[Query[Any]]) -> list[Statement]:
        return [(translate(self._lock(query)), _clean(query.values)) for query in queries]

    def set_answers(self, queries: Sequence[Query[Any]], results: list[StatementResult] | psycopg.Error) -> None:
        """Keep for `fetch_together` what the database answered to `queries` when the transaction began."""
        self._answered = queries, results

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


def _clean(values: Sequence[object]) -> Sequence[object]:
    if any(isinstance(value, str) and "\0" in value for value in values):
        return [value.replace("\0", _NO_TEXT) if isinstance(value, str) else value for value in values]
    return values
