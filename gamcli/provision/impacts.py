"""Which active keys a plan invalidates or suspends, judged by the rules on the state after all of its steps."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from gamcli.model import App, AuthType, Key, KeyImpact, User, normalize_name
from gamcli.model.plan import DELETE, UPDATE
from gamcli.provision.plan import Step
from gamcli.rules import impact
from gamcli.rules.grants import GrantFacts
from gamcli.store.keys import KeyFilter


@dataclass(slots=True)
class _Changed:
    """The records after all steps, or the reason why keys are invalidated if the record is deleted."""

    apps: dict[str, App | str] = field(default_factory=dict)
    users: dict[str, User | str] = field(default_factory=dict)
    auth_types: list[AuthType] = field(default_factory=list)
    auth_type_names: list[str] = field(default_factory=list)

    @classmethod
    def from_steps(cls, steps: Iterable[Step], auth_types: Iterable[AuthType] = ()) -> "_Changed":
        """Return what changes in a way that can affect keys; `auth_types` are those before the steps."""
        result = cls()
        planned = {normalize_name(each.name): each for each in auth_types}
        for step in steps:
            match step.before, step.after:
                case App() as app, after if _affects_keys(app, after):
                    reason = f"deletion of application '{app.name}'"
                    result.apps[app.client_id] = after if isinstance(after, App) else reason
                case User() as user, after if _affects_keys(user, after):
                    result.users[user.guid] = after if isinstance(after, User) else f"deletion of user '{user.name}'"
                case _, AuthType() as after:
                    planned[normalize_name(after.name)] = after
                    if isinstance(step.before, AuthType) and _affects_keys(step.before, after):
                        result.auth_type_names.append(after.name)
                case AuthType() as auth_type, _:
                    planned.pop(normalize_name(auth_type.name), None)
                    result.auth_type_names.append(auth_type.name)
        result.auth_types = list(planned.values())
        return result

    def facts_after(self, facts: GrantFacts) -> GrantFacts | str:
        """Return the facts of a key after all steps, or the reason why it is invalidated."""
        assert facts.app is not None
        assert facts.user is not None
        app = self.apps.get(facts.app.client_id, facts.app)
        user = self.users.get(facts.user.guid, facts.user)
        if isinstance(app, str):
            return app
        if isinstance(user, str):
            return user
        return impact.apply_to_facts(facts, self.auth_types, app=app, user=user)


def _affects_keys(before: App | User | AuthType, after: object) -> bool:
    return not isinstance(after, App | User | AuthType) or impact.affects_keys(before, after)


def key_filters(steps: Iterable[Step]) -> Iterator[KeyFilter]:
    """Yield filters for the keys that the steps can affect."""
    changed = _Changed.from_steps(steps)
    yield from (KeyFilter(client_id=each) for each in changed.apps)
    yield from (KeyFilter(user_guid=each) for each in changed.users)
    yield from (KeyFilter(auth_type=each) for each in changed.auth_type_names)


def find_impacts(
    steps: Iterable[Step], facts: Iterable[GrantFacts], auth_types: Iterable[AuthType]
) -> tuple[KeyImpact, ...]:
    """
    Return the impact on the active keys of `facts`, and on the keys that the steps replace or revoke.

    `auth_types` are those before the steps.
    """
    steps = list(steps)
    by_key = {each.key.id: each for each in facts if each.key is not None}
    found = impact.find_impacts(_Changed.from_steps(steps, auth_types).facts_after, by_key.values())
    impacts = {each.key.id: each for each in found}
    for step in steps:
        if isinstance(step.before, Key) and step.action in (UPDATE, DELETE) and not step.overlap:
            reason = "no longer listed" if step.action == DELETE else "replaced by the new key"
            if step.before.id not in impacts or not impacts[step.before.id].is_permanent:
                impacts[step.before.id] = KeyImpact(step.before, is_permanent=True, reason=reason)
    return tuple(impacts.values())
