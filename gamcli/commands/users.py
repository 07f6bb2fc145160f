"""`gamcli user`: users and their fields."""

from functools import partial
from typing import Annotated, Literal

import typer

from gamcli.actions import users
from gamcli.commands import consent
from gamcli.commands.options import (
    Accept,
    Enabled,
    Field,
    Format,
    IfMissing,
    Limit,
    NewName,
    Sort,
    UserArgument,
    Yes,
    given,
    noun,
    secret_from,
)
from gamcli.commands.session import Session
from gamcli.errors import UsageError
from gamcli.model import User
from gamcli.store.users import UserFilter

verbs = noun("Users and their fields.")


def _text(help_text: str, metavar: str = "TEXT") -> typer.models.OptionInfo:
    found: typer.models.OptionInfo = typer.Option(metavar=metavar, help=help_text, show_default=False)
    return found


Email = Annotated[str | None, _text("Email, which names the user too.")]
Verified = Annotated[
    bool | None,
    typer.Option("--verified-email/--no-verified-email", help="The email was proven to be theirs.", show_default=False),
]
FirstName = Annotated[str | None, _text("First name.")]
LastName = Annotated[str | None, _text("Last name.")]
ExternalId = Annotated[str | None, _text("Id in another system.")]
Birthday = Annotated[str | None, _text("Date of birth.", "YYYY-MM-DD")]
Gender = Annotated[Literal["N", "F", "M"] | None, typer.Option(help="Not specified, female, male.", show_default=False)]
UrlImage = Annotated[str | None, _text("Picture.", "URL")]
UrlProfile = Annotated[str | None, _text("Profile page.", "URL")]
Phone = Annotated[str | None, _text("Phone number.")]
Address = Annotated[str | None, _text("Street address.")]
City = Annotated[str | None, _text("City.")]
State = Annotated[str | None, _text("State or province.")]
PostCode = Annotated[str | None, _text("Post code.")]
Language = Annotated[str | None, _text("Language.")]
Timezone = Annotated[str | None, _text("Time zone.")]
Roles = Annotated[
    list[str] | None,
    typer.Option("--role", metavar="ROLE", help="External id of a role; repeatable, all of them.", show_default=False),
]
Attributes = Annotated[
    list[str] | None,
    typer.Option(
        "--attribute", metavar="ID=VALUE", help="Repeatable, all of them; an id twice holds a list.", show_default=False
    ),
]


def changes(roles: list[str] | None, attributes: list[str] | None, **fields: object) -> dict[str, object]:
    """Return the fields that were given, by the names of the record."""
    found = given(**fields)
    if roles is not None:
        found["roles"] = tuple(role for role in dict.fromkeys(roles) if role)
    if attributes is not None:
        found["attributes"] = attributes_of(attributes)
    return found


def attributes_of(pairs: list[str]) -> dict[str, str | list[str]]:
    """Return what `Id=Value` pairs say: an id that comes twice holds a list."""
    found: dict[str, list[str]] = {}
    for pair in filter(None, pairs):
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"'{pair}' is no attribute", "--attribute ID=VALUE")
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


@verbs.command()
def create(
    context: typer.Context,
    name: NewName,
    email: Email = None,
    verified_email: Verified = None,
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
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Create a user.

    Example: gamcli user create ana --email ana@example.com --first-name Ana --role operator
    """
    wanted = changes(
        roles, attributes, email=email, verified_email=verified_email, first_name=first_name, last_name=last_name,
        external_id=external_id, birthday=birthday, gender=gender, url_image=url_image, url_profile=url_profile,
        phone=phone, address=address, city=city, state=state, post_code=post_code, language=language,
        timezone=timezone,
    )  # fmt: skip
    session = Session.of(context)
    out = session.output(output, field, User)
    with session.gam() as gam:
        made = users.create(gam, name, wanted, if_missing=if_missing)
    out.changed(made.record, f"{consent.made(made.fresh)} user '{made.record.name}', guid {made.record.guid}")


@verbs.command("list")
def list_(
    context: typer.Context,
    enabled: Enabled = None,
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
    session = Session.of(context)
    wanted = UserFilter(enabled=enabled, blocked=blocked, role=role, attribute=attribute, sort=sort)
    with session.gam() as gam, users.listed(gam, wanted) as found:
        session.output(output, field, User).records(User, consent.first(found, limit))


@verbs.command()
def show(context: typer.Context, name: UserArgument, output: Format = None, field: Field = None) -> None:
    """Show a user."""
    session = Session.of(context)
    with session.gam() as gam:
        session.output(output, field, User).record(users.show(gam, name))


@verbs.command()
def update(
    context: typer.Context,
    name: UserArgument,
    email: Email = None,
    verified_email: Verified = None,
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
    output: Format = None,
    field: Field = None,
) -> None:
    """Change a user; what is not named stays, an empty text clears a field."""
    wanted = changes(
        roles, attributes, email=email, verified_email=verified_email, first_name=first_name, last_name=last_name,
        external_id=external_id, birthday=birthday, gender=gender, url_image=url_image, url_profile=url_profile,
        phone=phone, address=address, city=city, state=state, post_code=post_code, language=language,
        timezone=timezone,
    )  # fmt: skip
    _change(Session.of(context), name, wanted, "update", output, field)


def _change(
    session: Session, name: str, wanted: dict[str, object], action: str, output: str | None, field: str | None
) -> None:
    out = session.output(output, field, User)
    with session.gam() as gam:
        changed = users.update(gam, name, wanted, f"user.{action}")
    undo = ("user", UNDO.get(action, action), changed.record.name)
    consent.tell(out, changed, f"user '{changed.record.name}'", undo, DONE[action])


DONE = {
    "update": "updated",
    "enable": "enabled",
    "disable": "disabled",
    "block": "blocked",
    "unblock": "unblocked",
}
"""How each change is told."""

UNDO = {"disable": "enable", "block": "unblock"}
"""Which verb undoes which."""


@verbs.command()
def enable(context: typer.Context, name: UserArgument, output: Format = None, field: Field = None) -> None:
    """Make a user active again."""
    _change(Session.of(context), name, {"enabled": True}, "enable", output, field)


@verbs.command()
def disable(context: typer.Context, name: UserArgument, output: Format = None, field: Field = None) -> None:
    """Make a user inactive, at once; their keys are suspended until the user is enabled again."""
    _change(Session.of(context), name, {"enabled": False}, "disable", output, field)


@verbs.command()
def block(context: typer.Context, name: UserArgument, output: Format = None, field: Field = None) -> None:
    """Block a user, at once; their keys are suspended until the user is unblocked."""
    _change(Session.of(context), name, {"blocked": True}, "block", output, field)


@verbs.command()
def unblock(context: typer.Context, name: UserArgument, output: Format = None, field: Field = None) -> None:
    """Unblock a user."""
    _change(Session.of(context), name, {"blocked": False}, "unblock", output, field)


@verbs.command("set-password")
def set_password(
    context: typer.Context,
    name: UserArgument,
    password_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="The password; '-' reads stdin. A terminal is asked.")
    ] = None,
    output: Format = None,
    field: Field = None,
) -> None:
    """Set a user's password, for authentication types of kind GAMLocal."""
    session = Session.of(context)
    out = session.output(output, field, User)
    with session.gam() as gam:
        user = users.show(gam, name)
        password = secret_from(password_file, "--password-file", f"New password of {user.name}", twice=True)
        assert password is not None
        changed = users.set_password(gam, user.guid, password)
    out.changed(changed.record, f"user '{changed.record.name}' has a new password")


@verbs.command()
def delete(
    context: typer.Context,
    name: UserArgument,
    yes: Yes = False,
    accept: Accept = None,
    output: Format = None,
    field: Field = None,
) -> None:
    """Delete a user; their live keys end for good."""
    session = Session.of(context)
    out = session.output(output, field, User)
    with session.gam() as gam:
        deleted = consent.to_delete(partial(users.delete, gam, name), accept, yes=yes)
    out.changed(deleted.record, f"deleted user '{deleted.record.name}'{consent.ended(deleted)}")
