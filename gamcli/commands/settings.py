"""
Settings: what can be set, where from, and which source wins.

The order is flag, environment, project file, user file, default. The project file is the first `gamcli.toml` found
upward from here; both files hold the table `[gamcli]`, with `[gamcli.serve]` in it for the server.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from gamcli.errors import UsageError, command
from gamcli.render.output import COMMON_FORMATS
from gamcli.rules.names import closest_match, escape_unprintable

PROJECT_FILE = "gamcli.toml"
TABLE = "gamcli"
"""The table of both files that holds the settings, and that other tables may stand beside."""

MAX_PORT = 65_535


class Setting(NamedTuple):
    """One thing that can be set; `accepts` returns the value for a text, or raises ValueError saying what it takes."""

    name: str
    variable: str
    default: object
    parse: Callable[[str], object]
    description: str


class SettingValue(NamedTuple):
    """A setting as it stands, and where that comes from."""

    name: str
    value: object
    origin: str


def _parse_path(text: str) -> str:
    return _text_parser("a path")(text)


def _text_parser(what: str) -> Callable[[str], str]:
    def accepts(text: str) -> str:
        if not text or not text.isprintable():
            raise ValueError(what)
        return text

    return accepts


def _choice_parser(*known: str) -> Callable[[str], str]:
    def accepts(text: str) -> str:
        if text not in known:
            raise ValueError(f"one of: {', '.join(known)}")
        return text

    return accepts


def _parse_bool(text: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in words:
        raise ValueError("true or false")
    return words[text.lower()]


def _parse_port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > MAX_PORT:
        raise ValueError(f"a port, 0 to {MAX_PORT}, where 0 takes any free one")
    return int(text)


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("store", "GAMCLI_STORE", None, _parse_path, "the file of the store"),
        Setting("output", "GAMCLI_OUTPUT", "table", _choice_parser(*COMMON_FORMATS), "the format of records"),
        Setting("no_color", "GAMCLI_NO_COLOR", False, _parse_bool, "no colours on a terminal"),
        Setting("quiet", "GAMCLI_QUIET", False, _parse_bool, "no talk but warnings and errors"),
        Setting("serve.host", "GAMCLI_SERVE_HOST", "127.0.0.1", _text_parser("an address"), "where `serve` listens"),
        Setting("serve.port", "GAMCLI_SERVE_PORT", 8080, _parse_port, "its port"),
        Setting("serve.base_path", "GAMCLI_SERVE_BASE_PATH", "", str, "what its paths begin with"),
        Setting(
            "serve.error_format", "GAMCLI_SERVE_ERROR_FORMAT", "gam", _choice_parser("gam", "rfc6749"), "its refusals"
        ),
        Setting("serve.log_format", "GAMCLI_SERVE_LOG_FORMAT", "text", _choice_parser("text", "json"), "its log lines"),
    )
}
"""All settings, in the order in which they are listed."""


def find_setting(name: str) -> Setting:
    """Return the setting called `name`; raises UsageError with the nearest one."""
    if name not in SETTINGS:
        near = closest_match(name, SETTINGS)
        raise UsageError(f"no setting named '{name}'", f"did you mean {near}?" if near else command("config", "list"))
    return SETTINGS[name]


@dataclass(frozen=True)
class Settings:
    """
    The settings of one run: `flags` as given on the command line, `user_file` when named by flag or environment.

    Whoever looks for what is wrong with the files asks without them (`reads_files`).
    """

    flags: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    user_file: Path | None = None
    reads_files: bool = True

    def value(self, name: str) -> SettingValue:
        """Return the setting called `name` from the first source that has it."""
        return next(self.sources(name))

    def sources(self, name: str) -> Iterator[SettingValue]:
        """Yield what each source that has the setting called `name` says, the one that counts first."""
        wanted = find_setting(name)
        if self.flags.get(name) is not None:
            yield SettingValue(name, self.flags[name], "flag")
        text = self.environment.get(wanted.variable, "")
        if text:
            yield SettingValue(
                name, _parse(wanted, text, f"the environment variable {wanted.variable}"), wanted.variable
            )
        for path, contents in self._files():
            if name in contents:
                yield SettingValue(name, _parse_from_file(wanted, contents[name], path), str(path))
        yield SettingValue(name, self._default(wanted), "default")

    def all_values(self) -> Iterator[SettingValue]:
        """Yield all settings as they stand."""
        return map(self.value, SETTINGS)

    def store(self) -> Path:
        """Return the path of the store."""
        return Path(str(self.value("store").value)).expanduser().absolute()

    def _default(self, wanted: Setting) -> object:
        if wanted.name != "store":
            return wanted.default
        from platformdirs import user_data_path  # noqa: PLC0415 - start-up: only a default needs it

        return str(user_data_path("gamcli", appauthor=False) / "store.db")

    @cached_property
    def user_path(self) -> Path:
        """The user's file, which need not exist."""
        return self.user_file or _config_folder() / "config.toml"

    @property
    def project_path(self) -> Path | None:
        """The project file found upward from here, or None."""
        here = Path.cwd()
        return next((each / PROJECT_FILE for each in (here, *here.parents) if _is_file(each / PROJECT_FILE)), None)

    @cached_property
    def _loaded_files(self) -> tuple[tuple[Path, Mapping[str, object]], ...]:
        if self.user_file is not None and not self.user_file.exists():
            hint = command("--config", str(self.user_file), "config", "set", "store", "PATH")
            raise UsageError(f"there is no config file {self.user_file}", f"{hint} makes one")
        paths = (self.project_path, self.user_path)
        return tuple((path, _read_file(path)) for path in paths if path is not None and _is_file(path))

    def _files(self) -> tuple[tuple[Path, Mapping[str, object]], ...]:
        return self._loaded_files if self.reads_files else ()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # in a folder that is closed to us, as it may be after sudo
        return False


def _config_folder() -> Path:
    if sys.platform == "linux" and "ANDROID_ROOT" not in os.environ:  # what platformdirs says, sooner: all runs ask
        named = Path(os.environ.get("XDG_CONFIG_HOME", ""))
        return (named if named.is_absolute() else Path("~/.config").expanduser()) / "gamcli"
    from platformdirs import user_config_path  # noqa: PLC0415 - start-up: as above

    return user_config_path("gamcli", appauthor=False)


def _read_file(path: Path) -> Mapping[str, object]:
    import tomllib  # noqa: PLC0415 - start-up: only a file needs it

    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"cannot read the config file {path}: {reason}", "mend the file, or name another") from error
    _require_table(document, path)
    table = document.get(TABLE, {})
    found = dict(_flatten(table)) if isinstance(table, dict) else {TABLE: table}
    for name in found:
        if name not in SETTINGS:
            near = closest_match(name, SETTINGS)
            raise UsageError(
                f"{path}: gamcli.{name}: no such setting",
                f"did you mean {near}?" if near else f"one of: {', '.join(SETTINGS)}",
            )
    return found


def _require_table(document: Mapping[str, object], path: Path) -> None:
    """Raise UsageError where settings stand beside the table that holds them: another store would be worked on."""
    groups = {name.partition(".")[0] for name in SETTINGS if "." in name}
    for name in (each for each in document if each != TABLE):
        near = closest_match(name, (TABLE, *groups, *SETTINGS))
        if near is not None or TABLE not in document:
            told = (
                f"{path}: '{escape_unprintable(name)}' stands outside of the table [{TABLE}], where no setting counts"
            )
            raise UsageError(told, _suggest_name(name, near, groups))


def _suggest_name(name: str, near: str | None, groups: set[str]) -> str:
    """Return what to write for a name outside of the table."""
    if near == TABLE:
        return f"did you mean [{TABLE}]?"
    if near in groups:
        return f"did you mean [{TABLE}.{near}]?"
    above = f"write [{TABLE}] in a line above it"
    return above if near in (None, name) else f"did you mean {near}? {above}"


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _parse_from_file(wanted: Setting, value: object, path: Path) -> object:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    accepted = _parse(wanted, text, f"{path}: gamcli.{wanted.name}")
    if wanted.name == "store":  # a path in a file is meant from where the file lies
        return str(path.parent / Path(text).expanduser())
    return accepted


def _parse(wanted: Setting, text: str, where: str) -> object:
    try:
        return wanted.parse(text)
    except ValueError as error:
        raise UsageError(f"{where} cannot be '{text}'", str(error)) from error


def parse_value(name: str, text: str) -> object:
    """Return the value that `text` means for the setting called `name`; raises UsageError."""
    return _parse(find_setting(name), text, name)
