"""The fields of a user as options of `gamcli user create` and `gamcli user update`."""

import re
from typing import Annotated, Literal

from gamcli.commands.command_help import CHANGE, OptionGroup
from gamcli.commands.options import flag, option
from gamcli.errors import UsageError
from gamcli.model import AttributeValue

CONTACT, PROFILE = "Contact", "Profile"

UpdateExisting = Annotated[bool, flag("With --from: update existing users.", "--update", panel=CHANGE)]


class UserFields(OptionGroup):
    """The fields that `create` and `update` have; all but the lists have the name of their field in the record."""

    email: Annotated[
        str | None, option("TEXT", "Email address, which commands accept instead of the name.", panel=CONTACT)
    ] = None
    verified_email: Annotated[
        bool | None,
        flag(
            "Mark the email address as verified (or unverified).", "--verified-email/--no-verified-email", panel=CONTACT
        ),
    ] = None
    first_name: Annotated[str | None, option("TEXT", "First name.", panel=PROFILE)] = None
    last_name: Annotated[str | None, option("TEXT", "Last name.", panel=PROFILE)] = None
    external_id: Annotated[str | None, option("TEXT", "ID in another system.", panel=PROFILE)] = None
    birthday: Annotated[str | None, option("YYYY-MM-DD", "Date of birth.", panel=PROFILE)] = None
    gender: Annotated[
        Literal["N", "F", "M"] | None, option(None, "N (not specified), F (female) or M (male).", panel=PROFILE)
    ] = None
    url_image: Annotated[str | None, option("URL", "URL of an image.", panel=PROFILE)] = None
    url_profile: Annotated[str | None, option("URL", "URL of a profile page.", panel=PROFILE)] = None
    phone: Annotated[str | None, option("TEXT", "Phone number.", panel=CONTACT)] = None
    address: Annotated[str | None, option("TEXT", "Street address.", panel=CONTACT)] = None
    city: Annotated[str | None, option("TEXT", "City.", panel=CONTACT)] = None
    state: Annotated[str | None, option("TEXT", "State or province.", panel=CONTACT)] = None
    post_code: Annotated[str | None, option("TEXT", "Postal code.", panel=CONTACT)] = None
    language: Annotated[str | None, option("TEXT", "Language.", panel=PROFILE)] = None
    timezone: Annotated[str | None, option("TEXT", "Time zone.", panel=PROFILE)] = None
    custom_info: Annotated[
        str | None, option("TEXT", "Custom information, returned with gam_user_data.", panel=PROFILE)
    ] = None
    roles: Annotated[
        list[str] | None,
        option("ROLE", "External ID of a role; repeatable. Replaces all roles of the user.", "--role"),
    ] = None
    attributes: Annotated[
        list[str] | None,
        option("ID=VALUE", "Attribute; repeatable. For a value with an ID: ID[KEY]=VALUE.", "--attribute"),
    ] = None

    def collect(self) -> dict[str, object]:
        """Return the fields that were given on the command line, by their names in the record."""
        fields = {name: getattr(self, name) for name in self.parameters()}
        if self.roles is not None:
            fields["roles"] = tuple(role for role in dict.fromkeys(self.roles) if role)
        if self.attributes is not None:
            fields["attributes"] = parse_attributes(self.attributes)
        return {name: value for name, value in fields.items() if value is not None}


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
