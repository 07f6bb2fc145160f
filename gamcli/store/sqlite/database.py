"""A store in a SQLite file: transactions that threads can share."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import RLock
from time import monotonic
from typing import Any
from weakref import WeakSet

from gamcli.errors import StoreMissingError, StoreUnusableError, StoreVersionError, command
from gamcli.store import schema
from gamcli.store.engine import (
    BUSY_TIMEOUT,
    DataVersion,
    Migration,
    Query,
    Result,
    Row,
    Store,
    StoreFacts,
    Transaction,
)
from gamcli.store.sqlite import connection, file_header, file_watch, files, open_lock
from gamcli.store.sqlite.errors import READ_ERRORS, is_busy, translate_error, translate_errors, unwritable_error
from gamcli.store.sqlite.transaction import SqliteTransaction

RETRY_STEP = 0.1
"""Seconds per attempt: Python handles signals only between attempts."""

IN_MEMORY = Path(":memory:")
"""The path of a store in memory; the paths of files are absolute."""

__all__ = ["BUSY_TIMEOUT", "IN_MEMORY", "DataVersion", "Row", "SqliteStore", "Transaction"]


class SqliteStore(Store):
    """
    A store in a file.

    With `durable`, a commit returns when the change is on disk (`synchronous=FULL`); without, a committed change
    survives a killed process but possibly not a power failure.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, timeout: float = 0.0, *, is_read_only: bool = False
    ) -> None:
        self._path = path
        self._connection = connection
        self.timeout = timeout
        self.is_read_only = is_read_only
        self.is_in_memory = path is IN_MEMORY
        self.has_file = not self.is_in_memory
        self._lock = RLock()
        self._open_cursors: WeakSet[sqlite3.Cursor] = WeakSet()
        self._watch: file_watch.FileWatch | None = None

    @classmethod
    def open_file(cls, path: Path, *, durable: bool = True, timeout: float = BUSY_TIMEOUT) -> "SqliteStore":
        """Open the store and migrate it if necessary; raises a StoreError."""
        files.require_exists(path)
        with open_lock.lock_for_opening(path, timeout) as is_used:
            return cls._open(path, durable=durable, timeout=timeout, is_used=is_used)

    @classmethod
    def create_in_memory(cls) -> "SqliteStore":
        return cls._open(IN_MEMORY, durable=False, create=True)

    @property
    def path(self) -> Path:
        return self._path

    @property
    def name(self) -> str:
        return str(self._path)

    def save_snapshot(self) -> sqlite3.Connection:
        with self._lock, translate_errors(self.path):
            snapshot = sqlite3.connect(":memory:", check_same_thread=False)
            self._connection.backup(snapshot)
            return snapshot

    def restore_snapshot(self, snapshot: sqlite3.Connection) -> None:
        with self._lock, translate_errors(self.path):
            self.rollback()
            snapshot.backup(self._connection)
            self._connection.execute("UPDATE repository SET guid = guid")  # so that `data_version` changes

    def require_writable(self) -> None:
        if self.is_read_only:
            raise unwritable_error(self.path)

    @contextmanager
    def open_again(self, *, durable: bool, timeout: float) -> Iterator["SqliteStore"]:
        if self.path is IN_MEMORY:
            yield self
            return
        if files.store_exists(self.path):
            self._require_same_file()  # before opening: the WAL of this file would corrupt another one
        with SqliteStore.open_file(self.path, durable=durable, timeout=timeout) as store:
            yield store

    @classmethod
    def _open(
        cls,
        path: Path,
        *,
        durable: bool,
        timeout: float = BUSY_TIMEOUT,
        create: bool = False,
        is_used: bool = False,
    ) -> "SqliteStore":
        is_read_only = path is not IN_MEMORY and not connection.is_writable(path.resolve())
        connect = connection.connect_readonly if is_read_only else connection.connect
        store = cls(path, connect(path, timeout), timeout, is_read_only=is_read_only)
        try:
            with translate_errors(path):
                store._connection.execute("PRAGMA foreign_keys = ON")
                store._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                store.migrated = store._migrate(create=create)
                store._connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()  # opens a WAL made just now
                step = int(min(timeout, RETRY_STEP) * 1000)
                store._connection.execute(f"PRAGMA busy_timeout = {step}").fetchone()
            if path is not IN_MEMORY:
                store._watch = file_watch.FileWatch(path, is_used=is_used)
                store._require_same_file()
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def create_file(cls, path: Path) -> "SqliteStore":
        """Open the store, creating it with mode 0600 in a folder of mode 0700 if it does not exist."""
        files.require_trusted_path(path)
        files.require_not_directory(path)
        try:
            files.make_directory(path.parent)
            files.make_empty_file(path)
        except OSError as error:
            raise StoreUnusableError(f"cannot create the store {path}: {error.strerror}", "--store PATH") from error
        with open_lock.lock_for_opening(path, BUSY_TIMEOUT) as is_used:
            return cls._open(path, durable=True, create=True, is_used=is_used)

    def close(self) -> None:
        self._connection.close()
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def read_without_transaction(self, query: Callable[[Transaction], Result]) -> Result:
        with self._lock:
            try:  # as `translate_errors` does, for every request
                self._require_same_file()
                last_commit = self._watch.last_commit() if self._watch is not None else b""
                return query(SqliteTransaction(self._connection, last_commit=last_commit))
            except READ_ERRORS as error:
                raise translate_error(error, self.path) from error

    def reading(self) -> AbstractContextManager[Transaction]:
        return self._transact("BEGIN")

    def writing(self) -> AbstractContextManager[Transaction]:
        return self._transact("BEGIN IMMEDIATE")

    def dry_run(self) -> AbstractContextManager[Transaction]:
        return self._transact("BEGIN IMMEDIATE", "ROLLBACK")

    @contextmanager
    def _transact(self, begin: str, end: str = "COMMIT") -> Iterator[Transaction]:
        with self._lock, translate_errors(self.path):
            tx = SqliteTransaction(self._connection, self._open_cursors)
            if self._connection.in_transaction:  # nested: this thread holds the lock
                yield tx
                return
            self._begin(begin)
            try:
                self._require_same_file()
                yield tx
                self._connection.execute(end)
                if begin != "BEGIN" or self.is_read_only:
                    self._require_same_file()  # as in `commit`; and nothing protects a file that may only be read
            finally:
                self.rollback()

    def begin(
        self,
        queries: Sequence[Query[Any]] = (),  # noqa: ARG002 - a file has no round trips
        head: tuple[int, str] | None = None,  # noqa: ARG002 - as above
    ) -> Transaction:
        with translate_errors(self.path):
            self._begin("BEGIN IMMEDIATE")
            try:
                self._require_same_file()
            except BaseException:
                self.rollback()
                raise
        return SqliteTransaction(self._connection, self._open_cursors)

    def run(self, task: Callable[[], Result]) -> Result:
        with translate_errors(self.path):
            return task()

    def commit(self) -> None:
        try:
            with translate_errors(self.path):
                self._connection.execute("COMMIT")
            self._require_same_file()  # what was committed to a removed WAL must not be acknowledged
        finally:
            self.rollback()

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        while self._open_cursors:  # an open cursor would keep this snapshot for the following transactions
            self._open_cursors.pop().close()

    def _require_same_file(self) -> None:
        """Raise StoreUnusableError when a file was removed, replaced or overwritten: changes would be lost."""
        problem = self._watch.find_problem() if self._watch is not None else None
        if problem is not None:
            raise StoreUnusableError(f"the store {self.path} {problem}", open_lock.RECOVERY_HINT)

    def _begin(self, begin: str) -> None:
        """Begin, retrying while another process writes; in steps, so that Ctrl-C takes effect in between."""
        end = monotonic() + self.timeout
        while True:
            try:
                self._connection.execute(begin)
            except sqlite3.OperationalError as error:
                if not is_busy(error) or monotonic() >= end:
                    raise
            else:
                return

    def describe(self, tx: Transaction) -> StoreFacts:
        return file_header.load_facts(tx, self.path)

    def _migrate(self, *, create: bool) -> Migration | None:
        version = file_header.read_version(SqliteTransaction(self._connection), self.path)
        if version == 0 and not create:
            raise StoreMissingError(f"the store {self.path} is empty", command("--store", str(self.path), "init"))
        if self.is_read_only:
            if version != len(schema.MIGRATIONS):
                raise StoreVersionError(
                    f"the store {self.path} has version {version} and must be upgraded, but cannot be written",
                    "run the command as a user with write access to the file and its folder",
                )
            return None
        # Another program may have turned off the WAL, which `open_lock.is_in_use` needs.
        self._connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if version == len(schema.MIGRATIONS):
            return None
        from gamcli.store.sqlite import migration  # noqa: PLC0415 - start-up: rarely needed

        return migration.migrate(self)
