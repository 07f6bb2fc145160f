"""Which live keys would a change touch: ended for good, or only suspended. The one place that answers it."""

from collections.abc import Callable, Iterable, Iterator

from gamcli.model import App, AuthType, KeyImpact, User
from gamcli.rules import api_key_grant, grants, scopes
from gamcli.rules.grants import GrantFacts

KEY_FIELDS: dict[type, tuple[str, ...]] = {
    App: ("enabled", "remote_rest", "scopes", "api_keys"),
    User: ("enabled", "blocked"),
    AuthType: ("enabled",),
}
"""The settings that keys stand on."""

FactsChange = Callable[[GrantFacts], GrantFacts | str]
"""What a change makes of the facts that a key stands on; a text is why a key ends with them."""


def affects_keys(before: App | User | AuthType, after: App | User | AuthType) -> bool:
    """Say whether keys can feel the difference: what they stand on changed."""
    return any(getattr(before, name) != getattr(after, name) for name in KEY_FIELDS[type(before)])


def find_impacts(change: FactsChange, key_facts: Iterable[GrantFacts]) -> Iterator[KeyImpact]:
    """
    Yield an Impact for each live key of `standing` (facts with key, app, user and auth type) that `change` touches.

    A key ends for good when it loses what it stands on or one of its scopes; it is suspended when it could be used
    before the change and cannot be used after it.
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
            broken = grants.find_violation(api_key_grant.STORE_STATE_RULES, after)
            if broken is not None:
                yield KeyImpact(key, is_permanent=False, reason=broken.message(after))
