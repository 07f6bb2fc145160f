"""`gamcli app`: applications."""

from functools import partial
from typing import Annotated

import typer

from gamcli.actions import apps
from gamcli.commands import confirmation, delivery, example_output, overview
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
from gamcli.commands.example_output import ClientRecordFormat
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
    Sort,
    Yes,
    new_group,
    read_secret,
)
from gamcli.errors import UsageError
from gamcli.model import App
from gamcli.rules import durations
from gamcli.store.apps import AppFilter

verbs = new_group("Applications: what they publish, whom they trust, their secrets.")


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
    client_id: Annotated[str | None, typer.Option(metavar="ID", help="Bring its client id along.")] = None,
    client_secret_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Bring its secret along; '-' reads stdin.")
    ] = None,
    if_missing: IfMissing = False,
    dry_run: DryRunOption = False,
    output: SecretFormat = None,
    field: Field = None,
    out_file: OutFile = None,
) -> None:
    """
    Create an application and print its client secret, once.

    Example: gamcli app create portal --scope gam_user_data --remote-rest --api-keys --api-key-timeout 2160
    """
    session = CliContext.from_typer(context)
    out = session.output(output, field, App, "client_secret")
    changes = collect_settings(
        description, remote_rest, api_keys, api_key_timeout, api_key_auth_type, scope_choice, token_timeout, renewals,
        require_scope, share_ids, one_token,
    )  # fmt: skip
    secret = read_secret(client_secret_file, "--client-secret-file")
    if secret is not None and out_file is not None:
        raise UsageError("--out has nothing to write: the secret is brought along", "leave --out out")
    wish = apps.AppSpec(name, changes, tuple(scope or ()), client_id, secret)
    with (
        session.open_for_change(out, dry_run=dry_run) as gam,
        delivery.open_destination(out, out_file, dry_run=dry_run) as keep,
    ):
        made = apps.create(gam, wish, keep, if_missing=if_missing)
    told = f"{confirmation.created_prefix(made.is_new)} application '{made.record.name}', client_id {made.record.client_id}"
    delivery.print_result(out, made.record, ("client_secret", made.secret), told, out_file)
    if made.is_new and made.record.api_keys.enabled and not made.record.api_keys.timeout_hours:
        out.print_note(NEVER_EXPIRE_NOTE)


@verbs.command("list")
def list_(
    context: typer.Context,
    enabled: EnabledFilter = None,
    remote_rest: Annotated[
        bool | None, typer.Option("--remote-rest/--no-remote-rest", help="Only those.", show_default=False)
    ] = None,
    api_keys: Annotated[
        bool | None, typer.Option("--api-keys/--no-api-keys", help="Only those.", show_default=False)
    ] = None,
    sort: Sort = None,
    limit: Limit = None,
    output: Format = None,
    field: Field = None,
) -> None:
    """List the applications."""
    session = CliContext.from_typer(context)
    wanted = AppFilter(enabled=enabled, remote_rest=remote_rest, api_keys=api_keys, sort=sort)
    with session.open_gam() as gam, apps.search(gam, wanted) as found:
        session.output(output, field, App).print_records(App, confirmation.take(found, limit))


@verbs.command()
def show(context: typer.Context, name: AppArgument, output: ClientRecordFormat = None, field: Field = None) -> None:
    """Show an application."""
    session = CliContext.from_typer(context)
    out = example_output.prepare_output(session, output, field, App)
    with session.open_gam() as gam:
        if example_output.shows_overview(out, output):
            overview.show_record(out, gam, "app", name)
        else:
            example_output.print_record(out, output, apps.show(gam, name))


@verbs.command()
def update(
    context: typer.Context,
    name: AppArgument,
    description: Description = None,
    scope: Scopes = None,
    add_scope: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE", help="Publish it too.", show_default=False)
    ] = None,
    remove_scope: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE", help="Withdraw it; keys that carry it end.", show_default=False)
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
    dry_run: Preview = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Change an application; what is not named stays.

    Withdrawing a scope ends the live keys that carry it, for good: a terminal is asked, a script says how many it
    accepts with --accept-invalidating.
    """
    session = CliContext.from_typer(context)
    out = session.output(output, field, App)
    changes = collect_settings(
        description, remote_rest, api_keys, api_key_timeout, api_key_auth_type, scope_choice, token_timeout, renewals,
        require_scope, share_ids, one_token,
    )  # fmt: skip
    if scope and (add_scope or remove_scope):
        raise UsageError("--scope names all scopes", "leave out --add-scope and --remove-scope, or --scope")
    edit = apps.ScopeEdit(tuple(scope) if scope else None, tuple(add_scope or ()), tuple(remove_scope or ()))
    with session.open_for_change(out, dry_run=dry_run) as gam:
        before = apps.show(gam, name)
        changed = confirmation.confirm_invalidating(lambda count: apps.update(gam, name, changes, edit, count), accept)
    undo = ("app", "update", changed.record.name, *undo_options(before, changed.record))
    confirmation.report_change(out, changed, f"application '{changed.record.name}'", undo)
    policy = changed.record.api_keys
    if changed.is_changed and policy.enabled and not policy.timeout_hours and (api_keys or api_key_timeout is not None):
        out.print_note(NEVER_EXPIRE_NOTE)


NEVER_EXPIRE_NOTE = "its API keys never expire; --api-key-timeout HOURS sets a limit"


def undo_options(before: App, after: App) -> list[str]:
    """Return the options that undo what suspended keys between `before` and `after`."""
    words: list[str] = []
    if before.remote_rest and not after.remote_rest:
        words.append("--remote-rest")
    if before.api_keys.enabled and not after.api_keys.enabled:
        words.append("--api-keys")
    if before.api_keys.auth_type != after.api_keys.auth_type:
        words += ["--api-key-auth-type", before.api_keys.auth_type or "any"]
    return words


@verbs.command()
def enable(
    context: typer.Context, name: AppArgument, dry_run: Preview = False, output: Format = None, field: Field = None
) -> None:
    """Let an application's clients in again."""
    _set_enabled(CliContext.from_typer(context), name, True, dry_run, output, field)


@verbs.command()
def disable(
    context: typer.Context, name: AppArgument, dry_run: Preview = False, output: Format = None, field: Field = None
) -> None:
    """Shut an application's clients out, at once; its keys are suspended until it is enabled again."""
    _set_enabled(CliContext.from_typer(context), name, False, dry_run, output, field)


def _set_enabled(
    cli: CliContext, name: str, enabled: bool, dry_run: bool, output: str | None, field: str | None
) -> None:
    out = cli.output(output, field, App)
    with cli.open_for_change(out, dry_run=dry_run) as gam:
        changed = apps.update(gam, name, {"enabled": enabled})
    undo = ("app", "enable", changed.record.name)
    done = "enabled" if enabled else "disabled"
    confirmation.report_change(out, changed, f"application '{changed.record.name}'", undo, done)


@verbs.command("rotate-secret")
def rotate_secret(
    context: typer.Context,
    name: AppArgument,
    overlap: Annotated[
        str, typer.Option(metavar="DURATION", help="How long the old secret is good beside the new one.")
    ] = "0",
    dry_run: DryRunOption = False,
    output: SecretFormat = None,
    field: Field = None,
    out_file: OutFile = None,
) -> None:
    """
    Give an application a new client secret and print it, once; the old one ends now, or after --overlap.

    One that retires already ends now. Example: gamcli app rotate-secret portal --overlap 24h
    """
    session = CliContext.from_typer(context)
    out = session.output(output, field, App, "client_secret")
    beside = durations.parse(overlap)
    with (
        session.open_for_change(out, dry_run=dry_run) as gam,
        delivery.open_destination(out, out_file, dry_run=dry_run) as keep,
    ):
        changed = apps.rotate_secret(gam, name, keep, overlap=beside)
    given_way = f"retires in {overlap}" if beside else "has ended"
    told = f"application '{changed.record.name}' has a new secret; the old one {given_way}"
    delivery.print_result(out, changed.record, ("client_secret", changed.secret), told, out_file)


@verbs.command()
def delete(
    context: typer.Context,
    name: AppArgument,
    yes: Yes = False,
    accept: AcceptInvalidating = None,
    dry_run: Preview = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """Delete an application; its live keys end for good."""
    session = CliContext.from_typer(context)
    out = session.output(output, field, App)
    with session.open_for_change(out, dry_run=dry_run) as gam:
        deleted = confirmation.confirm_deleting(partial(apps.delete, gam, name), accept, yes=yes)
    told = f"deleted application '{deleted.record.name}'{confirmation.invalidated_suffix(deleted)}"
    out.print_change(deleted.record, told)
