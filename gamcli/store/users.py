"""Users."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from gamcli import store
from gamcli.errors import DamagedRowError, NotFoundError, command
from gamcli.model import AttributeValue, User, normalize_name
from gamcli.store.damage import parse_json, reports_damage
from gamcli.store.engine import Query, Row, Transaction
from gamcli.store.queries import Conditions, chunks, next_number_sql, order_by, placeholders, split_joined, suggest_name
from gamcli.store.timestamps import from_micros_or_none, to_micros_or_none

_TEXTS = (
    "first_name", "last_name", "external_id", "birthday", "gender", "url_image", "url_profile", "phone", "address",
    "city", "state", "post_code", "language", "timezone", "custom_info",
)  # fmt: skip
_PLAIN = ("guid", "name", "email", *_TEXTS, "managed_by", "password_hash")
_FLAGS = ("verified_email", "enabled", "blocked", "password_must_change")
_TIMES = ("created_at", "updated_at", "password_set_at", "password_expires_at")
_READ = (*_PLAIN, *_FLAGS, *_TIMES, "roles", "attributes")
_NULLABLE = ("managed_by", "password_hash", "password_set_at", "password_expires_at")
_WRITTEN = (*_READ, "fold", "email_fold")

FIELDS = ", ".join(f"user.{column}" for column in _READ)
_SELECT = f"SELECT {FIELDS} FROM user"

GUID_LENGTH = 36

SORTS = {
    "name": "fold",
    "email": "email_fold",
    "guid": "guid",
    "first_name": "first_name",
    "last_name": "last_name",
    "external_id": "external_id",
    "created_at": "created_at",
    "updated_at": "updated_at",
}


class UserFilter(NamedTuple):
    """The filters and the order of a list of users; None matches all."""

    enabled: bool | None = None
    blocked: bool | None = None
    role: str | None = None
    attribute: str | None = None
    text: str | None = None
    sort: str | None = None


@lru_cache(maxsize=256)  # equal rows give equal records, and rows seldom change
@reports_damage("user", _READ, _NULLABLE)
def build_record(row: Row) -> User:
    values: dict[str, Any] = dict(zip(_READ, row, strict=True))
    for name in _FLAGS:
        values[name] = bool(values[name])
    for name in _TIMES:
        values[name] = from_micros_or_none(values[name])
    values["roles"] = split_joined(values["roles"])
    values["attributes"] = {} if values["attributes"] == "{}" else _parse_attributes(values["attributes"])
    return User(**values)


_HASH_FORMAT = r"[\w-]+(?:\$[0-9]+){3}(?:\$[\w+/=]+){2}"


def check_password_hash(user: User) -> User:
    """Return the user, or raise DamagedRowError if the password hash is invalid: only logins need it."""
    if user.password_hash is not None and not re.fullmatch(_HASH_FORMAT, user.password_hash):
        raise DamagedRowError("an invalid password hash", f"row '{user.guid}' of table 'user'")
    return user


def _parse_attributes(text: str) -> dict[str, AttributeValue]:
    attributes: dict[str, Any] = parse_json(text, dict, "attributes")
    for value in attributes.values():
        values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        if not all(isinstance(each, str) for each in values):
            raise DamagedRowError("invalid attributes")
    return attributes


def _row(user: User) -> Row:
    values = {name: getattr(user, name) for name in _READ}
    for name in _TIMES:
        values[name] = to_micros_or_none(values[name])
    values["roles"] = "+".join(user.roles)
    values["attributes"] = json.dumps(user.attributes, ensure_ascii=False) if user.attributes else "{}"
    return (*values.values(), normalize_name(user.name), normalize_name(user.email) or None)


def find(tx: Transaction, name: str) -> User | None:
    """Return the user with this name, email or GUID, or None."""
    folded = normalize_name(name)
    found = tx.fetch_together([_query(f"{column} = ?", [folded]) for column in ("fold", "email_fold", "guid")])
    return next(chain.from_iterable(found), None)


def _query(condition: str, values: Sequence[object]) -> Query[list[User]]:
    return Query(f"{_SELECT} WHERE {condition}", values, lambda rows: [*map(build_record, rows)])


def find_by_guid(tx: Transaction, guid: str) -> User | None:
    return tx.build(build_record, f"{_SELECT} WHERE guid = ?", guid)


def get(tx: Transaction, name: str) -> User:
    """Return the user with this name, email or GUID; raises NotFoundError."""
    user = find(tx, name)
    if user is None:
        hint = suggest_name(tx, "user", name, command("user", "list"))
        raise NotFoundError(f"no user named '{name}'", hint)
    return user


def search(tx: Transaction, filters: UserFilter) -> Iterator[User]:
    conditions = Conditions()
    conditions.equal("enabled", filters.enabled)
    conditions.equal("blocked", filters.blocked)
    if filters.attribute is not None:
        conditions.add("guid IN (SELECT user_guid FROM user_attribute WHERE id = ?)", filters.attribute)
    if filters.text is not None:
        pattern = filters.text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        searched = "fold || char(10) || coalesce(email_fold, '') || char(10) || first_name || ' ' || last_name"
        conditions.add(rf"{searched} LIKE ? ESCAPE '\'", f"%{normalize_name(pattern)}%")
    order = order_by(filters.sort, SORTS, "name", "fold")
    users = map(build_record, tx.stream(_SELECT + conditions.where() + order, conditions.values))
    return users if filters.role is None else (user for user in users if filters.role in user.roles)


def find_by_names(tx: Transaction, texts: Iterable[str]) -> Iterator[User]:
    """Return the users with these names, emails or GUIDs, possibly more than once."""
    queries: list[Query[list[User]]] = []
    for chunk in chunks(map(normalize_name, texts)):
        candidates = {
            "fold": chunk,
            "email_fold": [text for text in chunk if "@" in text],
            "guid": [text for text in chunk if len(text) == GUID_LENGTH],
        }
        for column, values in filter(itemgetter(1), candidates.items()):
            queries.append(_query(f"{column} IN ({placeholders(values)})", values))
    return chain.from_iterable(tx.fetch_together(queries))


def find_managed(tx: Transaction, owners: Collection[str]) -> Iterator[User]:
    """Yield the users that any of these manifest owners manages."""
    return map(
        build_record, tx.each(f"{_SELECT} WHERE managed_by IN ({placeholders([*owners])}) ORDER BY fold", [*owners])
    )


def release_emails(tx: Transaction, guids: Iterable[str]) -> None:
    """Free the emails of users who get another one, or are deleted, later in this transaction."""
    for chunk in chunks(guids):
        tx.change(f"UPDATE user SET email_fold = NULL WHERE guid IN ({placeholders(chunk)})", *chunk)


def is_attribute_used(tx: Transaction, attribute: str) -> bool:
    return tx.one("SELECT 1 FROM user_attribute WHERE id = ? LIMIT 1", attribute) is not None


def is_attribute_known(tx: Transaction, published: Iterable[str], attribute: str) -> bool:
    """Return whether the attribute is published as a scope or used by a user."""
    return f"user_{attribute}" in published or is_attribute_used(tx, attribute)


def add(tx: Transaction, user: User) -> None:
    """Insert the user; a session that outlasted an earlier one with their GUID is deleted."""
    store.sessions.delete_all(tx, "user_guid", user.guid)
    next_number = next_number_sql("user")
    tx.change(
        f"INSERT INTO user ({', '.join(_WRITTEN)}, number) VALUES ({placeholders(_WRITTEN)}, {next_number})",
        *_row(user),
    )
    _index_attributes(tx, user)


def save(tx: Transaction, user: User) -> None:
    settings = ", ".join(f"{column} = ?" for column in _WRITTEN)
    tx.change(f"UPDATE user SET {settings} WHERE guid = ?", *_row(user), user.guid)
    tx.change("DELETE FROM user_attribute WHERE user_guid = ?", user.guid)
    _index_attributes(tx, user)


def _index_attributes(tx: Transaction, user: User) -> None:
    for attribute in user.attributes:
        tx.change("INSERT INTO user_attribute (id, user_guid) VALUES (?, ?)", attribute, user.guid)


class RenewedHash(NamedTuple):
    """A new hash of an unchanged password."""

    after: str
    user_guid: str
    before: str


def replace_password_hashes(tx: Transaction, hashes: Iterable[RenewedHash]) -> None:
    """Save the renewed hashes of passwords; a hash that was changed in the meantime is kept."""
    tx.save("UPDATE user SET password_hash = ? WHERE guid = ? AND password_hash = ?", [*hashes])


def delete(tx: Transaction, guid: str) -> None:
    """Delete the user with their keys and sessions."""
    tx.change("DELETE FROM user WHERE guid = ?", guid)
    store.sessions.delete_all(tx, "user_guid", guid)
