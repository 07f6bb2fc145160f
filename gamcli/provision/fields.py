"""
The sections and fields of a manifest, in one table.

It drives the reader, the JSON Schema, `gamcli help manifest` and the export. Values are checked by the same rules as in
the commands.
"""

from collections.abc import Callable
from dataclasses import fields as fields_of
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from gamcli.errors import UsageError, command
from gamcli.model import AUTH_TYPE_KINDS, App, AuthType, Key, Repository, User
from gamcli.provision.value_types import (
    FLAG,
    NUMBER,
    TABLE,
    TEXT,
    TEXTS,
    Field,
    ReadValue,
    list_of_texts,
    unchanged,
    wrong_type,
)  # fmt: skip
from gamcli.rules import apps, auth_types, credentials, durations, names, passwords, scopes, users
from gamcli.rules.credentials import Secret

_EPOCH = datetime.fromtimestamp(0, UTC)


def _text(noun: str, max_length: int = names.TEXT_LENGTH) -> ReadValue:
    return lambda value: names.check_text(noun, value, max_length)


def _name(noun: str, max_length: int = names.NAME_LENGTH) -> ReadValue:
    return lambda value: names.check_name(noun, value, max_length)


def _app_number(name: str) -> ReadValue:
    def check(value: int) -> int:
        apps.check_changes({name: value})
        return value

    return check


def _bounds(name: str) -> dict[str, object]:
    minimum, maximum, _ = apps.BOUNDS[name]
    return {"minimum": minimum, "maximum": maximum}


def _user_field(name: str) -> Callable[[Any], Any]:
    def check(value: object) -> object:
        users.check_field(name, value)
        return value

    return check


@lru_cache(maxsize=1024)  # thousands of keys share a few scope lists
def _parse_scopes(words: tuple[str, ...]) -> tuple[str, ...]:
    return scopes.parse(words, users.is_attribute_id)


@lru_cache(maxsize=1024)  # thousands of users share a few role lists
def _check_roles(roles: tuple[str, ...]) -> tuple[str, ...]:
    users.check_field("roles", roles)
    return roles


def _check_attributes(value: dict[str, object]) -> dict[str, object]:
    for content in value.values():
        for text in content if isinstance(content, list) else [content]:
            if type(text) is not str:
                raise wrong_type("a string or a list of strings", text)
    users.check_field("attributes", value)
    return value


def _auth_type_or_any(value: str) -> str | None:
    return None if value.lower() == auth_types.ANY else names.check_name("an authentication type", value)


def _parse_lifetime(value: str) -> timedelta:
    lifetime = durations.parse(value)
    if not lifetime:
        raise UsageError("must be greater than 0", "use a duration such as 90d, or leave it out")
    return lifetime


def _client_secret(value: str) -> Secret:
    return apps.check_client_secret(Secret(value))


def _api_key(value: str) -> Secret:
    secret = Secret(value)
    if credentials.parse_api_key_id(secret) is None:
        raise UsageError(
            "not a valid API key: its format or checksum is wrong", command("key", "inspect", "--api-key-file", "FILE")
        )
    return secret


def _password(value: str) -> Secret:
    return passwords.check_password(Secret(value))


class Section(NamedTuple):
    """
    One section: `[name.X]` if it has a `check_name` for the X, `[[name]]` if `is_array`, otherwise `[name]`.

    `defaults` is a record in which all fields have their default values.
    """

    name: str
    about: str
    record: type
    fields: tuple[Field, ...]
    defaults: object = None
    check_name: Callable[[str], object] | None = None
    is_array: bool = False
    max_name_length: int = names.NAME_LENGTH

    @property
    def header(self) -> str:
        return f"[[{self.name}]]" if self.is_array else f"[{self.name}.NAME]" if self.check_name else f"[{self.name}]"

    def default(self, field: Field) -> object:
        """Return the default value of a field, empty if it depends on other fields."""
        value = "" if self.defaults is None or not field.is_exported else attrgetter(field.name)(self.defaults)
        return auth_types.ANY if value is None else value

    def allowed_fields(self, *, seed: bool = False) -> tuple[Field, ...]:
        """Return the fields that are allowed in a manifest, or in the seed of an ephemeral server."""
        return tuple(field for field in self.fields if seed or not field.seed)

    def internal_fields(self) -> tuple[str, ...]:
        """Return the fields of the record that a manifest cannot set."""
        listed = {field.name.partition(".")[0] for field in self.fields}
        return tuple(field.name for field in fields_of(self.record) if field.repr and field.name not in listed)


_REPOSITORY = (
    Field(
        "default_auth_type", TEXT, "authentication type of requests that do not name one",
        _name("an authentication type"), {"maxLength": names.NAME_LENGTH}, always=True,
    ),
)  # fmt: skip

_AUTH_TYPE = (
    Field(
        "type", TEXT, "the type (GAM: TypeId); required when it is created", auth_types.check_kind,
        {"enum": AUTH_TYPE_KINDS}, always=True, derived=True,
    ),
    Field(
        "description", TEXT, "description", _text("the description", auth_types.DESCRIPTION_LENGTH),
        {"maxLength": auth_types.DESCRIPTION_LENGTH},
    ),
    Field("enabled", FLAG, "accept its requests", unchanged, always=True),
)  # fmt: skip

_SCOPES_SCHEMA = {
    "items": {
        "type": "string",
        "anyOf": [
            {"enum": [*scopes.TABLE, *scopes.ALIASES]},
            {"pattern": "^user_[A-Za-z0-9_.-]+$"},
            {"pattern": r"\$"},
        ],
    }
}


def _moved_from(noun: str, max_length: int = names.NAME_LENGTH) -> Field:
    return Field(
        "moved_from", TEXT, "its earlier name: renames the existing one", _name(noun, max_length),
        {"maxLength": max_length}, instruction=True,
    )  # fmt: skip


_APP = (
    _moved_from("an application", names.APP_NAME_LENGTH),
    Field(
        "client_id", TEXT, "client ID; generated by default",
        apps.check_client_id, {"pattern": f"^[A-Za-z0-9-]{{{credentials.MIN_SECRET_LENGTH},{apps.CLIENT_ID_LENGTH}}}$"},
        always=True, derived=True,
    ),
    Field(
        "client_secret", TEXT, "client secret: '${file:PATH}' or '${VARIABLE}'; generated by default",
        _client_secret, secret=True,
    ),
    Field("description", TEXT, "description", _text("the description"), {"maxLength": names.TEXT_LENGTH}),
    Field("enabled", FLAG, "accept its requests", unchanged, always=True),
    Field(
        "scopes", TEXTS, "scopes that it publishes (gamcli scope list)",
        list_of_texts(lambda value: _parse_scopes(tuple(value))), _SCOPES_SCHEMA, always=True,
    ),
    Field("remote_rest", FLAG, "answer its token requests", unchanged, always=True),
    Field("api_keys.enabled", FLAG, "accept API keys", unchanged, always=True),
    Field(
        "api_keys.timeout_hours", NUMBER, "lifetime of new keys in hours; 0 = no limit",
        _app_number("api_keys.timeout_hours"), _bounds("api_keys.timeout_hours"), always=True,
    ),
    Field(
        "api_keys.auth_type", TEXT, "the only authentication type allowed for its keys, or 'any'", _auth_type_or_any,
        {"maxLength": names.NAME_LENGTH}, always=True,
    ),
    Field("api_keys.scope_choice", FLAG, "allow keys with only some of the published scopes", unchanged, always=True),
    Field(
        "token.timeout_minutes", NUMBER, "lifetime of access tokens in minutes; 0 = no limit",
        _app_number("token.timeout_minutes"), _bounds("token.timeout_minutes"), always=True,
    ),
    Field(
        "token.renewals", NUMBER, "how many times a token can be renewed", _app_number("token.renewals"),
        _bounds("token.renewals"), always=True,
    ),
    Field("require_scope", FLAG, "require a scope in password grants", unchanged, always=True),
    Field("share_user_ids", FLAG, "include the GUIDs of users in responses", unchanged, always=True),
    Field("one_token_per_user", FLAG, "a new token revokes the earlier ones of the user", unchanged, always=True),
)  # fmt: skip

_SCHEMAS: dict[str, dict[str, object]] = {
    "email": {"pattern": r"^(|[^@\s]+@[^@\s]+)$"},
    "birthday": {"pattern": r"^(|\d{4}-\d{2}-\d{2})$"},
    "gender": {"enum": users.GENDERS},
}
_USER_FIELD_TEXTS = {
    "email": "email address, unique",
    "external_id": "ID in another system",
    "birthday": "YYYY-MM-DD, in quotes",
    "gender": "N (not specified), F or M",
}


def _user_text(name: str) -> Field:
    about = _USER_FIELD_TEXTS.get(name, name.replace("_", " "))
    max_length = users.LENGTHS.get(name, names.TEXT_LENGTH)
    schema = _SCHEMAS.get(name, {}) | {"maxLength": max_length}
    return Field(name, TEXT, about, _user_field(name), schema, always=name == "email")


_USER = (
    _moved_from("a user"),
    *map(_user_text, users.TEXT_FIELDS[:1]),
    Field("verified_email", FLAG, "the email address is verified", unchanged),
    *map(_user_text, users.TEXT_FIELDS[1:]),
    Field(
        "roles", TEXTS, "external IDs of the roles", list_of_texts(lambda value: _check_roles(tuple(value))),
        always=True,
    ),
    Field(
        "attributes", TABLE, "custom attributes, each with a text or a list of texts", _check_attributes,
        {"additionalProperties": {"type": ["string", "array"], "items": {"type": "string"}}},
    ),
    Field("enabled", FLAG, "the user is active", unchanged, always=True),
    Field("blocked", FLAG, "the user is blocked", unchanged, always=True),
    Field("password", TEXT, "password for authentication types of kind GAMLocal", _password, secret=True, seed=True),
)  # fmt: skip

_KEY = (
    Field(
        "user", TEXT, "user: name, email or GUID", _name("a user", names.TEXT_LENGTH), required=True,
        always=True, derived=True,
    ),
    Field(
        "app", TEXT, "application: name or client ID", _name("an application", names.APP_NAME_LENGTH), required=True,
        always=True, derived=True,
    ),
    Field(
        "scopes", TEXTS, "scopes; all scopes of the application by default",
        list_of_texts(lambda value: _parse_scopes(tuple(value))), _SCOPES_SCHEMA, always=True, derived=True,
    ),
    Field(
        "auth_type", TEXT, "authentication type; the one that the application allows, or the default type",
        _name("an authentication type"), {"maxLength": names.NAME_LENGTH}, always=True, derived=True,
    ),
    Field("label", TEXT, "label", _text("the label"), {"maxLength": names.TEXT_LENGTH}),
    Field(
        "expires_in", TEXT, "lifetime, such as '90d'; limited by the timeout of the application", _parse_lifetime,
        {"pattern": r"^\s*[0-9]{1,10}[smhdwSMHDW]\s*$"}, derived=True,
    ),
    Field("api_key", TEXT, "the key itself, for tests", _api_key, secret=True, seed=True),
)  # fmt: skip

SECTIONS = {
    section.name: section
    for section in (
        Section("repository", "settings of the repository", Repository, _REPOSITORY),
        Section(
            "auth_type", "authentication types", AuthType, _AUTH_TYPE,
            AuthType("", "", "", enabled=True, default=False, created_at=_EPOCH, updated_at=_EPOCH),
            auth_types.check_name,
        ),
        Section(
            "app", "applications", App, _APP, App("", "", b"", _EPOCH, _EPOCH),
            _name("an application", names.APP_NAME_LENGTH), max_name_length=names.APP_NAME_LENGTH,
        ),
        Section("user", "users", User, _USER, User("", "", _EPOCH, _EPOCH), _name("a user")),
        Section("key", "API keys, one active key for each user and application", Key, _KEY, is_array=True),
    )
}  # fmt: skip
"""All sections, in the order in which they are exported."""
