"""Why a key is accepted or refused: runs the rules of the token endpoint on the data in the store."""

from gamcli import store
from gamcli.actions import Gam, keys
from gamcli.actions.changes import load_key_facts
from gamcli.actions.grant_facts import read_facts
from gamcli.model import Key
from gamcli.rules import diagnosis
from gamcli.rules.api_key_grant import API_KEY_GRANT, find_auth_type
from gamcli.rules.credentials import Secret, api_key_lookup_id
from gamcli.rules.grants import PASSWORD, GrantFacts, Rule, TokenRequest, find_violation
from gamcli.rules.password_grant import PASSWORD_GRANT
from gamcli.store import Transaction


def verify(gam: Gam, secret: Secret, app: str | None = None) -> diagnosis.KeyVerification:
    """Say whether the API key is accepted now, for `app` if given."""
    with gam.store.reading() as tx:
        key = store.keys.find(tx, api_key_lookup_id(secret))
        return diagnosis.verify(_load_facts(tx, gam, key, secret, app))


def explain(gam: Gam, key_id: str) -> tuple[diagnosis.RuleResult, ...]:
    """Return the result of each rule for the key whose ID begins with `key_id`."""
    with gam.store.reading() as tx:
        return diagnosis.explain(_load_facts(tx, gam, keys.load_key(tx, key_id)))


def explain_secret(gam: Gam, secret: Secret) -> tuple[diagnosis.RuleResult, ...]:
    """Return the result of each rule for an API key; empty if no key has its ID."""
    with gam.store.reading() as tx:
        key = store.keys.find(tx, api_key_lookup_id(secret))
        return diagnosis.explain(_load_facts(tx, gam, key, secret)) if key else ()


def find_refusal(gam: Gam, request: TokenRequest) -> tuple[Rule, GrantFacts] | None:
    """Return the first rule that refuses the request, and the facts about it; None if the request is granted."""
    facts = read_facts(gam, request)
    violation = find_violation(PASSWORD_GRANT if request.grant == PASSWORD else API_KEY_GRANT, facts)
    return None if violation is None else (violation, facts)


def _load_facts(
    tx: Transaction, gam: Gam, key: Key | None, secret: Secret | None = None, app: str | None = None
) -> GrantFacts:
    facts = GrantFacts(gam.now()) if key is None else next(load_key_facts(tx, gam, [key]))
    if app is not None:
        requested = store.apps.get(tx, app)
        facts = facts._replace(app=requested, auth_type=find_auth_type(requested, store.auth_types.search(tx)))
    return facts if secret is None else facts._replace(request=TokenRequest(api_key=secret))
