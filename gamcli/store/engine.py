"""
The interface of a store engine: what the nouns, the actions and the server may ask of an open store.

`store.sqlite` implements it for a file, `store.postgres` for a database. The nouns have one SQL text for both,
with `?` or `?1` for a value and `temp.` for temporary tables. What the engines do differently is a method here.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Generic, NamedTuple, Self, TypeVar

from gamcli.errors import UsageError

Row = tuple[object, ...]
DataVersion = bytes | tuple[int, int]
Result = TypeVar("Result")

BUSY_TIMEOUT = 5.0
"""Seconds that a write waits for others before it fails with StoreBusyError."""

LONG_STATEMENT_SECONDS = 3600.0
"""How long a statement of a check or a migration may take: it reads or changes whole tables."""


class Migration(NamedTuple):
    """What was done when a store was opened: its version before, and the backup (None if there is none)."""

    version_before: int
    backup: Path | None


class Query(NamedTuple, Generic[Result]):
    """
    A query whose rows `build` makes a result of.

    `keep` names a table whose rows stay as they are until the transaction ends, if it writes. Others may then read
    them, and with `is_shared` also keep them unchanged.
    """

    sql: str
    values: Sequence[object]
    build: Callable[[Iterable[Row]], Result]
    keep: str = ""
    is_shared: bool = False


class Transaction(ABC):
    """Runs queries; valid until the end of the `with` block that created it."""

    __slots__ = ()
    is_optimistic = False  # whether the commit compares the head of the audit log, which is not read before

    node: int | None = None
    """The number under which this connection counts grants, None where all writers share one row."""

    written_head: tuple[int, str] | None = None
    """The number and the hash of the audit entry that this transaction wrote last, if it was kept."""

    decoding_errors: tuple[type[Exception], ...] = ()
    """What a query raises for text that is not UTF-8, if it can be stored."""

    @abstractmethod
    def data_version(self) -> DataVersion | None:
        """Return a value that changes whenever any connection commits a change; None if the engine has none."""

    @abstractmethod
    def one(self, sql: str, *values: object) -> Row | None:
        """Return the first row, or None."""

    def build(self, build: Callable[[Row], Result], sql: str, *values: object) -> Result | None:
        """Return what `build` makes of the first row, or None."""
        row = self.one(sql, *values)
        return None if row is None else build(row)

    def number(self, sql: str, *values: object) -> int:
        """Return the number that is the first row, 0 for NULL or no row."""
        row: Any = self.one(sql, *values)
        return int(row[0] or 0) if row else 0

    @abstractmethod
    def each(self, sql: str, values: Sequence[object] = ()) -> Iterator[Row]:
        """Return the rows of a short result."""

    @abstractmethod
    def stream(self, sql: str, values: Sequence[object] = ()) -> Iterator[Row]:
        """Yield the rows of a result of any size, in bounded memory; no other query may run meanwhile."""

    @abstractmethod
    def run(self, sql: str, *values: object) -> int:
        """Run a statement and return the number of changed rows."""

    def change(self, sql: str, *values: object) -> None:
        """Run a statement like `run`, but possibly not before the next query or the commit."""
        self.save(sql, [values])

    @abstractmethod
    def run_many(self, sql: str, rows: Iterable[Sequence[object]]) -> int:
        """Run a statement for each of `rows`, which must not use the transaction; return how many rows changed."""

    @abstractmethod
    def save(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement for each of `rows`, together with others in one round trip: at the latest with the commit."""

    def keep_head(self, seq: int, digest: str) -> None:  # noqa: B027 - a file can be read as fast
        """Keep the audit entry that was written last, so that the next one needs no query."""

    def prove_by(self, sql: str, *values: object) -> None:  # noqa: B027 - the outcome of a commit to a file is known
        """Note a query that finds a row if and only if this transaction was committed."""

    def fetch(self, query: Query[Result]) -> Result:
        return self.fetch_together([query])[0]  # type: ignore[no-any-return]

    @abstractmethod
    def fetch_together(self, queries: Sequence[Query[Any]]) -> list[Any]:
        """Return the result of each query, in one round trip."""

    @abstractmethod
    def next_id(self, at_least: int) -> int:
        """Return the first ID from `at_least` on that no other transaction gives to a token."""

    @abstractmethod
    def columns(self, table: str) -> dict[str, bool]:
        """Return the columns of a table, and which of them are Boolean."""

    @abstractmethod
    def use_more_memory(self) -> None:
        """Let this connection use more memory while it writes many rows."""


class Store(ABC):
    """
    An open store that threads can share.

    `timeout` is how many seconds to wait while others write. A store that this user may only read `is_read_only`:
    writing raises StoreUnusableError. `migrated` says what opening it has done. `name` is for messages.
    """

    timeout: float
    is_read_only: bool
    migrated: Migration | None = None
    clock_difference = timedelta()
    """How far the clock of the database is ahead of this computer's."""

    is_in_memory = False
    has_file = False

    @staticmethod
    def open(location: "Location", *, durable: bool = True, timeout: float = BUSY_TIMEOUT) -> "Store":
        """Open the store at a path or URL and migrate it if necessary; raises a StoreError."""
        if isinstance(location, Path):
            from gamcli.store.sqlite.database import SqliteStore  # noqa: PLC0415 - only the engine that is used

            return SqliteStore.open_file(location, durable=durable, timeout=timeout)
        return location.open_store(durable=durable, timeout=timeout)

    @staticmethod
    def create(location: "Location") -> "Store":
        """Open the store at a path or URL, creating it if it does not exist."""
        if isinstance(location, Path):
            from gamcli.store.sqlite.database import SqliteStore  # noqa: PLC0415 - as above

            return SqliteStore.create_file(location)
        return location.create_store()

    @staticmethod
    def in_memory() -> "Store":
        """Create a store that is discarded when it is closed."""
        from gamcli.store.sqlite.database import SqliteStore  # noqa: PLC0415 - as above

        return SqliteStore.create_in_memory()

    @property
    @abstractmethod
    def name(self) -> str:
        """The path or the URL, without a password."""

    @property
    def path(self) -> Path:
        """The path of the file; raises UsageError for a store that `has_file` is false for."""
        raise UsageError(f"the store {self.name} is not a file")

    def corrected_clock(self, now: Callable[[], datetime]) -> Callable[[], datetime]:
        """Return the clock of the actions, given that of this computer."""
        return now

    @abstractmethod
    def require_writable(self) -> None:
        """Raise StoreUnusableError when this user may only read the store."""

    @abstractmethod
    def open_again(self, *, durable: bool, timeout: float) -> AbstractContextManager["Store"]:
        """Open a second connection to this store; a store in memory has only one, which is returned."""

    @abstractmethod
    def read_without_transaction(self, query: Callable[[Transaction], Result]) -> Result:
        """Return the result of `query`, each statement on its own snapshot: faster than `reading`."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[Transaction]:
        """Read one snapshot, whatever others write in the meantime."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Transaction]:
        """
        Write what no other `writing` writes meanwhile; commit at the end of the `with` block, or roll back.

        Nested in another `writing` or `dry_run` it takes part in that transaction.
        """

    @abstractmethod
    def dry_run(self) -> AbstractContextManager[Transaction]:
        """Write like `writing`, but roll back at the end; nested transactions take part."""

    @abstractmethod
    def begin(self, queries: Sequence[Query[Any]] = (), head: tuple[int, str] | None = None) -> Transaction:
        """
        Begin a transaction for grants that `commit` or `rollback` ends, from any thread. Not for shared stores.

        The results of `queries` may be read in the same round trip; `fetch_together` of the same list returns them.
        With the `head` of the audit log that decisions are based on, it may be optimistic: the first query or the
        commit raises StoreChangedError for another head. It writes no audit entries: others may run meanwhile.
        """

    @abstractmethod
    def run(self, task: Callable[[], Result]) -> Result:
        """Run what uses a transaction of `begin`; raises a StoreError."""

    @abstractmethod
    def commit(self) -> None:
        """Commit what was written since `begin`; roll back when that fails."""

    @abstractmethod
    def rollback(self) -> None:
        """Roll back what was written since `begin`."""

    def limit_statements(self, seconds: float) -> None:  # noqa: B027 - a file needs no limit
        """Raise StoreBusyError when the database has not answered a statement for `seconds`."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection and roll back what was not committed."""

    @abstractmethod
    def describe(self, tx: Transaction) -> "StoreFacts":
        """Return what the engine knows about the size and the form of the store."""

    def save_snapshot(self) -> Any:  # noqa: ANN401 - the engine's own
        """Return a copy of a store in memory, for `restore_snapshot`; close it in the end."""
        raise UsageError(f"the store {self.name} is not in memory")

    def restore_snapshot(self, snapshot: Any) -> None:  # noqa: ANN401 - as above
        """Replace the content of a store in memory with an earlier one."""
        snapshot.close()
        raise UsageError(f"the store {self.name} is not in memory")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class StoreFacts(NamedTuple):
    """The schema version, the engine with its version, sizes in bytes; the mode and the pages of a file."""

    version: int
    engine: str
    size: int
    mode: str = ""
    wal_size: int = 0
    pages: int = 0
    free_pages: int = 0
    page_size: int = 0


class StoreUrl(ABC):
    """The location of a store that is not a file; `str` has no password."""

    @abstractmethod
    def open_store(self, *, durable: bool, timeout: float) -> Store:
        """See `Store.open`."""

    @abstractmethod
    def create_store(self) -> Store:
        """See `Store.create`."""

    @abstractmethod
    def read_version(self) -> int:
        """Return the schema version, without changing anything."""

    @abstractmethod
    def format_command(self, line: str) -> str:
        """Return the command line of a tool of the database, with its `{url}` and `{schema}`."""


Location = Path | StoreUrl
"""Where a store is: the path of a SQLite file, or the URL of a database."""
