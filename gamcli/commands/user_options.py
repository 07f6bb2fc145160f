"""The fields of a user as options of `gamcli user create` and `update`."""

from typing import Annotated, Literal

import typer

from gamcli.commands.options import drop_none
from gamcli.errors import UsageError


def _text_option(help_text: str, metavar: str = "TEXT") -> typer.models.OptionInfo:
    found: typer.models.OptionInfo = typer.Option(metavar=metavar, help=help_text, show_default=False)
    return found


Email = Annotated[str | None, _text_option("Email, which names the user too.")]
VerifiedEmail = Annotated[
    bool | None,
    typer.Option("--verified-email/--no-verified-email", help="The email was proven to be theirs.", show_default=False),
]
FirstName = Annotated[str | None, _text_option("First name.")]
LastName = Annotated[str | None, _text_option("Last name.")]
ExternalId = Annotated[str | None, _text_option("Id in another system.")]
Birthday = Annotated[str | None, _text_option("Date of birth.", "YYYY-MM-DD")]
Gender = Annotated[Literal["N", "F", "M"] | None, typer.Option(help="Not specified, female, male.", show_default=False)]
UrlImage = Annotated[str | None, _text_option("Picture.", "URL")]
UrlProfile = Annotated[str | None, _text_option("Profile page.", "URL")]
Phone = Annotated[str | None, _text_option("Phone number.")]
Address = Annotated[str | None, _text_option("Street address.")]
City = Annotated[str | None, _text_option("City.")]
State = Annotated[str | None, _text_option("State or province.")]
PostCode = Annotated[str | None, _text_option("Post code.")]
Language = Annotated[str | None, _text_option("Language.")]
Timezone = Annotated[str | None, _text_option("Time zone.")]
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


def collect_changes(roles: list[str] | None, attributes: list[str] | None, **fields: object) -> dict[str, object]:
    """Return the fields that were given, by the names of the record."""
    found = drop_none(**fields)
    if roles is not None:
        found["roles"] = tuple(role for role in dict.fromkeys(roles) if role)
    if attributes is not None:
        found["attributes"] = parse_attributes(attributes)
    return found


def parse_attributes(pairs: list[str]) -> dict[str, str | list[str]]:
    """Return what `Id=Value` pairs say: an id that comes twice holds a list."""
    found: dict[str, list[str]] = {}
    for pair in filter(None, pairs):
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"'{pair}' is no attribute", "--attribute ID=VALUE")
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}
