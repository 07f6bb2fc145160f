"""The table as records: requests that rows begin with, and the rows, read from the TOML files of this folder."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent

REQUESTS = "requests.toml"
"""The file of the requests that rows begin with, each a table under its name."""

SECTIONS = (
    "routes",
    "requests_to_access_token",
    "grants",
    "password",
    "refresh",
    "refusals",
    "order",
    "userinfo",
    "conduct",
)
"""The files of rows, in the order in which they are asked."""


@dataclass(frozen=True, slots=True)
class RequestSpec:
    """
    A request; texts may name values of the world as `{portal.client_id}`, or a letter many times as `{a*9000}`.

    A list in `form` is a parameter sent more than once. `body` and `packets` stand as they are, a byte a letter:
    `packets` are the whole connection, each sent for itself.
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
    What the answer is to be; what is left empty is not looked at.

    `gam` and `rfc` are a refusal in both formats: code or name, and status. `fields` are those of the JSON body in
    their order, `json` some of their values; a text that begins with `~` is a pattern for the whole value. A header
    that is false must not be there. `challenge` names the scheme of a 401, Bearer when it names none. `text` is a
    pattern for what people are told; `like` is a request whose answer has the same body, so that nobody learns more.
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

    `rule` is where it stands there, `decided` says that this project has decided it and no page of GAM's. `holder` is
    whom `{who...}` means. `after` are requests that are asked before, whose answers are values of the world by their
    names; `grant` is what the server must serve, `server` how it must have been started.
    """

    section: str
    name: str
    request: RequestSpec
    expected: ExpectedResponse
    rule: str = ""
    decided: bool = False
    holder: str = "portal"
    after: tuple[str, ...] = ()
    grant: str = ""
    server: Mapping[str, Any] = field(default_factory=dict)


_REQUEST_KEYS = ("method", "path", "headers", "query", "form", "basic", "body", "packets")
_EXPECTED_KEYS = ("status", "gam", "rfc", "challenge", "headers", "fields", "json", "closes", "text", "like")


def _merge(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with what `more` says; of tables inside, entry by entry, and false takes an entry away."""
    found = dict(base)
    for name, value in overrides.items():
        both = isinstance(value, dict) and isinstance(found.get(name), dict)
        merged = {**found[name], **value} if both else value
        found[name] = {each: told for each, told in merged.items() if told is not False} if both else merged
    return found


@lru_cache(maxsize=1)
def load_requests() -> dict[str, RequestSpec]:
    """Return the requests that rows begin with, by name."""
    return {name: _build_request(_resolve_request(name)) for name in _load_toml(REQUESTS)}


def _resolve_request(name: str) -> dict[str, Any]:
    """Return a request by its name, with what it has from the one that it begins with."""
    mine = dict(_load_toml(REQUESTS)[name])
    base = mine.pop("from", None)
    return _merge(_resolve_request(base), mine) if base else mine


@lru_cache
def _load_toml(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))


def _build_request(values: Mapping[str, Any]) -> RequestSpec:
    return RequestSpec(**{name: _to_tuple(value) for name, value in values.items()})


def _to_tuple(value: Any) -> Any:  # noqa: ANN401 - what TOML holds
    return tuple(value) if isinstance(value, list) else value


def section_description(section: str) -> str:
    """Return what the rows of a section are about."""
    return str(_load_toml(f"{section}.toml")["about"])


def load_rows() -> Iterator[Row]:
    """Yield the rows of all sections."""
    for section in SECTIONS:
        told = _load_toml(f"{section}.toml")
        for row in told["row"]:
            yield _build_row(section, {**told.get("all", {}), **row})


def _build_row(section: str, values: dict[str, Any]) -> Row:
    base = _resolve_request(values.pop("from")) if "from" in values else {}
    promised = {name: _to_tuple(values.pop(name)) for name in _EXPECTED_KEYS if name in values and name != "headers"}
    promised["headers"] = values.pop("answers", {})
    asked = {name: values.pop(name) for name in _REQUEST_KEYS if name in values}
    rest = {name: _to_tuple(value) for name, value in values.items()}
    return Row(section, request=_build_request(_merge(base, asked)), expected=ExpectedResponse(**promised), **rest)
