"""
Issues access tokens, in six steps from a token request to the rows that it writes.

1. `decide` reads the audit head, then what the store has about the request (`load_facts`).
2. The rules of the grant judge these facts and build a `Grant`, or refuse. A password is hashed here.
3. The server caches the decisions about API keys (`grant_cache`) and collects what arrives together (`group_commit`).
4. `issue_token` runs in the transaction that saves the token. If anything was changed since the decision, which moves
   the audit head, all rules judge again: no token is issued after a change was acknowledged (`_revalidate`).
5. It inserts the access token, its session and its refresh token.
6. It updates the counters of the application and the last use of the key.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from gamcli import store
from gamcli.actions import Gam
from gamcli.errors import RefusedError
from gamcli.model import App, Key, User
from gamcli.model.sessions import RefreshToken, Session
from gamcli.model.token_ids import format_token_id
from gamcli.rules import api_key_grant, durations, grants, keys, password_grant, passwords, refresh_grant, scopes
from gamcli.rules.api_key_grant import API_KEY_GRANT
from gamcli.rules.credentials import (
    NO_SECRET,
    Secret,
    mint_access_token,
    mint_refresh_token,
    parse_api_key_id,
    parse_refresh_token,
)
from gamcli.rules.grants import Grant, GrantFacts, Rule, TokenRequest
from gamcli.rules.refresh_grant import RefreshTokenReuse
from gamcli.store import Transaction
from gamcli.store.hash_chain import ChainHead
from gamcli.store.tokens import TokenGrant

MAX_ATTRIBUTES = 256
"""At most this many attributes that a request names are looked up in the store."""


class GrantDecision(NamedTuple):
    """
    The result of judging `request` by `rules` when the audit log had this head.

    With the same head the rules decide alike from `valid_from` until `valid_until` (None = always).
    """

    request: TokenRequest
    result: Grant | RefreshTokenReuse
    rules: Iterable[Rule]
    audit_head: ChainHead | None
    valid_from: datetime
    valid_until: datetime | None

    @property
    def grant(self) -> Grant:
        assert isinstance(self.result, Grant), "reuse of a refresh token grants nothing"
        return self.result

    def is_valid(self, now: datetime) -> bool:
        return self.valid_from <= now and (self.valid_until is None or now < self.valid_until)


class IssuedToken(NamedTuple):
    """
    A new access token; `refresh_token` is empty when there is none.

    `expires_in` is in seconds, 0 = never.
    """

    secret: Secret
    grant: Grant
    row: int
    expires_in: int
    refresh_token: Secret = NO_SECRET

    @property
    def id(self) -> str:
        return format_token_id(self.row)


def exchange(gam: Gam, request: TokenRequest, rules: Iterable[Rule] = API_KEY_GRANT) -> IssuedToken:
    """Issue the access token that `request` asks for; raises RefusedError with the rule that refused."""
    decision = decide(gam, request, rules=rules)
    with gam.store.writing() as tx:
        try:
            return issue_token(gam, tx, decision)
        except RefusedError as error:  # raised after the commit, which may have ended a session
            refusal = error
    raise refusal


RULES_WITHOUT_CLIENT_SECRET = tuple(rule for rule in API_KEY_GRANT if rule is not grants.CLIENT_SECRET_WRONG)
"""For callers who can write the store: they could set another client secret anyway."""


def exchange_locally(gam: Gam, app: str, api_key: Secret) -> IssuedToken:
    """Exchange an API key without the client secret; raises NotFoundError, or RefusedError as `exchange` does."""
    with gam.store.reading() as tx:
        record = store.apps.get(tx, app)
        auth_type = api_key_grant.find_auth_type(record, store.auth_types.search(tx))
    name = auth_type.name if auth_type else ""
    request = TokenRequest(record.client_id, api_key=api_key, authentication_type_name=name)
    return exchange(gam, request, rules=RULES_WITHOUT_CLIENT_SECRET)


def decide(
    gam: Gam,
    request: TokenRequest,
    check_app: Callable[[App], None] = lambda _: None,
    rules: Iterable[Rule] = API_KEY_GRANT,
) -> GrantDecision:
    """
    Judge `request` without writing anything; raises RefusedError with the rule that refused.

    Calls `check_app` with the application, if it exists, before any rule; it may raise RefusedError. `rules` are those
    for API keys. Hashing a password takes about 0.3 seconds.
    """
    # The head is read before the facts: a change between the two is noticed by `_revalidate`.
    head = gam.store.read_without_transaction(store.audit.load_head)
    with gam.store.reading() as tx:
        facts = load_facts(tx, gam, request)
    if facts.app is not None:
        check_app(facts.app)
    result = _judge(facts, rules)
    if request.grant == grants.PASSWORD and isinstance(result, Grant):
        result = _rehash_if_outdated(gam, result, request.password)
    return GrantDecision(request, result, rules, head, facts.now, _valid_until(facts))


def load_facts(tx: Transaction, gam: Gam, request: TokenRequest) -> GrantFacts:
    """Return what the store holds about `request`; whatever does not exist is None."""
    repository = store.repository.get(tx)
    facts = GrantFacts(
        now=gam.now(),
        repository=repository,
        app=store.apps.find_by_client_id(tx, request.client_id)
        or store.apps.find_by_client_id(tx, request.unencoded_client_id),
        request=request,
    )
    if request.grant == grants.REFRESH:
        return _add_refresh_token_facts(tx, facts)
    facts = replace(
        facts,
        auth_type=store.auth_types.find(tx, request.authentication_type_name or repository.default_auth_type),
        attributes=_existing_attributes(tx, request.scope) if facts.app else frozenset(),
    )
    if request.grant == grants.PASSWORD:
        user = store.users.find(tx, request.username) if request.username else None
        stored_hash = user.password_hash if user else None
        return replace(facts, user=user, password_hash=stored_hash or passwords.dummy_hash())
    key, user = _find_key_and_user(tx, parse_api_key_id(request.api_key))
    return replace(facts, key=key, user=user)


def _find_key_and_user(tx: Transaction, key_id: str | None) -> tuple[Key | None, User | None]:
    """Find a key and its user. Reads another key's user when there is no such key, so that both take the same time."""
    nearest = store.keys.find_nearest(tx, key_id) if key_id else None
    user = store.users.find_by_guid(tx, nearest.user_guid) if nearest else None
    return (nearest, user) if nearest and nearest.id == key_id else (None, None)


def _existing_attributes(tx: Transaction, scope: str) -> frozenset[str]:
    """Return the attributes that `scope` names and at least one user has."""
    names = islice(filter(None, map(scopes.attribute_id, scopes.split(scope))), MAX_ATTRIBUTES)
    return frozenset(attribute for attribute in names if store.users.is_attribute_used(tx, attribute))


def _add_refresh_token_facts(tx: Transaction, facts: GrantFacts) -> GrantFacts:
    """Add the session of a refresh token, unless the token is not the stored one."""
    secret = facts.parameters.refresh_token
    position = parse_refresh_token(secret)
    row = store.sessions.find(tx, *position) if position else None
    if row is None or not secret.matches(row[0].digest):
        return facts
    token, session = row
    return replace(
        facts,
        refresh_token=token,
        session=session,
        auth_type=store.auth_types.find(tx, session.auth_type),
        user=store.users.find_by_guid(tx, session.user_guid),
        key=store.keys.find(tx, session.key) if session.key else None,
    )


def _judge(facts: GrantFacts, rules: Iterable[Rule]) -> Grant | RefreshTokenReuse:
    if facts.parameters.grant == grants.PASSWORD:
        return password_grant.decide(facts)
    if facts.parameters.grant == grants.REFRESH:
        return refresh_grant.decide(facts)
    return api_key_grant.decide(facts, rules)


def _valid_until(facts: GrantFacts) -> datetime | None:
    if facts.parameters.grant == grants.API_KEY:
        return api_key_grant.decision_expires_at(facts)
    return password_grant.decision_expires_at(facts) if facts.parameters.grant == grants.PASSWORD else None


def _rehash_if_outdated(gam: Gam, grant: Grant, password: Secret) -> Grant:
    """Add a new password hash to `grant` when the stored one was made with other parameters."""
    stored_hash = grant.user.password_hash
    if stored_hash is None or not passwords.needs_rehash(stored_hash, password):
        return grant
    return grant._replace(new_password_hash=passwords.hash_password(password, gam.entropy))


def issue_token(gam: Gam, tx: Transaction, decision: GrantDecision) -> IssuedToken:
    """
    Insert the access token of a decision; several may share a transaction.

    Raises RefusedError if the rules refuse it by now. Nothing of the token is written then, but a session that ends
    because of it must be committed.
    """
    now = gam.now()
    grant = _revalidate(tx, gam, decision, now)
    row = store.tokens.next_id(tx, now)
    secret = mint_access_token(grant.repository, row, gam.entropy)
    session = _continue_or_start_session(tx, grant, row, now)
    source = grant.key or session
    assert source is not None, "a token without a key has a session"
    expires_at = grant.expires_at(now)
    carried = TokenGrant(scopes.join(grant.scopes), expires_at, session.id if session else None)
    store.tokens.add(tx, row, secret.digest(), now, source, carried)
    refresh_token = _issue_refresh_token(gam, tx, grant, session, row, now)
    if grant.app.one_token_per_user:
        store.tokens.supersede(tx, grant.app.client_id, grant.user.guid, row)
    _record_use(tx, grant, now)
    if not decision.request.authentication_type_name and decision.request.grant != grants.REFRESH:
        store.repository.count_default_type_use(tx, now)
    return IssuedToken(secret, grant, row, durations.seconds_until(now, expires_at), refresh_token)


def _revalidate(tx: Transaction, gam: Gam, decision: GrantDecision, now: datetime) -> Grant:
    """
    Return the grant to save; raises RefusedError.

    A refresh token is always judged again, since using it twice ends its session and leaves no audit entry.
    """
    decided = decision.result
    if isinstance(decided, Grant) and decision.request.grant != grants.REFRESH:
        if decision.audit_head == tx.cached(store.audit.load_head) and decision.is_valid(now):
            return decided
        facts = load_facts(tx, gam, decision.request)
        if decision.request.grant == grants.PASSWORD:
            facts = replace(facts, is_password_right=password_grant.is_same_password(decided.user, facts.user))
        result = _judge(facts, decision.rules)
        assert isinstance(result, Grant), "only the refresh grant ends sessions"
        return result._replace(new_password_hash=decided.new_password_hash)
    result = _judge(load_facts(tx, gam, decision.request), decision.rules)
    if isinstance(result, RefreshTokenReuse):
        store.sessions.revoke(tx, result.session, now)
        raise result.refusal
    return result


def _continue_or_start_session(tx: Transaction, grant: Grant, row: int, now: datetime) -> Session | None:
    """Return the session of the token in that row, or None when it needs none."""
    if not grant.has_session:
        return None
    session = Session(
        id=grant.used_refresh_token.session if grant.used_refresh_token else store.sessions.next_id(tx, row),
        user_guid=grant.user.guid,
        client_id=grant.app.client_id,
        auth_type=grant.auth_type,
        scopes=grant.scopes,
        key=grant.key.id if grant.key else None,
        initial_properties=grant.initial_properties,
    )
    if grant.used_refresh_token is not None:
        store.sessions.mark_used(tx, grant.used_refresh_token, now)
    else:
        store.sessions.add(tx, session)
    return session


def _issue_refresh_token(
    gam: Gam, tx: Transaction, grant: Grant, session: Session | None, row: int, now: datetime
) -> Secret:
    if session is None or not grant.renewal_number:
        return NO_SECRET
    secret = mint_refresh_token(session.id, grant.renewal_number, gam.entropy)
    expires_at = now + grants.REFRESH_TIMEOUT
    token = RefreshToken(session.id, grant.renewal_number, row, secret.digest(), expires_at)
    store.sessions.add_refresh_token(tx, token)
    return secret


def _record_use(tx: Transaction, grant: Grant, now: datetime) -> None:
    store.apps.record_grant(tx, grant.app.client_id, now)
    if grant.user.password_hash is not None and grant.new_password_hash is not None:
        store.users.replace_password_hash(tx, grant.user.guid, grant.user.password_hash, grant.new_password_hash)
    if grant.key is not None and keys.should_record_use(grant.key.last_used_at, now):
        store.keys.record_use(tx, grant.key.id, now)
