"""
The table of what a manifest may hold: every section and every field, once.

It drives the reader, the JSON Schema, `gamcli help manifest` and the export. What may be a value is decided by the
same rules as for commands.
"""

from collections.abc import Callable
from dataclasses import fields as fields_of
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from gamcli.errors import UsageError, command
from gamcli.model import AUTH_TYPE_KINDS, App, AuthType, Key, Repository, User
from gamcli.provision.value_types import FLAG, NUMBER, TABLE, TEXT, TEXTS, Field, Read, texts, unchanged, wrong_type
from gamcli.rules import apps, auth_types, credentials, durations, names, passwords, scopes, users
from gamcli.rules.credentials import Secret

_THEN = datetime.fromtimestamp(0, UTC)


def _text(what: str, longest: int = names.TEXT_LENGTH) -> Read:
    return lambda value: names.check_text(what, value, longest)


def _name(noun: str, longest: int = names.NAME_LENGTH) -> Read:
    return lambda value: names.check_name(noun, value, longest)


def _bounded(name: str) -> Read:
    def check(value: int) -> int:
        apps.check_changes({name: value})
        return value

    return check


def _bounds(name: str) -> dict[str, object]:
    least, most, _ = apps.BOUNDS[name]
    return {"minimum": least, "maximum": most}


def _of_user(name: str) -> Callable[[Any], Any]:
    def check(value: object) -> object:
        users.check_field(name, value)
        return value

    return check


@lru_cache(maxsize=1024)  # the same few lists, in thousands of keys
def _scopes(words: tuple[str, ...]) -> tuple[str, ...]:
    return scopes.parse(words, users.is_attribute_id)


def _roles(value: list[str]) -> tuple[str, ...]:
    return _checked_roles(tuple(value))


@lru_cache(maxsize=1024)  # as above
def _checked_roles(roles: tuple[str, ...]) -> tuple[str, ...]:
    users.check_field("roles", roles)
    return roles


def _attributes(value: dict[str, object]) -> dict[str, object]:
    for content in value.values():
        for text in content if isinstance(content, list) else [content]:
            if type(text) is not str:
                raise wrong_type("a text or a list of texts", text)
    users.check_field("attributes", value)
    return value


def _auth_type_or_any(value: str) -> str | None:
    return None if value.lower() == auth_types.ANY else names.check_name("an authentication type", value)


def _life(value: str) -> timedelta:
    length = durations.parse(value)
    if not length:
        raise UsageError("a key that expires at once is of no use", "a duration such as 90d, or leave it out")
    return length


def _client_secret(value: str) -> Secret:
    return apps.check_client_secret(Secret(value))


def _api_key(value: str) -> Secret:
    secret = Secret(value)
    if credentials.parse_api_key_id(secret) is None:
        raise UsageError(
            "that is no API key: its form or its checksum is wrong", command("key", "inspect", "--api-key-file", "FILE")
        )
    return secret


def _password(value: str) -> Secret:
    return passwords.check_password(Secret(value))


class Section(NamedTuple):
    """
    One section: `[name.X]` when there is a `check_name`, `[[name]]` when `many`, or else `[name]`.

    `check_name` judges the X of a named table, `fresh` is a record as it is made when no field is named.
    """

    name: str
    about: str
    record: type
    fields: tuple[Field, ...]
    fresh: object = None
    check_name: Callable[[str], object] | None = None
    many: bool = False
    longest_name: int = names.NAME_LENGTH

    @property
    def header(self) -> str:
        """How its tables begin."""
        return f"[[{self.name}]]" if self.many else f"[{self.name}.NAME]" if self.check_name else f"[{self.name}]"

    def default(self, field: Field) -> object:
        """Return what the field has in a record that is made without it, empty when that follows from elsewhere."""
        value = "" if self.fresh is None or field.secret else attrgetter(field.name)(self.fresh)
        return auth_types.ANY if value is None else value

    def taken(self, *, seed: bool = False) -> tuple[Field, ...]:
        """Return the fields that a file, or the seed of an ephemeral server, may hold."""
        return tuple(each for each in self.fields if seed or not each.seed)

    def kept_by_gamcli(self) -> tuple[str, ...]:
        """Return the fields of the record that no manifest sets."""
        mine = {field.name.partition(".")[0] for field in self.fields}
        return tuple(each.name for each in fields_of(self.record) if each.repr and each.name not in mine)


_REPOSITORY = (
    Field(
        "default_auth_type", TEXT, "the authentication type of requests that name none",
        _name("an authentication type"), {"maxLength": names.NAME_LENGTH}, always=True,
    ),
)  # fmt: skip

_AUTH_TYPE = (
    Field(
        "type", TEXT, "what kind it is (GAM: TypeId); needed when it is created", auth_types.check_kind,
        {"enum": AUTH_TYPE_KINDS}, always=True, derived=True,
    ),
    Field(
        "description", TEXT, "what it is for", _text("the description", auth_types.DESCRIPTION_LENGTH),
        {"maxLength": auth_types.DESCRIPTION_LENGTH},
    ),
    Field("enabled", FLAG, "whether it may be used", unchanged, always=True),
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

_APP = (
    Field(
        "client_id", TEXT, "its client id, brought along from elsewhere; made when it is left out",
        apps.check_client_id, {"pattern": f"^[A-Za-z0-9-]{{{credentials.MIN_SECRET_LENGTH},{apps.CLIENT_ID_LENGTH}}}$"},
        always=True, derived=True,
    ),
    Field(
        "client_secret", TEXT, "its secret, brought along: '${file:PATH}' or '${VARIABLE}', never the secret itself",
        _client_secret, secret=True,
    ),
    Field("description", TEXT, "what it is for", _text("the description"), {"maxLength": names.TEXT_LENGTH}),
    Field("enabled", FLAG, "whether its clients are let in", unchanged, always=True),
    Field(
        "scopes", TEXTS, "what it publishes: keys carry these or fewer (gamcli scope list)",
        texts(lambda value: _scopes(tuple(value))), _SCOPES_SCHEMA, always=True,
    ),
    Field("remote_rest", FLAG, "whether its token requests are answered", unchanged, always=True),
    Field("api_keys.enabled", FLAG, "whether it takes API keys", unchanged, always=True),
    Field(
        "api_keys.timeout_hours", NUMBER, "how long new keys live; 0 = never ending",
        _bounded("api_keys.timeout_hours"), _bounds("api_keys.timeout_hours"), always=True,
    ),
    Field(
        "api_keys.auth_type", TEXT, "the one authentication type that its keys may have, or 'any'", _auth_type_or_any,
        {"maxLength": names.NAME_LENGTH}, always=True,
    ),
    Field("api_keys.scope_choice", FLAG, "whether keys may carry fewer scopes", unchanged, always=True),
    Field(
        "token.timeout_minutes", NUMBER, "how long access tokens live; 0 = never ending",
        _bounded("token.timeout_minutes"), _bounds("token.timeout_minutes"), always=True,
    ),
    Field(
        "token.renewals", NUMBER, "how often a token renews", _bounded("token.renewals"), _bounds("token.renewals"),
        always=True,
    ),
    Field("require_scope", FLAG, "whether password grants must name a scope", unchanged, always=True),
    Field("share_user_ids", FLAG, "whether it is told the users' GUIDs", unchanged, always=True),
    Field("one_token_per_user", FLAG, "whether a new token ends the earlier ones", unchanged, always=True),
)  # fmt: skip

_FORMS: dict[str, dict[str, object]] = {
    "email": {"pattern": r"^(|[^@\s]+@[^@\s]+)$"},
    "birthday": {"pattern": r"^(|\d{4}-\d{2}-\d{2})$"},
    "gender": {"enum": users.GENDERS},
}
_ABOUT = {
    "email": "names the user too, so it is unique",
    "external_id": "the id in another system",
    "birthday": "YYYY-MM-DD, in quotes",
    "gender": "N (not specified), F or M",
}


def _user_text(name: str) -> Field:
    about = _ABOUT.get(name, f"the {name.replace('_', ' ')}")
    longest = users.LENGTHS.get(name, names.TEXT_LENGTH)
    schema = _FORMS.get(name, {}) | {"maxLength": longest}
    return Field(name, TEXT, about, _of_user(name), schema, always=name == "email")


_USER = (
    *map(_user_text, users.TEXT_FIELDS[:1]),
    Field("verified_email", FLAG, "whether the email is known to be theirs", unchanged),
    *map(_user_text, users.TEXT_FIELDS[1:]),
    Field("roles", TEXTS, "the external ids of their roles", texts(_roles), always=True),
    Field(
        "attributes", TABLE, "further fields, each with a text or a list of texts", _attributes,
        {"additionalProperties": {"type": ["string", "array"], "items": {"type": "string"}}},
    ),
    Field("enabled", FLAG, "whether they may be used at all", unchanged, always=True),
    Field("blocked", FLAG, "whether they are shut out for now", unchanged, always=True),
    Field("password", TEXT, "for authentication types of kind GAMLocal", _password, secret=True, seed=True),
)  # fmt: skip

_KEY = (
    Field(
        "user", TEXT, "whose key it is: name, email or GUID", _name("a user", names.TEXT_LENGTH), required=True,
        always=True, derived=True,
    ),
    Field(
        "app", TEXT, "what it is for: name or client id", _name("an application", names.APP_NAME_LENGTH), required=True,
        always=True, derived=True,
    ),
    Field(
        "scopes", TEXTS, "what it reveals; without it, all that the application publishes",
        texts(lambda value: _scopes(tuple(value))), _SCOPES_SCHEMA, always=True, derived=True,
    ),
    Field(
        "auth_type", TEXT, "its authentication type; without it the one that the application allows, or the default",
        _name("an authentication type"), {"maxLength": names.NAME_LENGTH}, always=True, derived=True,
    ),
    Field("label", TEXT, "what it is for", _text("the label"), {"maxLength": names.TEXT_LENGTH}),
    Field(
        "expires_in", TEXT, "how long it lives from when it is made, such as '90d'; never beyond the timeout", _life,
        {"pattern": r"^\s*[0-9]{1,10}[smhdwSMHDW]\s*$"}, derived=True,
    ),
    Field("api_key", TEXT, "the key itself, for tests", _api_key, secret=True, seed=True),
)  # fmt: skip

SECTIONS = {
    section.name: section
    for section in (
        Section("repository", "the repository itself", Repository, _REPOSITORY),
        Section(
            "auth_type", "authentication types", AuthType, _AUTH_TYPE,
            AuthType("", "", "", enabled=True, default=False, created_at=_THEN, updated_at=_THEN),
            auth_types.check_name,
        ),
        Section(
            "app", "applications", App, _APP, App("", "", b"", _THEN, _THEN),
            _name("an application", names.APP_NAME_LENGTH), longest_name=names.APP_NAME_LENGTH,
        ),
        Section("user", "users", User, _USER, User("", "", _THEN, _THEN), _name("a user")),
        Section("key", "one live key each, of a user for an application", Key, _KEY, many=True),
    )
}  # fmt: skip
"""Every section, in the order in which they are written."""
