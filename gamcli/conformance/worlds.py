"""
The test credentials that the rows use, by profile and name, such as `portal.client_id`.

A world file is TOML with one table per profile, and `[server]` for the options of the server. Rows that need a value
that the file does not have are skipped.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gamcli.conformance.table import FOLDER
from gamcli.errors import UsageError

GRANTS = ("api_key", "password", "refresh")

SERVER_DEFAULTS: dict[str, object] = {
    "format": "gam", "expired_status": 401, "max_failures": 0, "cors_origin": "", "base_path": "",
    "extras": False, "grants": GRANTS,
}  # fmt: skip
"""The options of a server that rows depend on, and their defaults."""

_CLIENT_KEYS = ("client_id", "client_secret")
"""The values that a profile inherits from `portal`."""

_PLACEHOLDER = re.compile(r"\{([a-z_0-9]+)\.([a-z_0-9]+)\}")
_REPETITION = re.compile(r"\{([^{}])\*([0-9]+)\}", re.DOTALL)
_TEMPLATE_PLACEHOLDER = re.compile(r"\{(client_id|client_secret|api_key|password)\}")
_HINT = "gamcli conformance --print-world"


class UnknownValueError(LookupError):
    """The world has no value of that name."""


@dataclass(frozen=True)
class World:
    """The test credentials by profile and name; `server` has every entry of SERVER_DEFAULTS."""

    values: Mapping[str, Mapping[str, str]] = field(repr=False)
    server: Mapping[str, Any]

    def fill(self, text: str, profile: str) -> str:
        """Replace the placeholders in `text`; raises UnknownValueError."""

        def value(match: re.Match[str]) -> str:
            name = profile if match[1] == "profile" else match[1]
            values = self.values.get(name, {})
            if name in self.values and match[2] in _CLIENT_KEYS:
                values = {**self.values.get("portal", {}), **values}
            if match[2] not in values:
                raise UnknownValueError(f"{name}.{match[2]}")
            return values[match[2]]

        return _REPETITION.sub(lambda match: match[1] * int(match[2]), _PLACEHOLDER.sub(value, text))

    def with_values(self, profile: str, values: Mapping[str, str]) -> "World":
        return replace(self, values={**self.values, profile: values})

    def with_server(self, options: Mapping[str, object]) -> "World":
        return replace(self, server={**self.server, **options})


def parse_world(tables: Mapping[str, Any]) -> World:
    """Build a world from the tables of a file; raises UsageError."""
    server = dict(tables.get("server", {}))
    if "error_format" in server:  # its earlier name
        server.setdefault("format", server.pop("error_format"))
    for name, value in server.items():
        if name not in SERVER_DEFAULTS:
            raise UsageError(f"unknown entry server.{name} in the world file", f"one of {', '.join(SERVER_DEFAULTS)}")
        if not isinstance(value, type(SERVER_DEFAULTS[name]) if name != "grants" else list):
            raise UsageError(f"invalid value for server.{name} in the world file: {value!r}", _HINT)
    profiles = {name: table for name, table in tables.items() if name != "server"}
    for name, table in profiles.items():
        if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
            raise UsageError(f"invalid table [{name}] in the world file: all values must be strings", _HINT)
    return World(profiles, {**SERVER_DEFAULTS, **server})


MAX_WORLD_BYTES = 1 << 20
"""A world file is a few lines long, and /dev/zero does not end."""


def load_world(path: str) -> World:
    """Read a world file; raises UsageError."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MAX_WORLD_BYTES + 1)
        if len(raw) > MAX_WORLD_BYTES:
            raise UsageError(f"the world file {path} is larger than {MAX_WORLD_BYTES >> 20} MiB", _HINT)
        return parse_world(tomllib.loads(raw.decode("utf-8").removeprefix("\ufeff")))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", "the file is not UTF-8")
        raise UsageError(f"cannot read the world file {path}: {reason}", _HINT) from error
    except (ValueError, RecursionError) as error:  # Python refuses integers of more than 4300 digits
        is_syntax = isinstance(error, tomllib.TOMLDecodeError)
        reason = (
            str(error)[:1].lower() + str(error)[1:] if is_syntax else "it is nested too deeply, or a number is too long"
        )
        raise UsageError(f"the world file {path} is not valid TOML: {reason}", _HINT) from error


def render_template(factories: Mapping[str, Callable[[], str]]) -> str:
    """Return a world file with new credentials, made by the `factories` of each kind."""
    text = (FOLDER / "world.toml").read_text(encoding="utf-8")
    return _TEMPLATE_PLACEHOLDER.sub(lambda match: factories[match[1]](), text)


def render_seed(world: World) -> str:
    """Return the manifest that creates the credentials of `world`; raises UsageError for a missing one."""
    try:
        return world.fill((FOLDER / "seed.toml").read_text(encoding="utf-8"), "portal")
    except UnknownValueError as missing:
        raise UsageError(f"the world file has no {missing}", _HINT) from missing
