"""
The table of scopes: their names and claims, and which scope covers which.

Names and claims are GAM's (wiki 55603, 55623); `user_<AttributeID>` stands for one extended attribute of a user.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

from gamcli.errors import UsageError, command
from gamcli.rules import lists
from gamcli.rules.names import closest_match

FULLCONTROL = "fullcontrol"
BASIC_FIELDS = (
    "guid", "username", "email", "first_name", "last_name", "external_id", "birthday", "gender", "url_image",
    "url_profile", "phone", "address", "city", "state", "post_code", "language", "timezone",
)  # fmt: skip
FIELD_LABELS = {name: name.replace("_", " ") for name in (*BASIC_FIELDS, "custom_info")} | {
    "guid": "GUID",
    "username": "user name",
    "external_id": "external ID",
    "url_image": "image URL",
    "url_profile": "profile URL",
    "post_code": "postal code",
    "timezone": "time zone",
}


class Scope(NamedTuple):
    """A row of the table; `claims` are the userinfo claims that the scope grants."""

    name: str
    claims: tuple[str, ...]
    description: str


def _field_scope(name: str) -> Scope:
    claims = ("email", "verified_email") if name == "email" else (name,)
    return Scope(f"user_{name}", claims, f"the user's {FIELD_LABELS[name]}")


_BASIC_CLAIMS = tuple(claim for name in BASIC_FIELDS for claim in _field_scope(name).claims)
_GROUP_SCOPES = (
    Scope("gam_user_data", (*_BASIC_CLAIMS, "CustomInfo"), "the basic fields of the user"),
    Scope("gam_user_additional_data", ("attributes",), "all attributes of the user"),
    Scope("gam_user_roles", ("roles",), "the external IDs of the user's roles"),
    Scope("session_initial_prop", ("initial_properties",), "the initial properties of the login"),
    Scope("session_application_data", ("application_data",), "the session data of the application"),
)
_ALL_CLAIMS = tuple(claim for scope in _GROUP_SCOPES for claim in scope.claims)

TABLE: dict[str, Scope] = {
    scope.name: scope
    for scope in (
        *_GROUP_SCOPES,
        Scope(FULLCONTROL, _ALL_CLAIMS, "everything"),
        *(_field_scope(name) for name in BASIC_FIELDS),
    )
}
"""Every scope with a fixed name, in the order of responses."""

_ORDER = {name: place for place, name in enumerate(TABLE)}
_FIELD_SCOPES = frozenset(f"user_{name}" for name in BASIC_FIELDS)

ALIASES = {
    "user_mail": "user_email",
    "gam_session_initial_prop": "session_initial_prop",
    "gam_session_app_data": "session_application_data",
    "session_app_data": "session_application_data",
}


_FOREIGN = re.compile(r"[,;|]")


def split(text: str) -> list[str]:
    """Split `text` at `+` and whitespace into canonical names, without duplicates, in the given order."""
    if not text:
        return []
    return list(dict.fromkeys(map(canonical_name, filter(None, re.split(r"[+\s]+", text)))))


def canonical_name(word: str) -> str:
    """Return the canonical name of `word`: fixed names in any case, aliases; attribute scopes are unchanged."""
    lower = word.lower()
    name = ALIASES.get(lower, lower)
    return name if name in TABLE else word


def sort_scopes(names: Iterable[str]) -> tuple[str, ...]:
    """Return `names` without duplicates in table order, followed by the attribute scopes by name."""
    return _sort_scopes(tuple(names))


@lru_cache(maxsize=1024)
def _sort_scopes(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(names), key=lambda name: (_ORDER.get(name, len(_ORDER)), name)))


def join(names: Iterable[str]) -> str:
    """Join `names` with `+`, as in requests and responses."""
    return "+".join(names)


def attribute_id(name: str) -> str | None:
    """Return the attribute that scope `name` stands for, or None for a scope with a fixed name."""
    return name.removeprefix("user_") if name not in TABLE and name.startswith("user_") else None


def parse(words: Iterable[str], is_attribute: Callable[[str], bool]) -> tuple[str, ...]:
    """
    Return the scopes in `words` (each may join several with `+`), in table order.

    `is_attribute` returns whether some user has an attribute with that ID. Raises UsageError for an unknown scope.
    """
    names = [name for word in words for name in split(word)]
    for name in names:
        lists.require_single("scope", name, f"join scopes with '+': {'+'.join(filter(None, _FOREIGN.split(name)))}")
        attribute = attribute_id(name)
        if name not in TABLE and not (attribute and is_attribute(attribute)):
            raise UsageError(f"unknown scope '{name}'", _suggest_scope(name))
    return sort_scopes(names)


def _suggest_scope(name: str) -> str:
    near = closest_match(name.lower(), (*TABLE, *ALIASES))
    listing = command("scope", "list")
    return f"did you mean {canonical_name(near)}? To list all: {listing}" if near else listing


def is_allowed(scope: str, published: Iterable[str]) -> bool:
    """Return whether `published` contains `scope` or a wider scope that covers it."""
    return bool(_covering_scopes(scope).intersection(published))


@lru_cache(maxsize=1024)
def _covering_scopes(scope: str) -> frozenset[str]:
    if scope in _FIELD_SCOPES:
        return frozenset({scope, "gam_user_data", FULLCONTROL})
    if scope in TABLE:
        return frozenset({scope, FULLCONTROL})
    return frozenset({scope, "gam_user_additional_data", FULLCONTROL} if attribute_id(scope) else {scope})


def find_disallowed(requested: Iterable[str], published: Iterable[str]) -> tuple[str, ...]:
    """Return the `requested` scopes that `published` does not cover, in the given order."""
    published = frozenset(published)
    return tuple(scope for scope in requested if not is_allowed(scope, published))
