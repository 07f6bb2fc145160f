"""The facts that a grant is judged on, and the session that its token belongs to."""

from dataclasses import replace
from datetime import datetime
from itertools import islice

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.grant_cache import CachedGrant
from gamcli.model import Key, User
from gamcli.model.sessions import RefreshToken, Session
from gamcli.rules import api_key_grant, grants, password_grant, passwords, refresh_grant, scopes
from gamcli.rules.credentials import NO_SECRET, Secret, mint_refresh_token, parse_api_key_id, parse_refresh_token
from gamcli.rules.grants import Grant, GrantFacts, TokenRequest
from gamcli.store import Transaction

MAX_ATTRIBUTES = 256
"""How many attributes a request can name that only a wider scope allows: each of them is looked for."""


def load_facts(tx: Transaction, gam: Gam, request: TokenRequest) -> GrantFacts:
    """Return what the store holds about `request`; what is not there is None: the rules judge it."""
    repository = store.repository.get(tx)
    found = GrantFacts(
        now=gam.now(),
        repository=repository,
        app=store.apps.find_by_client_id(tx, request.client_id),
        request=request,
    )
    if request.grant == grants.REFRESH:
        return _add_refresh_token_facts(tx, found)
    found = replace(
        found,
        auth_type=store.auth_types.find(tx, request.authentication_type_name or repository.default_auth_type),
        attributes=_existing_attributes(tx, request.scope) if found.app else frozenset(),
    )
    if request.grant == grants.PASSWORD:
        user = store.users.find(tx, request.username) if request.username else None
        known = user.password_hash if user else None
        return replace(found, user=user, password_hash=known or passwords.dummy_hash())
    key, owner = find_key_and_user(tx, parse_api_key_id(request.api_key))
    return replace(found, key=key, user=owner)


def find_key_and_user(tx: Transaction, key_id: str | None) -> tuple[Key | None, User | None]:
    """Find a key and its owner; when there is none, read another's as well, so that the clock does not tell."""
    near = store.keys.find_nearest(tx, key_id) if key_id else None
    owner = store.users.find_by_guid(tx, near.user_guid) if near else None
    return (near, owner) if near and near.id == key_id else (None, None)


def _existing_attributes(tx: Transaction, scope: str) -> frozenset[str]:
    """Return the attributes that `scope` names and some user carries."""
    named = islice(filter(None, map(scopes.attribute_id, scopes.split(scope))), MAX_ATTRIBUTES)
    return frozenset(attribute for attribute in named if store.users.is_attribute_used(tx, attribute))


def _add_refresh_token_facts(tx: Transaction, facts: GrantFacts) -> GrantFacts:
    """Find what the session of a refresh token stands on; nothing unless the token is the one that was kept."""
    sent = facts.parameters.refresh_token
    place = parse_refresh_token(sent)
    kept = store.sessions.find(tx, *place) if place else None
    if kept is None or not sent.matches(kept[0].digest):
        return facts
    token, session = kept
    return replace(
        facts,
        refresh_token=token,
        session=session,
        auth_type=store.auth_types.find(tx, session.auth_type),
        user=store.users.find_by_guid(tx, session.user_guid),
        key=store.keys.find(tx, session.key) if session.key else None,
    )


def rehash_if_outdated(gam: Gam, grant: Grant, password: Secret) -> Grant:
    """Return `grant` with another hash of its password when the one that is kept was made with other parameters."""
    kept = grant.user.password_hash
    if kept is None or not passwords.needs_rehash(kept):
        return grant
    return grant._replace(new_password_hash=passwords.hash_password(password, gam.entropy))


def revalidate(tx: Transaction, gam: Gam, decision: Grant | CachedGrant, now: datetime) -> Grant:
    """
    Return the grant that was decided, as it is to be kept; raises RefusedError when it is no longer to be.

    A grant to an API key is decided anew when anything was changed meanwhile, others hold while their password or
    refresh token is what it was. A refresh token that was used ends its session, which is kept though it is refused.
    """
    if isinstance(decision, CachedGrant):
        if decision.audit_head == tx.cached(store.audit.load_head):
            return decision.grant
        return api_key_grant.decide(load_facts(tx, gam, decision.request), decision.rules)
    if decision.used_refresh_token is not None:
        _require_unused_refresh_token(tx, decision.used_refresh_token, now)
    else:
        _require_same_password(tx, decision, now)
    return decision


def _require_same_password(tx: Transaction, grant: Grant, now: datetime) -> None:
    user = store.users.find_by_guid(tx, grant.user.guid)
    if user is None or user.password_set_at != grant.user.password_set_at:
        raise password_grant.PASSWORD_WRONG.refusal(GrantFacts(now))


def _require_unused_refresh_token(tx: Transaction, sent: RefreshToken, now: datetime) -> None:
    token, session = store.sessions.find(tx, sent.session, sent.counter) or (None, None)
    facts = GrantFacts(now, refresh_token=token, session=session)
    if session is None:
        raise refresh_grant.REFRESH_UNKNOWN.refusal(facts)
    broken = grants.find_violation((refresh_grant.REFRESH_USED, refresh_grant.REFRESH_REVOKED), facts)
    if broken is refresh_grant.REFRESH_USED:
        store.sessions.revoke(tx, session.id, now)
    if broken is not None:
        raise broken.refusal(facts)


def continue_or_start_session(tx: Transaction, grant: Grant, row: int, now: datetime) -> Session | None:
    """Return the session that the token in that row belongs to: one that goes on, one that begins now, or none."""
    if not grant.has_session:
        return None
    found = Session(
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
        store.sessions.add(tx, found)
    return found


def issue_refresh_token(
    gam: Gam, tx: Transaction, grant: Grant, session: Session | None, row: int, now: datetime
) -> Secret:
    """Return the refresh token that comes with the access token in that row, an empty one where none does."""
    if session is None or not grant.renewal_number:
        return NO_SECRET
    secret = mint_refresh_token(session.id, grant.renewal_number, gam.entropy)
    expires_at = now + grants.REFRESH_TIMEOUT
    store.sessions.add_refresh_token(
        tx, RefreshToken(session.id, grant.renewal_number, row, secret.digest(), expires_at)
    )
    return secret
