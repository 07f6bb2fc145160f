"""`gamcli user`: users and their fields."""

from functools import partial
from typing import Annotated

import typer

from gamcli.actions import Gam, users
from gamcli.actions.changes import ChangeResult
from gamcli.commands import confirmation, overview
from gamcli.commands.context import CliContext
from gamcli.commands.options import (
    AcceptInvalidating,
    Delimiter,
    DryRunOption,
    EnabledFilter,
    Encoding,
    Field,
    Format,
    FromCsv,
    IfMissing,
    IgnoreColumn,
    Limit,
    Preview,
    ShowAll,
    Sort,
    UserArgument,
    Wide,
    Yes,
    new_group,
    parse_expiry,
    read_secret,
    reject_other_options,
    require_table,
)
from gamcli.commands.overview import RecordFormat
from gamcli.commands.state_verbs import add_rename, add_state_verb
from gamcli.commands.user_options import (
    Address,
    Attributes,
    Birthday,
    City,
    CustomInfo,
    Email,
    ExternalId,
    FirstName,
    Gender,
    Language,
    LastName,
    Phone,
    PostCode,
    Roles,
    State,
    Timezone,
    UpdateExisting,
    UrlImage,
    UrlProfile,
    VerifiedEmail,
    collect_fields,
)
from gamcli.errors import UsageError
from gamcli.model import User
from gamcli.store.users import UserFilter

verbs = new_group("Manage users and their fields.")


@verbs.command()
def create(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Unique name.", show_default=False)] = None,
    table: FromCsv = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    ignore_column: IgnoreColumn = None,
    email: Email = None,
    verified_email: VerifiedEmail = None,
    first_name: FirstName = None,
    last_name: LastName = None,
    external_id: ExternalId = None,
    birthday: Birthday = None,
    gender: Gender = None,
    url_image: UrlImage = None,
    url_profile: UrlProfile = None,
    phone: Phone = None,
    address: Address = None,
    city: City = None,
    state: State = None,
    post_code: PostCode = None,
    language: Language = None,
    timezone: Timezone = None,
    custom_info: CustomInfo = None,
    roles: Roles = None,
    attributes: Attributes = None,
    if_missing: IfMissing = False,
    update_existing: UpdateExisting = False,
    dry_run: DryRunOption = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Create a user, or one for each row of a CSV file (--from).

    The columns are those of `gamcli user list -o csv`. Lists are separated by '+', ',' or ';'; attributes are JSON.
    GUIDs are kept; managed_by, created_at and updated_at are ignored.

    Example: gamcli user create ana --email ana@example.com --first-name Ana --role operator
    """
    fields = collect_fields(context, roles, attributes)
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, User)
    require_table(table, update=update_existing, delimiter=delimiter, encoding=encoding, ignore_column=ignore_column)
    if table is not None:
        reject_other_options("--from", name=name, field=field, **fields)
        from gamcli.bulk import csv_format  # noqa: PLC0415 - as below
        from gamcli.commands import bulk  # noqa: PLC0415 - start-up: a single user needs no CSV

        options = csv_format.parse_options(delimiter, encoding, ignore_column)
        flags = {"if_missing": if_missing, "update": update_existing, "dry_run": dry_run}
        bulk.create_users(cli, out, table, options, **flags)
        return
    if name is None:
        raise UsageError("missing argument 'NAME'", "gamcli user create NAME, or --from FILE.csv")
    with cli.open_for_change(out, dry_run=dry_run) as gam:
        created = users.create(gam, name, fields, if_missing=if_missing)
    user = created.record
    out.print_change(user, f"{confirmation.created_prefix(created.is_new)} user '{user.name}', GUID {user.guid}")


@verbs.command("list")
def list_(
    context: typer.Context,
    enabled: EnabledFilter = None,
    blocked: Annotated[
        bool | None,
        typer.Option("--blocked/--unblocked", help="Show only blocked (or unblocked) users.", show_default=False),
    ] = None,
    text: Annotated[
        str | None, typer.Option("--search", metavar="TEXT", help="Show only users with this in a name or the email.")
    ] = None,
    role: Annotated[str | None, typer.Option(metavar="ROLE", help="Show only users with this role.")] = None,
    attribute: Annotated[str | None, typer.Option(metavar="ID", help="Show only users with this attribute.")] = None,
    sort: Sort = None,
    limit: Limit = None,
    wide: Wide = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """List users."""
    cli = CliContext.from_typer(context)
    filters = UserFilter(enabled=enabled, blocked=blocked, role=role, attribute=attribute, text=text, sort=sort)
    with cli.open_gam() as gam, users.search(gam, filters) as rows:
        cli.output(output, field, User, wide=wide).print_records(User, confirmation.take(rows, limit))


@verbs.command()
def show(context: typer.Context, name: UserArgument, output: RecordFormat = None, field: Field = None) -> None:
    """Show a user."""
    overview.show(context, User, users.show, name, output, field)


@verbs.command()
def update(
    context: typer.Context,
    name: UserArgument,
    email: Email = None,
    verified_email: VerifiedEmail = None,
    first_name: FirstName = None,
    last_name: LastName = None,
    external_id: ExternalId = None,
    birthday: Birthday = None,
    gender: Gender = None,
    url_image: UrlImage = None,
    url_profile: UrlProfile = None,
    phone: Phone = None,
    address: Address = None,
    city: City = None,
    state: State = None,
    post_code: PostCode = None,
    language: Language = None,
    timezone: Timezone = None,
    custom_info: CustomInfo = None,
    roles: Roles = None,
    attributes: Attributes = None,
    dry_run: Preview = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """Change fields of a user; an empty value clears a field."""
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, User)
    fields = collect_fields(context, roles, attributes)
    with cli.open_for_change(out, dry_run=dry_run) as gam:
        result = users.update(gam, name, fields)
    user = result.record
    confirmation.report_change(out, result, f"user '{user.name}'", ("user", "update", user.name))


def _set_state(gam: Gam, name: str, changes: dict[str, object], verb: str) -> ChangeResult[User]:
    return users.update(gam, name, changes, verb)


for _verb, _help in {
    "enable": "Enable a user, so that the user's keys work again.",
    "disable": "Disable a user and suspend the user's keys until the user is enabled again.",
    "block": "Block a user and suspend the user's keys until the user is unblocked.",
    "unblock": "Unblock a user, so that the user's keys work again.",
}.items():
    add_state_verb(verbs, _verb, _help, UserArgument, User, _set_state)


@verbs.command("set-password")
def set_password(
    context: typer.Context,
    name: UserArgument,
    password_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Read the password from this file; '-' for stdin.", show_default="ask"),
    ] = None,
    must_change: Annotated[
        bool, typer.Option("--must-change", help="Reject logins until the password is changed.")
    ] = False,
    expires_in: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Expire the password after this time, such as 90d.")
    ] = None,
    expires_at: Annotated[
        str | None, typer.Option(metavar="DATE", help="Expire the password at this date, such as 2027-06-30.")
    ] = None,
    dry_run: DryRunOption = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Set a user's password, for authentication types of type GAMLocal.

    Sessions that were started with the old password are revoked, with their tokens.
    """
    cli = CliContext.from_typer(context)
    lifetime, instant = parse_expiry(expires_in, expires_at)
    out = cli.output(output, field, User)
    with cli.open_for_change(out, dry_run=dry_run) as gam:
        user = users.show(gam, name)
        password = read_secret(password_file, "--password-file", f"New password of {user.name}", twice=True)
        assert password is not None
        result = users.set_password(
            gam, user.guid, password, must_change=must_change, expires=instant if lifetime is None else lifetime
        )
    out.print_change(result.record, f"user '{result.record.name}' has a new password")


@verbs.command()
def delete(
    context: typer.Context,
    name: UserArgument,
    yes: Yes = False,
    accept: AcceptInvalidating = None,
    show_all: ShowAll = False,
    dry_run: Preview = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """Delete a user and permanently invalidate the user's active keys."""
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, User)
    with cli.open_for_change(out, dry_run=dry_run) as gam:
        result = confirmation.confirm_deleting(partial(users.delete, gam, name), accept, yes=yes, show_all=show_all)
    out.print_change(result.record, f"deleted user '{result.record.name}'{confirmation.invalidated_suffix(result)}")


add_rename(verbs, UserArgument, User, users.rename)
