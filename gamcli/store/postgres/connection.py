"""Connections to PostgreSQL: opened with our settings, and opened again when they are lost."""

from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from threading import Thread
from time import monotonic, sleep
from typing import Any, NamedTuple

import psycopg
from psycopg import RawCursor
from psycopg.abc import RV, PQGen

from gamcli.errors import StoreBusyError, StoreUnusableError, StoreVersionError
from gamcli.store.engine import BUSY_TIMEOUT
from gamcli.store.postgres.errors import unreachable_error
from gamcli.store.postgres.statements import NoAnswerError, Statement, StatementResult, Statements
from gamcli.store.postgres.url import PostgresUrl, invalid_url_error

OLDEST_SERVER = 130000
"""`pg_current_xact_id` came with PostgreSQL 13 (2020)."""

RESOLVE_SECONDS = 10.0
"""How long it asks whether a transaction was committed when the connection was lost during its commit."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between attempts to connect; the pause doubles."""

STATEMENT_SECONDS = 60.0
"""How long a command waits for the answer to a statement; see `Store.limit_statements` and LONG_STATEMENT_SECONDS."""

CONNECT_SECONDS, SHORTEST_CONNECT_SECONDS = 5, 2
"""Limits for one attempt to connect; libpq's minimum is two seconds."""

DEFAULTS = {
    "application_name": "gamcli",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "8000",
}
"""Parameters of libpq unless the URL has them: a network that drops packets is noticed after about 10 seconds."""

_SERVER = """SELECT pg_is_in_recovery(), clock_timestamp(),
    (pg_postmaster_start_time(), pg_stat_get_bgwriter_stat_reset_time())::text"""


class Silence:
    """Shared by the connections of a process: since when (monotonic) the database has not answered one of them."""

    since = 0.0


class DatabaseConnection(psycopg.Connection[Any]):
    """
    A connection that is closed when a statement has had no answer for `patience` seconds.

    TCP notices a silent network, but not a database that was stopped: its kernel still acknowledges what is sent.
    """

    patience = STATEMENT_SECONDS
    silence: Silence

    @cached_property
    def _statements(self) -> Statements:
        return Statements(self)

    def run(self, statements: Iterable[Statement]) -> list[StatementResult]:
        """Run statements in one round trip, which is quicker than `execute`; none is run after one that fails."""
        try:
            return self._statements.run(statements, self.patience)
        except NoAnswerError:
            self.silence.since = monotonic() - self.patience
            raise

    def wait(self, gen: PQGen[RV], *args: Any, **options: Any) -> RV:  # noqa: ANN401 - they differ between versions
        return super().wait(self._bound(gen), *args, **options)

    def _bound(self, gen: PQGen[RV]) -> Generator[Any, Any, RV]:
        """Run a generator of psycopg, which resumes it at least every 0.1 seconds."""
        end = monotonic() + self.patience
        try:
            state = next(gen)
            while True:
                ready = yield state
                if not ready and monotonic() > end:
                    self.pgconn.finish()
                    self.silence.since = end - self.patience
                    raise NoAnswerError(self.patience)
                state = gen.send(ready)
        except StopIteration as result:
            value: RV = result.value
            return value


class SessionSettings(NamedTuple):
    """Whether commits wait for the disk, and how long a statement waits for a lock, in seconds."""

    durable: bool = True
    lock_timeout: float = BUSY_TIMEOUT


def connect(
    url: PostgresUrl, settings: SessionSettings, silence: Silence, timeout: float = CONNECT_SECONDS
) -> DatabaseConnection:
    """
    Connect once; raises psycopg.Error, or UsageError for an invalid URL.

    What the role or the database may have set otherwise, and what the text of values depends on, is set here.
    """
    given = _parse_parameters(url.conninfo)
    defaults = {**DEFAULTS, "connect_timeout": str(min(CONNECT_SECONDS, max(SHORTEST_CONNECT_SECONDS, int(timeout))))}
    parameters: dict[str, Any] = {name: value for name, value in defaults.items() if name not in given}
    connection = DatabaseConnection.connect(url.conninfo, autocommit=True, cursor_factory=RawCursor, **parameters)
    connection.patience, connection.silence = CONNECT_SECONDS, silence
    try:
        if connection.info.server_version < OLDEST_SERVER:
            message = f"PostgreSQL {connection.info.server_version // 10000} is too old"
            raise StoreVersionError(message, "use PostgreSQL 13 or later")  # noqa: TRY301 - closed below
        connection.execute(
            f"SET search_path = {url.schema}; SET client_encoding = 'UTF8'; SET standard_conforming_strings = on;"
            f" SET synchronous_commit = {'on' if settings.durable else 'off'}; SET client_min_messages = warning;"
            f" SET default_transaction_isolation = 'read committed'; SET DateStyle = 'ISO'; SET array_nulls = on;"
            f" SET lock_timeout = {int(settings.lock_timeout * 1000)}"
        )
    except BaseException:
        connection.close()
        raise
    return connection


def _parse_parameters(conninfo: str) -> dict[str, Any]:
    try:
        return psycopg.conninfo.conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError as error:  # the message repeats a password, unless it is about a parameter's name
        message = str(error).strip()
        raise invalid_url_error(f": {message}" if "query parameter" in message else "") from None


class Reconnecting:
    """
    A connection that is opened again when it was lost.

    With a timeout, `get` waits for a database that cannot be reached. Without one, it never blocks: another thread
    connects, and `get` raises StoreBusyError meanwhile, as it does when less than no time is left. `on_connect` is
    called with the time of the database. A connection that is older than a `silence` of the database counts as lost:
    not each of them waits for an answer.
    """

    def __init__(
        self, url: PostgresUrl, settings: SessionSettings, silence: Silence, on_connect: Callable[[datetime], None]
    ) -> None:
        self.patience = STATEMENT_SECONDS
        self.server = ""
        """A text that differs after the database has crashed and for another database."""
        self._url = url
        self._settings = settings
        self._on_connect = on_connect
        self.silence = silence
        self._connection: DatabaseConnection | None = None
        self._connected_at = 0.0
        self._is_closed = False
        self._thread: Thread | None = None

    @property
    def is_lost(self) -> bool:
        return self._connection is None or self._connection.closed

    def get(self, timeout: float) -> DatabaseConnection:
        if self._is_closed:
            raise StoreUnusableError(f"the store {self._url} was closed", "open it again")
        connection = self._connection
        if connection is not None and not connection.closed:
            if self._connected_at > self.silence.since:
                return connection
            connection.close()
        if timeout > 0:
            return self._connect_until(monotonic() + timeout)
        if timeout == 0 and (self._thread is None or not self._thread.is_alive()):
            self._thread = Thread(target=self._keep_connecting, name="reconnect", daemon=True)
            self._thread.start()
        raise StoreBusyError(f"the store {self._url} cannot be reached at the moment", "try again", str(self._url))

    def limit_statements(self, seconds: float) -> None:
        self.patience = seconds
        if self._connection is not None:
            self._connection.patience = seconds

    def connect_once(self) -> None:
        """Connect; raises StoreUnusableError."""
        try:
            self._connect()
        except psycopg.Error as error:
            raise unreachable_error(error, str(self._url)) from error

    def find_outcome(self, transaction_id: str, server: str, proof: Statement | None) -> bool | None:
        """
        Return whether a transaction that began on `server` was committed, None if that cannot be known.

        A database that has crashed gives the IDs of transactions that it lost to others, so only a failure is sure.
        Otherwise `proof`, if there is one, finds a row that only this transaction has written.
        """
        end = monotonic() + RESOLVE_SECONDS
        status = ""
        while status in ("", "in progress") and monotonic() < end:
            with suppress(psycopg.Error, StoreUnusableError):
                connection = self.get(end - monotonic())
                status = _read_status(connection, transaction_id)
                if status == "committed" and proof is not None:
                    return bool(connection.run([proof])[0].rows)
            sleep(0.05 if status in ("", "in progress") else 0)
        if status == "committed" and self.server == server:
            return True
        return False if status == "aborted" else None

    def close(self) -> None:
        self._is_closed = True
        if self._connection is not None:
            self._connection.close()

    def _connect(self, timeout: float = CONNECT_SECONDS) -> DatabaseConnection:
        connected_at = monotonic()
        connection = connect(self._url, self._settings, self.silence, timeout)
        row: Any = connection.execute(_SERVER).fetchone()
        is_standby, now, self.server = row
        if is_standby:  # it may lack a revocation
            connection.close()
            raise psycopg.OperationalError("the database is a standby")
        self._on_connect(now)
        connection.patience = self.patience
        self._connected_at, self._connection = connected_at, connection
        if self._is_closed:
            connection.close()
        return connection

    def _connect_until(self, end: float) -> DatabaseConnection:
        pause = FIRST_PAUSE
        while True:
            try:
                return self._connect(end - monotonic())
            except psycopg.Error as error:
                if monotonic() + pause >= end or not isinstance(error, psycopg.OperationalError):
                    raise unreachable_error(error, str(self._url)) from error
            sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _keep_connecting(self) -> None:
        pause = FIRST_PAUSE
        while not self._is_closed:
            with suppress(psycopg.Error):
                self._connect()
                return
            sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


def _read_status(connection: DatabaseConnection, transaction_id: str) -> str:
    try:
        row: Any = connection.execute("SELECT pg_xact_status($1::xid8)", [transaction_id]).fetchone()
    except psycopg.errors.InvalidParameterValue:  # it is in the future: the database has crashed and never kept it
        return "aborted"
    return str(row[0])
