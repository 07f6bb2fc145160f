"""The JSON Schema of manifests, compared with the reader by a validator."""

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gamcli.errors import ProblemsError
from gamcli.model import ApiKeyPolicy, App, AuthType, TokenPolicy, User
from gamcli.provision import manifest, schema, toml_format
from gamcli.provision.desired import Desired
from gamcli.provision.export import nest
from gamcli.provision.fields import SECTIONS, Section
from tests.cases import for_each

DOCUMENT = schema.build_schema()
INVALID = Path(__file__).with_name("invalid.toml")

GOOD = """
[repository]
default_auth_type = "apikey"

[auth_type.apikey]
type = "APIkey"
description = "d"
enabled = false

[app."a b"]
client_id = "0123456789abcdef0123456789abcdef"
client_secret = "${file:secret.txt}"
scopes = ["gam_user_data", "user_mail", "user_Colour", "${SCOPE}"]
api_keys = { enabled = true, timeout_hours = 0, auth_type = "any", scope_choice = true }
token.renewals = 999

[user.ana]
email = "${EMAIL}"
birthday = "1990-01-01"
gender = "F"
roles = []
attributes = { Colour = "red", Sizes = ["s", "m"] }

[[key]]
user = "ana"
app = "a b"
expires_in = "90d"

[[key]]
user = "ana"
app = "portal"
expires_at = "2027-06-30T12:00:00.5+02:00"
api_key = "${file:secret.txt}"
"""


def mistakes(document: dict[str, Any]) -> list[str]:
    found = Draft202012Validator(DOCUMENT).iter_errors(document)
    return sorted({".".join(map(str, each.absolute_path)) for each in found})


def test_the_schema_is_valid() -> None:
    Draft202012Validator.check_schema(DOCUMENT)
    assert DOCUMENT["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


def test_manifests_that_the_reader_accepts_are_valid(read_desired: Callable[..., Desired], folder: Path) -> None:
    (folder / "secret.txt").write_text("x" * 40, encoding="utf-8")
    assert read_desired(GOOD, EMAIL="ana@x", SCOPE="user_phone")
    assert mistakes(tomllib.loads(GOOD)) == []
    assert mistakes({}) == []


@for_each(
    ("text", "expected"),
    [
        ("users.ana.email = 'x'", ""),
        ("user.ana.colour = 'x'", "user.ana"),
        ("user.ana.email = 'x'", "user.ana.email"),
        ("user.ana.email = 1", "user.ana.email"),
        ("user.ana.gender = 'X'", "user.ana.gender"),
        ("user.ana.birthday = 'soon'", "user.ana.birthday"),
        (f"user.ana.phone = '{'1' * 255}'", "user.ana.phone"),
        ("user.ana.password = 'hello'", "user.ana"),
        ("user.ana.roles = [1]", "user.ana.roles"),
        ("user.ana.attributes.x = 1", "user.ana.attributes.x"),
        ("user.'' = {}", "user"),
        ("app.a.scopes = ['gam_user_dat']", "app.a.scopes"),
        ("app.a.api_keys.enable = true", "app.a.api_keys"),
        ("app.a.api_keys.timeout_hours = -1", "app.a.api_keys.timeout_hours"),
        ("app.a.token.renewals = 1000", "app.a.token.renewals"),
        ("app.a.client_id = 'short'", "app.a.client_id"),
        ("app.a.managed_by = 'me'", "app.a"),
        ("auth_type.a.type = 'x'", "auth_type.a.type"),
        ("repository.guid = 'x'", "repository"),
        ("key = [{ user = 'ana' }]", "key.0"),
        ("key = [{ user = 'ana', app = 'a', expires_in = 'soon' }]", "key.0.expires_in"),
        ("[key]", "key"),
    ],
)
def test_the_reader_refuses_what_the_schema_refuses(
    problem_texts: Callable[..., list[str]], text: str, expected: str
) -> None:
    assert mistakes(tomllib.loads(text)) == [expected]
    assert problem_texts(text)


def test_the_schema_refuses_most_of_what_the_reader_refuses() -> None:
    lines = INVALID.read_text(encoding="utf-8").splitlines()
    assert len(mistakes(tomllib.loads("\n".join(lines)))) > 20


NAMES = [
    "x", "x y", " x", "x ", "a\nb", "a\n", "é", "\u200b", "a\u2028b", "\ufeffx", "\xa0", "a\u3000b", "\ue000", "\ufffc",
    "/a", "\\a", "~a", "a~", "..", ".", "...", "a/../b", "a\\..", "a/b", ".a/b.", "any", "ANY", "many", "a,b", "a|b",
    "a;b", "a+b", "x" * 60, "x" * 61, "x" * 254, "x" * 255,
]  # fmt: skip

VALUES: list[object] = [
    *NAMES, *([name] for name in NAMES),
    True, 0, -1, 999, 1000, 10**9, 1.5, "", "a\tb", "x" * 101, "x" * 2049,
    "a" * 32, "a-" * 16, "a" * 41, "90d", "0", "00d", "5x", "1M", "1H", " 5d ", "9" * 11 + "d",
    "1990-01-31", "1990-02-30", "1990-13-01", "1990-04-31", "F", "f", "a@b", "a@b@c", "any", "APIKEY", "GAMLocal",
    [], ["x", "x"], [1], [""], ["gam_user_data"], ["GAM_USER_DATA"],
    ["gam_user_data+user_email"], ["gam_user_data user_x"], ["user_mail"], ["user_x y"], ["user_"],
    {}, {"a": "b"}, {"a": ["b"]}, {"a": [1]}, {"a": 1}, {"a b": "c"}, {"x" * 61: "c"}, {"email": "c"}, {"Mail": "c"},
    {"a": "a\nb"}, {"a": "x" * 2049}, {"a": {"b": "c"}},
]  # fmt: skip
"""Valid and invalid values of all types; what depends on other objects, such as a duplicate, is not among them."""


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_the_schema_and_the_reader_agree_on_every_value_of_every_field(section: Section, folder: Path) -> None:
    differing = []
    for field in section.allowed_fields():
        for value in () if field.secret else VALUES:
            pair = {"user": "u", "app": "a"} if section.is_array else {}
            text = "".join(_lines(section, nest({**pair, field.name: value})))
            (folder / "m.toml").write_text(text, encoding="utf-8")
            if _is_accepted() == bool(mistakes(tomllib.loads(text))):
                differing.append((field.name, value))
    assert differing == []


@for_each("section", [each for each in SECTIONS.values() if each.check_name])
def test_the_schema_and_the_reader_agree_on_every_name(section: Section, folder: Path) -> None:
    for name in NAMES:
        text = f"[{toml_format.format_path((section.name, name))}]\n"
        text += 'type = "APIkey"\n' if section.name == "auth_type" else ""
        (folder / "m.toml").write_text(text, encoding="utf-8")
        assert _is_accepted() != bool(mistakes(tomllib.loads(text))), name


def _is_accepted() -> bool:
    try:
        manifest.read(["m.toml"], {})
    except ProblemsError:
        return False
    return True


def _lines(section: Section, table: dict[str, Any]) -> Iterator[str]:
    yield section.header.replace("NAME", "n0") + "\n"
    yield from (f"{key} = {toml_format.format_value(value)}\n" for key, value in table.items())


def test_references_are_valid_where_the_reader_replaces_them() -> None:
    text = """
    app."${NAME}" = { scopes = "${SCOPES}", remote_rest = "${ON}", token.renewals = "${N}" }
    defaults.app.api_keys.timeout_hours = "${HOURS}"
    defaults.key = { renew_within = "14d", overlap = "7d" }
    """
    assert mistakes(tomllib.loads(text)) == []
    assert mistakes(tomllib.loads("defaults.key.user = 'ana'")) == ["defaults.key"]
    assert mistakes(tomllib.loads("app.a.remote_rest = 'yes'")) == ["app.a.remote_rest"]


@for_each("section", SECTIONS)
def test_every_field_is_described(section: str) -> None:
    assert all(field.about for field in SECTIONS[section].fields)
    assert DOCUMENT["$defs"][section]["additionalProperties"] is False


def test_defaults_are_those_of_the_records() -> None:
    shown = DOCUMENT["$defs"]["app"]["properties"]
    assert shown["enabled"]["default"] is True
    assert shown["token"]["properties"]["timeout_minutes"]["default"] == 60
    assert shown["api_keys"]["properties"]["auth_type"]["default"] == "any"
    assert "default" not in shown["client_id"]


KEPT = {
    AuthType: {"name", "default", "created_at", "updated_at", "managed_by"},
    App: {
        "name", "secret_digest", "retiring_digest", "retiring_until", "grants", "last_used_at", "created_at",
        "updated_at", "managed_by",
    },
    User: {
        "guid", "name", "password_hash", "password_set_at", "password_must_change", "password_expires_at",
        "created_at", "updated_at", "managed_by",
    },
}  # fmt: skip
"""Fields that no manifest can set."""


@pytest.mark.parametrize("section", ["auth_type", "app", "user"])
def test_every_field_of_a_record_is_listed_or_internal(section: str) -> None:
    found = SECTIONS[section]
    inner = {"api_keys": ApiKeyPolicy, "token": TokenPolicy}
    expected = {
        f"{name}.{one.name}" if one else name
        for name in found.record._fields
        if name not in KEPT[found.record]
        for one in (fields(inner[name]) if name in inner else (None,))
    }
    assert {field.name for field in found.fields if field.is_exported} == expected
    assert {*found.internal_fields()} <= KEPT[found.record]
