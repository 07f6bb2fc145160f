"""Applications."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from gamcli import store
from gamcli.errors import NotFoundError, command
from gamcli.model import ApiKeyPolicy, App, TokenPolicy, normalize_name
from gamcli.store.damage import reports_damage
from gamcli.store.engine import Row, Transaction
from gamcli.store.queries import Conditions, chunks, next_number_sql, order_by, placeholders, split_joined, suggest_name
from gamcli.store.timestamps import from_micros, from_micros_or_none, to_micros, to_micros_or_none

COLUMNS = (
    "client_id", "fold", "name", "secret_digest", "created_at", "updated_at", "description", "enabled", "scopes",
    "remote_rest", "api_keys_enabled", "api_key_timeout_hours", "api_key_auth_type",
    "api_key_scope_choice", "token_timeout_minutes", "token_renewals", "require_scope", "share_user_ids",
    "one_token_per_user", "managed_by", "retiring_digest", "retiring_until",
)  # fmt: skip

_NULLABLE = ("api_key_auth_type", "managed_by", "retiring_digest", "retiring_until")

FIELDS = ", ".join((*(f"app.{column}" for column in COLUMNS), "auth_type.name"))
_FROM = "FROM app LEFT JOIN auth_type ON auth_type.fold = app.api_key_auth_type"
_USE = "FROM app_use WHERE app_use.client_id = app.client_id"
_SELECT = f"""SELECT {FIELDS}, (SELECT CAST(sum(grants) AS INTEGER) {_USE}) AS grants,
    (SELECT max(last_used_at) {_USE}) AS last_used_at {_FROM}"""

SORTS = {
    "name": "app.fold",
    "client_id": "app.client_id",
    "enabled": "app.enabled",
    "grants": "grants",
    "last_used_at": "last_used_at",
    "created_at": "app.created_at",
    "updated_at": "app.updated_at",
}


class AppFilter(NamedTuple):
    """The filters and the order of a list of applications; None matches all."""

    enabled: bool | None = None
    remote_rest: bool | None = None
    api_keys: bool | None = None
    sort: str | None = None


@lru_cache(maxsize=256)  # equal rows give equal records, and rows seldom change
@reports_damage("app", COLUMNS, _NULLABLE)
def build_record(row: Row) -> App:
    return App(
        client_id=row[0],  # type: ignore[arg-type]
        name=row[2],  # type: ignore[arg-type]
        secret_digest=row[3],  # type: ignore[arg-type]
        created_at=from_micros(row[4]),
        updated_at=from_micros(row[5]),
        description=row[6],  # type: ignore[arg-type]
        enabled=bool(row[7]),
        scopes=split_joined(row[8]),
        remote_rest=bool(row[9]),
        api_keys=ApiKeyPolicy(bool(row[10]), row[11], row[22], bool(row[13])),  # type: ignore[arg-type]
        token=TokenPolicy(row[14], row[15]),  # type: ignore[arg-type]
        require_scope=bool(row[16]),
        share_user_ids=bool(row[17]),
        one_token_per_user=bool(row[18]),
        managed_by=row[19],  # type: ignore[arg-type]
        retiring_digest=row[20],  # type: ignore[arg-type]
        retiring_until=from_micros_or_none(row[21]),
    )


@reports_damage("app", (*COLUMNS, "auth_type", "grants"), (*_NULLABLE, "auth_type"))
def _with_use(row: Row) -> App:
    *settings, grants, last_used_at = row
    return build_record(tuple(settings))._replace(grants=grants, last_used_at=from_micros_or_none(last_used_at))  # type: ignore[arg-type]


def _row(app: App) -> Row:
    policy, token = app.api_keys, app.token
    return (
        app.client_id,
        normalize_name(app.name),
        app.name,
        app.secret_digest,
        to_micros(app.created_at),
        to_micros(app.updated_at),
        app.description,
        app.enabled,
        "+".join(app.scopes),
        app.remote_rest,
        policy.enabled,
        policy.timeout_hours,
        None if policy.auth_type is None else normalize_name(policy.auth_type),
        policy.scope_choice,
        token.timeout_minutes,
        token.renewals,
        app.require_scope,
        app.share_user_ids,
        app.one_token_per_user,
        app.managed_by,
        app.retiring_digest,
        to_micros_or_none(app.retiring_until),
    )


def find(tx: Transaction, name: str) -> App | None:
    """Return the application with this name or client ID, or None."""
    condition = "app.client_id = ?1 OR app.fold = ?2 ORDER BY app.client_id <> ?1 LIMIT 1"
    return tx.build(_with_use, f"{_SELECT} WHERE {condition}", name, normalize_name(name))


def find_by_client_id_any_case(tx: Transaction, text: str) -> App | None:
    """Return the application whose client ID differs at most in case, or None. Reads every application."""
    return tx.build(_with_use, f"{_SELECT} WHERE lower(app.client_id) = ?", text.lower())


def find_by_client_id(tx: Transaction, client_id: str) -> App | None:
    """Return the application without its usage counts, or None."""
    return tx.build(build_record, f"SELECT {FIELDS} {_FROM} WHERE app.client_id = ?", client_id)


def find_by_secret_digest(tx: Transaction, digest: bytes) -> App | None:
    """Return the application whose current or previous client secret has this digest. Reads every application."""
    return tx.build(_with_use, f"{_SELECT} WHERE app.secret_digest = ?1 OR app.retiring_digest = ?1", digest)


def get(tx: Transaction, name: str) -> App:
    """Return the application with this name or client ID; raises NotFoundError."""
    app = find(tx, name)
    if app is None:
        hint = suggest_name(tx, "app", name, command("app", "list"))
        raise NotFoundError(f"no application named '{name}'", hint)
    return app


def search(tx: Transaction, filters: AppFilter) -> Iterator[App]:
    conditions = Conditions()
    conditions.equal("app.enabled", filters.enabled)
    conditions.equal("app.remote_rest", filters.remote_rest)
    conditions.equal("app.api_keys_enabled", filters.api_keys)
    order = order_by(filters.sort, SORTS, "name", "app.fold")
    return map(_with_use, tx.stream(_SELECT + conditions.where() + order, conditions.values))


def find_by_names(tx: Transaction, names: Iterable[str], client_ids: Iterable[str]) -> Iterator[App]:
    """Yield the applications with these names or client IDs (in any case), possibly more than once."""
    for chunk in chunks(map(normalize_name, names)):
        yield from map(_with_use, tx.each(f"{_SELECT} WHERE app.fold IN ({placeholders(chunk)})", chunk))
    for chunk in chunks(text.lower() for text in client_ids):
        yield from map(_with_use, tx.each(f"{_SELECT} WHERE lower(app.client_id) IN ({placeholders(chunk)})", chunk))


def find_managed(tx: Transaction, owners: Collection[str]) -> Iterator[App]:
    """Yield the applications that any of these manifest owners manages."""
    sql = f"{_SELECT} WHERE app.managed_by IN ({placeholders([*owners])}) ORDER BY app.fold"
    return map(_with_use, tx.each(sql, [*owners]))


def find_names_restricted_to(tx: Transaction, auth_type: str) -> list[str]:
    """Return the names of the applications that accept only this authentication type."""
    return [
        str(name)
        for (name,) in tx.each("SELECT name FROM app WHERE api_key_auth_type = ?", [normalize_name(auth_type)])
    ]


def add(tx: Transaction, app: App) -> None:
    """Insert the application; a session that outlasted an earlier one with its client ID is deleted."""
    store.sessions.delete_all(tx, "client_id", app.client_id)
    next_number = next_number_sql("app")
    tx.change(
        f"INSERT INTO app ({', '.join(COLUMNS)}, number) VALUES ({placeholders(COLUMNS)}, {next_number})", *_row(app)
    )
    tx.change(
        "INSERT INTO app_use (client_id, grants, last_used_at) VALUES (?, ?, ?)",
        app.client_id,
        app.grants,
        to_micros_or_none(app.last_used_at),
    )


def save(tx: Transaction, app: App) -> None:
    settings = ", ".join(f"{column} = ?" for column in COLUMNS)
    tx.change(f"UPDATE app SET {settings} WHERE client_id = ?", *_row(app), app.client_id)


def record_grants(tx: Transaction, counts: Mapping[str, int], at: datetime) -> None:
    """Count the successful authentications of applications by client ID; in order, so that no two nodes deadlock."""
    rows = [(count, to_micros(at), client_id) for client_id, count in sorted(counts.items())]
    if tx.node is None:
        tx.save("UPDATE app_use SET grants = grants + ?, last_used_at = ? WHERE client_id = ?", rows)
        return
    tx.save(
        """INSERT INTO app_use (node, grants, last_used_at, client_id) VALUES (?, ?, ?, ?) ON CONFLICT (client_id, node)
        DO UPDATE SET grants = app_use.grants + excluded.grants, last_used_at = excluded.last_used_at""",
        [(tx.node, *row) for row in rows],
    )


def delete(tx: Transaction, client_id: str) -> None:
    """Delete the application with its keys and sessions."""
    tx.change("DELETE FROM app WHERE client_id = ?", client_id)
    store.sessions.delete_all(tx, "client_id", client_id)
