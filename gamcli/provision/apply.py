"""`apply`: all steps of a plan in one transaction, through the same actions as the commands, or nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from gamcli import store
from gamcli.actions import DryRun, Gam, apps, auth_types, changes, keys, ownership, users
from gamcli.actions.changes import require_accepted
from gamcli.errors import UsageError
from gamcli.model import App, AuthType, Key, Repository, User, normalize_name
from gamcli.model.plan import CREATE, UPDATE
from gamcli.provision.desired import Desired
from gamcli.provision.draft import RELEASE, Draft, Step
from gamcli.provision.issued import IssuedSecrets, issued
from gamcli.provision.proposal import NOTHING_MORE, Options, Proposal, propose
from gamcli.store import Transaction

SaveSecrets = Callable[[IssuedSecrets], None]
"""Puts the new secrets where they belong, synced, before the transaction that makes them is committed."""


def let_be(_: Transaction, __: Proposal | None) -> None:
    """Refuse nothing."""


@dataclass(frozen=True, slots=True)
class Order:
    """
    How manifests are applied: `accept` is how many live keys may end, `keep` the place of new secrets, if there is one.

    `require` refuses what is not as it was when it was decided, by raising a GamcliError: before the steps are looked
    for (None), and once they are known.
    """

    options: Options = NOTHING_MORE
    accept: int | None = None
    keep: SaveSecrets | None = None
    require: Callable[[Transaction, Proposal | None], None] = let_be


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done, and the secrets that came of it."""

    proposal: Proposal
    issued: IssuedSecrets


def apply(gam: Gam, desired: Desired, order: Order) -> Applied:
    """
    Make the store as `desired`.

    Raises FaultsError, ConflictError, EndsKeysError and UsageError (no place for new secrets) before anything is done.
    """
    now = gam.now()
    gam = replace(gam, now=lambda: now)
    with gam.store.writing() as tx:
        order.require(tx, None)
        proposal = propose(tx, gam, desired, order.options)
        order.require(tx, proposal)
        if proposal.issues and order.keep is None:
            raise UsageError(
                "new secrets would be issued, and there is no place for them", "--secrets-out FILE, or -o json"
            )
        if proposal.changes:  # else it was applied before: who tries again need not count again
            require_accepted(proposal.ending, order.accept)
        _do(gam, tx, proposal.draft)
        found = issued(proposal.draft)
        if found and order.keep is not None:
            order.keep(found)
    return Applied(proposal, found)


def _do(gam: Gam, tx: Transaction, draft: Draft) -> None:
    # What ends was accepted as a whole: no single action asks again.
    accepted = replace(gam, dry_run=DryRun())
    for each in draft.adopts:
        ownership.adopt(accepted, tx, each.record, each.by)
    store.users.release_emails(tx, _moving_emails(draft))
    for step in draft.steps:
        if step.action == CREATE:
            _create(gam, tx, step, draft)
        elif step.action == UPDATE:
            _update(accepted, tx, step)
        elif step.action == RELEASE:
            assert not isinstance(step.before, Repository | None)
            ownership.release(accepted, tx, step.before)
        else:
            _delete(accepted, step)


def _moving_emails(draft: Draft) -> list[str]:
    """Return the GUIDs of users whose email goes to another user by these steps."""
    taken = {normalize_name(step.after.email): step.after.guid for step in draft.steps if isinstance(step.after, User)}
    holders = (step.before for step in draft.steps if isinstance(step.before, User) and step.before.email)
    return [each.guid for each in holders if taken.get(normalize_name(each.email), each.guid) != each.guid]


def _create(gam: Gam, tx: Transaction, step: Step, draft: Draft) -> None:
    record = step.after
    if isinstance(record, Key):
        keys.add(gam, tx, record, is_first=(record.user_guid, record.client_id) not in draft.current)
    else:
        assert isinstance(record, App | User | AuthType)
        changes.add(gam, tx, record)


def _update(gam: Gam, tx: Transaction, step: Step) -> None:
    match step.before, step.after:
        case Key() as old, Key() as key:
            keys.replace_key(gam, tx, old, key)
            keys.add(gam, tx, key, old.id)
        case (App() | User() | AuthType()) as before, (App() | User() | AuthType()) as after:
            changes.save(gam, tx, replace(before, managed_by=after.managed_by), after)
        case _:
            assert isinstance(step.after, Repository)
            auth_types.set_default(gam, step.after.default_auth_type)


def _delete(gam: Gam, step: Step) -> None:
    match step.before:
        case Key() as key:
            keys.revoke(gam, [key.id], f"{key.managed_by} names it no longer")
        case User() as user:
            users.delete(gam, user.guid, None)
        case App() as app:
            apps.delete(gam, app.client_id, None)
        case auth_type:
            assert isinstance(auth_type, AuthType)
            auth_types.delete(gam, auth_type.name, None)
