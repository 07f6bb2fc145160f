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

SERVER: dict[str, object] = {
    "error_format": "gam", "expired_status": 401, "max_failures": 0, "cors_origin": "", "base_path": "",
    "grants": GRANTS,
}  # fmt: skip
"""How a server may have been started, and what is taken for granted when nothing is said of it."""

_OF_CLIENT = ("client_id", "client_secret")
"""What a holder has from `portal` when it has none of its own."""

_VALUE = re.compile(r"\{([a-z_0-9]+)\.([a-z_0-9]+)\}")
_MANY = re.compile(r"\{([^{}])\*([0-9]+)\}", re.DOTALL)


class UnknownValueError(LookupError):
    """The world has no value of that name."""


@dataclass(frozen=True)
class World:
    """The values, by holder and name, and how the server was started; `server` has every entry of SERVER."""

    values: Mapping[str, Mapping[str, str]] = field(repr=False)
    server: Mapping[str, Any]

    def filled(self, text: str, holder: str) -> str:
        """Return `text` with values where it names them; raises UnknownValueError."""

        def value(found: re.Match[str]) -> str:
            name = holder if found[1] == "who" else found[1]
            mine = self.values.get(name, {})
            if name in self.values and found[2] in _OF_CLIENT:
                mine = {**self.values.get("portal", {}), **mine}
            if found[2] not in mine:
                raise UnknownValueError(f"{name}.{found[2]}")
            return mine[found[2]]

        return _MANY.sub(lambda found: found[1] * int(found[2]), _VALUE.sub(value, text))

    def having(self, name: str, values: Mapping[str, str]) -> "World":
        """Return the world with the values of one more holder."""
        return replace(self, values={**self.values, name: values})

    def served(self, told: Mapping[str, object]) -> "World":
        """Return the world of a server that was started with other options."""
        return replace(self, server={**self.server, **told})


def of(told: Mapping[str, Any]) -> World:
    """Return the world that tables of a file tell; raises UsageError with the name of what cannot be."""
    server = dict(told.get("server", {}))
    for name, value in server.items():
        if name not in SERVER or not isinstance(value, type(SERVER[name]) if name != "grants" else list):
            raise UsageError(f"the world says what cannot be: server.{name}", f"one of {', '.join(SERVER)}")
    holders = {name: table for name, table in told.items() if name != "server"}
    for name, table in holders.items():
        if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
            raise UsageError(f"the world says what cannot be: [{name}] holds texts", _HINT)
    return World(holders, {**SERVER, **server})


_HINT = "gamcli conformance --print-world"


def read(path: str) -> World:
    """Return the world of the file at `path`; raises UsageError."""
    try:
        return of(tomllib.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read the world {path}: {getattr(error, 'strerror', 'it is not UTF-8')}", _HINT
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the world {path} is no TOML: {_lower(str(error))}", _HINT) from error


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


_MADE = re.compile(r"\{(client_id|client_secret|api_key|password)\}")


def template(make: Mapping[str, Callable[[], str]]) -> str:
    """Return a world file to begin with; `make` has what mints each kind of value."""
    text = (FOLDER / "world.toml").read_text(encoding="utf-8")
    return _MADE.sub(lambda found: make[found[1]](), text)


def seed(world: World) -> str:
    """Return the manifest that makes such a world, as far as a manifest can; raises UsageError for what it lacks."""
    try:
        return world.filled((FOLDER / "seed.toml").read_text(encoding="utf-8"), "portal")
    except UnknownValueError as lacking:
        raise UsageError(f"the world lacks {lacking}", _HINT) from lacking
