"""
The life of a key, a user or an application in the audit log, also after it was renamed or deleted.

A key is found in the entries of its issue (single or in bulk), of its successor, of what ended it, and in those that
suspended or deleted its user or its application.
"""

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
        found = list(_build_matchers(tx, subject))
        mentions = (*filters.mentions, *(words for _, words in found))
        entries = _search(tx, filters._replace(mentions=mentions, action=complete_action(filters.action)))
        yield islice((each[0] for each in entries if all(matches(*each) for matches, _ in found)), limit)


def _search(tx: Transaction, filters: AuditFilter) -> Iterator[tuple[AuditEntry, Details]]:
    """Yield the matching entries with their details, which are empty if they are damaged."""
    for entry in store.audit.search(tx, filters):
        yield entry, store.audit.parse_details(entry.details)


def _build_matchers(tx: Transaction, subject: HistorySubject) -> Iterator[tuple[Matcher, tuple[str, ...]]]:
    """Yield what decides about entries, each with the texts of which an entry mentions at least one."""
    if subject.key is not None:
        yield _match_key(tx, subject.key)
    nouns: tuple[tuple[str, Any, str | None], ...] = (
        ("user", store.users, subject.user),
        ("app", store.apps, subject.app),
    )
    for noun, table, name in nouns:
        if name is None:
            continue
        record = table.find(tx, name)
        matches, words = _match_named(tx, noun, name if record is None else record.name)
        if record is None and not any(matches(*each) for each in _search(tx, AuditFilter(mentions=(words,)))):
            table.get(tx, name)  # raises NotFoundError
        yield matches, words


def _match_key(tx: Transaction, prefix: str) -> tuple[Matcher, tuple[str, ...]]:
    try:
        key_id = store.keys.get_by_prefix(tx, prefix).id
    except NotFoundError:
        key_id = prefix  # deleted, or never there
    entries = _search(tx, AuditFilter(mentions=((key_id,),)))
    issue, issue_details = next((each for each in entries if _concerns_key(*each, key_id)), (None, {}))
    if issue is None:
        raise NotFoundError(f"no key '{key_id}' in the audit log", command("key", "list"))
    since = issue.seq
    owners = {
        noun: _load_names(tx, noun, str(name))
        for noun, name in zip(("user", "app"), find_key_owner(issue_details, key_id), strict=True)
        if name
    }
    deletions = (
        entry.seq
        for noun, names in owners.items()
        for entry in store.audit.search(tx, AuditFilter(action=f"{noun}.delete"))
        if entry.seq > since and normalize_name(entry.target) in names
    )
    last = next(deletions, None)

    def matches(entry: AuditEntry, details: Details) -> bool:
        noun, _, verb = entry.action.partition(".")
        if _concerns_key(entry, details, key_id):
            return True
        is_state = verb in OWNER_VERBS or "enabled" in details
        in_life = since < entry.seq and (last is None or entry.seq <= last)
        return in_life and is_state and normalize_name(entry.target) in owners.get(noun, ())

    return matches, (key_id, *(name for names in owners.values() for name in names.values()))


def _concerns_key(entry: AuditEntry, details: Details, key_id: str) -> bool:
    if entry.action.startswith("key.") and (entry.target == key_id or details.get("replaces") == key_id):
        return True
    invalidated = details.get("invalidated")
    is_invalidated = isinstance(invalidated, list) and key_id in invalidated
    return is_invalidated or any(key_id in users for _, users in _bulk_keys(details))


def _bulk_keys(details: Details) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the applications in the entry of a bulk run, each with the users of its keys by their IDs."""
    for apps in (details.get("keys"), details.get("reissued")):
        pairs = apps.items() if isinstance(apps, dict) else ()
        yield from ((app, users) for app, users in pairs if isinstance(users, dict))


def find_key_owner(details: Details, key_id: str) -> tuple[str | None, str | None]:
    """Return the user and the application of a key in the entry of its issue, alone or in bulk."""
    of_bulk = ((users[key_id], app) for app, users in _bulk_keys(details) if key_id in users)
    return next(of_bulk, (details.get("user"), details.get("app")))


def find_imported_keys(tx: Transaction) -> Iterator[str]:
    """Yield the IDs of all keys that were imported, one by one or in bulk."""
    for entry, details in _search(tx, AuditFilter(action="key.import")):
        yield from [key_id for _, users in _bulk_keys(details) for key_id in users] or [entry.target]


def _match_named(tx: Transaction, noun: str, name: str) -> tuple[Matcher, tuple[str, ...]]:
    names = _load_names(tx, noun, name)

    def is_named(text: object) -> bool:
        return isinstance(text, str) and normalize_name(text) in names

    def matches(entry: AuditEntry, details: Details) -> bool:
        if is_named(details.get(noun)) or (entry.action.partition(".")[0] == noun and is_named(entry.target)):
            return True
        bulk = _bulk_keys(details)
        return any(is_named(app) if noun == "app" else any(map(is_named, users.values())) for app, users in bulk)

    return matches, tuple(names.values())


def _load_names(tx: Transaction, noun: str, name: str) -> dict[str, str]:
    """Return all names that a user or an application had, by normalized name; renames are entries too."""
    names = {normalize_name(name): name}
    renames = [
        [str(text) for text in details["name"]]
        for _, details in _search(tx, AuditFilter(action=f"{noun}.rename"))
        if isinstance(details.get("name"), list)
    ]
    for _ in renames:
        for pair in renames:
            if any(normalize_name(text) in names for text in pair):
                names.update((normalize_name(text), text) for text in pair)
    return names
