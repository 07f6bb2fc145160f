"""
What a server has to hold for the rows to be asked: values by the names of holders, such as `portal.client_id`.

A world file is TOML with a table for each holder, and `[server]` for how the server was started. What it leaves out is
not asked for, and told as skipped.
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
    "error_format": "gam", "expired_status": 401, "max_failures": 0, "cors_origin": "", "base_path": "",
    "grants": GRANTS,
}  # fmt: skip
"""How a server may have been started, and what is taken for granted when nothing is said of it."""

_CLIENT_KEYS = ("client_id", "client_secret")
"""What a holder has from `portal` when it has none of its own."""

_PLACEHOLDER = re.compile(r"\{([a-z_0-9]+)\.([a-z_0-9]+)\}")
_REPETITION = re.compile(r"\{([^{}])\*([0-9]+)\}", re.DOTALL)


class UnknownValueError(LookupError):
    """The world has no value of that name."""


@dataclass(frozen=True)
class World:
    """The values, by holder and name, and how the server was started; `server` has every entry of SERVER."""

    values: Mapping[str, Mapping[str, str]] = field(repr=False)
    server: Mapping[str, Any]

    def fill(self, text: str, holder: str) -> str:
        """Return `text` with values where it names them; raises UnknownValueError."""

        def value(found: re.Match[str]) -> str:
            name = holder if found[1] == "who" else found[1]
            mine = self.values.get(name, {})
            if name in self.values and found[2] in _CLIENT_KEYS:
                mine = {**self.values.get("portal", {}), **mine}
            if found[2] not in mine:
                raise UnknownValueError(f"{name}.{found[2]}")
            return mine[found[2]]

        return _REPETITION.sub(lambda found: found[1] * int(found[2]), _PLACEHOLDER.sub(value, text))

    def with_values(self, name: str, values: Mapping[str, str]) -> "World":
        """Return the world with the values of one more holder."""
        return replace(self, values={**self.values, name: values})

    def with_server(self, options: Mapping[str, object]) -> "World":
        """Return the world of a server that was started with other options."""
        return replace(self, server={**self.server, **options})


def parse_world(tables: Mapping[str, Any]) -> World:
    """Return the world that tables of a file tell; raises UsageError with the name of what cannot be."""
    server = dict(tables.get("server", {}))
    for name, value in server.items():
        if name not in SERVER_DEFAULTS or not isinstance(
            value, type(SERVER_DEFAULTS[name]) if name != "grants" else list
        ):
            raise UsageError(f"the world says what cannot be: server.{name}", f"one of {', '.join(SERVER_DEFAULTS)}")
    holders = {name: table for name, table in tables.items() if name != "server"}
    for name, table in holders.items():
        if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
            raise UsageError(f"the world says what cannot be: [{name}] holds texts", _HINT)
    return World(holders, {**SERVER_DEFAULTS, **server})


_HINT = "gamcli conformance --print-world"


def load_world(path: str) -> World:
    """Return the world of the file at `path`; raises UsageError."""
    try:
        return parse_world(tomllib.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read the world {path}: {getattr(error, 'strerror', 'it is not UTF-8')}", _HINT
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the world {path} is no TOML: {_lowercase_first(str(error))}", _HINT) from error


def _lowercase_first(text: str) -> str:
    return text[:1].lower() + text[1:]


_TEMPLATE_PLACEHOLDER = re.compile(r"\{(client_id|client_secret|api_key|password)\}")


def render_template(factories: Mapping[str, Callable[[], str]]) -> str:
    """Return a world file to begin with; `make` has what mints each kind of value."""
    text = (FOLDER / "world.toml").read_text(encoding="utf-8")
    return _TEMPLATE_PLACEHOLDER.sub(lambda found: factories[found[1]](), text)


def render_seed(world: World) -> str:
    """Return the manifest that makes such a world, as far as a manifest can; raises UsageError for what it lacks."""
    try:
        return world.fill((FOLDER / "seed.toml").read_text(encoding="utf-8"), "portal")
    except UnknownValueError as lacking:
        raise UsageError(f"the world lacks {lacking}", _HINT) from lacking
