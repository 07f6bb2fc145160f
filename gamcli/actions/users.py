"""Users."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.changes import ChangeResult, CreateResult, assess_impact, require_confirmation
from gamcli.actions.problems import ProblemList, error_message
from gamcli.errors import ConflictError, GamcliError, command
from gamcli.model import KeyImpact, User
from gamcli.rules import impact, passwords
from gamcli.rules import users as rules
from gamcli.rules.credentials import Secret, mint_guid
from gamcli.store import Transaction
from gamcli.store.keys import KeyFilter
from gamcli.store.users import UserFilter


def create(gam: Gam, name: str, changes: rules.Changes, *, if_missing: bool = False) -> CreateResult[User]:
    """Make a user; raises ConflictError when the name or the email belongs to another."""
    user = rules.create(name, mint_guid(gam.entropy), changes, gam.now())
    with gam.store.writing() as tx:
        found = store.users.find(tx, name)
        if found is not None:
            same = found.name == name and rules.apply_changes(found, changes, gam.now()) is found
            if if_missing and same:
                return CreateResult(found, is_new=False)
            how = " and differs" if if_missing else ""
            raise ConflictError(f"user '{found.name}' is there already{how}", command("user", "show", found.name))
        _require_free_email(tx, user)
        add(gam, tx, user)
    return CreateResult(user)


def add(gam: Gam, tx: Transaction, user: User) -> None:
    """Keep a new user whose name and email are free."""
    store.users.add(tx, user)
    gam.record(tx, "user.create", user.name, (None, user), guid=user.guid)


def _require_free_email(tx: Transaction, user: User) -> None:
    other = store.users.find(tx, user.email) if user.email else None
    if other is not None and other.guid != user.guid:
        raise ConflictError(
            f"the email '{user.email}' already names user '{other.name}'", command("user", "show", other.name)
        )


class UserRow(NamedTuple):
    """A new user in a row of a file, which begins at `line`; a GUID that is brought along is kept."""

    line: int
    name: str
    guid: str | None
    changes: rules.Changes


def create_all(
    gam: Gam, problems: ProblemList, rows: Iterable[UserRow], *, if_missing: bool = False
) -> tuple[int, int]:
    """
    Make the users of all rows, or raise FaultsError with all that is wrong and make none.

    Returns how many were made, and how many were there already, as asked.
    """
    lines: dict[str, int] = {}
    made = there = 0
    with gam.store.writing() as tx:
        for row in rows:
            try:
                user = _create_from_row(gam, tx, row, lines, if_missing=if_missing)
            except GamcliError as error:
                problems.add(row.line, error_message(error))
                continue
            made += user is not None
            there += user is None
            if user is not None:
                lines[user.guid] = row.line
        problems.require_none()
    return made, there


def _create_from_row(
    gam: Gam, tx: Transaction, row: UserRow, lines: Mapping[str, int], *, if_missing: bool
) -> User | None:
    """Make the user of a row; None when there is one already, just so."""
    user = rules.create(row.name, row.guid or mint_guid(gam.entropy), row.changes, gam.now())
    for what, text in (("user", user.name), ("email", user.email), ("guid", row.guid)):
        other = store.users.find(tx, text) if text else None
        if other is None:
            continue
        if other.guid in lines:
            raise ConflictError(f"the {what} '{text}' is in line {lines[other.guid]} already")
        same = other.name == user.name and row.guid in (None, other.guid)
        if if_missing and same and rules.apply_changes(other, row.changes, gam.now()) is other:
            return None
        how = " and differs" if if_missing and what == "user" else ""
        raise ConflictError(f"{what} '{text}' is there already{how}", command("user", "show", other.name))
    add(gam, tx, user)
    return user


def show(gam: Gam, name: str) -> User:
    """Return the user named by `name`, a name, email or GUID."""
    with gam.store.reading() as tx:
        return store.users.get(tx, name)


@contextmanager
def search(gam: Gam, criteria: UserFilter) -> Iterator[Iterator[User]]:
    """Read the users that `wanted` describes, while the `with` lasts."""
    with gam.store.reading() as tx:
        yield store.users.search(tx, criteria)


def update(gam: Gam, name: str, changes: rules.Changes, action: str = "user.update") -> ChangeResult[User]:
    """Change the user; what is not named stays. Disabling or blocking suspends the user's live keys."""
    with gam.store.writing() as tx:
        before = store.users.get(tx, name)
        after = rules.apply_changes(before, changes, gam.now())
        if after is before:
            return ChangeResult(before, is_changed=False)
        _require_free_email(tx, after)
        impacts = save(gam, tx, before, after, action)
    return ChangeResult(after, impacts=impacts)


def save(gam: Gam, tx: Transaction, before: User, after: User, action: str = "user.update") -> tuple[KeyImpact, ...]:
    """Keep a changed user whose email is free, and return the live keys that this suspends."""
    keys = KeyFilter(user_guid=after.guid)
    bears = impact.affects_keys(before, after)
    impacts = assess_impact(tx, gam, keys, lambda facts: replace(facts, user=after), accept=None) if bears else ()
    store.users.save(tx, after)
    gam.record(tx, action, after.name, (before, after))
    return impacts


def set_password(
    gam: Gam,
    name: str,
    password: Secret,
    cost: passwords.ScryptCost | None = None,
    *,
    must_change: bool = False,
    expires_in: timedelta | None = None,
) -> ChangeResult[User]:
    """Keep a new password of the user, as a scrypt hash; the sessions that began with an earlier one end."""
    show(gam, name)
    rules.password_expiry(gam.now(), expires_in)  # what is wrong with it is told at once
    hashed = passwords.hash_password(password, gam.entropy, cost)  # slow, so before the write lock
    with gam.store.writing() as tx:
        before, now = store.users.get(tx, name), gam.now()
        after = replace(
            before,
            password_hash=hashed,
            password_set_at=now,
            password_must_change=must_change,
            password_expires_at=rules.password_expiry(now, expires_in),
            updated_at=now,
        )
        store.users.save(tx, after)
        store.sessions.revoke_password_sessions(tx, after.guid, now)
        gam.record(tx, "user.set_password", after.name, (before, after))
    return ChangeResult(after)


def delete(gam: Gam, name: str, accept: int | None, *, yes: bool = True) -> ChangeResult[User]:
    """Delete the user; their live keys end for good, which needs their number in `accept`."""
    with gam.store.writing() as tx:
        found = store.users.get(tx, name)
        reason = f"deletion of user '{found.name}'"
        impacts = assess_impact(tx, gam, KeyFilter(user_guid=found.guid), lambda _: reason, accept)
        require_confirmation(gam, f"user '{found.name}'", accept, yes=yes)
        store.users.delete(tx, found.guid)
        gam.record(tx, "user.delete", found.name, (found, None), invalidated=[each.key.id for each in impacts])
    return ChangeResult(found, impacts=impacts)
