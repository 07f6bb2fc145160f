"""The fields of a user as options of `gamcli user create` and `gamcli user update`."""

import re
from typing import Annotated, Literal

import typer

from gamcli.commands.command_help import CHANGE
from gamcli.errors import UsageError
from gamcli.model import AttributeValue

CONTACT, PROFILE = "Contact", "Profile"


def _text_option(help_text: str, panel: str, metavar: str = "TEXT") -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        metavar=metavar, help=help_text, show_default=False, rich_help_panel=panel
    )
    return option


Email = Annotated[str | None, _text_option("Email address, which commands accept instead of the name.", CONTACT)]
VerifiedEmail = Annotated[
    bool | None,
    typer.Option(
        "--verified-email/--no-verified-email",
        help="Mark the email address as verified (or unverified).",
        show_default=False,
        rich_help_panel=CONTACT,
    ),
]
FirstName = Annotated[str | None, _text_option("First name.", PROFILE)]
LastName = Annotated[str | None, _text_option("Last name.", PROFILE)]
ExternalId = Annotated[str | None, _text_option("ID in another system.", PROFILE)]
Birthday = Annotated[str | None, _text_option("Date of birth.", PROFILE, "YYYY-MM-DD")]
Gender = Annotated[
    Literal["N", "F", "M"] | None,
    typer.Option(help="N (not specified), F (female) or M (male).", show_default=False, rich_help_panel=PROFILE),
]
UrlImage = Annotated[str | None, _text_option("URL of an image.", PROFILE, "URL")]
UrlProfile = Annotated[str | None, _text_option("URL of a profile page.", PROFILE, "URL")]
Phone = Annotated[str | None, _text_option("Phone number.", CONTACT)]
Address = Annotated[str | None, _text_option("Street address.", CONTACT)]
City = Annotated[str | None, _text_option("City.", CONTACT)]
State = Annotated[str | None, _text_option("State or province.", CONTACT)]
PostCode = Annotated[str | None, _text_option("Postal code.", CONTACT)]
Language = Annotated[str | None, _text_option("Language.", PROFILE)]
Timezone = Annotated[str | None, _text_option("Time zone.", PROFILE)]
CustomInfo = Annotated[str | None, _text_option("Custom information, returned with gam_user_data.", PROFILE)]
Roles = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        metavar="ROLE",
        help="External ID of a role; repeatable. Replaces all roles of the user.",
        show_default=False,
    ),
]
Attributes = Annotated[
    list[str] | None,
    typer.Option(
        "--attribute",
        metavar="ID=VALUE",
        help="Attribute; repeatable. For a value with an ID: ID[KEY]=VALUE.",
        show_default=False,
    ),
]

UpdateExisting = Annotated[
    bool,
    typer.Option("--update", help="With --from: update existing users.", show_default=False, rich_help_panel=CHANGE),
]

TEXT_FIELDS = (
    "email", "verified_email", "first_name", "last_name", "external_id", "birthday", "gender", "url_image",
    "url_profile", "phone", "address", "city", "state", "post_code", "language", "timezone", "custom_info",
)  # fmt: skip
"""The parameters that have the name and the value of their field."""


def collect_fields(context: typer.Context, roles: list[str] | None, attributes: list[str] | None) -> dict[str, object]:
    """Return the fields that were given on the command line, by their names in the record."""
    fields = {name: context.params[name] for name in TEXT_FIELDS if context.params[name] is not None}
    if roles is not None:
        fields["roles"] = tuple(role for role in dict.fromkeys(roles) if role)
    if attributes is not None:
        fields["attributes"] = parse_attributes(attributes)
    return fields


_VALUE_WITH_ID = re.compile(r"([^\[=]*)\[(.*?)\]=(.*)", re.DOTALL)


def parse_attributes(pairs: list[str]) -> dict[str, AttributeValue]:
    """Parse `ID=VALUE` pairs, where an ID that is repeated gets a list, and `ID[ID]=VALUE` for values with IDs."""
    lists: dict[str, list[str]] = {}
    tables: dict[str, dict[str, str]] = {}
    for pair in filter(None, pairs):
        if match := _VALUE_WITH_ID.fullmatch(pair):
            name, value_id, value = match.groups()
            if value_id in tables.setdefault(name, {}):
                raise UsageError(f"attribute {name} has two values with ID '{value_id}'", "use a different ID for each")
            tables[name][value_id] = value
            continue
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"invalid attribute '{pair}'", "--attribute ID=VALUE")
        lists.setdefault(name, []).append(value)
    for name in lists.keys() & tables.keys():
        raise UsageError(f"attribute {name} has values with and without an ID", f"--attribute {name}[ID]=VALUE for all")
    return {name: values[0] if len(values) == 1 else values for name, values in lists.items()} | tables
