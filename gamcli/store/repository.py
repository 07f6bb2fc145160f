"""The repository: one per store."""

from datetime import datetime

from gamcli.errors import StoreMissingError, StoreVersionError, command
from gamcli.model import Repository, normalize_name
from gamcli.store import schema
from gamcli.store.damage import reports_damage
from gamcli.store.engine import Row, Transaction
from gamcli.store.queries import placeholders
from gamcli.store.timestamps import from_micros, to_micros

MICROS_PER_DAY = 86_400_000_000

_SELECT = """SELECT repository.guid, auth_type.name, repository.created_at, repository.pairwise_key
    FROM repository JOIN auth_type ON auth_type.fold = repository.default_auth_type"""


def find(tx: Transaction) -> Repository | None:
    """Return the repository, or None before `gamcli init`."""
    return tx.build(build_record, _SELECT)


@reports_damage("repository", ("guid", "default_auth_type", "created_at", "pairwise_key"))
def build_record(row: Row) -> Repository:
    guid, default_auth_type, created_at, pairwise_key = row
    return Repository(str(guid), str(default_auth_type), from_micros(created_at), pairwise_key)  # type: ignore[arg-type]


def get(tx: Transaction) -> Repository:
    """Return the repository; raises StoreMissingError before `gamcli init`."""
    repository = find(tx)
    if repository is None:
        raise StoreMissingError("the store is not initialized", command("init"))
    return repository


def add(tx: Transaction, repository: Repository) -> None:
    tx.run(
        "INSERT INTO repository (only_row, guid, default_auth_type, created_at, pairwise_key) VALUES (1, ?, ?, ?, ?)",
        repository.guid,
        normalize_name(repository.default_auth_type),
        to_micros(repository.created_at),
        repository.pairwise_key,
    )


def count_default_type_uses(tx: Transaction, count: int, now: datetime) -> None:
    """Count granted requests that named no authentication type."""
    row = {"day": to_micros(now) // MICROS_PER_DAY} | ({} if tx.node is None else {"node": tx.node})
    tx.save(
        f"""INSERT INTO default_type_use ({", ".join(row)}, requests) VALUES ({placeholders([*row])}, ?)
        ON CONFLICT ({", ".join(row)}) DO UPDATE SET requests = default_type_use.requests + excluded.requests""",
        [(*row.values(), count)],
    )


def load_default_type_uses(tx: Transaction, now: datetime, days: int) -> int:
    """Return how many requests of the last `days` days named no authentication type and were granted."""
    first = to_micros(now) // MICROS_PER_DAY - days
    return tx.number("SELECT sum(requests) FROM default_type_use WHERE day > ?", first)


def set_default_auth_type(tx: Transaction, name: str) -> None:
    tx.run("UPDATE repository SET default_auth_type = ?", normalize_name(name))


def require_current_version(tx: Transaction) -> None:
    """Raise StoreVersionError when another process has migrated the open store."""
    version = tx.number("SELECT max(version) FROM migration")
    if version != len(schema.MIGRATIONS):
        message = f"the store has version {version}; this gamcli supports version {len(schema.MIGRATIONS)}"
        raise StoreVersionError(message, "restart the server with the gamcli that migrated the store")
