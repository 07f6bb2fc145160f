"""
A store in a PostgreSQL database: transactions that threads can share.

Everything runs under READ COMMITTED, so no transaction fails for having run at the same time as another one. What keeps
changes in order is one row, `change_lock`: `writing` locks it before it reads anything, so changes and their audit
entries are made one after the other. It is unlocked when the change is visible to all, so a transaction that reads the
last audit entry sees all changes up to it.

Transactions of grants (`begin`) do not lock it. They read or compare the last entry first, and count as made before
every change that they do not see. What such a change invalidates, it invalidates in their rows as well, since those
are read with the rows of the key, the user, the application and the session.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime, timedelta
from threading import RLock
from time import monotonic
from typing import Any, Self

import psycopg

from gamcli.errors import DamagedRowError, FailedError, StoreBusyError, StoreUnusableError, UsageError
from gamcli.store.engine import BUSY_TIMEOUT, Query, Result, Store, StoreFacts, Transaction
from gamcli.store.postgres import errors, migration
from gamcli.store.postgres.clock import DatabaseClock
from gamcli.store.postgres.connection import DatabaseConnection, Reconnecting, SessionSettings, Silence
from gamcli.store.postgres.slots import IdSlot
from gamcli.store.postgres.statements import NoAnswerError, Statement
from gamcli.store.postgres.transaction import CHECK_HEAD, WRITE, PostgresTransaction
from gamcli.store.postgres.url import PostgresUrl

ROW_LOCK_SECONDS, FIRST_ROW_LOCK_SECONDS = 0.25, 0.05
"""How long a grant waits for a row that another transaction changes; the second if its first queries lock rows."""

_READ: Statement = "BEGIN ISOLATION LEVEL REPEATABLE READ", ()  # not READ ONLY: bulk issue creates temporary tables
_COMMIT: Statement = "COMMIT", ()
_CHANGE = "SELECT pg_current_xact_id()::text, clock_timestamp() FROM change_lock FOR UPDATE"
_GRANT = "SELECT set_config('lock_timeout', $1, TRUE), pg_current_xact_id()::text, clock_timestamp()"


class PostgresStore(Store):
    """
    A store in a database.

    With `durable`, a commit returns when the change is on the disk of the database (`synchronous_commit=on`).
    `first` is another store of this process on the same database.
    """

    is_read_only = False

    def __init__(
        self, url: PostgresUrl, *, durable: bool = True, timeout: float = BUSY_TIMEOUT, first: Self | None = None
    ) -> None:
        self.url = url
        self.timeout = timeout
        self.clock: DatabaseClock = first.clock if first else DatabaseClock()
        self.silence: Silence = first.silence if first else Silence()
        settings = SessionSettings(durable, max(timeout, FIRST_ROW_LOCK_SECONDS))
        self._connections = Reconnecting(url, settings, self.silence, on_connect=self.clock.update)
        self._lock = RLock()
        self._slot: tuple[DatabaseConnection, IdSlot] | None = None
        self._open: PostgresTransaction | None = None
        self._begun: DatabaseConnection | None = None
        """The connection of the open transaction."""
        self._transaction_id: str | None = None
        """Its ID; None if it only reads, and empty if that is unknown: nothing may have been done."""
        self._server = ""
        """Where that transaction began; see `Reconnecting.server`."""

    @classmethod
    def open_database(
        cls, url: PostgresUrl, *, durable: bool = True, timeout: float = BUSY_TIMEOUT, create: bool = False
    ) -> "PostgresStore":
        """Open the store and migrate it if necessary; `create` its schema and tables if they do not exist."""
        store = cls(url, durable=durable, timeout=timeout)
        try:
            store._connections.connect_once()
            with store._translate_errors():
                store.migrated = migration.migrate(store._connections.get(timeout), url, create=create)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def read_version(cls, url: PostgresUrl) -> int:
        """Return the schema version of a store, without changing anything."""
        with cls(url) as store:
            store._connections.connect_once()
            with store._translate_errors():
                return migration.read_version(store._connections.get(BUSY_TIMEOUT), url)

    @property
    def name(self) -> str:
        return str(self.url)

    @property
    def clock_difference(self) -> timedelta:  # type: ignore[override] # it is measured again
        return self.clock.difference

    def corrected_clock(self, now: Callable[[], datetime]) -> Callable[[], datetime]:
        return lambda: now() + self.clock.correction

    def require_writable(self) -> None:
        sql = (
            "SELECT 1 WHERE current_setting('transaction_read_only') = 'off' AND has_table_privilege('token', 'INSERT')"
        )
        if self.read_without_transaction(lambda tx: tx.one(sql)) is None:
            hint = "connect to the primary, as a user with rights to the schema and its tables"
            raise StoreUnusableError(f"the store {self.name} cannot be written by this user", hint)

    @contextmanager
    def open_again(self, *, durable: bool, timeout: float) -> Iterator["PostgresStore"]:
        with PostgresStore(self.url, durable=durable, timeout=timeout, first=self) as store:
            store._connections.connect_once()
            yield store

    def limit_statements(self, seconds: float) -> None:
        self._connections.limit_statements(seconds)

    def close(self) -> None:
        self._connections.close()

    @contextmanager
    def _lock_for_thread(self) -> Iterator[float]:
        """Let no other thread use the connection meanwhile; yield until when the operation may wait."""
        end = monotonic() + self.timeout
        if not self._lock.acquire(timeout=self.timeout):
            raise StoreBusyError(f"the store {self.name} did not answer in time", "try again", self.name)
        try:
            with self._translate_errors():
                yield end
        finally:
            self._lock.release()

    def read_without_transaction(self, query: Callable[[Transaction], Result]) -> Result:
        with self._lock_for_thread() as end:
            while True:  # until `get` raises, when the database cannot be reached
                connection = self._connections.get(end - monotonic() if self.timeout else 0)
                try:
                    return query(PostgresTransaction(connection, self._find_slot, is_open=False))
                except psycopg.OperationalError:
                    if not connection.closed:
                        raise

    def reading(self) -> AbstractContextManager[Transaction]:
        return self._transact(lambda end: self._begin([_READ], end))

    def writing(self) -> AbstractContextManager[Transaction]:
        return self._transact(self._begin_change)

    def dry_run(self) -> AbstractContextManager[Transaction]:
        return self._transact(self._begin_change, is_kept=False)

    @contextmanager
    def _transact(
        self, begin: Callable[[float], PostgresTransaction], *, is_kept: bool = True
    ) -> Iterator[Transaction]:
        with self._lock_for_thread() as end:
            if self._open is not None:  # nested: this thread holds the lock
                yield self._open
                return
            tx = begin(end)
            try:
                yield tx
                if is_kept:
                    self._commit()
            finally:
                self.rollback()

    def begin(self, queries: Sequence[Query[Any]] = (), head: tuple[int, str] | None = None) -> Transaction:
        with self._translate_errors():
            if head is not None:
                return self._begin_optimistic(head)
            locks = not queries or any(query.keep for query in queries)  # then the event loop waits for them
            seconds = FIRST_ROW_LOCK_SECONDS if locks else ROW_LOCK_SECONDS
            return self._begin([WRITE, (_GRANT, [str(int(seconds * 1000))])], monotonic() + self.timeout, queries)

    def run(self, task: Callable[[], Result]) -> Result:
        with self._translate_errors():
            return task()

    def commit(self) -> None:
        try:
            with self._translate_errors():
                self._commit()
        finally:
            self.rollback()

    def rollback(self) -> None:
        was_open, self._open = self._open, None
        if was_open is not None and was_open.is_begun and self._begun is not None and not self._begun.closed:
            with suppress(psycopg.Error):  # then the database rolls back
                self._begun.execute("ROLLBACK")

    def describe(self, tx: Transaction) -> StoreFacts:
        row: Any = tx.one(
            """SELECT (SELECT max(version) FROM migration), current_setting('server_version'), (SELECT
            sum(pg_total_relation_size(oid)) FROM pg_class WHERE relnamespace = ?::regnamespace AND relkind = 'r')""",
            self.url.schema,
        )
        return StoreFacts(version=row[0], engine=f"PostgreSQL {str(row[1]).split()[0]}", size=int(row[2]))

    def _begin_change(self, end: float) -> PostgresTransaction:
        return self._begin([WRITE, (_CHANGE, ())], end)

    def _begin_optimistic(self, head: tuple[int, str]) -> PostgresTransaction:
        """Send nothing yet. If a commit loses its connection, tokens may be saved and counted that no client gets."""
        connection = self._connections.get(0)
        first = CHECK_HEAD, [str(int(ROW_LOCK_SECONDS * 1000)), *head, self.clock.predict().isoformat()]
        tx = PostgresTransaction(connection, self._find_slot, is_writing=True, first=first)
        self._begun, self._open, self._transaction_id = connection, tx, ""
        return tx

    def _begin(
        self, statements: Sequence[Statement], end: float, queries: Sequence[Query[Any]] = ()
    ) -> PostgresTransaction:
        """
        Begin, on another connection if this one was lost meanwhile; all statements are one round trip.

        The last of several statements returns the ID of the transaction and the time.
        """
        while True:
            connection = self._connections.get(end - monotonic() if self.timeout else 0)
            is_writing = len(statements) > 1
            tx = PostgresTransaction(connection, self._find_slot, is_writing=is_writing)
            self._transaction_id = "" if is_writing else None
            try:
                results = connection.run([*statements, *tx.format_queries(queries)])
            except psycopg.Error as error:
                if connection.closed:
                    continue  # nothing was done yet; `get` raises when the database cannot be reached
                if not queries:
                    connection.execute("ROLLBACK")
                    raise
                tx.set_answers(queries, error)
            else:
                tx.set_answers(queries, results[len(statements) :])
                if is_writing:
                    start: Any = results[len(statements) - 1].rows[0]
                    *_, self._transaction_id, now = start
                    self.clock.update(now)
            self._begun, self._server, self._open = connection, self._connections.server, tx
            return tx

    def _commit(self) -> None:
        connection, tx = self._begun, self._open
        assert connection is not None
        assert tx is not None, "a transaction is open"
        if connection.closed:  # before the commit; a new connection knows nothing of the transaction
            raise psycopg.OperationalError("the connection was lost")
        statements = [*tx.pop_saved(), *[_COMMIT] * tx.is_begun]
        try:
            *_, last = connection.run(statements)
        except psycopg.OperationalError:
            if not connection.closed:
                raise
            self._open = None
            self._resolve_commit(tx.proof)
            return
        self._open = None
        if tx.is_begun and last.command != "COMMIT":  # PostgreSQL rolls back when a statement has failed before
            raise FailedError("the change was not saved, because one of its statements failed", "report this as a bug")

    def _resolve_commit(self, proof: Statement | None) -> None:
        """Find out on a new connection whether the transaction was committed; raises a StoreError unless it was."""
        if self._transaction_id is None:
            return  # it only read
        tid = self._transaction_id
        was_committed = self._connections.find_outcome(tid, self._server, proof) if tid else False
        if was_committed is None:
            raise errors.unknown_outcome_error(self.name)
        if not was_committed:
            raise errors.lost_connection_error(self.name)

    def _find_slot(self, connection: DatabaseConnection) -> IdSlot:
        if self._slot is None or self._slot[0] is not connection:
            self._slot = connection, IdSlot(connection, self.url.schema)
        return self._slot[1]

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except NoAnswerError as error:
            hint = "check that the database is running and not blocked, and try again"
            raise StoreBusyError(f"{error}; nothing was changed", hint, self.name) from error
        except psycopg.OperationalError as error:
            if self._connections.is_lost or (self._begun is not None and self._begun.closed):
                raise errors.lost_connection_error(self.name) from error
            raise errors.translate_error(error, self.name) from error
        except psycopg.Error as error:
            if isinstance(error, psycopg.errors.DivisionByZero) and self._open and self._open.is_optimistic:
                raise errors.changed_error(self.name) from error  # by CHECK_HEAD
            raise errors.translate_error(error, self.name) from error
        except DamagedRowError as error:
            raise error.with_store(self.name) from error
        except UnicodeEncodeError:
            raise UsageError("an argument is not valid UTF-8", "retype it") from None
