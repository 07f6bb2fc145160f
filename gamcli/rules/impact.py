"""Which live keys would a change touch: ended for good, or only suspended. The one place that answers it."""

from collections.abc import Callable, Iterable, Iterator

from gamcli.model import App, AuthType, Impact, User
from gamcli.rules import api_key_grant, grants, scopes
from gamcli.rules.grants import Facts

FELT: dict[type, tuple[str, ...]] = {
    App: ("enabled", "remote_rest", "scopes", "api_keys"),
    User: ("enabled", "blocked"),
    AuthType: ("enabled",),
}
"""The settings that keys stand on."""

Change = Callable[[Facts], Facts | str]
"""What a change makes of the facts that a key stands on; a text is why a key ends with them."""


def bears(before: App | User | AuthType, after: App | User | AuthType) -> bool:
    """Say whether keys can feel the difference: what they stand on changed."""
    return any(getattr(before, name) != getattr(after, name) for name in FELT[type(before)])


def of(change: Change, standing: Iterable[Facts]) -> Iterator[Impact]:
    """
    Yield an Impact for each live key of `standing` (facts with key, app, user and auth type) that `change` touches.

    A key ends for good when it loses what it stands on or one of its scopes; it is suspended when it could be used
    before the change and cannot be used after it.
    """
    for before in standing:
        key = before.key
        if key is None or not key.is_live(before.now):
            continue
        after = change(before)
        if isinstance(after, str):
            yield Impact(key, ends=True, reason=after)
            continue
        withdrawn = scopes.beyond(key.scopes, after.app.scopes if after.app else ())
        if withdrawn:
            yield Impact(key, ends=True, reason=f"scope withdrawn: {scopes.join(withdrawn)}")
        elif grants.first_broken(api_key_grant.STANDING, before) is None:
            broken = grants.first_broken(api_key_grant.STANDING, after)
            if broken is not None:
                yield Impact(key, ends=False, reason=broken.says(after))
