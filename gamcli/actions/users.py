"""Users."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

from gamcli import store
from gamcli.actions import Gam, changes
from gamcli.actions.changes import ChangeResult, CreateResult
from gamcli.actions.problems import ProblemList, error_message
from gamcli.errors import ConflictError, GamcliError, command
from gamcli.model import User
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
        _require_free_email(tx, user)
        changes.add(gam, tx, user)
    return CreateResult(user)


def _require_free_email(tx: Transaction, user: User) -> None:
    other = store.users.find(tx, user.email) if user.email else None
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


def create_all(
    gam: Gam, problems: ProblemList, rows: Iterable[UserRow], existing: ExistingUsers = ExistingUsers.REJECT
) -> UserCounts:
    """Create or update the users of all rows, or none of them and raise ProblemsError."""
    lines: dict[str, int] = {}
    counts = dict.fromkeys(UserCounts._fields, 0)
    with gam.store.writing() as tx:
        for row in rows:
            try:
                user, outcome = _save_row(gam, tx, row, lines, existing)
            except GamcliError as error:
                problems.add(row.line, error_message(error))
                continue
            counts[outcome] += 1
            if outcome != "unchanged":
                lines[user.guid] = row.line
        problems.require_none()
    return UserCounts(**counts)


def _save_row(
    gam: Gam, tx: Transaction, row: UserRow, lines: Mapping[str, int], existing: ExistingUsers
) -> tuple[User, str]:
    """Create or update the user of a row; return it with the name of the count in `UserCounts`."""
    user = rules.create(row.name, row.guid or mint_guid(gam.entropy), row.settings, gam.now())
    for label, text in (("user", user.name), ("email", user.email), ("guid", row.guid)):
        other = store.users.find(tx, text) if text else None
        if other is None:
            continue
        if other.guid in lines:
            raise ConflictError(f"{label} '{text}' is already in line {lines[other.guid]}")
        if existing is ExistingUsers.REJECT or label != "user":
            raise ConflictError(f"{label} '{text}' already exists", command("user", "show", other.name))
        return _save_existing(gam, tx, row, other, existing)
    changes.add(gam, tx, user)
    return user, "created"


def _save_existing(gam: Gam, tx: Transaction, row: UserRow, user: User, existing: ExistingUsers) -> tuple[User, str]:
    """Update an existing user, or raise ConflictError that names the fields in which it differs from the row."""
    after = rules.apply_changes(user, row.settings, gam.now())
    different = ["name"] * (user.name != row.name) + ["guid"] * (row.guid not in (None, user.guid))
    if existing is not ExistingUsers.UPDATE:
        different += [field for field in row.settings if getattr(user, field) != getattr(after, field)]
    if different:
        raise ConflictError(
            f"user '{row.name}' already exists with different settings: {', '.join(different)}",
            command("user", "show", user.name),
        )
    if after is user:
        return user, "unchanged"
    _require_free_email(tx, after)
    changes.save(gam, tx, user, after)
    return after, "updated"


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
            _require_free_email(tx, after)
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
