"""Which files a manifest is made of, and what they hold as TOML."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gamcli.errors import Problem
from gamcli.provision.desired import SourceFile

LARGEST = 256 * 2**20
"""So many bytes of a file are read: a million objects are smaller, and /dev/zero larger."""

SETTINGS = "gamcli.toml"
"""The settings of gamcli itself: in a folder, no manifest."""

_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_LONG_NUMBER = re.compile(r"[0-9][0-9_]{4299,}")
_WORD = re.compile(r"[A-Za-z]+(?=\s*(?:$|[#,\]}]))")
_FLAGS = ("yes", "no", "on", "off", "true", "false")
_KEYS = re.compile(r"\(('[^()]*')\)")


class File(NamedTuple):
    """A file that was read: where it lies, and what it holds."""

    source: SourceFile
    path: Path
    text: str
    tree: dict[str, Any]


def read(paths: Iterable[str | Path], faults: list[Problem]) -> Iterator[File]:
    """Yield each file of `paths` as it was read; what is wrong with one goes to `faults`."""
    seen = set[Path]()
    for path in _files(paths, faults):
        if path.resolve() not in seen:
            seen.add(path.resolve())
            found = _parsed(path)
            if isinstance(found, Problem):
                faults.append(found)
            else:
                yield found


def _files(paths: Iterable[str | Path], faults: list[Problem]) -> Iterator[Path]:
    """Yield the files; of a folder those that end in `.toml`, in order, hidden ones and our own settings left out."""
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
            continue
        found = [each for each in sorted(path.rglob("*.toml")) if not _is_passed_over(each.relative_to(path))]
        if not found:
            faults.append(Problem(str(path), 1, "the folder holds no .toml file"))
        yield from found


def _is_passed_over(path: Path) -> bool:
    return path.name == SETTINGS or any(part.startswith(".") for part in path.parts)


def _parsed(path: Path) -> File | Problem:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        return Problem(str(path), 1, _unread(path, error))
    if len(raw) > LARGEST:
        return Problem(str(path), 1, f"is larger than {LARGEST // 2**20} MiB")
    try:
        text = raw.decode("utf-8").removeprefix("\ufeff")
        return File(SourceFile(str(path), text), path, text, tomllib.loads(text))
    except UnicodeDecodeError as error:
        return Problem(str(path), raw.count(b"\n", 0, error.start) + 1, "is not UTF-8 text")
    except RecursionError:
        return Problem(str(path), 1, "is nested too deep")
    except ValueError as error:
        return _broken(str(path), text, str(error))


def _unread(path: Path, error: OSError) -> str:
    if not isinstance(error, FileNotFoundError):
        return f"cannot be read: {str(error.strerror).lower()}"
    where = "" if path.is_absolute() else f" in {Path.cwd()}"
    return f"there is no file or folder of that name{where}"


def _broken(file: str, text: str, message: str) -> Problem:
    """Return the fault that tomllib found, in our words for its place."""
    position = _POSITION.search(message)
    if position is None:  # Python's own refusal of numbers beyond its limit of digits
        found = _LONG_NUMBER.search(text)
        return Problem(file, text.count("\n", 0, found.start() if found else 0) + 1, "a number has too many digits")
    told = _KEYS.sub(_path, message[: position.start()])
    told = told[:1].lower() + told[1:]
    if position[1] is None:
        return Problem(file, text.count("\n") + (not text.endswith("\n")), f"{told} at the end of the file")
    line, column = int(position[1]), int(position[2])
    word = _WORD.match(text.split("\n")[line - 1], column - 1)
    instead = "" if word is None else "; true or false" if word[0].lower() in _FLAGS else "; a text stands in quotes"
    return Problem(file, line, f"column {column}: {told}{instead}")


def _path(keys: re.Match[str]) -> str:
    return ".".join(re.findall(r"'([^']*)'", keys[1]))
