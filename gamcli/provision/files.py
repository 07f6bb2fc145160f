"""Finds the files of a manifest and parses them as TOML."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gamcli.errors import Problem
from gamcli.provision.desired import SourceFile

MAX_FILE_SIZE = 256 * 2**20
"""In bytes: more than a million objects need, and a limit for /dev/zero."""

SETTINGS_FILE = "gamcli.toml"
"""The settings of gamcli, which are skipped in folders."""

_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_LONG_NUMBER = re.compile(r"[0-9][0-9_]{4299,}")
_WORD = re.compile(r"[A-Za-z]+(?=\s*(?:$|[#,\]}]))")
_BOOLEANS = ("yes", "no", "on", "off", "true", "false")
_KEYS = re.compile(r"\(('[^()]*')\)")


class File(NamedTuple):
    """A parsed file."""

    source: SourceFile
    path: Path
    text: str
    tree: dict[str, Any]


def read(paths: Iterable[str | Path], problems: list[Problem]) -> Iterator[File]:
    """Yield each file once; adds to `problems`."""
    seen = set[Path]()
    for path in _find_files(paths, problems):
        if path.resolve() not in seen:
            seen.add(path.resolve())
            parsed = _parse(path)
            if isinstance(parsed, Problem):
                problems.append(parsed)
            else:
                yield parsed


def _find_files(paths: Iterable[str | Path], problems: list[Problem]) -> Iterator[Path]:
    """Yield the files, and the sorted `.toml` files of folders, except hidden ones and the settings of gamcli."""
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
            continue
        if path.resolve() == Path(path.resolve().anchor):
            problems.append(Problem(str(path), 1, "is the root of the file system, not a folder of manifests"))
            continue
        files = [each for each in sorted(path.rglob("*.toml")) if not _is_skipped(each.relative_to(path))]
        if not files:
            problems.append(Problem(str(path), 1, "the folder contains no .toml file"))
        yield from files


def _is_skipped(path: Path) -> bool:
    return path.name == SETTINGS_FILE or any(part.startswith(".") for part in path.parts)


def _parse(path: Path) -> File | Problem:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_SIZE + 1)
    except OSError as error:
        where = "" if path.is_absolute() else f" in {Path.cwd()}"
        is_missing = isinstance(error, FileNotFoundError)
        reason = f"file or folder not found{where}" if is_missing else f"cannot be read: {str(error.strerror).lower()}"
        return Problem(str(path), 1, reason)
    if len(raw) > MAX_FILE_SIZE:
        return Problem(str(path), 1, f"is larger than {MAX_FILE_SIZE // 2**20} MiB")
    try:
        text = raw.decode("utf-8").removeprefix("\ufeff")
        return File(SourceFile(str(path), text), path, text, tomllib.loads(text))
    except UnicodeDecodeError as error:
        return Problem(str(path), raw.count(b"\n", 0, error.start) + 1, "is not UTF-8 text")
    except RecursionError:
        return Problem(str(path), 1, "is nested too deeply")
    except ValueError as error:
        return _syntax_problem(str(path), text, str(error))


def _syntax_problem(file: str, text: str, message: str) -> Problem:
    """Return the error of tomllib with a line number and a suggestion."""
    position = _POSITION.search(message)
    if position is None:  # Python refuses integers with too many digits, without a position
        number = _LONG_NUMBER.search(text)
        return Problem(file, text.count("\n", 0, number.start() if number else 0) + 1, "a number has too many digits")
    reason = _KEYS.sub(_format_keys, message[: position.start()])
    reason = reason[:1].lower() + reason[1:]
    if position[1] is None:
        return Problem(file, text.count("\n") + (not text.endswith("\n")), f"{reason} at the end of the file")
    line, column = int(position[1]), int(position[2])
    word = _WORD.match(text.split("\n")[line - 1], column - 1)
    suggestion = (
        "" if word is None else "; use true or false" if word[0].lower() in _BOOLEANS else "; put text in quotes"
    )
    return Problem(file, line, f"column {column}: {reason}{suggestion}")


def _format_keys(keys: re.Match[str]) -> str:
    return ".".join(re.findall(r"'([^']*)'", keys[1]))
