"""Loads what the store holds about token requests, for all requests of a turn together."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from gamcli import store
from gamcli.actions import Gam
from gamcli.errors import StoreMissingError, command
from gamcli.model import App, Key, User, normalize_name
from gamcli.rules import grants, passwords, scopes
from gamcli.rules.credentials import api_key_lookup_id, parse_refresh_token
from gamcli.rules.grants import GrantFacts, TokenRequest
from gamcli.store.engine import Query
from gamcli.store.grant_facts import AskedClient, ClientFacts, Position, StoredRefreshToken

MAX_ATTRIBUTES = 256
"""At most this many attributes that a request names are looked up in the store."""

ValueT = TypeVar("ValueT")

Clients = MutableMapping[AskedClient, ClientFacts]


def read_facts(gam: Gam, request: TokenRequest, check_app: Callable[[App], None] = lambda _: None) -> GrantFacts:
    """
    Return what the store holds about a request; whatever does not exist is None.

    `check_app` is called with its application, if that exists.
    """
    loader = FactLoader([request])
    with gam.store.reading() as tx:
        loader.add(tx.fetch_together(loader.queries))
    facts = loader.build(request, gam.now())
    if facts.app is not None:
        check_app(facts.app)
    return facts


class FactLoader:
    """
    Loads facts about token requests: run `queries`, `add` their results, then `build` the facts.

    They are one per kind of grant, one for applications and authentication types, and one for attributes that are
    named as scopes. `clients` are the applications that are loaded already; it is extended.
    """

    def __init__(self, requests: Sequence[TokenRequest], clients: Clients | None = None) -> None:
        self._keys: dict[str, tuple[Key, User]] = {}
        self._users: dict[str, User] = {}
        self._refresh_tokens: dict[Position, StoredRefreshToken] = {}
        self._attributes: frozenset[str] = frozenset()
        self._clients: dict[AskedClient, ClientFacts] = {}
        self._cached_clients: Clients = {} if clients is None else clients
        asked = [*self._ask(requests)]
        self.queries = [query for query, _ in asked]
        self._adders = [add for _, add in asked]

    def _ask(self, requests: Sequence[TokenRequest]) -> Iterator[tuple[Query[Any], Callable[[Any], None]]]:
        if not requests:  # all decisions are cached
            return
        facts = store.grant_facts
        by_grant = {grant: [each for each in requests if each.grant == grant] for grant in grants.GRANTS}
        if key_ids := _distinct(api_key_lookup_id(each.api_key) for each in by_grant[grants.API_KEY]):
            yield facts.find_keys(key_ids), self._keys.update
        if names := _distinct(normalize_name(each.username) for each in by_grant[grants.PASSWORD]):
            yield facts.find_users(names), self._add_users
        if positions := _distinct(parse_refresh_token(each.refresh_token) for each in by_grant[grants.REFRESH]):
            yield facts.find_refresh_tokens(positions), self._refresh_tokens.update
        clients = _distinct(client for each in requests for client in _asked_clients(each))
        self._clients |= {each: self._cached_clients[each] for each in clients if each in self._cached_clients}
        if missing := [each for each in clients if each not in self._clients]:
            yield facts.find_clients(missing), self._add_clients
        if attributes := _distinct(name for each in requests for name in _asked_attributes(each)):
            yield facts.find_used_attributes(sorted(attributes)), self._add_attributes

    def add(self, results: Iterable[Any]) -> None:
        """Add the results of `queries`."""
        for add, result in zip(self._adders, results, strict=True):
            add(result)

    def _add_clients(self, clients: Mapping[AskedClient, ClientFacts]) -> None:
        self._clients.update(clients)
        self._cached_clients.update(clients)

    def _add_users(self, users: list[User]) -> None:
        # A name comes before an email address, and that before a GUID.
        self._users = {user.guid: user for user in users}
        self._users |= {normalize_name(user.email): user for user in users}
        self._users |= {normalize_name(user.name): user for user in users}

    def _add_attributes(self, used: frozenset[str]) -> None:
        self._attributes = used

    def build(self, request: TokenRequest, now: datetime) -> GrantFacts:
        found = [self._clients.get(asked) for asked in _asked_clients(request)]
        client = next((each for each in found if each is not None and each.app is not None), found[0])
        if client is None:
            raise StoreMissingError("the store is not initialized", command("init"))
        facts = GrantFacts(now, client.app, client.auth_type, repository=client.repository, request=request)
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
        asked = _asked_attributes(request, facts.allowed_scopes)
        return facts._replace(attributes=self._attributes.intersection(asked))

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
