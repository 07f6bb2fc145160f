"""
Why does a key not work: the rules of the grant, judged one by one for people who doubt.

They are the very rules that the token endpoint judges (`api_key_grant`); here each one speaks, not only the first that
says no. What depends on a request that nobody sent is left open.
"""

from dataclasses import dataclass

from gamcli.model import Key
from gamcli.rules import api_key_grant, grants
from gamcli.rules.grants import GrantFacts, Rule

RULE_DESCRIPTIONS: dict[str, tuple[int, str]] = {
    "client_id_missing": (4, "the request names a client_id"),
    "client_unknown": (4, "an application has that client_id"),
    "client_secret_wrong": (5, "the client secret is the application's"),
    "app_disabled": (6, "the application is enabled"),
    "remote_rest_off": (7, "the application allows remote REST authentication"),
    "repository_wrong": (8, "the repository is this one, if the request names one"),
    "auth_type_unavailable": (9, "the authentication type is there and enabled"),
    "auth_type_wrong": (10, "the authentication type is the key's, and the application allows it"),
    "api_keys_off": (11, "the application takes API keys"),
    "key_unproven": (12, "the API key is one of this application and user"),
    "key_expired": (13, "the API key has not expired"),
    "key_revoked": (13, "the API key was not revoked"),
    "key_replaced": (13, "the API key was not replaced"),
    "key_invalidated": (13, "no scope of the API key was withdrawn"),
    "user_inactive": (14, "the user is active"),
    "user_blocked": (14, "the user is not blocked"),
    "scope_beyond": (15, "the scopes are those of the key, if the request names some"),
}
"""What each rule asks, with its number in the order of the protocol."""

RULES_WITH_SECRET = frozenset(
    {*(rule.name for rule in api_key_grant.STORE_STATE_RULES), api_key_grant.KEY_UNPROVEN.name}
)
"""The rules that can be judged for whoever holds the API key itself."""

RULES_WITHOUT_SECRET = frozenset(rule.name for rule in api_key_grant.STORE_STATE_RULES)
"""The rules that can be judged for a key known by its id alone."""


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule: does it hold (None = it depends on the request), what does it say, and which command mends it."""

    number: int
    rule: str
    holds: bool | None
    message: str
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class KeyVerification:
    """May this key be used now; `rule` is the first that says no, None when none does."""

    valid: bool
    rule: str | None
    message: str
    key: Key | None


def explain(facts: GrantFacts) -> tuple[RuleResult, ...]:
    """Return every rule of the API key grant in its order, judged on `facts` as far as they go."""
    known = RULES_WITH_SECRET if facts.request else RULES_WITHOUT_SECRET
    return tuple(_evaluate(rule, facts, known) for rule in api_key_grant.API_KEY_GRANT)


def _evaluate(rule: Rule, facts: GrantFacts, decidable: frozenset[str]) -> RuleResult:
    number, question = RULE_DESCRIPTIONS[rule.name]
    if rule.name not in decidable:
        return RuleResult(number, rule.name, None, question)
    if rule.holds(facts):
        return RuleResult(number, rule.name, holds=True, message=question)
    return RuleResult(number, rule.name, False, rule.message(facts), rule.fix(facts))  # noqa: FBT003 - a row


def verify(facts: GrantFacts) -> KeyVerification:
    """Return whether the key of `facts`, held by whoever asks, may be used now."""
    if facts.key is None:  # nothing to judge
        return _refuse(api_key_grant.KEY_UNPROVEN, facts)
    broken = grants.find_violation(
        (rule for rule in api_key_grant.API_KEY_GRANT if rule.name in RULES_WITH_SECRET), facts
    )
    if broken is not None:
        return _refuse(broken, facts)
    return KeyVerification(valid=True, rule=None, message="the API key may be used", key=facts.key)


def _refuse(rule: Rule, facts: GrantFacts) -> KeyVerification:
    proven = facts.key is not None and api_key_grant.KEY_UNPROVEN.holds(facts)
    return KeyVerification(valid=False, rule=rule.name, message=rule.message(facts), key=facts.key if proven else None)
