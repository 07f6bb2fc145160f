"""Loads what the store holds about token requests, for all requests of a turn together."""

from collections.abc import Callable, Collection, Iterable, MutableMapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from gamcli import store
from gamcli.errors import StoreMissingError, command
from gamcli.model import Key, User, normalize_name
from gamcli.rules import grants, passwords, scopes
from gamcli.rules.credentials import api_key_lookup_id, parse_refresh_token
from gamcli.rules.grants import GrantFacts, TokenRequest
from gamcli.store import Transaction
from gamcli.store.engine import Query
from gamcli.store.grant_facts import AskedClient, ClientFacts, Position, StoredRefreshToken

MAX_ATTRIBUTES = 256
"""At most this many attributes that a request names are looked up in the store."""

ValueT = TypeVar("ValueT")

Clients = MutableMapping[AskedClient, ClientFacts]


def load_facts(
    tx: Transaction, now: datetime, requests: Sequence[TokenRequest], clients: Clients | None = None
) -> list[GrantFacts]:
    """
    Return what the store holds about each of `requests`; whatever does not exist is None.

    Runs one statement per kind of grant, one for applications and authentication types, and one for attributes that are
    named as scopes, all in one round trip. `clients` are the applications that are loaded already; it is extended.
    """
    if not requests:  # all decisions are cached
        return []
    loader = _FactLoader(now, {} if clients is None else clients)
    loader.load(tx, requests)
    return [loader.build(request) for request in requests]


class _FactLoader:
    def __init__(self, now: datetime, clients: Clients) -> None:
        self._now = now
        self._clients = clients
        self._keys: dict[str, tuple[Key, User]] = {}
        self._users: dict[str, User] = {}
        self._refresh_tokens: dict[Position, StoredRefreshToken] = {}
        self._attributes: frozenset[str] = frozenset()

    def load(self, tx: Transaction, requests: Sequence[TokenRequest]) -> None:
        facts = store.grant_facts
        by_grant = {grant: [each for each in requests if each.grant == grant] for grant in grants.GRANTS}
        asked: list[tuple[Query[Any], Callable[[Any], None]]] = []
        if key_ids := _distinct(api_key_lookup_id(each.api_key) for each in by_grant[grants.API_KEY]):
            asked.append((facts.find_keys(key_ids), self._keys.update))
        if names := _distinct(normalize_name(each.username) for each in by_grant[grants.PASSWORD]):
            asked.append((facts.find_users(names), self._add_users))
        if positions := _distinct(parse_refresh_token(each.refresh_token) for each in by_grant[grants.REFRESH]):
            asked.append((facts.find_refresh_tokens(positions), self._refresh_tokens.update))
        clients = _distinct(client for each in requests for client in _asked_clients(each))
        if missing := [each for each in clients if each not in self._clients]:
            asked.append((facts.find_clients(missing), self._clients.update))
        if attributes := _distinct(name for each in requests for name in _asked_attributes(each)):
            asked.append((facts.find_used_attributes(sorted(attributes)), self._add_attributes))
        for (_, add), result in zip(asked, tx.fetch_together([query for query, _ in asked]), strict=True):
            add(result)

    def _add_users(self, users: list[User]) -> None:
        # A name comes before an email address, and that before a GUID.
        self._users = {user.guid: user for user in users}
        self._users |= {normalize_name(user.email): user for user in users}
        self._users |= {normalize_name(user.name): user for user in users}

    def _add_attributes(self, used: frozenset[str]) -> None:
        self._attributes = used

    def build(self, request: TokenRequest) -> GrantFacts:
        found = [self._clients.get(asked) for asked in _asked_clients(request)]
        client = next((each for each in found if each is not None and each.app is not None), found[0])
        if client is None:
            raise StoreMissingError("the store is not initialized", command("init"))
        facts = GrantFacts(self._now, client.app, client.auth_type, repository=client.repository, request=request)
        if request.grant == grants.REFRESH:
            return self._with_session(facts)
        if request.grant == grants.PASSWORD:
            user = self._users.get(normalize_name(request.username)) if request.username else None
            stored_hash = user.password_hash if user else None
            facts = facts._replace(user=user, password_hash=stored_hash or passwords.dummy_hash())
        else:
            key, user = self._keys.get(api_key_lookup_id(request.api_key), (None, None))
            facts = facts._replace(key=key, user=user)
        if not self._attributes or facts.app is None:
            return facts
        allowed = facts.key.scopes if facts.key else facts.app.scopes
        return facts._replace(attributes=self._attributes.intersection(_asked_attributes(request, allowed)))

    def _with_session(self, facts: GrantFacts) -> GrantFacts:
        """Add the refresh token of the request with its session, unless it is not the stored one."""
        secret = facts.parameters.refresh_token
        position = parse_refresh_token(secret)
        stored = self._refresh_tokens.get(position) if position else None
        if stored is None or not secret.matches(stored.token.digest):
            return facts._replace(auth_type=None)
        token, session, user, key, auth_type = stored
        return facts._replace(refresh_token=token, session=session, user=user, key=key, auth_type=auth_type)


def _asked_clients(request: TokenRequest) -> list[AskedClient]:
    auth_type = "" if request.grant == grants.REFRESH else normalize_name(request.authentication_type_name)
    client_ids = _distinct((request.client_id, request.unencoded_client_id)) or [""]
    return [(client_id, auth_type) for client_id in client_ids]


def _asked_attributes(request: TokenRequest, allowed: Collection[str] = ()) -> Iterable[str]:
    """Return the attributes that the request names as scopes, without the `allowed` scopes."""
    if not request.scope or request.grant == grants.REFRESH:
        return ()
    names = (name for name in scopes.split(request.scope) if name not in allowed)
    return islice(filter(None, map(scopes.attribute_id, names)), MAX_ATTRIBUTES)


def _distinct(values: Iterable[ValueT | None]) -> list[ValueT]:
    """Return the values in their order, without empty ones."""
    return list(dict.fromkeys(value for value in values if value))
