"""
What the store holds about token requests: each query asks about all requests of a turn.

No query needs the result of another one, so that all of them are one round trip.
"""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from gamcli.model import App, AuthType, Key, Repository, User
from gamcli.model.tokens import RefreshToken, Session
from gamcli.store import apps, auth_types, keys, repository, sessions, users
from gamcli.store.engine import Query
from gamcli.store.queries import placeholders, with_asked

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


def find_clients(asked: Collection[AskedClient]) -> Query[dict[AskedClient, ClientFacts]]:
    """Return what is asked for; nothing before `gamcli init`."""
    wanted = [*asked]  # found by position: an engine may not return text as it was asked for
    with_clause, values = with_asked("position, client_id, type", [(at, *each) for at, each in enumerate(wanted)])

    def build(rows: Iterable[Any]) -> dict[AskedClient, ClientFacts]:
        return {
            wanted[row[0]]: ClientFacts(
                repository.build_record(row[1:_TYPE_AT]),
                None if row[_APP_AT] is None else apps.build_record(row[_APP_AT:]),
                None if row[_TYPE_AT] is None else auth_types.build_record(row[_TYPE_AT:_APP_AT]),
            )
            for row in rows
        }

    return Query(with_clause + _CLIENTS, values, build)


# An unknown ID reads another key and its user, so that it takes as long as a known one.
_KEYS = f"""SELECT asked.id, {keys.FIELDS}, {users.FIELDS} FROM asked JOIN key ON key.id = coalesce(
    (SELECT max(nearest.id) FROM key AS nearest WHERE nearest.id <= asked.id), (SELECT min(first.id) FROM key AS first))
    JOIN user ON user.number = key.user_number JOIN app ON app.number = key.app_number
    LEFT JOIN auth_type ON auth_type.fold = app.api_key_auth_type"""


def find_keys(ids: Collection[str]) -> Query[dict[str, tuple[Key, User]]]:
    """Return the keys with these complete IDs, and their users; an unknown ID takes as long as a known one."""
    with_clause, values = with_asked("id", [(each,) for each in ids])
    user_at = 1 + keys.FIELD_COUNT

    def build(rows: Iterable[Any]) -> dict[str, tuple[Key, User]]:
        found = ((row[0], keys.build_record(row[1:user_at]), users.build_record(row[user_at:])) for row in rows)
        return {key.id: (key, user) for asked_id, key, user in found if key.id == asked_id}

    return Query(with_clause + _KEYS, values, build)


def find_users(names: Collection[str]) -> Query[list[User]]:
    """Return the users with any of these folded names, emails or GUIDs, to log in; their passwords stay as they are."""
    asked = [*names]
    named = " OR ".join(f"user.{column} IN ({placeholders(asked)})" for column in ("fold", "email_fold", "guid"))
    sql = f"SELECT {users.FIELDS} FROM user WHERE {named}"

    def build(rows: Iterable[Any]) -> list[User]:
        return [users.check_password_hash(users.build_record(row)) for row in rows]

    return Query(sql, asked * 3, build, keep="user", is_shared=True)


def find_users_by_guid(guids: Collection[str]) -> Query[dict[str, User]]:
    sql = f"SELECT {users.FIELDS} FROM user WHERE user.guid IN ({placeholders([*guids])})"
    return Query(sql, [*guids], lambda rows: {user.guid: user for user in map(users.build_record, rows)})


class StoredRefreshToken(NamedTuple):
    """A refresh token with its session, and the user, key and authentication type of the session if they exist."""

    token: RefreshToken
    session: Session
    user: User | None
    key: Key | None
    auth_type: AuthType | None


_REFRESH_TOKENS = f"""SELECT {sessions.FIELDS}, {auth_types.fields("session_type")}, {keys.FIELDS}, {users.FIELDS}
    FROM asked
    JOIN refresh_token ON refresh_token.session = asked.session AND refresh_token.counter = asked.counter
    JOIN session ON session.id = refresh_token.session
    LEFT JOIN token_floor ON token_floor.client_id = session.client_id AND token_floor.user_guid = session.user_guid
    LEFT JOIN auth_type AS session_type
    ON session_type.name = session.auth_type OR session_type.fold = lower(session.auth_type)
    LEFT JOIN user ON user.guid = session.user_guid
    LEFT JOIN key ON key.id = session.key AND key.user_number = user.number
    LEFT JOIN app ON app.number = key.app_number
    LEFT JOIN auth_type ON auth_type.fold = app.api_key_auth_type"""

Position = tuple[int, int]
"""The session of a refresh token, and the number of the renewal that it buys."""


def find_refresh_tokens(positions: Collection[Position]) -> Query[dict[Position, StoredRefreshToken]]:
    """Return the refresh tokens at these positions; nothing else can spend them meanwhile."""
    with_clause, values = with_asked("session, counter", [*positions])
    type_at = sessions.FIELD_COUNT
    key_at = type_at + auth_types.FIELD_COUNT
    user_at = key_at + keys.FIELD_COUNT

    def build(rows: Iterable[Any]) -> dict[Position, StoredRefreshToken]:
        found = dict[Position, StoredRefreshToken]()
        for row in rows:
            token, session = sessions.build_records(row[:type_at])
            auth_type = None if row[type_at] is None else auth_types.build_record(row[type_at:key_at])
            key = None if row[key_at] is None else keys.build_record(row[key_at:user_at])
            user = None if row[user_at] is None else users.build_record(row[user_at:])
            found[token.session, token.counter] = StoredRefreshToken(token, session, user, key, auth_type)
        return found

    return Query(with_clause + _REFRESH_TOKENS, values, build, keep="refresh_token")


def find_used_attributes(names: Collection[str]) -> Query[frozenset[str]]:
    """Return those of the attributes that at least one user has."""
    with_clause, values = with_asked("id", [(name,) for name in names])
    used = "EXISTS (SELECT 1 FROM user_attribute WHERE user_attribute.id = asked.id)"
    sql = f"{with_clause}SELECT asked.id FROM asked WHERE {used}"
    return Query(sql, values, lambda rows: frozenset(str(name) for (name,) in rows))
