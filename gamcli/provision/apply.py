"""`apply`: executes a plan in one transaction with the actions that the commands use, completely or not at all."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import chain

from gamcli import store
from gamcli.actions import DryRun, Gam, apps, auth_types, changes, keys, ownership, users
from gamcli.actions.changes import load_key_facts, require_accepted
from gamcli.errors import Problem, ProblemsError, UsageError
from gamcli.model import App, AuthType, Key, Repository, User, normalize_name
from gamcli.model.plan import CREATE, UPDATE
from gamcli.provision import impacts, pruning, snapshot
from gamcli.provision.desired import Desired
from gamcli.provision.diff import diff
from gamcli.provision.diff_objects import DiffOptions
from gamcli.provision.issued import IssuedSecrets, collect_secrets
from gamcli.provision.plan import RELEASE, ExecutionPlan, PlanOptions, Step
from gamcli.store import Transaction

SaveSecrets = Callable[[IssuedSecrets], None]
"""Saves the new secrets durably before the transaction that creates them is committed."""

MAX_PROBLEMS = 1000
"""How many problems are reported at most."""


DEFAULTS = PlanOptions()


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """
    How manifests are applied.

    `accept` is how many active keys may be invalidated, `accept_deleting` how many objects may be deleted.

    `require` raises a GamcliError if the state has changed since the plan was made: it is called before the diff, with
    None, and after it.
    """

    plan: PlanOptions = DEFAULTS
    accept: int | None = None
    save_secrets: SaveSecrets | None = None
    require: Callable[[Transaction, ExecutionPlan | None], None] = lambda _tx, _plan: None
    accept_deleting: int | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """A plan that was executed, and the secrets that it issued."""

    plan: ExecutionPlan
    issued: IssuedSecrets


def make_plan(tx: Transaction, gam: Gam, desired: Desired, options: PlanOptions) -> ExecutionPlan:
    """Return what leads from the state of the store to `desired`; raises ProblemsError and ConflictError."""
    diff_options = DiffOptions(gam.now(), gam.entropy, options.prune, options.adopt, desired.is_seed)
    actual = snapshot.read(tx, desired)
    plan, problems, conflicts = diff(desired, actual, diff_options)
    if problems:
        raise ProblemsError(problems[:MAX_PROBLEMS])
    if conflicts:
        raise conflicts[0]
    filters = (each._replace(not_ended=True) for each in impacts.key_filters(plan.steps))
    facts = load_key_facts(tx, gam, chain.from_iterable(store.keys.search(tx, each) for each in filters))
    return replace(plan, impacts=impacts.find_impacts(plan.steps, facts, actual.auth_types.values()))


def find_problems(tx: Transaction, gam: Gam, desired: Desired, broken: frozenset[tuple[str, str]]) -> list[Problem]:
    """Return the problems that only the state of the store shows, except those of `broken` objects."""
    diff_options = DiffOptions(gam.now(), gam.entropy, is_seed=desired.is_seed, broken=broken)
    return diff(desired, snapshot.read(tx, desired), diff_options).problems[:MAX_PROBLEMS]


def apply(gam: Gam, desired: Desired, options: ApplyOptions) -> Applied:
    """
    Bring the store to the desired state.

    Raises ProblemsError, ConflictError, InvalidatesKeysError, DeletesObjectsError and UsageError (no place for new
    secrets) before the first step.
    """
    now = gam.now()
    gam = replace(gam, now=lambda: now)
    with gam.store.writing() as tx:
        options.require(tx, None)
        plan = make_plan(tx, gam, desired, options.plan)
        options.require(tx, plan)
        if plan.issues_secrets and options.save_secrets is None:
            raise UsageError(
                "the plan issues new secrets, but no output was specified for them", "--secrets-out FILE, or -o json"
            )
        if plan.steps:  # a repeated apply finds no steps: it needs no confirmation again
            require_accepted(plan.invalidated, options.accept)
            pruning.require_accepted(plan.deletion_count, options.accept_deleting)
        _execute(gam, tx, plan)
        issued = collect_secrets(plan)
        if issued and options.save_secrets is not None:
            options.save_secrets(issued)
    return Applied(plan, issued)


def _execute(gam: Gam, tx: Transaction, plan: ExecutionPlan) -> None:
    accepted = replace(gam, dry_run=DryRun())  # the impact of the whole plan was accepted: actions do not ask again
    for adoption in plan.adoptions:
        ownership.adopt(accepted, tx, adoption.record, adoption.new_owner)
    store.users.release_emails(tx, _users_losing_email(plan))
    for step in plan.steps:
        if step.action == CREATE:
            _create(gam, tx, step, plan)
        elif step.action == UPDATE:
            _update(accepted, tx, step)
        elif step.action == RELEASE:
            assert not isinstance(step.before, Repository | None)
            ownership.release(accepted, tx, step.before)
        else:
            _delete(accepted, step)


def _users_losing_email(plan: ExecutionPlan) -> list[str]:
    """Return the GUIDs of users whose email another user gets: emails are unique after every single step."""
    new_owner = {
        normalize_name(step.after.email): step.after.guid for step in plan.steps if isinstance(step.after, User)
    }
    befores = (step.before for step in plan.steps if isinstance(step.before, User) and step.before.email)
    return [user.guid for user in befores if new_owner.get(normalize_name(user.email), user.guid) != user.guid]


def _create(gam: Gam, tx: Transaction, step: Step, plan: ExecutionPlan) -> None:
    record = step.after
    if isinstance(record, Key):
        is_first = (record.user_guid, record.client_id) not in plan.keyed
        keys.add(gam, tx, record, action=_issue_action(step), is_first=is_first)
    else:
        assert isinstance(record, App | User | AuthType)
        changes.add(gam, tx, record)


def _issue_action(step: Step) -> str:
    return "key.import" if step.is_import else "key.generate"


def _update(gam: Gam, tx: Transaction, step: Step) -> None:
    match step.before, step.after:
        case Key() as old, Key() as key:
            keys.replace_key(gam, tx, old, key, step.overlap or timedelta(0))
            keys.add(gam, tx, key, old.id, action=_issue_action(step))
        case (App() | User() | AuthType()) as before, (App() | User() | AuthType()) as after:
            before = before._replace(managed_by=after.managed_by)
            if before.name != after.name:
                before = changes.rename(gam, tx, before, after.name).record
            if before != after:
                changes.save(gam, tx, before, after)
        case _:
            assert isinstance(step.after, Repository)
            auth_types.set_default(gam, step.after.default_auth_type)


def _delete(gam: Gam, step: Step) -> None:
    match step.before:
        case Key() as key:
            keys.revoke(gam, [key.id], f"no longer listed by {key.managed_by}")
        case User() as user:
            users.delete(gam, user.guid, None)
        case App() as app:
            apps.delete(gam, app.client_id, None)
        case auth_type:
            assert isinstance(auth_type, AuthType)
            auth_types.delete(gam, auth_type.name, None)
