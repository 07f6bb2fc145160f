"""`gamcli user`: users and their fields."""

from itertools import islice
from typing import Annotated

import typer

from gamcli.actions import Gam, users
from gamcli.actions.changes import ChangeResult
from gamcli.commands import confirmation, overview
from gamcli.commands.options import (
    ChangeOptions,
    CsvTable,
    EnabledFilter,
    IfMissing,
    KeyChangeOptions,
    SortedListOptions,
    UserArgument,
    argument,
    flag,
    new_group,
    option,
    parse_expiry,
    reject_other_options,
    require_secret,
)
from gamcli.commands.state_verbs import add_delete, add_rename, add_state_verb
from gamcli.commands.user_options import UpdateExisting, UserFields
from gamcli.errors import UsageError
from gamcli.model import User
from gamcli.store.users import UserFilter

verbs = new_group("Manage users and their fields.")


@verbs.command()
def create(
    name: Annotated[str | None, argument("NAME", "Unique name.")] = None,
    *,
    csv: CsvTable,
    fields: UserFields,
    if_missing: IfMissing = False,
    update_existing: UpdateExisting = False,
    run: ChangeOptions,
) -> None:
    """
    Create a user, or one for each row of a CSV file (--from).

    The columns are those of `gamcli user list -o csv`. List items are separated by '+', ',' or ';'; attributes are
    JSON. GUIDs are kept; managed_by, created_at and updated_at are ignored.

    Example: gamcli user create ana --email ana@example.com --first-name Ana --role operator
    """
    given = fields.collect()
    out = run.make_output(User)
    csv.require_for(update=update_existing)
    if csv.table is not None:
        reject_other_options("--from", name=name, field=run.field, **given)
        from gamcli.commands import bulk  # noqa: PLC0415 - start-up: a single user needs no CSV

        bulk.create_users(run, out, csv, if_missing=if_missing, update=update_existing)
        return
    if name is None:
        raise UsageError("missing argument 'NAME'", "gamcli user create NAME, or --from FILE.csv")
    with run.open_for_change(out) as gam:
        created = users.create(gam, name, given, if_missing=if_missing)
    user = created.record
    out.print_change(user, f"{confirmation.created_prefix(created.is_new)} user '{user.name}', GUID {user.guid}")


@verbs.command("list")
def list_(
    enabled: EnabledFilter = None,
    blocked: Annotated[bool | None, flag("Show only blocked (or unblocked) users.", "--blocked/--unblocked")] = None,
    text: Annotated[str | None, option("TEXT", "Show only users with TEXT in a name or the email.", "--search")] = None,
    role: Annotated[str | None, option("ROLE", "Show only users with this role.")] = None,
    attribute: Annotated[str | None, option("ID", "Show only users with this attribute.")] = None,
    *,
    run: SortedListOptions,
) -> None:
    """List users."""
    filters = UserFilter(enabled=enabled, blocked=blocked, role=role, attribute=attribute, text=text, sort=run.sort)
    with run.cli.open_gam() as gam, users.search(gam, filters) as rows:
        run.make_output(User).print_records(User, islice(rows, run.limit))


@verbs.command()
def show(name: UserArgument, run: overview.RecordPrintOptions) -> None:
    """Show a user."""
    overview.show(run, User, users.show, name)


@verbs.command()
def update(name: UserArgument, fields: UserFields, run: KeyChangeOptions) -> None:
    """Change fields of a user; an empty value clears a field."""
    out = run.make_output(User)
    given = fields.collect()
    with run.open_for_change(out) as gam:
        result = users.update(gam, name, given)
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
    name: UserArgument,
    password_file: Annotated[
        str | None, option("FILE", "Read the password from this file; '-' for stdin.", default="ask")
    ] = None,
    must_change: Annotated[
        bool, typer.Option("--must-change", help="Reject logins until the password is changed.")
    ] = False,
    expires_in: Annotated[str | None, option("DURATION", "Expire the password after this time, such as 90d.")] = None,
    expires_at: Annotated[str | None, option("DATE", "Expire the password on this date, such as 2027-06-30.")] = None,
    *,
    run: ChangeOptions,
) -> None:
    """
    Set a user's password, for authentication types of type GAMLocal.

    Sessions that were started with the old password are revoked, with their tokens.
    """
    lifetime, instant = parse_expiry(expires_in, expires_at)
    out = run.make_output(User)
    with run.open_for_change(out) as gam:
        user = users.show(gam, name)
        password = require_secret(password_file, "--password-file", f"New password of {user.name}", twice=True)
        result = users.set_password(
            gam, user.guid, password, must_change=must_change, expires=instant if lifetime is None else lifetime
        )
    out.print_change(result.record, f"user '{result.record.name}' has a new password")


add_delete(verbs, "Delete a user and permanently invalidate the user's active keys.", UserArgument, User, users.delete)
add_rename(verbs, UserArgument, User, users.rename)
