"""Why a key works or does not: the rules of the endpoint, judged on what the store holds."""

from gamcli import store
from gamcli.actions import Gam, grants, keys
from gamcli.model import Key
from gamcli.rules import diagnosis
from gamcli.rules.api_key_grant import API_KEY_GRANT
from gamcli.rules.credentials import Secret, parse_api_key_id
from gamcli.rules.grants import PASSWORD, GrantFacts, Rule, TokenRequest, find_violation
from gamcli.rules.password_grant import PASSWORD_GRANT
from gamcli.store import Transaction


def verify(gam: Gam, secret: Secret, app: str | None = None) -> diagnosis.KeyVerification:
    """Return whether the API key may be used now for `app`, by default its own application."""
    with gam.store.reading() as tx:
        return diagnosis.verify(_load_facts(tx, gam, _find_key(tx, secret), app, TokenRequest(api_key=secret)))


def explain(gam: Gam, key_id: str) -> tuple[diagnosis.RuleResult, ...]:
    """Return every rule of the grant, judged for the key whose id begins with `key_id`."""
    with gam.store.reading() as tx:
        return diagnosis.explain(_load_facts(tx, gam, keys.load_key(tx, key_id), None, None))


def explain_secret(gam: Gam, secret: Secret) -> tuple[diagnosis.RuleResult, ...]:
    """Return every rule of the grant, judged for whoever holds the API key itself; empty when no key has its id."""
    with gam.store.reading() as tx:
        key = _find_key(tx, secret)
        return diagnosis.explain(_load_facts(tx, gam, key, None, TokenRequest(api_key=secret))) if key else ()


def find_refusal(gam: Gam, request: TokenRequest) -> tuple[Rule, GrantFacts] | None:
    """Return the first rule of the grant that `request` breaks here, and what it was judged on; None when all hold."""
    with gam.store.reading() as tx:
        found = grants.load_facts(tx, gam, request)
    rules = PASSWORD_GRANT if request.grant == PASSWORD else API_KEY_GRANT
    broken = find_violation(rules, found)
    return None if broken is None else (broken, found)


def _find_key(tx: Transaction, secret: Secret) -> Key | None:
    key_id = parse_api_key_id(secret)
    return store.keys.find(tx, key_id) if key_id else None


def _load_facts(
    tx: Transaction, gam: Gam, key: Key | None, app: str | None, request: TokenRequest | None
) -> GrantFacts:
    named = store.apps.get(tx, app) if app is not None else None
    return GrantFacts(
        now=gam.now(),
        key=key,
        app=named or (store.apps.find_by_client_id(tx, key.client_id) if key else None),
        user=store.users.find_by_guid(tx, key.user_guid) if key else None,
        auth_type=store.auth_types.find(tx, key.auth_type) if key else None,
        request=request,
    )
