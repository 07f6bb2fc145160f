"""Which active API keys a change invalidates or suspends."""

from collections.abc import Callable, Iterable, Iterator

from gamcli.model import APIKEY, App, AuthType, KeyImpact, User
from gamcli.rules import api_key_grant, grants, scopes
from gamcli.rules.grants import GrantFacts

KEY_FIELDS: dict[type, tuple[str, ...]] = {
    App: ("enabled", "remote_rest", "scopes", "api_keys"),
    User: ("enabled", "blocked"),
    AuthType: ("enabled",),
}
"""The settings that can affect keys."""

FactsChange = Callable[[GrantFacts], GrantFacts | str]
"""Returns the facts of a key after the change, or the reason why the change invalidates it."""


def affects_keys(before: App | User | AuthType, after: App | User | AuthType) -> bool:
    if isinstance(before, AuthType) and before.type != APIKEY:
        return False
    return any(getattr(before, name) != getattr(after, name) for name in KEY_FIELDS[type(before)])


def apply_to_facts(facts: GrantFacts, auth_types: Iterable[AuthType], **records: object) -> GrantFacts:
    """Return the facts of a key with these records and authentication types."""
    after = facts._replace(**records)  # type: ignore[arg-type]
    return after._replace(auth_type=api_key_grant.find_auth_type(after.app, auth_types))


def find_impacts(change: FactsChange, key_facts: Iterable[GrantFacts]) -> Iterator[KeyImpact]:
    """
    Yield the impact of `change` on each active key; `key_facts` have key, app, user and authentication type.

    A key is permanently invalidated when its application, user or one of its scopes is removed. It is suspended when
    it can be used before the change, but not after it.
    """
    for before in key_facts:
        key = before.key
        if key is None or not key.is_valid(before.now):
            continue
        after = change(before)
        if isinstance(after, str):
            yield KeyImpact(key, is_permanent=True, reason=after)
            continue
        withdrawn = scopes.find_disallowed(key.scopes, after.app.scopes if after.app else ())
        if withdrawn:
            yield KeyImpact(key, is_permanent=True, reason=f"scope withdrawn: {scopes.join(withdrawn)}")
        elif grants.find_violation(api_key_grant.STORE_STATE_RULES, before) is None:
            violated = grants.find_violation(api_key_grant.STORE_STATE_RULES, after)
            if violated is not None:
                yield KeyImpact(key, is_permanent=False, reason=violated.message(after))
