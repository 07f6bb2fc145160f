"""`gamcli key disable`, `enable`, `update` and `revoke`."""

import sys
from typing import Annotated

from gamcli.actions import Gam, key_changes, keys
from gamcli.actions.changes import ChangeResult
from gamcli.commands import confirmation, prompts
from gamcli.commands.key_options import AppFilterOption, UserFilterOption
from gamcli.commands.options import (
    AcceptInvalidating,
    KeyArgument,
    KeyChangeOptions,
    Reason,
    ShowAll,
    Yes,
    argument,
    new_group,
    option,
    read_secret,
)
from gamcli.errors import UnconfirmedError, UsageError, command, format_count
from gamcli.model import Key
from gamcli.render.output import Output

verbs = new_group()


@verbs.command()
def disable(key: KeyArgument, reason: Reason = None, *, run: KeyChangeOptions) -> None:
    """
    Suspend a key and its access tokens until the key is enabled again.

    To revoke a key permanently, use `gamcli key revoke`.
    """
    out = run.make_output(Key)
    with run.open_for_change(out) as gam:
        result = key_changes.disable(gam, key, reason)
    key_id, status = result.record.id, result.record.status(out.now())
    if result.is_changed or result.record.is_valid(out.now()):
        confirmation.report_change(out, result, f"key {key_id}", ("key", "enable", key_id), "disabled")
    else:
        out.print_change(result.record, f"not disabled, because it is already {status}: key {key_id}")


@verbs.command()
def enable(key: KeyArgument, run: KeyChangeOptions) -> None:
    """Enable a disabled key, and its access tokens that have not expired."""
    out = run.make_output(Key)
    with run.open_for_change(out) as gam:
        result = key_changes.enable(gam, key)
    confirmation.report_change(out, result, f"key {result.record.id}", ("key", "disable", result.record.id), "enabled")


@verbs.command()
def update(
    key: KeyArgument,
    label: Annotated[str, option("TEXT", "New label; an empty value removes it.")],
    run: KeyChangeOptions,
) -> None:
    """Change the label of a key."""
    out = run.make_output(Key)
    with run.open_for_change(out) as gam:
        result = key_changes.update(gam, key, label)
    confirmation.report_change(out, result, f"key {result.record.id}", ("key", "update", result.record.id))


@verbs.command()
def revoke(
    ids: Annotated[list[str] | None, argument("KEY...", "Key IDs, or unique prefixes of them.")] = None,
    reason: Reason = None,
    api_key_file: Annotated[str | None, option("FILE", "Revoke the key in this file; '-' for stdin.")] = None,
    user: UserFilterOption = None,
    app: AppFilterOption = None,
    accept: AcceptInvalidating = None,
    show_all: ShowAll = False,
    yes: Yes = False,
    *,
    run: KeyChangeOptions,
) -> None:
    """
    Revoke keys, and the access tokens that were issued for them.

    Name keys by ID, or pass a key in a file. Confirm an incomplete ID with --yes. With --user or --app, revoke all keys
    of the user or application; scripts confirm the number of active keys with --accept-invalidating.
    """
    out = run.make_output(Key)
    selections = (bool(ids), api_key_file is not None, user is not None or app is not None)
    if sum(selections) != 1:
        raise UsageError(
            "select keys in one way: by ID, with --api-key-file, or with --user and --app",
            command("key", "revoke", "KEY"),
        )
    secret = read_secret(api_key_file, "--api-key-file")
    with run.open_for_change(out) as gam:
        if secret is not None:
            results = [keys.revoke_by_secret(gam, secret, reason)]
        elif ids:
            results = _revoke_by_id(gam, ids, reason, yes=yes)
        else:
            filters = keys.KeySearch(user, app)
            results = confirmation.confirm_invalidating(
                lambda count: keys.revoke_all(gam, filters, reason, count), accept, show_all=show_all
            )
    _print_revoked(out, results, single=secret is not None or len(ids or ()) == 1)


def _revoke_by_id(gam: Gam, ids: list[str], reason: str | None, *, yes: bool) -> list[ChangeResult[Key]]:
    try:
        return keys.revoke(gam, ids, reason, yes=yes)
    except UnconfirmedError as error:
        if not sys.stdin.isatty():
            raise
        prompts.confirm(f"{error.message}; revoke?")
        return keys.revoke(gam, ids, reason, yes=True)


MAX_LINES = 10
"""Up to this number, revoked keys are reported one by one."""


def _print_revoked(out: Output, results: list[ChangeResult[Key]], *, single: bool) -> None:
    if not out.is_human and single:
        out.print_record(results[0].record)
    elif not out.is_human:
        out.print_records(Key, [result.record for result in results])
    else:
        for result in results if len(results) <= MAX_LINES else ():
            key = result.record
            prefix = "revoked" if result.is_changed else f"not revoked, because it is already {key.status(out.now())}:"
            tokens = f"; {format_count(result.tokens, 'access token')} invalidated" if result.tokens else ""
            out.print_note(f"{prefix} key {key.id} of {key.user} for {key.app}{tokens}")
        if not single:
            out.print_note(f"revoked {format_count(sum(result.is_changed for result in results), 'key')}")
