"""
Finds the files of a manifest, parses them as TOML, and reads the owners in their comments.

`# gamcli owner: NAME` names the owner of the objects that follow it. `export` writes these comments, so that a plan of
the exported file is empty.
"""

import json
import os
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gamcli.errors import Problem, command
from gamcli.provision.desired import Location, SourceFile

MAX_FILE_SIZE = 256 * 2**20
"""In bytes: more than a million objects need, and a limit for /dev/zero."""

SETTINGS_FILE = "gamcli.toml"
"""The settings of gamcli, which are skipped in folders."""

_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_LONG_NUMBER = re.compile(r"[0-9][0-9_]{4299,}")
_WORD = re.compile(r"[A-Za-z]+(?=\s*(?:$|[#,\]}]))")
_BOOLEANS = ("yes", "no", "on", "off", "true", "false")
_KEYS = re.compile(r"\(('[^()]*')\)")

_COMMENT = re.compile(r"^# gamcli owner:[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)
_HEAD = re.compile(r"(?:[ \t]*(?:#[^\n]*)?(?:\n|$))*")
_MULTILINE_QUOTES = ('"""', "'''")


class File(NamedTuple):
    """A parsed file."""

    source: SourceFile
    path: Path
    text: str
    tree: dict[str, Any]


def read(paths: Iterable[str | Path], problems: list[Problem]) -> Iterator[File]:
    """Yield each file once; adds to `problems`."""
    seen = set[str]()
    for path in _find_files(paths, problems):
        real = os.path.realpath(path)
        if real not in seen:
            seen.add(real)
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
        if os.path.realpath(path) == os.path.realpath(path.absolute().anchor):
            problems.append(Problem(str(path), 1, "is the root of the file system, not a folder of manifests"))
            continue
        files = [
            each
            for each in sorted(path.rglob("*.toml"))
            if each.name != SETTINGS_FILE and not any(part.startswith(".") for part in each.relative_to(path).parts)
        ]
        if not files:
            problems.append(Problem(str(path), 1, "the folder contains no .toml file"))
        yield from files


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


def _csv_command(file: str, text: str) -> str:
    """Return the command that reads such a CSV file: one of keys has a column for the application."""
    is_of_keys = "app" in re.split(r"\W+", text.partition("\n")[0].lower())
    noun, verb = ("key", "generate") if is_of_keys else ("user", "create")
    return command(noun, verb, "--from", file, *(("--out", "FILE.csv") if is_of_keys else ()))


def _syntax_problem(file: str, text: str, message: str) -> Problem:
    """Return the error of tomllib with a line number and a suggestion; of a CSV file, the command that reads it."""
    if file.lower().endswith(".csv"):
        return Problem(file, 1, f"is a CSV file, not a manifest; use {_csv_command(file, text)}")
    position = _POSITION.search(message)
    if position is None:  # Python refuses integers with too many digits, without a position
        number = _LONG_NUMBER.search(text)
        return Problem(file, text.count("\n", 0, number.start() if number else 0) + 1, "a number has too many digits")
    reason = _KEYS.sub(lambda keys: ".".join(re.findall(r"'([^']*)'", keys[1])), message[: position.start()])
    reason = reason[:1].lower() + reason[1:]
    if position[1] is None:
        return Problem(file, text.count("\n") + (not text.endswith("\n")), f"{reason} at the end of the file")
    line, column = int(position[1]), int(position[2])
    word = _WORD.match(text.split("\n")[line - 1], column - 1)
    suggestion = (
        "" if word is None else "; use true or false" if word[0].lower() in _BOOLEANS else "; put text in quotes"
    )
    return Problem(file, line, f"column {column}: {reason}{suggestion}")


def format_comment(owner: str) -> str:
    """Return the comment; an owner that a comment cannot show as it is becomes a JSON string."""
    is_plain = owner.isprintable() and owner == owner.strip() and not owner.startswith('"')
    return f"# gamcli owner: {owner if is_plain else json.dumps(owner)}"


def _parse_owner(text: str) -> str:
    try:
        owner = json.loads(text) if text.startswith('"') else text
    except ValueError:
        return text
    return owner if isinstance(owner, str) else text


class Owners:
    """The owners of the objects of one file: `default` until the first comment."""

    def __init__(self, text: str, default: str) -> None:
        self.default = default
        self.comments: list[tuple[int, str]] = []
        """Lines, from 1, and names."""
        if "# gamcli owner:" not in text:
            return
        head = _HEAD.match(text)
        head_end = head.end() if head else 0
        if any(quotes in text for quotes in _MULTILINE_QUOTES):  # what looks like a comment can be a text
            text = text[:head_end]
        found = [*_COMMENT.finditer(text)]
        self.comments = [(text.count("\n", 0, each.start()) + 1, _parse_owner(each[1])) for each in found]
        if len(found) == 1 and found[0].start() < head_end:  # the usual case, in which no line has to be known
            self.default = self.comments[0][1]

    def find(self, location: Location) -> str:
        """Return the owner of the object at `location`."""
        if not self.comments or self.default == self.comments[-1][1]:
            return self.default
        line = location.line
        return next((name for at, name in reversed(self.comments) if at < line), self.default)
