"""`gamcli user`: users and their fields."""

from functools import partial
from typing import Annotated

import typer

from gamcli.actions import users
from gamcli.commands import confirmation, example_output, overview
from gamcli.commands.context import CliContext
from gamcli.commands.example_output import RecordFormat
from gamcli.commands.options import (
    AcceptInvalidating,
    DryRunOption,
    EnabledFilter,
    Field,
    Format,
    FromCsv,
    IfMissing,
    Limit,
    Preview,
    Sort,
    UserArgument,
    Yes,
    new_group,
    read_secret,
    reject_other_options,
)
from gamcli.commands.user_options import (
    Address,
    Attributes,
    Birthday,
    City,
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
    UrlImage,
    UrlProfile,
    VerifiedEmail,
    collect_changes,
)
from gamcli.errors import UsageError
from gamcli.model import User
from gamcli.rules import durations
from gamcli.store.users import UserFilter

verbs = new_group("Users and their fields.")


@verbs.command()
def create(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Its name.", show_default=False)] = None,
    table: FromCsv = None,
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
    roles: Roles = None,
    attributes: Attributes = None,
    if_missing: IfMissing = False,
    dry_run: DryRunOption = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Create a user; or many, of a CSV file whose header names fields as `user list -o csv` does.

    Lists are joined by '+', attributes are JSON, a GUID is kept; managed_by, created_at and updated_at are not taken
    over. Example: gamcli user create ana --email ana@example.com --first-name Ana --role operator
    """
    wanted = collect_changes(
        roles, attributes, email=email, verified_email=verified_email, first_name=first_name, last_name=last_name,
        external_id=external_id, birthday=birthday, gender=gender, url_image=url_image, url_profile=url_profile,
        phone=phone, address=address, city=city, state=state, post_code=post_code, language=language,
        timezone=timezone,
    )  # fmt: skip
    session = CliContext.from_typer(context)
    out = session.output(output, field, User)
    if table is not None:
        reject_other_options("--from", name=name, field=field, **wanted)
        from gamcli.commands import bulk  # noqa: PLC0415 - start-up: a single user needs no CSV

        bulk.create_users(session, out, table, if_missing=if_missing, dry_run=dry_run)
        return
    if name is None:
        raise UsageError("missing argument 'NAME'", "gamcli user create NAME, or --from FILE.csv")
    with session.open_for_change(out, dry_run=dry_run) as gam:
        made = users.create(gam, name, wanted, if_missing=if_missing)
    out.print_change(
        made.record, f"{confirmation.created_prefix(made.is_new)} user '{made.record.name}', guid {made.record.guid}"
    )


@verbs.command("list")
def list_(
    context: typer.Context,
    enabled: EnabledFilter = None,
    blocked: Annotated[
        bool | None, typer.Option("--blocked/--unblocked", help="Only those.", show_default=False)
    ] = None,
    role: Annotated[str | None, typer.Option(metavar="ROLE", help="Only users with that role.")] = None,
    attribute: Annotated[str | None, typer.Option(metavar="ID", help="Only users with that attribute.")] = None,
    sort: Sort = None,
    limit: Limit = None,
    output: Format = None,
    field: Field = None,
) -> None:
    """List the users."""
    session = CliContext.from_typer(context)
    wanted = UserFilter(enabled=enabled, blocked=blocked, role=role, attribute=attribute, sort=sort)
    with session.open_gam() as gam, users.search(gam, wanted) as found:
        session.output(output, field, User).print_records(User, confirmation.take(found, limit))


@verbs.command()
def show(context: typer.Context, name: UserArgument, output: RecordFormat = None, field: Field = None) -> None:
    """Show a user."""
    session = CliContext.from_typer(context)
    out = example_output.prepare_output(session, output, field, User)
    with session.open_gam() as gam:
        if example_output.shows_overview(out, output):
            overview.show_record(out, gam, "user", name)
        else:
            example_output.print_record(out, output, users.show(gam, name))


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
    roles: Roles = None,
    attributes: Attributes = None,
    dry_run: Preview = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """Change a user; what is not named stays, an empty text clears a field."""
    wanted = collect_changes(
        roles, attributes, email=email, verified_email=verified_email, first_name=first_name, last_name=last_name,
        external_id=external_id, birthday=birthday, gender=gender, url_image=url_image, url_profile=url_profile,
        phone=phone, address=address, city=city, state=state, post_code=post_code, language=language,
        timezone=timezone,
    )  # fmt: skip
    _update(CliContext.from_typer(context), name, wanted, "update", dry_run, output, field)


def _update(
    cli: CliContext,
    name: str,
    changes: dict[str, object],
    action: str,
    dry_run: bool,
    output: str | None,
    field: str | None,
) -> None:
    out = cli.output(output, field, User)
    with cli.open_for_change(out, dry_run=dry_run) as gam:
        changed = users.update(gam, name, changes, action)
    undo = ("user", UNDO_VERB.get(action, action), changed.record.name)
    confirmation.report_change(out, changed, f"user '{changed.record.name}'", undo, PAST_TENSE[action])


PAST_TENSE = {
    "update": "updated",
    "enable": "enabled",
    "disable": "disabled",
    "block": "blocked",
    "unblock": "unblocked",
}
"""How each change is told."""

UNDO_VERB = {"disable": "enable", "block": "unblock"}
"""Which verb undoes which."""


@verbs.command()
def enable(
    context: typer.Context, name: UserArgument, dry_run: Preview = False, output: Format = None, field: Field = None
) -> None:
    """Make a user active again."""
    _update(CliContext.from_typer(context), name, {"enabled": True}, "enable", dry_run, output, field)


@verbs.command()
def disable(
    context: typer.Context, name: UserArgument, dry_run: Preview = False, output: Format = None, field: Field = None
) -> None:
    """Make a user inactive, at once; their keys are suspended until the user is enabled again."""
    _update(CliContext.from_typer(context), name, {"enabled": False}, "disable", dry_run, output, field)


@verbs.command()
def block(
    context: typer.Context, name: UserArgument, dry_run: Preview = False, output: Format = None, field: Field = None
) -> None:
    """Block a user, at once; their keys are suspended until the user is unblocked."""
    _update(CliContext.from_typer(context), name, {"blocked": True}, "block", dry_run, output, field)


@verbs.command()
def unblock(
    context: typer.Context, name: UserArgument, dry_run: Preview = False, output: Format = None, field: Field = None
) -> None:
    """Unblock a user."""
    _update(CliContext.from_typer(context), name, {"blocked": False}, "unblock", dry_run, output, field)


@verbs.command("set-password")
def set_password(
    context: typer.Context,
    name: UserArgument,
    password_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="The password; '-' reads stdin. A terminal is asked.")
    ] = None,
    must_change: Annotated[
        bool, typer.Option("--must-change", help="Good for no login until another one is set.")
    ] = False,
    expires_in: Annotated[
        str | None, typer.Option(metavar="DURATION", help="How long it is good, such as 90d; without it for ever.")
    ] = None,
    dry_run: DryRunOption = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Set a user's password, for authentication types of kind GAMLocal.

    The sessions that began with an earlier password end, with their tokens.
    """
    session = CliContext.from_typer(context)
    life = None if expires_in is None else durations.parse(expires_in)
    out = session.output(output, field, User)
    with session.open_for_change(out, dry_run=dry_run) as gam:
        user = users.show(gam, name)
        password = read_secret(password_file, "--password-file", f"New password of {user.name}", twice=True)
        assert password is not None
        changed = users.set_password(gam, user.guid, password, must_change=must_change, expires_in=life)
    out.print_change(changed.record, f"user '{changed.record.name}' has a new password")


@verbs.command()
def delete(
    context: typer.Context,
    name: UserArgument,
    yes: Yes = False,
    accept: AcceptInvalidating = None,
    dry_run: Preview = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """Delete a user; their live keys end for good."""
    session = CliContext.from_typer(context)
    out = session.output(output, field, User)
    with session.open_for_change(out, dry_run=dry_run) as gam:
        deleted = confirmation.confirm_deleting(partial(users.delete, gam, name), accept, yes=yes)
    out.print_change(deleted.record, f"deleted user '{deleted.record.name}'{confirmation.invalidated_suffix(deleted)}")
