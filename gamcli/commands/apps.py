"""`gamcli app`: applications."""

from functools import partial
from typing import Annotated

import typer

from gamcli.actions import Gam, apps
from gamcli.actions.changes import ChangeResult
from gamcli.commands import confirmation, delivery, overview
from gamcli.commands.app_options import (
    AllowScopeChoice,
    ApiKeyAuthType,
    ApiKeys,
    ApiKeyTimeout,
    OneTokenPerUser,
    RemoteRest,
    Renewals,
    RequireScope,
    Scopes,
    ShareUserIds,
    TokenTimeout,
    collect_settings,
)
from gamcli.commands.context import CliContext
from gamcli.commands.options import (
    AcceptInvalidating,
    AppArgument,
    Description,
    DryRunOption,
    EnabledFilter,
    Field,
    Format,
    IfMissing,
    Limit,
    NewName,
    OutFile,
    Preview,
    SecretFormat,
    ShowAll,
    Sort,
    Wide,
    Yes,
    new_group,
    read_secret,
)
from gamcli.commands.overview import ClientRecordFormat
from gamcli.commands.state_verbs import add_rename, add_state_verb
from gamcli.errors import UsageError
from gamcli.model import App
from gamcli.rules import durations
from gamcli.store.apps import AppFilter

verbs = new_group("Manage applications, their settings and client secrets.")

NEVER_EXPIRE_NOTE = "its API keys never expire; set a limit with --api-key-timeout HOURS"


@verbs.command()
def create(
    context: typer.Context,
    name: NewName,
    description: Description = None,
    scope: Scopes = None,
    remote_rest: RemoteRest = None,
    api_keys: ApiKeys = None,
    api_key_timeout: ApiKeyTimeout = None,
    api_key_auth_type: ApiKeyAuthType = None,
    scope_choice: AllowScopeChoice = None,
    token_timeout: TokenTimeout = None,
    renewals: Renewals = None,
    require_scope: RequireScope = None,
    share_ids: ShareUserIds = None,
    one_token: OneTokenPerUser = None,
    client_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Use this client ID instead of a generated one.")
    ] = None,
    client_secret_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Use the client secret in this file; '-' for stdin.")
    ] = None,
    if_missing: IfMissing = False,
    dry_run: DryRunOption = False,
    output: SecretFormat = None,
    field: Field = None,
    out_file: OutFile = None,
) -> None:
    """
    Create an application and print its client secret once.

    Example: gamcli app create portal --scope gam_user_data --remote-rest --api-keys
    """
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, App, "client_secret")
    secret = read_secret(client_secret_file, "--client-secret-file")
    if secret is not None and out_file is not None:
        raise UsageError("--out and --client-secret-file cannot be combined", "--out writes a generated secret only")
    spec = apps.AppSpec(name, collect_settings(context), tuple(scope or ()), client_id, secret)
    with (
        cli.open_for_change(out, dry_run=dry_run) as gam,
        delivery.open_destination(out, out_file, dry_run=dry_run) as save_secret,
    ):
        created = apps.create(gam, spec, save_secret, if_missing=if_missing)
    app = created.record
    message = f"{confirmation.created_prefix(created.is_new)} application '{app.name}', client ID {app.client_id}"
    delivery.print_result(out, app, ("client_secret", created.secret), message, out_file)
    if created.is_new and app.api_keys.enabled and not app.api_keys.timeout_hours:
        out.print_note(NEVER_EXPIRE_NOTE)


@verbs.command("list")
def list_(
    context: typer.Context,
    enabled: EnabledFilter = None,
    remote_rest: Annotated[
        bool | None,
        typer.Option(
            "--remote-rest/--no-remote-rest",
            help="Show only applications with (or without) remote REST.",
            show_default=False,
        ),
    ] = None,
    api_keys: Annotated[
        bool | None,
        typer.Option(
            "--api-keys/--no-api-keys",
            help="Show only applications that accept (or reject) API keys.",
            show_default=False,
        ),
    ] = None,
    sort: Sort = None,
    limit: Limit = None,
    wide: Wide = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """List applications."""
    cli = CliContext.from_typer(context)
    filters = AppFilter(enabled=enabled, remote_rest=remote_rest, api_keys=api_keys, sort=sort)
    with cli.open_gam() as gam, apps.search(gam, filters) as rows:
        cli.output(output, field, App, wide=wide).print_records(App, confirmation.take(rows, limit))


@verbs.command()
def show(context: typer.Context, name: AppArgument, output: ClientRecordFormat = None, field: Field = None) -> None:
    """Show an application."""
    overview.show(context, App, apps.show, name, output, field)


def _parse_scope_edit(scope: list[str] | None, add: list[str] | None, remove: list[str] | None) -> apps.ScopeEdit:
    if scope and (add or remove):
        raise UsageError(
            "--scope, which replaces all scopes, cannot be combined with --add-scope or --remove-scope",
            "use --scope, or --add-scope and --remove-scope",
        )
    return apps.ScopeEdit(tuple(scope) if scope else None, tuple(add or ()), tuple(remove or ()))


@verbs.command()
def update(
    context: typer.Context,
    name: AppArgument,
    description: Description = None,
    scope: Scopes = None,
    add_scope: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE", help="Also publish this scope.", show_default=False)
    ] = None,
    remove_scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SCOPE", help="Withdraw this scope, and invalidate keys that have it.", show_default=False
        ),
    ] = None,
    remote_rest: RemoteRest = None,
    api_keys: ApiKeys = None,
    api_key_timeout: ApiKeyTimeout = None,
    api_key_auth_type: ApiKeyAuthType = None,
    scope_choice: AllowScopeChoice = None,
    token_timeout: TokenTimeout = None,
    renewals: Renewals = None,
    require_scope: RequireScope = None,
    share_ids: ShareUserIds = None,
    one_token: OneTokenPerUser = None,
    accept: AcceptInvalidating = None,
    show_all: ShowAll = False,
    dry_run: Preview = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Change settings of an application.

    Withdrawing a scope permanently invalidates the active keys that have it. On a terminal, gamcli asks first;
    scripts confirm the number of keys with --accept-invalidating.
    """
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, App)
    edit = _parse_scope_edit(scope, add_scope, remove_scope)
    settings = collect_settings(context)
    with cli.open_for_change(out, dry_run=dry_run) as gam:
        before = apps.show(gam, name)
        result = confirmation.confirm_invalidating(
            lambda count: apps.update(gam, name, settings, edit, count), accept, show_all=show_all
        )
    app = result.record
    undo = ("app", "update", app.name, *undo_options(before, app))
    confirmation.report_change(out, result, f"application '{app.name}'", undo)
    if (
        result.is_changed
        and app.api_keys.enabled
        and not app.api_keys.timeout_hours
        and (api_keys or api_key_timeout is not None)
    ):
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


add_state_verb(
    verbs, "enable", "Enable an application, so that its keys and secrets work again.", AppArgument, App, _set_state
)
add_state_verb(
    verbs,
    "disable",
    "Disable an application and suspend its keys until it is enabled again.",
    AppArgument,
    App,
    _set_state,
)


@verbs.command("rotate-secret")
def rotate_secret(
    context: typer.Context,
    name: AppArgument,
    overlap: Annotated[
        str, typer.Option(metavar="DURATION", help="Keep the old secret valid for this long; 0 revokes it now.")
    ],
    dry_run: DryRunOption = False,
    output: SecretFormat = None,
    field: Field = None,
    out_file: OutFile = None,
) -> None:
    """
    Issue a new client secret and print it once.

    A secret that is still retiring from an earlier rotation is revoked now.

    Example: gamcli app rotate-secret portal --overlap 24h
    """
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, App, "client_secret")
    overlap_length = durations.parse(overlap)
    with (
        cli.open_for_change(out, dry_run=dry_run) as gam,
        delivery.open_destination(out, out_file, dry_run=dry_run) as save_secret,
    ):
        result = apps.rotate_secret(gam, name, save_secret, overlap=overlap_length)
    old_secret = f"stays valid for {overlap}" if overlap_length else "is revoked"
    message = f"application '{result.record.name}' has a new secret; the old one {old_secret}"
    delivery.print_result(out, result.record, ("client_secret", result.secret), message, out_file)


@verbs.command()
def delete(
    context: typer.Context,
    name: AppArgument,
    yes: Yes = False,
    accept: AcceptInvalidating = None,
    show_all: ShowAll = False,
    dry_run: Preview = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """Delete an application and permanently invalidate its active keys."""
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, App)
    with cli.open_for_change(out, dry_run=dry_run) as gam:
        result = confirmation.confirm_deleting(partial(apps.delete, gam, name), accept, yes=yes, show_all=show_all)
    out.print_change(
        result.record, f"deleted application '{result.record.name}'{confirmation.invalidated_suffix(result)}"
    )


add_rename(verbs, AppArgument, App, apps.rename)
