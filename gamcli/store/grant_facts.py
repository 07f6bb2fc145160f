"""What the store holds about token requests: each function asks about all requests of a turn in one statement."""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from gamcli.model import App, AuthType, Key, Repository, User
from gamcli.model.sessions import RefreshToken, Session
from gamcli.store import apps, auth_types, keys, sessions, users
from gamcli.store.engine import Transaction
from gamcli.store.queries import placeholders, with_asked
from gamcli.store.timestamps import from_micros

AskedClient = tuple[str, str]
"""A client ID, and the folded name of an authentication type; an empty name stands for the default type."""


class ClientFacts(NamedTuple):
    """The application with a client ID and an authentication type, None if there is none, and the repository."""

    repository: Repository
    app: App | None
    auth_type: AuthType | None

    def __repr__(self) -> str:
        return f"ClientFacts({self.app!r}, {self.auth_type!r})"


_CLIENTS = f"""SELECT asked.position, repository.guid, default_type.name, repository.created_at,
    repository.pairwise_key, {auth_types.fields("named_type")}, {apps.FIELDS}
    FROM asked CROSS JOIN repository JOIN auth_type AS default_type ON default_type.fold = repository.default_auth_type
    LEFT JOIN auth_type AS named_type
    ON named_type.fold = CASE WHEN asked.type = '' THEN repository.default_auth_type ELSE asked.type END
    LEFT JOIN app ON app.client_id = asked.client_id
    LEFT JOIN auth_type ON auth_type.fold = app.api_key_auth_type"""

_TYPE_AT = 5
_APP_AT = 13


def find_clients(tx: Transaction, asked: Collection[AskedClient]) -> dict[AskedClient, ClientFacts]:
    """Return what is asked for; nothing before `gamcli init`."""
    wanted = [*asked]  # found by position: an engine may not return text as it was asked for
    with_clause, values = with_asked("position, client_id, type", [(at, *each) for at, each in enumerate(wanted)])
    rows: Iterable[Any] = tx.each(with_clause + _CLIENTS, values)
    return {
        wanted[row[0]]: ClientFacts(
            Repository(row[1], row[2], from_micros(row[3]), row[4]),
            None if row[_APP_AT] is None else apps.build_record(row[_APP_AT:]),
            None if row[_TYPE_AT] is None else auth_types.build_record(row[_TYPE_AT:_APP_AT]),
        )
        for row in rows
    }


# An unknown ID reads another key and its user, so that it takes as long as a known one.
_KEYS = f"""SELECT asked.id, {keys.FIELDS}, {users.FIELDS} FROM asked JOIN key ON key.id = coalesce(
    (SELECT max(nearest.id) FROM key AS nearest WHERE nearest.id <= asked.id), (SELECT min(first.id) FROM key AS first))
    JOIN user ON user.number = key.user_number JOIN app ON app.number = key.app_number
    LEFT JOIN auth_type ON auth_type.fold = app.api_key_auth_type"""


def find_keys(tx: Transaction, ids: Collection[str]) -> dict[str, tuple[Key, User]]:
    """Return the keys with these complete IDs, and their users; an unknown ID takes as long as a known one."""
    with_clause, values = with_asked("id", [(each,) for each in ids])
    user_at, found = 1 + keys.FIELD_COUNT, dict[str, tuple[Key, User]]()
    rows: Iterable[Any] = tx.each(with_clause + _KEYS, values)
    for row in rows:
        key, user = keys.build_record(row[1:user_at]), users.build_record(row[user_at:])
        if key.id == row[0]:
            found[key.id] = (key, user)
    return found


def find_users(tx: Transaction, names: Collection[str]) -> list[User]:
    """Return the users with any of these folded names, emails or GUIDs."""
    asked = [*names]
    named = " OR ".join(f"user.{column} IN ({placeholders(asked)})" for column in ("fold", "email_fold", "guid"))
    return [*map(users.build_record, tx.each(f"SELECT {users.FIELDS} FROM user WHERE {named}", asked * 3))]


def find_users_by_guid(tx: Transaction, guids: Collection[str]) -> dict[str, User]:
    rows = tx.each(f"SELECT {users.FIELDS} FROM user WHERE user.guid IN ({placeholders([*guids])})", [*guids])
    return {user.guid: user for user in map(users.build_record, rows)}


class StoredRefreshToken(NamedTuple):
    """A refresh token with its session, and the user and the key of the session if they still exist."""

    token: RefreshToken
    session: Session
    user: User | None
    key: Key | None


_REFRESH_TOKENS = f"""SELECT {sessions.FIELDS}, {keys.FIELDS}, {users.FIELDS} FROM asked
    JOIN refresh_token ON refresh_token.session = asked.session AND refresh_token.counter = asked.counter
    JOIN session ON session.id = refresh_token.session
    LEFT JOIN token_floor ON token_floor.client_id = session.client_id AND token_floor.user_guid = session.user_guid
    LEFT JOIN user ON user.guid = session.user_guid
    LEFT JOIN key ON key.id = session.key AND key.user_number = user.number
    LEFT JOIN app ON app.number = key.app_number
    LEFT JOIN auth_type ON auth_type.fold = app.api_key_auth_type"""

Position = tuple[int, int]
"""The session of a refresh token, and the number of the renewal that it buys."""


def find_refresh_tokens(tx: Transaction, positions: Collection[Position]) -> dict[Position, StoredRefreshToken]:
    with_clause, values = with_asked("session, counter", [*positions])
    key_at = sessions.FIELD_COUNT
    user_at, found = key_at + keys.FIELD_COUNT, dict[Position, StoredRefreshToken]()
    rows: Iterable[Any] = tx.each(with_clause + _REFRESH_TOKENS + tx.keep_unchanged("refresh_token"), values)
    for row in rows:
        token, session = sessions.build_records(row[:key_at])
        key = None if row[key_at] is None else keys.build_record(row[key_at:user_at])
        user = None if row[user_at] is None else users.build_record(row[user_at:])
        found[token.session, token.counter] = StoredRefreshToken(token, session, user, key)
    return found


def find_used_attributes(tx: Transaction, names: Collection[str]) -> frozenset[str]:
    """Return those of the attributes that at least one user has."""
    with_clause, values = with_asked("id", [(name,) for name in names])
    used = "EXISTS (SELECT 1 FROM user_attribute WHERE user_attribute.id = asked.id)"
    return frozenset(str(name) for (name,) in tx.each(f"{with_clause}SELECT asked.id FROM asked WHERE {used}", values))
