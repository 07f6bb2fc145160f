"""`gamcli app`: applications."""

from itertools import islice
from typing import Annotated

from gamcli.actions import Gam, apps
from gamcli.actions.changes import ChangeResult
from gamcli.commands import confirmation, delivery, overview
from gamcli.commands.app_options import AppSettings, Scopes
from gamcli.commands.options import (
    AcceptInvalidating,
    AppArgument,
    Description,
    EnabledFilter,
    IfMissing,
    IssueOptions,
    KeyChangeOptions,
    NewName,
    ShowAll,
    SortedListOptions,
    flag,
    new_group,
    option,
    read_secret,
)
from gamcli.commands.state_verbs import add_delete, add_rename, add_state_verb
from gamcli.errors import UsageError
from gamcli.model import App
from gamcli.rules import durations
from gamcli.store.apps import AppFilter

verbs = new_group("Manage applications, their settings and client secrets.")

NEVER_EXPIRE_NOTE = "its API keys never expire; set a limit with --api-key-timeout HOURS"


@verbs.command()
def create(
    name: NewName,
    description: Description = None,
    scope: Scopes = None,
    *,
    settings: AppSettings,
    client_id: Annotated[str | None, option("ID", "Use this client ID instead of a generated one.")] = None,
    client_secret_file: Annotated[
        str | None, option("FILE", "Use the client secret in this file; '-' for stdin.")
    ] = None,
    if_missing: IfMissing = False,
    run: IssueOptions,
) -> None:
    """
    Create an application and print its client secret once.

    Example: gamcli app create portal --scope gam_user_data --remote-rest --api-keys
    """
    out = run.make_output(App, "client_secret")
    secret = read_secret(client_secret_file, "--client-secret-file")
    if secret is not None and run.out_file is not None:
        raise UsageError("--out and --client-secret-file cannot be combined", "--out writes a generated secret only")
    spec = apps.AppSpec(name, settings.collect(description), tuple(scope or ()), client_id, secret)
    with delivery.open_for_issuing(run, out) as (gam, save_secret):
        created = apps.create(gam, spec, save_secret, if_missing=if_missing)
    app = created.record
    message = f"{confirmation.created_prefix(created.is_new)} application '{app.name}', client ID {app.client_id}"
    delivery.print_result(out, app, created.secret, message, run.out_file)
    if created.is_new and app.api_keys.enabled and not app.api_keys.timeout_hours:
        out.print_note(NEVER_EXPIRE_NOTE)


@verbs.command("list")
def list_(
    enabled: EnabledFilter = None,
    remote_rest: Annotated[
        bool | None,
        flag("Show only applications with (or without) remote REST.", "--remote-rest/--no-remote-rest"),
    ] = None,
    api_keys: Annotated[
        bool | None, flag("Show only applications that accept (or reject) API keys.", "--api-keys/--no-api-keys")
    ] = None,
    *,
    run: SortedListOptions,
) -> None:
    """List applications."""
    filters = AppFilter(enabled=enabled, remote_rest=remote_rest, api_keys=api_keys, sort=run.sort)
    with run.cli.open_gam() as gam, apps.search(gam, filters) as rows:
        run.make_output(App).print_records(App, islice(rows, run.limit))


@verbs.command()
def show(name: AppArgument, run: overview.ClientRecordPrintOptions) -> None:
    """Show an application."""
    overview.show(run, App, apps.show, name)


def _parse_scope_edit(scope: list[str] | None, add: list[str] | None, remove: list[str] | None) -> apps.ScopeEdit:
    if scope and (add or remove):
        raise UsageError(
            "--scope, which replaces all scopes, cannot be combined with --add-scope or --remove-scope",
            "use --scope, or --add-scope and --remove-scope",
        )
    return apps.ScopeEdit(tuple(scope) if scope else None, tuple(add or ()), tuple(remove or ()))


@verbs.command()
def update(
    name: AppArgument,
    description: Description = None,
    scope: Scopes = None,
    add_scope: Annotated[list[str] | None, option("SCOPE", "Also publish this scope.")] = None,
    remove_scope: Annotated[
        list[str] | None, option("SCOPE", "Withdraw this scope, and invalidate keys that have it.")
    ] = None,
    *,
    settings: AppSettings,
    accept: AcceptInvalidating = None,
    show_all: ShowAll = False,
    run: KeyChangeOptions,
) -> None:
    """
    Change settings of an application.

    Withdrawing a scope permanently invalidates the active keys that have it. On a terminal, gamcli asks first;
    scripts confirm the number of keys with --accept-invalidating.
    """
    out = run.make_output(App)
    edit = _parse_scope_edit(scope, add_scope, remove_scope)
    changes = settings.collect(description)
    with run.open_for_change(out) as gam:
        before = apps.show(gam, name)
        result = confirmation.confirm_invalidating(
            lambda count: apps.update(gam, name, changes, edit, count), accept, show_all=show_all
        )
    app = result.record
    undo = ("app", "update", app.name, *undo_options(before, app))
    confirmation.report_change(out, result, f"application '{app.name}'", undo)
    is_about_keys = settings.api_keys or settings.api_key_timeout is not None
    if result.is_changed and is_about_keys and app.api_keys.enabled and not app.api_keys.timeout_hours:
        out.print_note(NEVER_EXPIRE_NOTE)


def undo_options(before: App, after: App) -> list[str]:
    """Return the options that undo the changes which suspended keys."""
    options: list[str] = []
    if before.remote_rest and not after.remote_rest:
        options.append("--remote-rest")
    if before.api_keys.enabled and not after.api_keys.enabled:
        options.append("--api-keys")
    if before.api_keys.auth_type != after.api_keys.auth_type:
        options += ["--api-key-auth-type", before.api_keys.auth_type or "any"]
    return options


def _set_state(gam: Gam, name: str, changes: dict[str, object], _: str) -> ChangeResult[App]:
    return apps.update(gam, name, changes)


for _verb, _help in {
    "enable": "Enable an application, so that its keys and secrets work again.",
    "disable": "Disable an application and suspend its keys until it is enabled again.",
}.items():
    add_state_verb(verbs, _verb, _help, AppArgument, App, _set_state)


@verbs.command("rotate-secret")
def rotate_secret(
    name: AppArgument,
    overlap: Annotated[str, option("DURATION", "Keep the old secret valid for this long; 0 revokes it now.")],
    run: IssueOptions,
) -> None:
    """
    Issue a new client secret and print it once.

    A secret that is still retiring from an earlier rotation is revoked immediately.

    Example: gamcli app rotate-secret portal --overlap 24h
    """
    out = run.make_output(App, "client_secret")
    overlap_length = durations.parse(overlap)
    with delivery.open_for_issuing(run, out) as (gam, save_secret):
        result = apps.rotate_secret(gam, name, save_secret, overlap=overlap_length)
    old_secret = f"stays valid for {overlap}" if overlap_length else "is revoked"
    message = f"application '{result.record.name}' has a new secret; the old one {old_secret}"
    delivery.print_result(out, result.record, result.secret, message, run.out_file)


add_delete(verbs, "Delete an application and permanently invalidate its active keys.", AppArgument, App, apps.delete)
add_rename(verbs, AppArgument, App, apps.rename)
