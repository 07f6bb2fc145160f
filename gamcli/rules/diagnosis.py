"""
Why an API key does not work: every rule of the API key grant, checked one by one.

These are the rules of the token endpoint (`api_key_grant`), which reports only the first violation. Rules that depend
on the request are left undecided.
"""

from dataclasses import dataclass

from gamcli.model import Key
from gamcli.rules import api_key_grant, grants
from gamcli.rules.grants import GrantFacts, Rule

RULE_DESCRIPTIONS: dict[str, tuple[int, str]] = {
    "client_id_missing": (4, "the request names a client_id"),
    "client_unknown": (4, "an application has that client_id"),
    "client_secret_wrong": (5, "the client secret belongs to the application"),
    "app_disabled": (6, "the application is enabled"),
    "remote_rest_off": (7, "the application allows remote REST authentication"),
    "repository_wrong": (8, "the requested repository, if any, is this one"),
    "auth_type_missing": (9, "the request names an authentication type, if the default one does not accept API keys"),
    "auth_type_unavailable": (9, "the authentication type exists and is enabled"),
    "auth_type_wrong": (10, "the authentication type accepts API keys, and the application allows it"),
    "api_keys_off": (11, "the application accepts API keys"),
    "key_unproven": (12, "the API key belongs to this application and user"),
    "key_expired": (13, "the API key has not expired"),
    "key_revoked": (13, "the API key was not revoked"),
    "key_replaced": (13, "the API key was not replaced"),
    "key_invalidated": (13, "no scope of the API key was withdrawn"),
    "key_disabled": (13, "the API key is enabled"),
    "user_inactive": (14, "the user is active"),
    "user_blocked": (14, "the user is not blocked"),
    "scope_beyond": (15, "the requested scopes, if any, are scopes of the key"),
}
"""What each rule checks, with its number in the order of the protocol."""

SECRET_RULES = tuple(
    rule
    for rule in api_key_grant.API_KEY_GRANT
    if rule is api_key_grant.KEY_UNPROVEN or rule in api_key_grant.STORE_STATE_RULES
)
"""The rules that can be checked when the API key itself is known; without it, only those of the state of the store."""


@dataclass(frozen=True, slots=True)
class RuleResult:
    """The result of one rule; `holds` is None if it depends on the request, `mend` is the suggested command."""

    number: int
    rule: str
    holds: bool | None
    message: str
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class KeyVerification:
    """Whether an API key can be used now; `rule` is the first violated rule."""

    valid: bool
    rule: str | None
    message: str
    key: Key | None


def explain(facts: GrantFacts) -> tuple[RuleResult, ...]:
    """Return the result of every rule of the API key grant, in order."""
    decidable = SECRET_RULES if facts.request else api_key_grant.STORE_STATE_RULES
    return tuple(_evaluate(rule, facts, is_decidable=rule in decidable) for rule in api_key_grant.API_KEY_GRANT)


def _evaluate(rule: Rule, facts: GrantFacts, *, is_decidable: bool) -> RuleResult:
    number, description = RULE_DESCRIPTIONS[rule.name]
    if is_decidable and not rule.holds(facts):
        return RuleResult(number, rule.name, holds=False, message=rule.message(facts), mend=rule.fix(facts))
    if rule is api_key_grant.AUTH_TYPE_MISSING and facts.auth_type is not None:
        description = f"the request names an authentication type: authentication_type_name={facts.auth_type.name}"
    return RuleResult(number, rule.name, True if is_decidable else None, description)


def verify(facts: GrantFacts) -> KeyVerification:
    """Return whether the holder of the key in `facts` can use it now."""
    if facts.key is None:
        return _refuse(api_key_grant.KEY_UNPROVEN, facts)
    violated = grants.find_violation(SECRET_RULES, facts)
    if violated is not None:
        return _refuse(violated, facts)
    return KeyVerification(valid=True, rule=None, message="the API key can be used", key=facts.key)


def _refuse(rule: Rule, facts: GrantFacts) -> KeyVerification:
    is_proven = facts.key is not None and api_key_grant.KEY_UNPROVEN.holds(facts)
    return KeyVerification(
        valid=False, rule=rule.name, message=rule.message(facts), key=facts.key if is_proven else None
    )
