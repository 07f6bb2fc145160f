"""
The file: opened and created safely, read and written in transactions, its errors told in our words.

`sqlite3` is imported in this folder alone. Queries elsewhere in it stay within SQL that other engines know.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING, Any, Self, TypeVar
from weakref import WeakSet

from gamcli.errors import StoreMissingError, StoreUnusableError, UsageError, command
from gamcli.store import schema
from gamcli.store.sqlite import connection, file_header, files, open_lock
from gamcli.store.sqlite.errors import is_busy, translate_error

if TYPE_CHECKING:
    from gamcli.store.sqlite.migration import Migration

BUSY_TIMEOUT = 5.0
"""How long a write waits for another process before it is told that the store is busy."""

RETRY_STEP = 0.1
"""How long SQLite itself waits before we try again; Python hears no signal meanwhile."""

IN_MEMORY = Path(":memory:")
"""How SQLite calls what is in no file; the paths of files are absolute."""

Row = tuple[object, ...]
DataVersion = tuple[int, int]
Result = TypeVar("Result")


class Transaction:
    """What the functions of this folder read and write through; ends with the `with` that made it."""

    __slots__ = ("_cache", "_connection", "_open_cursors")

    def __init__(
        self,
        connection: sqlite3.Connection,
        open_cursors: WeakSet[sqlite3.Cursor] | None = None,
        cache: dict[object, Any] | None = None,
    ) -> None:
        self._connection = connection
        self._open_cursors = open_cursors
        self._cache = {} if cache is None else cache

    def cached(self, query: Callable[["Transaction"], Result]) -> Result:
        """Return what `ask` finds; it is asked once, for this transaction does not change it."""
        if query not in self._cache:
            self._cache[query] = query(self)
        answered: Result = self._cache[query]
        return answered

    def data_version(self) -> DataVersion:
        """Return what is another as soon as anything is committed, through this connection or any other."""
        moved: Any = self.one("PRAGMA data_version")
        return moved[0], self._connection.total_changes

    def one(self, sql: str, *values: object) -> Row | None:
        """Return the first row, or None."""
        row: Row | None = self._connection.execute(sql, values).fetchone()
        return row

    def each(self, sql: str, values: Sequence[object] = ()) -> Iterator[Row]:
        """Yield the rows as SQLite finds them."""
        cursor = self._connection.execute(sql, values)
        if self._open_cursors is not None:
            self._open_cursors.add(cursor)
        return iter(cursor)

    def run(self, sql: str, *values: object) -> int:
        """Run one statement and return how many rows it changed."""
        return self._connection.execute(sql, values).rowcount

    def run_many(self, sql: str, rows: Iterable[Sequence[object]]) -> int:
        """Run one statement for each of `rows` and return how many rows they changed in all."""
        return self._connection.executemany(sql, rows).rowcount


class Store:
    """
    One open store, safe to share between threads.

    With `durable`, a change is on disk before it counts as made (`synchronous=FULL`); without, it survives a killed
    process but perhaps not a power cut. `patience` is how many seconds it waits while another process writes.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, timeout: float = 0.0) -> None:
        self.path = path
        self._connection = connection
        self.timeout = timeout
        self.migrated: Migration | None = None
        self._lock = RLock()
        self._open_cursors: WeakSet[sqlite3.Cursor] = WeakSet()
        self._cache: dict[object, Any] = {}
        self._file_id = None if path is IN_MEMORY else files.file_identity(path)

    @classmethod
    def open(cls, path: Path, *, durable: bool = True, timeout: float = BUSY_TIMEOUT) -> "Store":
        """Open the store at `path` and bring its schema up to date; raises a StoreError that says what to do."""
        if not files.store_exists(path):
            raise StoreMissingError(f"there is no store at {path}", _init(path))
        with open_lock.lock_for_opening(path, timeout):
            return cls._open(path, durable=durable, timeout=timeout)

    @classmethod
    def in_memory(cls) -> "Store":
        """Make a store that this process alone has, and nobody once it is closed."""
        return cls._open(IN_MEMORY, durable=False, create=True)

    @property
    def is_in_memory(self) -> bool:
        """Whether it ends with this process."""
        return self.path is IN_MEMORY

    @contextmanager
    def open_again(self, *, durable: bool, timeout: float) -> Iterator["Store"]:
        """Open the same store once more while the `with` lasts; what is in memory has one connection, for all."""
        if self.path is IN_MEMORY:
            yield self
            return
        if files.store_exists(self.path):
            self._require_same_file()  # before another file is opened with the log of this one, which would spoil it
        with Store.open(self.path, durable=durable, timeout=timeout) as store:
            yield store

    @classmethod
    def _open(cls, path: Path, *, durable: bool, timeout: float = BUSY_TIMEOUT, create: bool = False) -> "Store":
        if path is not IN_MEMORY and not os.access(path, os.R_OK | os.W_OK):
            raise StoreUnusableError(f"the store {path} may not be read and written", f"chmod u+rw {path}")
        store = cls(path, connection.connect(path, timeout), timeout)
        try:
            with store._translate_errors():
                store._connection.execute("PRAGMA foreign_keys = ON")
                store._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                store.migrated = store._migrate(create=create)
                step = int(min(timeout, RETRY_STEP) * 1000)
                store._connection.execute(f"PRAGMA busy_timeout = {step}").fetchone()
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def create(cls, path: Path) -> "Store":
        """Open the store at `path`, made with mode 0600 in a directory of mode 0700 when there is none."""
        files.require_trusted_path(path)
        files.require_not_directory(path)
        try:
            files.make_directory(path.parent)
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            if path.is_file() and path.stat().st_size == 0:
                path.chmod(0o600)
        except OSError as error:
            raise StoreUnusableError(f"the store {path} cannot be made: {error.strerror}", "--store PATH") from error
        with open_lock.lock_for_opening(path, BUSY_TIMEOUT):
            return cls._open(path, durable=True, create=True)

    def close(self) -> None:
        """Close the file; what was not committed is undone."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read_without_transaction(self, query: Callable[[Transaction], Result]) -> Result:
        """Return what `ask` finds, each statement in the state of its moment: in half the time of `reading`."""
        with self._lock:
            try:  # as `_told` does, for every request
                self._require_same_file()
                return query(Transaction(self._connection))
            except sqlite3.Error as error:
                raise translate_error(error, self.path) from error

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Read one state of the store, whatever others write meanwhile."""
        with self._lock, self._translate_errors(), self._transaction("BEGIN"):
            yield Transaction(self._connection, self._open_cursors, self._cache)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """
        Write alone; all of it is kept at the end of the `with`, or nothing when that raises.

        Within another `writing` or `rehearsing` it is part of that, and kept or dropped with it.
        """
        with self._lock, self._translate_errors(), self._transaction("BEGIN IMMEDIATE"):
            yield Transaction(self._connection, self._open_cursors, self._cache)

    @contextmanager
    def dry_run(self) -> Iterator[Transaction]:
        """Write as `writing` does, and keep nothing; what is read and written within takes part in it."""
        with self._lock, self._translate_errors(), self._transaction("BEGIN IMMEDIATE", "ROLLBACK"):
            yield Transaction(self._connection, self._open_cursors, self._cache)

    def begin(self) -> Transaction:
        """Begin to write for who ends it with `commit` or `rollback`, from any thread; nobody else may use this one."""
        with self._translate_errors():
            self._begin("BEGIN IMMEDIATE")
            try:
                self._require_same_file()
            except BaseException:
                self.rollback()
                raise
        return Transaction(self._connection, self._open_cursors, self._cache)

    def commit(self) -> None:
        """Keep what was written since `begin`, or nothing of it when that raises."""
        try:
            with self._translate_errors():
                self._connection.execute("COMMIT")
        finally:
            self.rollback()

    def rollback(self) -> None:
        """Keep nothing of what was written since `begin`."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self._cache.clear()
        while self._open_cursors:  # rows that nobody read to their end would hold the state of now for all that follow
            self._open_cursors.pop().close()

    @contextmanager
    def _transaction(self, begin: str, end: str = "COMMIT") -> Iterator[None]:
        if self._connection.in_transaction:  # of this thread, which holds the lock: part of what it has begun
            yield
            return
        self._begin(begin)
        try:
            self._require_same_file()
            yield
            self._connection.execute(end)
        finally:
            self.rollback()

    def _require_same_file(self) -> None:
        """Refuse to work on a file that was removed or replaced: what others write there would never be seen here."""
        if self.path is not IN_MEMORY and files.file_identity(self.path) != self._file_id:
            raise StoreUnusableError(f"the store {self.path} was removed or replaced", "start again")

    def _begin(self, begin: str) -> None:
        """Begin, and try again while another process writes; in steps, so that Ctrl-C is heard between them."""
        end = monotonic() + self.timeout
        while True:
            try:
                self._connection.execute(begin)
            except sqlite3.OperationalError as error:
                if not is_busy(error) or monotonic() >= end:
                    raise
            else:
                return

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise translate_error(error, self.path) from error
        except UnicodeEncodeError:
            raise UsageError("a text holds bytes that are not UTF-8", "type it again") from None

    def _migrate(self, *, create: bool) -> "Migration | None":
        version = file_header.read_version(Transaction(self._connection).one, self.path)
        if version == 0 and not create:
            raise StoreMissingError(f"there is no store in {self.path} yet", _init(self.path))
        # What another program wrote may lack the log: without one nobody sees who has the store open (`turns.in_use`).
        self._connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if version == len(schema.MIGRATIONS):
            return None
        from gamcli.store.sqlite import migration  # noqa: PLC0415 - start-up: stores are rarely new or old

        return migration.migrate(self)


def _init(path: Path) -> str:
    return command("--store", str(path), "init")
