"""Loads request templates and rows from the TOML files of this folder."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent

REQUESTS = "requests.toml"
"""The request templates, one table per name."""

SECTIONS = (
    "routes",
    "requests_to_access_token",
    "grants",
    "password",
    "refresh",
    "refusals",
    "order",
    "userinfo",
    "extras",
    "conduct",
)
"""The files with rows, in the order in which they are checked."""


@dataclass(frozen=True, slots=True)
class RequestSpec:
    """
    A request. Texts may contain placeholders: `{portal.client_id}` for a credential, `{a*9000}` for a repeated letter.

    A list in `form` is a parameter that is sent more than once. `body` and `packets` are sent as they are, one byte
    per character; `packets` replace the whole request, and each is sent separately.
    """

    method: str = "GET"
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    form: Mapping[str, Any] = field(default_factory=dict)
    basic: tuple[str, ...] = ()
    body: str | None = None
    packets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExpectedResponse:
    """
    The expected response; empty fields are not checked.

    `gam` and `rfc` are a refusal in each format: error code and status. `fields` are the names in the JSON body in
    order, `json` some of its values, `false` for an absent one; a text that begins with `~` is a regular expression for
    the whole value. A header that is `false` must be absent. `challenge` is the scheme of a 401. `text` is a regular
    expression for the error message. `like` names a request whose response must have the same body, so that a client
    cannot distinguish the two cases.
    """

    status: int = 200
    gam: str = ""
    rfc: str = ""
    challenge: str = "Bearer"
    headers: Mapping[str, Any] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    json: Mapping[str, Any] = field(default_factory=dict)
    closes: bool = False
    text: str = ""
    like: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """
    One promise of the contract.

    `rule` is where the contract states it. `decided` is the question that no GAM page settles, as the manual page `gam`
    has it; empty for what GAM publishes.
    `{profile...}` in texts means the credentials of `profile`. `after` names requests to send first; their responses
    are available as placeholders. `grant` is a grant that the server must support, `server` its required options.
    """

    section: str
    name: str
    request: RequestSpec
    expected: ExpectedResponse
    rule: str = ""
    decided: str = ""
    profile: str = "portal"
    after: tuple[str, ...] = ()
    grant: str = ""
    server: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rfc_expected(self) -> ExpectedResponse:
        """The expected response of a server with the form of RFC 6749."""
        return in_rfc_form(self.request.path.lower(), self.expected)


LEFT_OUT = {"refresh_token": "", "expires_in": 0}
"""Fields of a token response that the form of RFC 6749 leaves out when they have this value."""


def in_rfc_form(path: str, expected: ExpectedResponse) -> ExpectedResponse:
    """Return what a success in GAM's form becomes in the form of RFC 6749 §5.1 and OpenID Connect §5.3."""
    fields, values = expected.fields, dict(expected.json)
    if path.endswith("/userinfo") and fields:
        fields = ("sub", *fields)
    if path.endswith("/access_token"):
        absent = {name for name, value in LEFT_OUT.items() if values.get(name) == value}
        fields = tuple(name for name in fields if name not in absent)
        values = {name: False if name in absent else value for name, value in values.items()}
        if isinstance(values.get("scope"), str):
            values["scope"] = values["scope"].replace("+", " ")
    return replace(expected, fields=fields, json=values)


_REQUEST_KEYS = ("method", "path", "headers", "query", "form", "basic", "body", "packets")
_EXPECTED_KEYS = ("status", "gam", "rfc", "challenge", "fields", "json", "closes", "text", "like")


@cache
def load_requests() -> dict[str, RequestSpec]:
    return {name: _build_request(_resolve_request(name)) for name in _load_toml(REQUESTS)}


def load_rows() -> Iterator[Row]:
    for section in SECTIONS:
        document = _load_toml(f"{section}.toml")
        for row in document["row"]:
            yield _build_row(section, {**document.get("all", {}), **row})


def section_description(section: str) -> str:
    """Return what the rows of a section check."""
    return str(_load_toml(f"{section}.toml")["about"])


@cache
def _load_toml(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))


def _resolve_request(name: str) -> dict[str, Any]:
    """Return a request template, merged with the one that its `from` names."""
    template = dict(_load_toml(REQUESTS)[name])
    base = template.pop("from", None)
    return _merge(_resolve_request(base), template) if base else template


def _merge(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Merge tables entry by entry, one level deep; `false` removes an entry."""
    result = dict(base)
    for name, value in overrides.items():
        if isinstance(value, dict) and isinstance(result.get(name), dict):
            entries = {**result[name], **value}
            result[name] = {key: entry for key, entry in entries.items() if entry is not False}
        else:
            result[name] = value
    return result


def _build_request(values: Mapping[str, Any]) -> RequestSpec:
    return RequestSpec(**{name: _to_tuple(value) for name, value in values.items()})


def _build_row(section: str, values: dict[str, Any]) -> Row:
    base = _resolve_request(values.pop("from")) if "from" in values else {}
    expected = {name: _to_tuple(values.pop(name)) for name in _EXPECTED_KEYS if name in values}
    expected["headers"] = values.pop("response_headers", {})
    request = _merge(base, {name: values.pop(name) for name in _REQUEST_KEYS if name in values})
    rest = {name: _to_tuple(value) for name, value in values.items()}
    return Row(section, request=_build_request(request), expected=ExpectedResponse(**expected), **rest)


def _to_tuple(value: Any) -> Any:  # noqa: ANN401 - any TOML value
    return tuple(value) if isinstance(value, list) else value
