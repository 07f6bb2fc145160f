"""Reading of config files, which others may have written: ownership, size and structure are checked."""

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from gamcli.errors import UsageError
from gamcli.rules.names import closest_match, escape_unprintable

TABLE = "gamcli"
"""The table of both files that holds the settings; a file may have other tables."""

MAX_FILE_BYTES = 1 << 20
"""A config file is a few lines long."""

MAX_KEY_PARTS = 100
"""A key of many parts takes the parser time with the square of their number."""

MAX_NAME_LENGTH = 60
"""Longer names of unknown settings are cut in messages."""

MAX_VALUE_LENGTH = 200
"""Longer invalid values are cut in messages."""

FIX_HINT = "fix the file, or use another with --config FILE"


def find_foreign_owner(path: Path) -> int | None:
    """Return the ID of the user who owns a file, or the link to it, if that is neither the caller nor root."""
    if not hasattr(os, "geteuid"):
        return None
    trusted = {0, os.geteuid()}
    sudo_uid = os.environ.get("SUDO_UID", "")
    if os.geteuid() == 0 and sudo_uid.isascii() and sudo_uid.isdigit():
        trusted.add(int(sudo_uid))
    try:
        owners = {path.stat().st_uid, path.lstat().st_uid}
    except OSError:
        return None
    return next(iter(owners - trusted), None)


def require_own_project_file(path: Path) -> None:
    """Raise UsageError for a project file of another user, who could choose the store for the caller."""
    owner = find_foreign_owner(path)
    if owner is not None:
        import shlex  # noqa: PLC0415 - start-up: only this error needs it

        raise UsageError(
            f"{path} is owned by {_user_name(owner)}, who could select another store",
            f"check the file, then take ownership: {shlex.join(('chown', str(os.geteuid()), str(path)))}",
        )


def _user_name(uid: int) -> str:
    import pwd  # noqa: PLC0415 - not on Windows

    try:
        return f"the user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"the user with the ID {uid}"


def read_file(path: Path, names: Collection[str]) -> Mapping[str, object]:
    """Return the settings in a file; raises UsageError for a damaged file and for other names than `names`."""
    import tomllib  # noqa: PLC0415 - start-up: only a file needs it

    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
        if len(raw) > MAX_FILE_BYTES:
            raise UsageError(f"cannot read the config file {path}: it is larger than 1 MiB", FIX_HINT)
        _require_short_keys(raw)
        document = tomllib.loads(raw.decode("utf-8").removeprefix("\ufeff"))
        _require_table(document, path, names)
        table = document.get(TABLE, {})
        settings = dict(_flatten(table)) if isinstance(table, dict) else {TABLE: table}
    except (OSError, RecursionError, ValueError) as error:  # also integers of more than 4300 digits
        raise UsageError(f"cannot read the config file {path}: {describe_read_error(error)}", FIX_HINT) from error
    for name in settings:
        if name not in names:
            near = closest_match(name[:MAX_NAME_LENGTH], names)
            raise UsageError(
                f"{path}: gamcli.{escape_unprintable(name[:MAX_NAME_LENGTH])}: unknown setting",
                f"did you mean {near}?" if near else f"one of: {', '.join(names)}",
            )
    return settings


def _require_short_keys(raw: bytes) -> None:
    for line in raw.splitlines():
        if line.partition(b"=")[0].count(b".") > MAX_KEY_PARTS and not line.lstrip().startswith(b"#"):
            raise RecursionError


def describe_read_error(error: Exception) -> str:
    """Return why a config file could not be read or parsed."""
    if isinstance(error, OSError):
        return error.strerror or "it cannot be read"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return "a number has too many digits" if type(error) is ValueError else str(error)


def _require_table(document: Mapping[str, object], path: Path, names: Collection[str]) -> None:
    """Raise UsageError when settings are outside the table, so that another store is not changed by mistake."""
    groups = {name.partition(".")[0] for name in names if "." in name}
    for name in (key[:MAX_NAME_LENGTH] for key in document if key != TABLE):
        near = closest_match(name, (TABLE, *groups, *names))
        if near is not None or TABLE not in document:
            raise UsageError(
                f"{path}: '{escape_unprintable(name)}' is ignored: settings belong in the table [{TABLE}]",
                _suggest_name(name, near, groups),
            )


def _suggest_name(name: str, near: str | None, groups: set[str]) -> str:
    """Return the hint for a name outside the table."""
    if near == TABLE:
        return f"did you mean [{TABLE}]?"
    if near in groups:
        return f"did you mean [{TABLE}.{near}]?"
    above = f"write [{TABLE}] on a line above it"
    return above if near in (None, name) else f"did you mean {near}? {above}"


def _flatten(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
