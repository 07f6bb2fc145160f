"""Overviews for people: a record and what belongs to it, or the store as a whole, with suggested commands."""

from datetime import timedelta
from itertools import islice

from gamcli import store
from gamcli.actions import Gam, diagnosis, key_lookup, keys
from gamcli.actions.forecasts import RESOLUTION
from gamcli.errors import command
from gamcli.model import App, Key, User
from gamcli.model.overviews import (
    AppOverview,
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
"""The default time window of `key due`."""

MAX_SHOWN_KEYS = 10

MAX_SCANNED = 1000
"""How many keys of a user, and how many applications, are read to find those to show."""

MAX_EXAMPLES = 3

MAX_COUNTED_KEYS = 100_000
"""Up to this number all keys are read to count those never used, which have no index; takes 0.1 seconds."""


def app_overview(gam: Gam, name: str) -> AppOverview:
    now = gam.now()
    with gam.store.reading() as tx:
        app = store.apps.get(tx, name)
        statuses = counts.count_keys_of(tx, app, now)
        first_to_expire = store.keys.find_next_to_expire(tx, app.client_id, now)
        first_to_retire = store.keys.find_next_to_retire(tx, app.client_id, now)
        last_used = store.keys.find_last_used(tx, app.client_id, MAX_EXAMPLES)
    is_due = first_to_expire is not None and is_expiring(first_to_expire, now, DUE_WITHIN)
    steps = _app_steps(app, statuses, first_to_expire if is_due else None)
    return AppOverview(app, statuses, first_to_expire, first_to_retire, last_used, tuple(steps))


def _app_steps(app: App, statuses: StatusCounts, due: Key | None) -> list[NextStep]:
    if not app.enabled:
        return [NextStep("enable the application", command("app", "enable", app.name))]
    if not app.remote_rest or not app.api_keys.enabled:
        return [NextStep("enable API keys", command("app", "update", app.name, "--remote-rest", "--api-keys"))]
    if not app.scopes:
        return [NextStep("publish a scope", command("app", "update", app.name, "--add-scope", "gam_user_data"))]
    generate = NextStep("issue a key", command("key", "generate", "--app", app.name, "--user", "USER"))
    if not _count_valid(statuses):
        return [generate]
    rotate = [_rotate_step(due)] if due else []
    return [*rotate, NextStep("list the keys", command("key", "list", "--app", app.name)), generate]


def _rotate_step(key: Key) -> NextStep:
    return NextStep("rotate the key", command("key", "rotate", key.id, "--overlap", "7d"))


def _count_valid(statuses: StatusCounts) -> int:
    return statuses.get("active", 0) + statuses.get("retiring", 0)


def user_overview(gam: Gam, name: str) -> UserOverview:
    now = gam.now()
    with gam.store.reading() as tx:
        user = store.users.get(tx, name)
        statuses = counts.count_keys_of(tx, user, now)
        user_keys = list(islice(store.keys.search(tx, KeyFilter(user.guid, sort="-created_at")), MAX_SCANNED))
    user_keys.sort(key=lambda key: not key.is_valid(now))  # stable: newest first among valid and among other keys
    with key_lookup.find_available_apps(gam, user.guid) as apps:
        available = [each.app for each in islice(apps, MAX_SCANNED) if each.status == "none"]
    steps = _user_steps(user, statuses, available)
    return UserOverview(user, statuses, tuple(user_keys[:MAX_SHOWN_KEYS]), tuple(available), tuple(steps))


def _user_steps(user: User, statuses: StatusCounts, available_apps: list[str]) -> list[NextStep]:
    if user.blocked:
        return [NextStep("unblock the user", command("user", "unblock", user.name))]
    if not user.enabled:
        return [NextStep("enable the user", command("user", "enable", user.name))]
    generate, show = [], []
    if available_apps:
        line = command("key", "generate", "--user", user.name, "--app", available_apps[0])
        generate = [NextStep("issue a key", line)]
    if statuses:
        show = [NextStep("list the keys", command("key", "list", "--user", user.name))]
    return show + generate if _count_valid(statuses) else generate + show


def key_overview(gam: Gam, key_id: str) -> KeyOverview:
    """Return a key, and the first rule that refuses it now."""
    key = keys.show(gam, key_id)
    explain = NextStep("explain every rule", command("key", "explain", key.id))
    violation = next((each for each in diagnosis.explain(gam, key.id) if each.holds is False), None)
    if violation is not None:
        fix = [NextStep("fix", violation.mend)] if violation.mend else []
        return KeyOverview(key, violation.message, (*fix, explain))
    if key.status(gam.now()) == "retiring":
        successor = command("key", "list", "--user", key.user, "--app", key.app)
        return KeyOverview(key, None, (NextStep("find its successor", successor), explain))
    return KeyOverview(key, None, (_rotate_step(key), NextStep("revoke the key", command("key", "revoke", key.id))))


def store_overview(gam: Gam) -> StoreOverview:
    """Return what the store holds, and what needs attention."""
    now = gam.now()
    with gam.store.reading() as tx:
        statuses = counts.count_by_status(tx, now)
        expiring = counts.count_expiring(tx, now + RESOLUTION, now + DUE_WITHIN + RESOLUTION)
        expired = counts.count_expired_keys(tx, now)
        is_countable = statuses.total() <= MAX_COUNTED_KEYS
        apps, users = counts.count_rows(tx, "app"), counts.count_rows(tx, "user")
        return StoreOverview(
            path=gam.store.name,
            apps=apps,
            users=users,
            keys=statuses,
            expiring_keys=expiring,
            expiring_until=now + DUE_WITHIN,
            expired_keys=expired,
            disabled_keys=counts.count_disabled_keys(tx, now),
            never_used_keys=counts.count_never_used(tx, now) if is_countable else None,
            disabled_apps=counts.count_with_names(tx, "app", "NOT enabled", MAX_EXAMPLES),
            locked_out_users=counts.count_with_names(tx, "user", "NOT enabled OR blocked", MAX_EXAMPLES),
            next_steps=tuple(_store_steps(apps, users, statuses, expiring, expired)),
        )


def _store_steps(apps: int, users: int, statuses: StatusCounts, expiring: int, expired: int) -> list[NextStep]:
    if not apps:
        create = command("app", "create", "NAME", "--scope", "gam_user_data", "--remote-rest", "--api-keys")
        return [NextStep("create an application", create)]
    if not users:
        return [NextStep("create a user", command("user", "create", "NAME", "--email", "EMAIL"))]
    what = "list expired keys and those that expire soon" if expired else "list keys that expire soon"
    due = [NextStep(what, command("key", "due"))] if expiring or expired else []
    if not _count_valid(statuses):
        return [*due, NextStep("issue a key", command("key", "generate", "--user", "USER", "--app", "APP"))]
    return [
        *due,
        NextStep("forecast expirations", command("key", "forecast")),
        NextStep("list all commands", "gamcli --help"),
    ]
