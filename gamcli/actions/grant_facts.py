"""Loads what the store holds about token requests, for all requests of a turn together."""

from collections.abc import Iterable, MutableMapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import TypeVar

from gamcli import store
from gamcli.errors import StoreMissingError, command
from gamcli.model import Key, User, normalize_name
from gamcli.rules import grants, passwords, scopes
from gamcli.rules.credentials import api_key_lookup_id, parse_refresh_token
from gamcli.rules.grants import GrantFacts, TokenRequest
from gamcli.store import Transaction
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

    Runs one statement per kind of grant, one for applications and authentication types, and one for attributes that the
    key or application does not have as scopes. `clients` are the applications that are loaded already; it is extended.
    """
    if not requests:
        return []
    loader = _FactLoader(now, {} if clients is None else clients)
    loader.load(tx, requests)
    facts = [loader.build(request) for request in requests]
    attributes = [_unpublished_attributes(each) for each in facts]
    asked = frozenset[str]().union(*attributes)
    if not asked:
        return facts
    used = store.grant_facts.find_used_attributes(tx, sorted(asked))
    return [replace(each, attributes=names & used) for each, names in zip(facts, attributes, strict=True)]


class _FactLoader:
    def __init__(self, now: datetime, clients: Clients) -> None:
        self._now = now
        self._clients = clients
        self._keys: dict[str, tuple[Key, User]] = {}
        self._users: dict[str, User] = {}
        self._refresh_tokens: dict[Position, StoredRefreshToken] = {}

    def load(self, tx: Transaction, requests: Sequence[TokenRequest]) -> None:
        facts = store.grant_facts
        by_grant = {grant: [each for each in requests if each.grant == grant] for grant in grants.GRANTS}
        if key_ids := _distinct(api_key_lookup_id(each.api_key) for each in by_grant[grants.API_KEY]):
            self._keys = facts.find_keys(tx, key_ids)
        if names := _distinct(normalize_name(each.username) for each in by_grant[grants.PASSWORD]):
            users = facts.find_users(tx, names)
            # A name comes before an email address, and that before a GUID.
            self._users = {user.guid: user for user in users}
            self._users |= {normalize_name(user.email): user for user in users}
            self._users |= {normalize_name(user.name): user for user in users}
        if positions := _distinct(parse_refresh_token(each.refresh_token) for each in by_grant[grants.REFRESH]):
            self._refresh_tokens = facts.find_refresh_tokens(tx, positions)
        asked = _distinct(client for each in requests for client in self._asked_clients(each))
        if missing := [each for each in asked if each not in self._clients]:
            self._clients.update(facts.find_clients(tx, missing))

    def build(self, request: TokenRequest) -> GrantFacts:
        found = [self._clients.get(asked) for asked in self._asked_clients(request)]
        client = next((each for each in found if each is not None and each.app is not None), found[0])
        if client is None:
            raise StoreMissingError("the store is not initialized", command("init"))
        facts = GrantFacts(self._now, client.app, client.auth_type, repository=client.repository, request=request)
        if request.grant == grants.REFRESH:
            stored = self._find_refresh_token(request)
            return replace(facts, auth_type=None) if stored is None else _with_session(facts, stored)
        if request.grant == grants.PASSWORD:
            user = self._users.get(normalize_name(request.username)) if request.username else None
            stored_hash = user.password_hash if user else None
            return replace(facts, user=user, password_hash=stored_hash or passwords.dummy_hash())
        key, user = self._keys.get(api_key_lookup_id(request.api_key), (None, None))
        return replace(facts, key=key, user=user)

    def _find_refresh_token(self, request: TokenRequest) -> StoredRefreshToken | None:
        """Return the refresh token of a request, unless it is not the stored one."""
        position = parse_refresh_token(request.refresh_token)
        stored = self._refresh_tokens.get(position) if position else None
        return stored if stored is not None and request.refresh_token.matches(stored.token.digest) else None

    def _asked_clients(self, request: TokenRequest) -> list[AskedClient]:
        stored = self._find_refresh_token(request) if request.grant == grants.REFRESH else None
        auth_type = normalize_name(stored.session.auth_type if stored else request.authentication_type_name)
        client_ids = _distinct((request.client_id, request.unencoded_client_id)) or [""]
        return [(client_id, auth_type) for client_id in client_ids]


def _with_session(facts: GrantFacts, stored: StoredRefreshToken) -> GrantFacts:
    return replace(facts, refresh_token=stored.token, session=stored.session, user=stored.user, key=stored.key)


def _unpublished_attributes(facts: GrantFacts) -> frozenset[str]:
    """Return the attributes that the request names as scopes, without the scopes of the key or application."""
    if not facts.parameters.scope or facts.app is None or facts.parameters.grant == grants.REFRESH:
        return frozenset()
    allowed = facts.key.scopes if facts.key else facts.app.scopes
    names = (name for name in scopes.split(facts.parameters.scope) if name not in allowed)
    return frozenset(islice(filter(None, map(scopes.attribute_id, names)), MAX_ATTRIBUTES))


def _distinct(values: Iterable[ValueT | None]) -> list[ValueT]:
    """Return the values in their order, without empty ones."""
    return list(dict.fromkeys(value for value in values if value))
