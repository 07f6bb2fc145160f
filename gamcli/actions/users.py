"""Users."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from itertools import islice
from typing import NamedTuple

from gamcli import store
from gamcli.actions import Gam, changes
from gamcli.actions.changes import ChangeResult, CreateResult
from gamcli.actions.problems import ProblemList
from gamcli.errors import ConflictError, command
from gamcli.model import User, normalize_name
from gamcli.rules import names, passwords
from gamcli.rules import users as rules
from gamcli.rules.credentials import Secret, mint_guid
from gamcli.store import Transaction
from gamcli.store.users import UserFilter


def create(gam: Gam, name: str, settings: rules.Changes, *, if_missing: bool = False) -> CreateResult[User]:
    """Create a user; raises ConflictError if the name or email is taken."""
    user = rules.create(name, mint_guid(gam.entropy), settings, gam.now())
    with gam.store.writing() as tx:
        existing = store.users.find(tx, name)
        if existing is not None:
            is_same = existing.name == name and rules.apply_changes(existing, settings, gam.now()) is existing
            return changes.use_existing(existing, is_same=is_same, if_missing=if_missing)
        _require_free_email(user, partial(store.users.find, tx))
        changes.add(gam, tx, user)
    return CreateResult(user)


def _require_free_email(user: User, find: Callable[[str], User | None]) -> None:
    other = find(user.email) if user.email else None
    if other is not None and other.guid != user.guid:
        raise ConflictError(
            f"the email '{user.email}' already belongs to user '{other.name}'", command("user", "show", other.name)
        )


class UserRow(NamedTuple):
    """A new user in a file, from `line` on; without a GUID one is generated."""

    line: int
    name: str
    guid: str | None
    settings: rules.Changes


class ExistingUsers(Enum):
    """What happens to a row whose user exists: a problem, accept it with the same settings, or change the settings."""

    REJECT, ACCEPT_SAME, UPDATE = range(3)


class UserCounts(NamedTuple):
    """How many users were created and updated, and how many existed with the same settings."""

    created: int
    updated: int
    unchanged: int


GROUP_ROWS = 1000
"""How many rows are looked up in one round trip."""


def create_all(
    gam: Gam, problems: ProblemList, rows: Iterable[UserRow], existing: ExistingUsers = ExistingUsers.REJECT
) -> UserCounts:
    """Create or update the users of all rows, or none of them and raise ProblemsError."""
    counts = dict.fromkeys(UserCounts._fields, 0)
    with gam.store.writing() as tx:
        writer = _RowWriter(gam, tx, existing)
        remaining = iter(rows)
        while group := [*islice(remaining, GROUP_ROWS)]:
            new_users: list[tuple[UserRow, User]] = []
            for row in group:
                with problems.collect(row.line):
                    guid = row.guid or mint_guid(gam.entropy)
                    new_users.append((row, rules.create(row.name, guid, row.settings, gam.now())))
            writer.look_up(new_users)
            for row, user in new_users:
                with problems.collect(row.line):
                    counts[writer.save(row, user)] += 1
        problems.require_none()
    return UserCounts(**counts)


class _RowWriter:
    """Saves the users of rows. `_known` are users by identifier, as they are after the rows before."""

    def __init__(self, gam: Gam, tx: Transaction, existing: ExistingUsers) -> None:
        self._gam, self._tx, self._existing = gam, tx, existing
        self._known: dict[str, User] = {}
        self._lines: dict[str, int] = {}

    def look_up(self, new_users: Iterable[tuple[UserRow, User]]) -> None:
        """Look up who has the identifiers of the users that are saved next."""
        texts = (text for row, user in new_users for text in (user.name, user.email, row.guid) if text)
        self._known = rules.by_identifier(store.users.find_by_names(self._tx, texts))

    def _find(self, text: str) -> User | None:
        return self._known.get(normalize_name(text))

    def save(self, row: UserRow, user: User) -> str:
        """Create or update the user of a row; return the name of the count in `UserCounts`."""
        for label, text in (("user", user.name), ("email", user.email), ("guid", row.guid)):
            other = self._find(text) if text else None
            if other is None:
                continue
            if other.guid in self._lines:
                raise ConflictError(f"{label} '{text}' is already in line {self._lines[other.guid]}")
            if self._existing is ExistingUsers.REJECT or label != "user":
                raise ConflictError(f"{label} '{text}' already exists", command("user", "show", other.name))
            return self._save_existing(row, other)
        changes.add(self._gam, self._tx, user)
        self._note(row, user)
        return "created"

    def _save_existing(self, row: UserRow, user: User) -> str:
        """Update an existing user, or raise ConflictError that names the fields in which it differs from the row."""
        after = rules.apply_changes(user, row.settings, self._gam.now())
        different = ["name"] * (user.name != row.name) + ["guid"] * (row.guid not in (None, user.guid))
        if self._existing is not ExistingUsers.UPDATE:
            different += [field for field in row.settings if getattr(user, field) != getattr(after, field)]
        if different:
            raise ConflictError(
                f"user '{row.name}' already exists with different settings: {', '.join(different)}",
                command("user", "show", user.name),
            )
        if after is user:
            return "unchanged"
        _require_free_email(after, self._find)
        changes.save(self._gam, self._tx, user, after)
        self._known.pop(normalize_name(user.email), None)
        self._note(row, after)
        return "updated"

    def _note(self, row: UserRow, user: User) -> None:
        self._lines[user.guid] = row.line
        self._known.update(rules.by_identifier([user]))


def show(gam: Gam, name: str) -> User:
    """Return the user with that name, email or GUID."""
    with gam.store.reading() as tx:
        return store.users.get(tx, name)


@contextmanager
def search(gam: Gam, filters: UserFilter) -> Iterator[Iterator[User]]:
    with gam.store.reading() as tx:
        yield store.users.search(tx, filters)


def update(gam: Gam, name: str, settings: rules.Changes, verb: str = "update") -> ChangeResult[User]:
    """Change settings of a user; disabling or blocking suspends the user's keys. `verb` is for the audit entry."""
    with gam.store.writing() as tx:
        before = store.users.get(tx, name)
        after = rules.apply_changes(before, settings, gam.now())
        if after is not before:
            _require_free_email(after, partial(store.users.find, tx))
        return changes.save(gam, tx, before, after, verb=verb)


def rename(gam: Gam, name: str, new_name: str) -> ChangeResult[User]:
    """Rename a user, whose keys, tokens and password stay; raises ConflictError if the new name is taken."""
    names.check_name("a user", new_name)
    with gam.store.writing() as tx:
        return changes.rename(gam, tx, store.users.get(tx, name), new_name, store.users.find(tx, new_name))


def set_password(
    gam: Gam,
    name: str,
    password: Secret,
    cost: passwords.ScryptCost | None = None,
    *,
    must_change: bool = False,
    expires: timedelta | datetime | None = None,
) -> ChangeResult[User]:
    """Set a user's password and revoke the sessions that began with an earlier one; stores an scrypt hash."""
    show(gam, name)
    rules.password_expiry(gam.now(), expires)  # reports invalid values before the slow hash
    password_hash = passwords.hash_password(password, gam.entropy, cost)  # slow, so before the write lock
    with gam.store.writing() as tx:
        before, now = store.users.get(tx, name), gam.now()
        after = before._replace(
            password_hash=password_hash,
            password_set_at=now,
            password_must_change=must_change,
            password_expires_at=rules.password_expiry(now, expires),
            updated_at=now,
        )
        store.users.save(tx, after)
        store.sessions.revoke_password_sessions(tx, after.guid, now)
        gam.record(tx, "user.set_password", after.name, (before, after))
    return ChangeResult(after)


def delete(gam: Gam, name: str, accept: int | None, *, yes: bool = True) -> ChangeResult[User]:
    """Delete a user, which invalidates their keys; the number of active ones must be in `accept`."""
    with gam.store.writing() as tx:
        return changes.delete(gam, tx, store.users.get(tx, name), accept, yes=yes)
