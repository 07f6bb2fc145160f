"""
Runs statements straight through libpq: those of a round trip together, each prepared once per connection.

A node runs a few short statements for every few grants, so what the driver does for each of them counts: a cursor of
psycopg needs 110 to 160 us of processor time for a statement, and this needs 30 to 40. So a transaction with one grant
takes 40% less processor time of the node, and one with eight 25% less. psycopg still connects, decodes the rows and
translates the errors.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import count, starmap, zip_longest
from select import POLLIN, POLLOUT, poll
from time import monotonic
from typing import Any, NamedTuple

import psycopg
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGresult

from gamcli.store.engine import Row

MAX_PREPARED = 200
"""At most this many statements of a connection are prepared: each takes memory of the database."""

Statement = tuple[str, Sequence[object]]
"""A statement of PostgreSQL, and the values of `$1`, `$2` and so on."""


_Key = tuple[str, tuple[int, ...]]
"""A statement and the types of its values: what is prepared."""

_Encoded = tuple[_Key, list[bytes | None]]

_Prepared = tuple[_Key, bytes | None]
"""What a result prepares, with its name, or deallocates (None)."""


class NoAnswerError(psycopg.OperationalError):
    """The database did not answer in time, and the connection was closed."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the database did not answer within {seconds:g} seconds")


class StatementResult(NamedTuple):
    """The rows of a statement, how many rows it changed, and its name, such as COMMIT."""

    rows: list[Row]
    row_count: int
    command: str


class Statements:
    """Runs the statements of one connection; closes it when the database's state is unknown."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._transformer = Transformer(connection)
        self._prepared: dict[_Key, bytes] = {}  # names; the oldest first
        self._numbers = count(1)

    def run(self, statements: Iterable[Statement], patience: float) -> list[StatementResult]:
        """
        Run statements in one round trip, and wait at most `patience` seconds for the database.

        Each one of an iterator is sent before the next is asked for, so that the database runs it meanwhile. The
        iterator must not use the connection; if it raises an error, the connection is closed.
        """
        encoded: Iterable[_Encoded] = starmap(_encode, statements)
        is_list = isinstance(statements, Sequence)
        if is_list:  # an invalid value leaves the connection as it is
            encoded = [*encoded]
        try:
            self._pgconn.enter_pipeline_mode()
            sent = self._send(encoded, None if is_list else patience)
            received = self._receive(patience)
            self._pgconn.exit_pipeline_mode()
        except BaseException:
            self._connection.close()
            raise
        results = []
        for result, prepared in zip_longest(received, sent):  # after the last one, the commit may fail
            if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
                raise error_from_result(result)
            if prepared is None:
                results.append(self._decode(result))
                continue
            key, name = prepared
            if name is None:
                del self._prepared[key]
            else:
                self._prepared[key] = name
        return results

    def _send(self, statements: Iterable[_Encoded], patience: float | None) -> list[_Prepared | None]:
        """
        Send statements; with `patience`, each one before the next is asked for.

        Returns, for each expected result, what it prepares, or None for a statement's own result.
        """
        pgconn, sent, names = self._pgconn, list[_Prepared | None](), self._prepared.copy()
        for key, values in statements:
            name = names.get(key)
            if name is None:
                if len(names) >= MAX_PREPARED:
                    oldest = next(iter(names))
                    pgconn.send_query_params(b"DEALLOCATE " + names.pop(oldest), None)
                    sent.append((oldest, None))
                name = names[key] = b"gamcli_%d" % next(self._numbers)
                pgconn.send_prepare(name, key[0].encode(), key[1])
                sent.append((key, name))
            pgconn.send_query_prepared(name, values)
            sent.append(None)
            if patience is not None:
                self._flush(self._limit_waiting(patience))
        pgconn.pipeline_sync()
        return sent

    def _receive(self, patience: float) -> list[PGresult]:
        """Wait until all statements have run, while other threads run."""
        pgconn, results, wait = self._pgconn, list[PGresult](), self._limit_waiting(patience)
        self._flush(wait)
        while True:
            while pgconn.is_busy():
                wait(POLLIN)
            result = pgconn.get_result()
            if result is None:  # the end of the results of one statement
                if pgconn.status == ConnStatus.BAD:
                    raise psycopg.OperationalError("the connection was lost")
            elif result.status == ExecStatus.PIPELINE_SYNC:
                return results
            else:
                results.append(result)

    def _flush(self, wait: Callable[[int], None]) -> None:
        while self._pgconn.flush():
            wait(POLLIN | POLLOUT)

    def _limit_waiting(self, patience: float) -> Callable[[int], None]:
        """Return a function that waits for events of the connection, altogether at most `patience` seconds."""
        waiting, end = poll(), monotonic() + patience

        def wait(events: int) -> None:
            waiting.register(self._pgconn.socket, events)
            if not waiting.poll(max(0.0, end - monotonic()) * 1000):
                raise NoAnswerError(patience)
            self._pgconn.consume_input()

        return wait

    def _decode(self, result: PGresult) -> StatementResult:
        rows: list[Row] = []
        if result.ntuples:
            self._transformer.set_pgresult(result)
            rows = self._transformer.load_rows(0, result.ntuples, tuple)
        return StatementResult(rows, result.command_tuples or 0, (result.command_status or b"").decode())


def _encode(sql: str, values: Sequence[object]) -> _Encoded:
    pairs = [_ENCODERS[type(value)](value) for value in values]
    return (sql, tuple(oid for oid, _ in pairs)), [text for _, text in pairs]


def _encode_text(value: str) -> tuple[int, bytes]:
    if "\0" in value:
        raise psycopg.DataError("PostgreSQL text cannot contain NUL")
    return _UNKNOWN, value.encode()


def _encode_int(value: int) -> tuple[int, bytes]:
    return _BIGINT if -_MAX_BIGINT <= value < _MAX_BIGINT else _NUMERIC, b"%d" % value


_UNKNOWN, _BOOL, _BYTEA, _BIGINT, _NUMERIC = 0, 16, 17, 20, 1700
"""The OIDs of types; PostgreSQL derives an unknown one from the statement."""

_MAX_BIGINT = 2**63

_ENCODERS: dict[type, Callable[[Any], tuple[int, bytes | None]]] = {
    str: _encode_text,
    int: _encode_int,
    bool: lambda value: (_BOOL, b"t" if value else b"f"),
    bytes: lambda value: (_BYTEA, b"\\x" + value.hex().encode()),
    type(None): lambda _: (_UNKNOWN, None),
}
