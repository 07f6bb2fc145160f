"""What people want to know when they look: one thing with its surroundings, or the store as a whole."""

from datetime import timedelta
from itertools import islice

from gamcli import store
from gamcli.actions import Gam, diagnosis, keys
from gamcli.errors import command
from gamcli.model import App, Key, User
from gamcli.model.overviews import AppOverview, KeyOverview, Shut, Statuses, Step, StoreOverview, UserOverview
from gamcli.rules.keys import is_due
from gamcli.store import counts
from gamcli.store.keys import KeyFilter

SOON = timedelta(days=14)
"""What expires so soon is due, as for `key due`."""

SHOWN = 10
"""So many keys of a user are shown."""

LOOKED_AT = 1000
"""So many keys of a user, and so many applications, are looked at to find what is shown."""

FEW = 3

COUNTED = 100_000
"""With so many keys at most, all of them are read to count what no index holds: a tenth of a second."""


def app(gam: Gam, name: str) -> AppOverview:
    """Return an application and its surroundings."""
    now = gam.now()
    with gam.store.reading() as tx:
        found = store.apps.named(tx, name)
        statuses = counts.of_app(tx, found.client_id, now)
        first = store.keys.next_to_expire(tx, found.client_id, now)
        retiring = store.keys.next_to_retire(tx, found.client_id, now)
        used = store.keys.last_used(tx, found.client_id, FEW)
    due = first is not None and is_due(first, now, SOON)
    return AppOverview(
        found, statuses, first, retiring, used, tuple(_app_steps(found, statuses, first if due else None))
    )


def _app_steps(app: App, statuses: Statuses, due: Key | None) -> list[Step]:
    if not app.enabled:
        return [Step("let clients in", command("app", "enable", app.name))]
    if not app.remote_rest or not app.api_keys.enabled:
        return [Step("take API keys", command("app", "update", app.name, "--remote-rest", "--api-keys"))]
    if not app.scopes:
        return [Step("publish something", command("app", "update", app.name, "--add-scope", "gam_user_data"))]
    generate = Step("make a key", command("key", "generate", "--app", app.name, "--user", "USER"))
    if not _live(statuses):
        return [generate]
    rotate = [_rotate(due)] if due else []
    return [*rotate, Step("see its keys", command("key", "list", "--app", app.name)), generate]


def _rotate(key: Key) -> Step:
    return Step("renew the key", command("key", "rotate", key.id, "--overlap", "7d"))


def _live(statuses: Statuses) -> int:
    return statuses.get("active", 0) + statuses.get("retiring", 0)


def user(gam: Gam, name: str) -> UserOverview:
    """Return a user and the surroundings."""
    now = gam.now()
    with gam.store.reading() as tx:
        found = store.users.named(tx, name)
        statuses = counts.of_user(tx, found.guid, now)
        looked = list(islice(store.keys.each(tx, KeyFilter(found.guid, sort="-created_at")), LOOKED_AT))
    looked.sort(key=lambda key: not key.is_live(now))  # stable: the newest first among equals
    with keys.available(gam, found.guid) as apps:
        free = [each.app for each in islice(apps, LOOKED_AT) if each.status == "none"]
    held = tuple(looked[:SHOWN])
    return UserOverview(found, statuses, held, tuple(free), tuple(_user_steps(found, statuses, free)))


def _user_steps(user: User, statuses: Statuses, free: list[str]) -> list[Step]:
    if user.blocked:
        return [Step("let in again", command("user", "unblock", user.name))]
    if not user.enabled:
        return [Step("let in again", command("user", "enable", user.name))]
    generate = [Step("make a key", command("key", "generate", "--user", user.name, "--app", free[0]))] if free else []
    see = [Step("see the keys", command("key", "list", "--user", user.name))] if statuses else []
    return see + generate if _live(statuses) else generate + see


def key(gam: Gam, key_id: str) -> KeyOverview:
    """Return a key, and whether its own state and all that it stands on let it be used now."""
    found = keys.show(gam, key_id)
    broken = next((each for each in diagnosis.explain(gam, found.id) if each.holds is False), None)
    if broken is not None:
        mend = [Step("to mend it", broken.mend)] if broken.mend else []
        return KeyOverview(found, broken.message, (*mend, _explain(found)))
    if found.status(gam.now()) == "retiring":
        pair = ("--user", found.user, "--app", found.app)
        return KeyOverview(found, None, (Step("see its successor", command("key", "list", *pair)), _explain(found)))
    return KeyOverview(found, None, (_rotate(found), Step("end it", command("key", "revoke", found.id))))


def _explain(key: Key) -> Step:
    return Step("see every rule", command("key", "explain", key.id))


def whole(gam: Gam) -> StoreOverview:
    """Return what the store holds, and what in it asks for attention."""
    now = gam.now()
    with gam.store.reading() as tx:
        statuses = counts.by_status(tx, now)
        instant = timedelta(microseconds=1)
        due = counts.expiring(tx, now + instant, now + SOON + instant)
        few = statuses.total() <= COUNTED
        apps, users = counts.everything(tx, "app"), counts.everything(tx, "user")
        return StoreOverview(
            path=str(gam.store.path),
            apps=apps,
            users=users,
            keys=statuses,
            due=due,
            due_until=now + SOON,
            never_used=counts.never_used(tx, now) if few else None,
            apps_shut=Shut(*counts.shut(tx, "app", FEW)),
            users_shut=Shut(*counts.shut(tx, "user", FEW)),
            steps=tuple(_store_steps(apps, users, statuses, due)),
        )


def _store_steps(apps: int, users: int, statuses: Statuses, due: int) -> list[Step]:
    if not apps:
        make = command("app", "create", "NAME", "--scope", "gam_user_data", "--remote-rest", "--api-keys")
        return [Step("make an application", make)]
    if not users:
        return [Step("make a user", command("user", "create", "NAME", "--email", "EMAIL"))]
    if not _live(statuses):
        return [Step("make a key", command("key", "generate", "--user", "USER", "--app", "APP"))]
    soon = [Step("see what is due", command("key", "due"))] if due else []
    return [*soon, Step("see what expires when", command("key", "forecast")), Step("see all commands", "gamcli --help")]
