"""
The life of a key, a user or an application in the audit log, also after it was renamed or deleted.

A key is found in the entries of its issue (single or in bulk), of its successor, of what ended it, and in those that
suspended or deleted its user or its application.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.audit import complete_action
from gamcli.errors import NotFoundError, command
from gamcli.model import AuditEntry, normalize_name
from gamcli.store import Transaction
from gamcli.store.audit import AuditFilter

OWNER_VERBS = ("block", "delete", "disable", "enable", "rename", "unblock")
"""What happens to a user or an application and concerns their keys."""

Details = dict[str, Any]
Matcher = Callable[[AuditEntry, Details], bool]


class HistorySubject(NamedTuple):
    """Whose life: the key with that ID, the user, the application; all that are given."""

    key: str | None = None
    user: str | None = None
    app: str | None = None


@contextmanager
def search(
    gam: Gam, subject: HistorySubject, filters: AuditFilter, limit: int | None = None
) -> Iterator[Iterator[AuditEntry]]:
    """Yield the entries about `subject` that match `filters`; raises NotFoundError when nothing is known about it."""
    with gam.store.reading() as tx:
        matchers, words = [], filters.mentions
        for matcher, found in _build_matchers(tx, subject):
            matchers.append(matcher)
            words = (*words, found)
        entries = store.audit.search(tx, filters._replace(mentions=words, action=complete_action(filters.action)))
        parsed = ((entry, _parse(entry)) for entry in entries)
        yield islice((entry for entry, details in parsed if all(each(entry, details) for each in matchers)), limit)


def _build_matchers(tx: Transaction, subject: HistorySubject) -> Iterator[tuple[Matcher, tuple[str, ...]]]:
    """Yield what decides about entries, each with the texts of which an entry mentions at least one."""
    if subject.key is not None:
        yield _match_key(tx, subject.key)
    if subject.user is not None:
        user = store.users.find(tx, subject.user)
        yield _match_named(tx, "user", subject.user if user is None else user.name)
        if user is None and not _is_mentioned(tx, "user", subject.user):
            store.users.get(tx, subject.user)
    if subject.app is not None:
        app = store.apps.find(tx, subject.app)
        yield _match_named(tx, "app", subject.app if app is None else app.name)
        if app is None and not _is_mentioned(tx, "app", subject.app):
            store.apps.get(tx, subject.app)


def _is_mentioned(tx: Transaction, noun: str, name: str) -> bool:
    """Return whether the log has an entry about a user or an application that does not exist now."""
    matches, words = _match_named(tx, noun, name)
    entries = store.audit.search(tx, AuditFilter(mentions=(words,)))
    return any(matches(entry, _parse(entry)) for entry in entries)


def _parse(entry: AuditEntry) -> Details:
    try:
        details = json.loads(entry.details)
    except (ValueError, RecursionError):
        return {}
    return details if isinstance(details, dict) else {}


def _match_key(tx: Transaction, prefix: str) -> tuple[Matcher, tuple[str, ...]]:
    try:
        key_id = store.keys.get_by_prefix(tx, prefix).id
    except NotFoundError:
        key_id = prefix  # deleted, or never there
    entries = ((entry, _parse(entry)) for entry in store.audit.search(tx, AuditFilter(mentions=((key_id,),))))
    issue = next(((entry, details) for entry, details in entries if _concerns_key(entry, details, key_id)), None)
    if issue is None:
        raise NotFoundError(f"no key '{key_id}' in the audit log", command("key", "list"))
    owners = {noun: _load_names(tx, noun, name) for noun, name in _load_owners(*issue, key_id)}
    last = _find_deletion(tx, owners, issue[0].seq)

    def matches(entry: AuditEntry, details: Details) -> bool:
        noun, _, verb = entry.action.partition(".")
        if _concerns_key(entry, details, key_id):
            return True
        is_state = verb in OWNER_VERBS or "enabled" in details
        in_life = issue[0].seq < entry.seq and (last is None or entry.seq <= last)
        return in_life and is_state and normalize_name(entry.target) in owners.get(noun, ())

    return matches, (key_id, *(name for names in owners.values() for name in names.values()))


def _concerns_key(entry: AuditEntry, details: Details, key_id: str) -> bool:
    if entry.action.startswith("key.") and (entry.target == key_id or details.get("replaces") == key_id):
        return True
    invalidated = details.get("invalidated")
    return (isinstance(invalidated, list) and key_id in invalidated) or _find_bulk_owner(details, key_id) is not None


def _find_bulk_owner(details: Details, key_id: str) -> tuple[str, str] | None:
    """Return user and application of a key that a bulk run issued in this entry."""
    for field in ("keys", "reissued"):
        apps = details.get(field)
        for app, users in apps.items() if isinstance(apps, dict) else ():
            if isinstance(users, dict) and key_id in users:
                return str(users[key_id]), app
    return None


def _load_owners(_: AuditEntry, details: Details, key_id: str) -> list[tuple[str, str]]:
    user, app = _find_bulk_owner(details, key_id) or (details.get("user"), details.get("app"))
    return [(noun, str(name)) for noun, name in (("user", user), ("app", app)) if name]


def _find_deletion(tx: Transaction, owners: dict[str, dict[str, str]], since: int) -> int | None:
    """Return the number of the entry that deleted the user or the application, and the key with it."""
    for action in ("user.delete", "app.delete"):
        names = owners.get(action.partition(".")[0], {})
        for entry in store.audit.search(tx, AuditFilter(action=action)):
            if entry.seq > since and normalize_name(entry.target) in names:
                return entry.seq
    return None


def find_imported_keys(tx: Transaction) -> Iterator[str]:
    """Yield the IDs of all keys that were imported, one by one or in bulk."""
    for entry in store.audit.search(tx, AuditFilter(action="key.import")):
        apps = _parse(entry).get("keys")
        yield from (key_id for users in apps.values() for key_id in users) if apps else (entry.target,)


def _match_named(tx: Transaction, noun: str, name: str) -> tuple[Matcher, tuple[str, ...]]:
    names = _load_names(tx, noun, name)

    def is_named(text: object) -> bool:
        return isinstance(text, str) and normalize_name(text) in names

    def is_in_bulk(details: Details) -> bool:
        for field in ("keys", "reissued"):
            apps = details.get(field)
            for app, users in apps.items() if isinstance(apps, dict) else ():
                if is_named(app) if noun == "app" else any(map(is_named, users.values())):
                    return True
        return False

    def matches(entry: AuditEntry, details: Details) -> bool:
        is_own = entry.action.partition(".")[0] == noun and is_named(entry.target)
        return is_own or is_named(details.get(noun)) or is_in_bulk(details)

    return matches, tuple(names.values())


def _load_names(tx: Transaction, noun: str, name: str) -> dict[str, str]:
    """Return all names that a user or an application had, by normalized name; renames are entries too."""
    names = {normalize_name(name): name}
    renames = [
        [str(text) for text in pair]
        for entry in store.audit.search(tx, AuditFilter(action=f"{noun}.rename"))
        if isinstance(pair := _parse(entry).get("name"), list)
    ]
    for _ in renames:
        for pair in renames:
            if any(normalize_name(text) in names for text in pair):
                names.update((normalize_name(text), text) for text in pair)
    return names
