"""Which live keys a plan ends or suspends: judged by the rules, on the state that all of its steps lead to."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from gamcli.model import App, AuthType, Key, KeyImpact, User, normalize_name
from gamcli.model.plan import DELETE, UPDATE
from gamcli.provision.draft import Step
from gamcli.rules import impact
from gamcli.rules.grants import GrantFacts
from gamcli.store.keys import KeyFilter


@dataclass(slots=True)
class _End:
    """What the steps make of all that keys stand on: records after them, and why keys end with those deleted."""

    apps: dict[str, App | str] = field(default_factory=dict)
    users: dict[str, User | str] = field(default_factory=dict)
    auth_types: dict[str, AuthType | str] = field(default_factory=dict)
    types: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, steps: Iterable[Step]) -> "_End":
        found = cls()
        for step in steps:
            match step.before, step.after:
                case App() as app, after if _matters(app, after):
                    gone = f"deletion of application '{app.name}'"
                    found.apps[app.client_id] = after if isinstance(after, App) else gone
                case User() as user, after if _matters(user, after):
                    found.users[user.guid] = after if isinstance(after, User) else f"deletion of user '{user.name}'"
                case AuthType() as kind, after if _matters(kind, after):
                    gone = f"deletion of authentication type '{kind.name}'"
                    found.types.append(kind.name)
                    found.auth_types[normalize_name(kind.name)] = after if isinstance(after, AuthType) else gone
        return found

    def change(self, facts: GrantFacts) -> GrantFacts | str:
        """Return the facts that a key stands on in the end, or why it ends."""
        assert facts.app is not None
        assert facts.user is not None
        app = self.apps.get(facts.app.client_id, facts.app)
        user = self.users.get(facts.user.guid, facts.user)
        kind = facts.auth_type and self.auth_types.get(normalize_name(facts.auth_type.name), facts.auth_type)
        if isinstance(app, str):
            return app
        if isinstance(user, str):
            return user
        return kind if isinstance(kind, str) else replace(facts, app=app, user=user, auth_type=kind)

    def filters(self) -> Iterator[KeyFilter]:
        yield from (KeyFilter(client_id=each) for each in self.apps)
        yield from (KeyFilter(user_guid=each) for each in self.users)
        yield from (KeyFilter(auth_type=each) for each in self.types)


def _matters(before: App | User | AuthType, after: object) -> bool:
    return not isinstance(after, App | User | AuthType) or impact.affects_keys(before, after)


def filters(steps: Iterable[Step]) -> Iterator[KeyFilter]:
    """Yield which keys have to be looked at: those of all that changes in a way that keys feel."""
    return _End.of(steps).filters()


def of(steps: Iterable[Step], standing: Iterable[GrantFacts]) -> tuple[KeyImpact, ...]:
    """Return what the steps do to the live keys of `standing`, and to those that they replace or revoke."""
    steps = list(steps)
    once = {facts.key.id: facts for facts in standing if facts.key is not None}
    found = {each.key.id: each for each in impact.find_impacts(_End.of(steps).change, once.values())}
    for step in steps:
        if isinstance(step.before, Key) and step.action in (UPDATE, DELETE):
            reason = "named no longer" if step.action == DELETE else "replaced by the new key"
            if step.before.id not in found or not found[step.before.id].is_permanent:
                found[step.before.id] = KeyImpact(step.before, is_permanent=True, reason=reason)
    return tuple(found.values())
