"""What people want to know when they look: one thing with its surroundings, or the store as a whole."""

from datetime import timedelta
from itertools import islice

from gamcli import store
from gamcli.actions import Gam, diagnosis, keys
from gamcli.errors import command
from gamcli.model import App, Key, User
from gamcli.model.overviews import (
    AppOverview,
    CountWithNames,
    KeyOverview,
    NextStep,
    StatusCounts,
    StoreOverview,
    UserOverview,
)
from gamcli.rules.keys import is_expiring
from gamcli.store import counts
from gamcli.store.keys import KeyFilter

DUE_WITHIN = timedelta(days=14)
"""What expires so soon is due, as for `key due`."""

MAX_SHOWN_KEYS = 10
"""So many keys of a user are shown."""

MAX_SCANNED = 1000
"""So many keys of a user, and so many applications, are looked at to find what is shown."""

MAX_EXAMPLES = 3

MAX_COUNTED_KEYS = 100_000
"""With so many keys at most, all of them are read to count what no index holds: a tenth of a second."""


def app_overview(gam: Gam, name: str) -> AppOverview:
    """Return an application and its surroundings."""
    now = gam.now()
    with gam.store.reading() as tx:
        found = store.apps.get(tx, name)
        statuses = counts.count_app_keys(tx, found.client_id, now)
        first = store.keys.find_next_to_expire(tx, found.client_id, now)
        retiring = store.keys.find_next_to_retire(tx, found.client_id, now)
        used = store.keys.find_last_used(tx, found.client_id, MAX_EXAMPLES)
    due = first is not None and is_expiring(first, now, DUE_WITHIN)
    return AppOverview(
        found, statuses, first, retiring, used, tuple(_app_steps(found, statuses, first if due else None))
    )


def _app_steps(app: App, statuses: StatusCounts, due: Key | None) -> list[NextStep]:
    if not app.enabled:
        return [NextStep("let clients in", command("app", "enable", app.name))]
    if not app.remote_rest or not app.api_keys.enabled:
        return [NextStep("take API keys", command("app", "update", app.name, "--remote-rest", "--api-keys"))]
    if not app.scopes:
        return [NextStep("publish something", command("app", "update", app.name, "--add-scope", "gam_user_data"))]
    generate = NextStep("make a key", command("key", "generate", "--app", app.name, "--user", "USER"))
    if not _count_valid(statuses):
        return [generate]
    rotate = [_rotate_step(due)] if due else []
    return [*rotate, NextStep("see its keys", command("key", "list", "--app", app.name)), generate]


def _rotate_step(key: Key) -> NextStep:
    return NextStep("renew the key", command("key", "rotate", key.id, "--overlap", "7d"))


def _count_valid(statuses: StatusCounts) -> int:
    return statuses.get("active", 0) + statuses.get("retiring", 0)


def user_overview(gam: Gam, name: str) -> UserOverview:
    """Return a user and the surroundings."""
    now = gam.now()
    with gam.store.reading() as tx:
        found = store.users.get(tx, name)
        statuses = counts.count_user_keys(tx, found.guid, now)
        looked = list(islice(store.keys.search(tx, KeyFilter(found.guid, sort="-created_at")), MAX_SCANNED))
    looked.sort(key=lambda key: not key.is_valid(now))  # stable: the newest first among equals
    with keys.find_available_apps(gam, found.guid) as apps:
        free = [each.app for each in islice(apps, MAX_SCANNED) if each.status == "none"]
    held = tuple(looked[:MAX_SHOWN_KEYS])
    return UserOverview(found, statuses, held, tuple(free), tuple(_user_steps(found, statuses, free)))


def _user_steps(user: User, statuses: StatusCounts, available_apps: list[str]) -> list[NextStep]:
    if user.blocked:
        return [NextStep("let in again", command("user", "unblock", user.name))]
    if not user.enabled:
        return [NextStep("let in again", command("user", "enable", user.name))]
    generate = (
        [NextStep("make a key", command("key", "generate", "--user", user.name, "--app", available_apps[0]))]
        if available_apps
        else []
    )
    see = [NextStep("see the keys", command("key", "list", "--user", user.name))] if statuses else []
    return see + generate if _count_valid(statuses) else generate + see


def key_overview(gam: Gam, key_id: str) -> KeyOverview:
    """Return a key, and whether its own state and all that it stands on let it be used now."""
    found = keys.show(gam, key_id)
    broken = next((each for each in diagnosis.explain(gam, found.id) if each.holds is False), None)
    if broken is not None:
        mend = [NextStep("to mend it", broken.mend)] if broken.mend else []
        return KeyOverview(found, broken.message, (*mend, _explain_step(found)))
    if found.status(gam.now()) == "retiring":
        pair = ("--user", found.user, "--app", found.app)
        return KeyOverview(
            found, None, (NextStep("see its successor", command("key", "list", *pair)), _explain_step(found))
        )
    return KeyOverview(found, None, (_rotate_step(found), NextStep("end it", command("key", "revoke", found.id))))


def _explain_step(key: Key) -> NextStep:
    return NextStep("see every rule", command("key", "explain", key.id))


def store_overview(gam: Gam) -> StoreOverview:
    """Return what the store holds, and what in it asks for attention."""
    now = gam.now()
    with gam.store.reading() as tx:
        statuses = counts.count_by_status(tx, now)
        instant = timedelta(microseconds=1)
        due = counts.count_expiring(tx, now + instant, now + DUE_WITHIN + instant)
        few = statuses.total() <= MAX_COUNTED_KEYS
        apps, users = counts.count_rows(tx, "app"), counts.count_rows(tx, "user")
        return StoreOverview(
            path=str(gam.store.path),
            apps=apps,
            users=users,
            keys=statuses,
            expiring_keys=due,
            expiring_until=now + DUE_WITHIN,
            never_used_keys=counts.count_never_used(tx, now) if few else None,
            disabled_apps=CountWithNames(*counts.count_disabled(tx, "app", MAX_EXAMPLES)),
            locked_out_users=CountWithNames(*counts.count_disabled(tx, "user", MAX_EXAMPLES)),
            next_steps=tuple(_store_steps(apps, users, statuses, due)),
        )


def _store_steps(apps: int, users: int, statuses: StatusCounts, due: int) -> list[NextStep]:
    if not apps:
        make = command("app", "create", "NAME", "--scope", "gam_user_data", "--remote-rest", "--api-keys")
        return [NextStep("make an application", make)]
    if not users:
        return [NextStep("make a user", command("user", "create", "NAME", "--email", "EMAIL"))]
    if not _count_valid(statuses):
        return [NextStep("make a key", command("key", "generate", "--user", "USER", "--app", "APP"))]
    soon = [NextStep("see what is due", command("key", "due"))] if due else []
    return [
        *soon,
        NextStep("see what expires when", command("key", "forecast")),
        NextStep("see all commands", "gamcli --help"),
    ]
