"""Users."""

import json
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from gamcli.errors import NotFoundError, command
from gamcli.model import User, normalize_name
from gamcli.store import sessions
from gamcli.store.queries import Conditions, chunks, order_by, placeholders
from gamcli.store.sqlite.database import Row, Transaction
from gamcli.store.timestamps import from_micros_or_none, to_micros_or_none

_TEXTS = (
    "first_name", "last_name", "external_id", "birthday", "gender", "url_image", "url_profile", "phone", "address",
    "city", "state", "post_code", "language", "timezone",
)  # fmt: skip
_PLAIN = ("guid", "name", "email", *_TEXTS, "managed_by", "password_hash")
_FLAGS = ("verified_email", "enabled", "blocked", "password_must_change")
_TIMES = ("created_at", "updated_at", "password_set_at", "password_expires_at")
_READ = (*_PLAIN, *_FLAGS, *_TIMES, "roles", "attributes")
_WRITTEN = (*_READ, "fold", "email_fold")

_SELECT = f"SELECT {', '.join(_READ)} FROM user"

GUID_LENGTH = 36

_SORTS = {
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
    """Which users a list shows, in which order; None asks for all."""

    enabled: bool | None = None
    blocked: bool | None = None
    role: str | None = None
    attribute: str | None = None
    sort: str | None = None


@lru_cache(maxsize=256)  # a record says what its row says, and rows seldom change
def _record(row: Row) -> User:
    values: dict[str, Any] = dict(zip(_READ, row, strict=True))
    for name in _FLAGS:
        values[name] = bool(values[name])
    for name in _TIMES:
        values[name] = from_micros_or_none(values[name])
    values["roles"] = tuple(values["roles"].split("+")) if values["roles"] else ()
    values["attributes"] = {} if values["attributes"] == "{}" else json.loads(values["attributes"])
    return User(**values)


def _row(user: User) -> Row:
    values = {name: getattr(user, name) for name in _READ}
    for name in _TIMES:
        values[name] = to_micros_or_none(values[name])
    values["roles"] = "+".join(user.roles)
    values["attributes"] = json.dumps(user.attributes, ensure_ascii=False) if user.attributes else "{}"
    return (*values.values(), normalize_name(user.name), normalize_name(user.email) or None)


def find(tx: Transaction, name: str) -> User | None:
    """Return the user that is named by `name`, a name, email or GUID, or None."""
    folded = normalize_name(name)
    for column in ("fold", "email_fold", "guid"):
        row = tx.one(f"{_SELECT} WHERE {column} = ?", folded)
        if row is not None:
            return _record(row)
    return None


def find_by_guid(tx: Transaction, guid: str) -> User | None:
    """Return the user with that GUID, or None."""
    row = tx.one(f"{_SELECT} WHERE guid = ?", guid)
    return None if row is None else _record(row)


def get(tx: Transaction, name: str) -> User:
    """Return the user that is named by `name`; raises NotFoundError."""
    found = find(tx, name)
    if found is None:
        raise NotFoundError(f"no user named '{name}'", command("user", "list"))
    return found


def search(tx: Transaction, filters: UserFilter) -> Iterator[User]:
    """Yield the users that `wanted` describes."""
    conditions = Conditions()
    conditions.equal("enabled", filters.enabled)
    conditions.equal("blocked", filters.blocked)
    if filters.attribute is not None:
        carriers = "guid IN (SELECT user_guid FROM user_attribute WHERE id = ?)"
        conditions.add(carriers, filters.attribute)
    order = order_by(filters.sort, _SORTS, "name", "fold")
    found = map(_record, tx.each(_SELECT + conditions.where() + order, conditions.values))
    return found if filters.role is None else (user for user in found if filters.role in user.roles)


def find_by_names(tx: Transaction, texts: Iterable[str]) -> Iterator[User]:
    """Yield the users that any of `texts` names, by name, email or GUID; one may come more than once."""
    for some in chunks(map(normalize_name, texts)):
        asked = {
            "fold": some,
            "email_fold": [text for text in some if "@" in text],
            "guid": [text for text in some if len(text) == GUID_LENGTH],
        }
        for column, values in filter(itemgetter(1), asked.items()):
            yield from map(_record, tx.each(f"{_SELECT} WHERE {column} IN ({placeholders(values)})", values))


def find_managed(tx: Transaction, owners: Collection[str]) -> Iterator[User]:
    """Yield the users that any of `owners` manages."""
    return map(_record, tx.each(f"{_SELECT} WHERE managed_by IN ({placeholders([*owners])}) ORDER BY fold", [*owners]))


def release_emails(tx: Transaction, guids: Iterable[str]) -> None:
    """Let others take the emails of these users, who are saved with another one, or deleted, before the commit."""
    for some in chunks(guids):
        tx.run(f"UPDATE user SET email_fold = NULL WHERE guid IN ({placeholders(some)})", *some)


def is_attribute_used(tx: Transaction, attribute: str) -> bool:
    """Say whether some user carries an attribute of that id."""
    return tx.one("SELECT 1 FROM user_attribute WHERE id = ? LIMIT 1", attribute) is not None


def is_attribute_known(tx: Transaction, published: Iterable[str], attribute: str) -> bool:
    """Say whether an attribute of that id is published as a scope already, or some user carries it."""
    return f"user_{attribute}" in published or is_attribute_used(tx, attribute)


def add(tx: Transaction, user: User) -> None:
    """Keep a new user."""
    next_number = "(SELECT coalesce(max(number), 0) + 1 FROM user)"
    tx.run(
        f"INSERT INTO user ({', '.join(_WRITTEN)}, number) VALUES ({placeholders(_WRITTEN)}, {next_number})",
        *_row(user),
    )
    _index_attributes(tx, user)


def save(tx: Transaction, user: User) -> None:
    """Keep the changed user."""
    settings = ", ".join(f"{column} = ?" for column in _WRITTEN)
    tx.run(f"UPDATE user SET {settings} WHERE guid = ?", *_row(user), user.guid)
    tx.run("DELETE FROM user_attribute WHERE user_guid = ?", user.guid)
    _index_attributes(tx, user)


def _index_attributes(tx: Transaction, user: User) -> None:
    for attribute in user.attributes:
        tx.run("INSERT INTO user_attribute (id, user_guid) VALUES (?, ?)", attribute, user.guid)


def replace_password_hash(tx: Transaction, guid: str, before: str, after: str) -> None:
    """Keep another hash of the same password, unless the hash is not the one before any more."""
    tx.run("UPDATE user SET password_hash = ? WHERE guid = ? AND password_hash = ?", after, guid, before)


def delete(tx: Transaction, guid: str) -> None:
    """Delete the user, their keys and their sessions."""
    tx.run("DELETE FROM user WHERE guid = ?", guid)
    sessions.delete_for_user(tx, guid)
