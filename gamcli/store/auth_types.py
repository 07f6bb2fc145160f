"""Authentication types."""

from collections.abc import Iterator
from functools import lru_cache

from gamcli.errors import NotFoundError, command
from gamcli.model import AuthType, normalize_name
from gamcli.store.damage import reports_damage
from gamcli.store.engine import Row, Transaction
from gamcli.store.queries import Conditions, order_by, suggest_name
from gamcli.store.timestamps import from_micros, to_micros


def fields(table: str = "auth_type") -> str:
    """Return the columns that `build_record` needs, of a table with this alias."""
    is_default = f"EXISTS (SELECT 1 FROM repository WHERE repository.default_auth_type = {table}.fold)"
    settings = ", ".join(f"{table}.{column}" for column in ("name", "type", "description", "enabled"))
    return f"{settings}, {is_default}, {table}.created_at, {table}.updated_at, {table}.managed_by"


_NAMES = ("name", "type", "description", "enabled", "default", "created_at", "updated_at", "managed_by")
FIELD_COUNT = len(_NAMES)

_SELECT = f"SELECT {fields()} FROM auth_type"

SORTS = {
    "name": "auth_type.fold",
    "type": "type",
    "enabled": "enabled",
    "created_at": "created_at",
    "updated_at": "updated_at",
}


@lru_cache(maxsize=256)  # equal rows give equal records, and rows seldom change
@reports_damage("auth_type", _NAMES, nullable=("managed_by",))
def build_record(row: Row) -> AuthType:
    name, kind, description, enabled, default, created, updated, managed_by = row
    return AuthType(
        name=str(name),
        type=str(kind),
        description=str(description),
        enabled=bool(enabled),
        default=bool(default),
        created_at=from_micros(created),
        updated_at=from_micros(updated),
        managed_by=None if managed_by is None else str(managed_by),
    )


def find(tx: Transaction, name: str) -> AuthType | None:
    return tx.build(build_record, f"{_SELECT} WHERE auth_type.fold = ?", normalize_name(name))


def get(tx: Transaction, name: str) -> AuthType:
    """Return the authentication type; raises NotFoundError."""
    auth_type = find(tx, name)
    if auth_type is None:
        raise NotFoundError(
            f"no authentication type named '{name}'", suggest_name(tx, "auth_type", name, command("auth-type", "list"))
        )
    return auth_type


def search(
    tx: Transaction, *, kind: str | None = None, enabled: bool | None = None, sort: str | None = None
) -> Iterator[AuthType]:
    conditions = Conditions()
    conditions.equal("type", kind)
    conditions.equal("enabled", enabled)
    order = order_by(sort, SORTS, "name", "auth_type.fold")
    return map(build_record, tx.each(_SELECT + conditions.where() + order, conditions.values))


def add(tx: Transaction, auth_type: AuthType) -> None:
    tx.change(
        """INSERT INTO auth_type (fold, name, type, description, enabled, created_at, updated_at, managed_by)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        normalize_name(auth_type.name),
        auth_type.name,
        auth_type.type,
        auth_type.description,
        auth_type.enabled,
        to_micros(auth_type.created_at),
        to_micros(auth_type.updated_at),
        auth_type.managed_by,
    )


def save(tx: Transaction, auth_type: AuthType) -> None:
    tx.change(
        "UPDATE auth_type SET description = ?, enabled = ?, updated_at = ?, managed_by = ? WHERE fold = ?",
        auth_type.description,
        auth_type.enabled,
        to_micros(auth_type.updated_at),
        auth_type.managed_by,
        normalize_name(auth_type.name),
    )


def delete(tx: Transaction, name: str) -> None:
    tx.change("DELETE FROM auth_type WHERE fold = ?", normalize_name(name))
