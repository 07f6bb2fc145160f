"""
Settings, and the sources that they are read from.

A flag wins over the environment, the project file, the user's file and the default, in this order. The project file is
the nearest `gamcli.toml` in the working directory or its parents. Both files have a table `[gamcli]`, and in it
`[gamcli.serve]` for the server.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from gamcli.commands import locations
from gamcli.commands.config_files import (
    FIX_HINT,
    MAX_VALUE_LENGTH,
    describe_read_error,
    read_file,
    require_own_project_file,
)
from gamcli.errors import UsageError, command
from gamcli.rules.names import closest_match

TYPE_CHECKING = False  # start-up: as in `complete`
if TYPE_CHECKING:
    from gamcli.store import Location

PROJECT_FILE = "gamcli.toml"

COMMON_FORMATS = ("table", "json", "jsonl", "csv")
"""The formats that every command with records supports: one of them can be configured as the default."""

MAX_PORT = 65_535


class Setting:
    """
    A setting; `parse` returns the value of a text, or raises ValueError with a description of valid values.

    `names` and `variables` include earlier ones, which are still accepted.
    """

    def __init__(
        self, name: str, default: object, parse: Callable[[str], object], description: str, *earlier_names: str
    ) -> None:
        self.name = name
        self.names = (name, *earlier_names)
        self.variables = tuple(f"GAMCLI_{each.upper().replace('.', '_')}" for each in self.names)
        self.variable = self.variables[0]
        self.default = default
        self.parse = parse
        self.description = description


def _text_parser(expected: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not text or not text.isprintable():
            raise ValueError(expected)
        return text

    return parse


def _choice_parser(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"use one of: {', '.join(choices)}")
        return text

    return parse


def _parse_bool(text: str) -> bool:
    values = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in values:
        raise ValueError("use true or false")
    return values[text.lower()]


def _parse_port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > MAX_PORT:
        raise ValueError(f"use a port from 0 to {MAX_PORT}; 0 selects a free one")
    return int(text)


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("store", None, _text_parser("use a path or a URL"), "path or URL of the store"),
        Setting("output", "table", _choice_parser(*COMMON_FORMATS), "output format"),
        Setting("no_color", False, _parse_bool, "do not use colors"),
        Setting("no_pager", False, _parse_bool, "do not use a pager"),
        Setting("quiet", False, _parse_bool, "print only warnings and errors"),
        Setting("serve.host", "127.0.0.1", _text_parser("use an address"), "address that `serve` listens on"),
        Setting("serve.port", 8080, _parse_port, "port that `serve` listens on"),
        Setting("serve.base_path", "", str, "base path of `serve`"),
        Setting(
            "serve.format",
            "gam",
            _choice_parser("gam", "rfc6749"),
            "response format of `serve`",
            "serve.error_format",
        ),
        Setting("serve.issuer", "", str, "URL in the metadata of `serve --extras`"),
        Setting("serve.log_format", "text", _choice_parser("text", "json"), "log format of `serve`"),
    )
}
"""All settings, in the order in which they are listed."""


def find_setting(name: str) -> Setting:
    """Return the setting with that name; raises UsageError that suggests the closest one."""
    setting = next((each for each in SETTINGS.values() if name in each.names), None)
    if setting is None:
        near = next((each for each in SETTINGS if each.endswith(f".{name}")), closest_match(name, SETTINGS))
        raise UsageError(f"unknown setting '{name}'", f"did you mean {near}?" if near else command("config", "list"))
    return setting


class Settings:
    """
    The settings of one run, and the sources that they are read from.

    `user_file` is set when an option or the environment names it. Diagnosis of the files themselves ignores them
    (`reads_files`).
    """

    def __init__(
        self,
        flags: Mapping[str, object] = MappingProxyType({}),
        environment: Mapping[str, str] = os.environ,
        user_file: Path | None = None,
        *,
        reads_files: bool = True,
    ) -> None:
        self.flags = flags
        self.environment = environment
        self.user_file = user_file
        self.reads_files = reads_files

    @classmethod
    def from_flags(cls, flags: Mapping[str, object], config: str | None) -> "Settings":
        """Create them from the options before the command; `config` is the value of `--config`."""
        user_file = config or os.environ.get("GAMCLI_CONFIG")
        return cls(flags, user_file=Path(user_file).expanduser() if user_file else None)

    def value(self, name: str) -> object:
        """Return the value of a setting, from the first source that has it."""
        return next(self.sources(name))[0]

    def sources(self, name: str) -> Iterator[tuple[object, str]]:
        """Yield the value of a setting in each source that has it, and the source, in order of priority."""
        setting = find_setting(name)
        if self.flags.get(setting.name) is not None:
            if setting.name == "store":
                locations.parse_url(str(self.flags["store"]), "--store")
            yield self.flags[setting.name], "flag"
        for variable in setting.variables:
            if text := self.environment.get(variable, ""):
                yield _parse(setting, text, f"the environment variable {variable}"), variable
        for path, contents in self._loaded_files if self.reads_files else ():
            for each in setting.names:
                if each in contents:
                    yield _parse_from_file(setting, each, contents[each], path), str(path)
        yield str(_user_folder("data") / "store.db") if setting.name == "store" else setting.default, "default"

    def store(self) -> "Location":
        """Return the URL or the absolute path of the store; raises UsageError if it is relative to a deleted folder."""
        url_file = self.flags.get("store_url_file")
        if url_file is not None:
            return locations.read_url_file(Path(str(url_file)))
        return locations.parse_location(str(self.value("store")), "the store")

    @cached_property
    def user_path(self) -> Path:
        """The user's config file, which may not exist."""
        return self.user_file or _user_folder("config") / "config.toml"

    @property
    def project_path(self) -> Path | None:
        """The nearest project file in the working directory or its parents, or None."""
        try:
            here = Path.cwd()
        except OSError:  # it was deleted
            return None
        paths = (folder / PROJECT_FILE for folder in (here, *here.parents))
        return next(filter(_is_file, paths), None)

    @cached_property
    def _loaded_files(self) -> tuple[tuple[Path, Mapping[str, object]], ...]:
        if self.user_file is not None and not self.user_file.exists():
            hint = command("--config", str(self.user_file), "config", "set", "store", "PATH")
            raise UsageError(f"config file {self.user_file} does not exist", f"to create it: {hint}")
        if self.user_file is not None and not _is_file(self.user_file):
            raise UsageError(f"{self.user_file} is not a config file", "--config FILE")
        project = self.project_path
        if project is not None:
            require_own_project_file(project)
        paths = (project, self.user_path)
        names = [name for setting in SETTINGS.values() for name in setting.names]
        return tuple((path, read_file(path, names)) for path in paths if path is not None and _is_file(path))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # in a folder without permission, for example after sudo
        return False


FOLDERS = {"config": ("XDG_CONFIG_HOME", ".config"), "data": ("XDG_DATA_HOME", ".local/share")}
"""The variable that names each folder of the user, and its place in the home directory (XDG base directories)."""


def _user_folder(kind: str) -> Path:
    """Return gamcli's folder among those of the user, as platformdirs does, whose import takes longer than all else."""
    home = Path(os.environ.get("HOME", ""))
    if sys.platform == "linux" and "ANDROID_ROOT" not in os.environ and home.is_absolute():
        variable, place = FOLDERS[kind]
        named = Path(os.environ.get(variable, ""))
        return (named if named.is_absolute() else home / place) / "gamcli"
    import platformdirs  # noqa: PLC0415 - start-up: as above

    find = {"config": platformdirs.user_config_path, "data": platformdirs.user_data_path}[kind]
    return find("gamcli", appauthor=False)


def _parse_from_file(setting: Setting, name: str, value: object, path: Path) -> object:
    source = f"{path}: gamcli.{name}"
    try:
        text = str(value).lower() if isinstance(value, bool) else str(value)
    except (ValueError, RecursionError) as error:  # a number in hexadecimal may be longer than Python prints
        raise UsageError(f"{source}: invalid value: {describe_read_error(error)}", FIX_HINT) from error
    parsed = _parse(setting, text, source)
    if (
        setting.name == "store" and locations.parse_url(text, source) is None
    ):  # a path in a file is relative to the folder of the file
        return str(path.parent / Path(text).expanduser())
    return parsed


def _parse(setting: Setting, text: str, source: str) -> object:
    if setting.name == "store":
        locations.parse_url(text, source)
    try:
        return setting.parse(text)
    except ValueError as error:
        shown = text if len(text) <= MAX_VALUE_LENGTH else f"{text[:MAX_VALUE_LENGTH]}..."
        raise UsageError(f"{source}: invalid value '{shown}'", str(error)) from error


def parse_value(name: str, text: str) -> object:
    """Parse the value of a setting; raises UsageError."""
    return _parse(find_setting(name), text, name)
