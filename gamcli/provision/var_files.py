"""
Files with values for the references of a manifest: one `NAME=value` per line.

Empty lines and lines that begin with `#` are skipped. A value in quotes is read as a shell reads it; other values are
taken as they are.
"""

import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from gamcli.errors import Problem, ProblemsError
from gamcli.provision.variables import MAX_VALUE_SIZE

_LINE = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
MAX_FILE_SIZE = 16 * MAX_VALUE_SIZE


def read(paths: Iterable[str]) -> dict[str, str]:
    """Return the values of all files, later ones first in rank; raises ProblemsError, which never quotes a value."""
    values: dict[str, str] = {}
    problems: list[Problem] = []
    for path in paths:
        for line, text in enumerate(_read_lines(path, problems), 1):
            if not text.strip() or text.lstrip().startswith("#"):
                continue
            parsed = _parse(text.strip())
            if parsed is None:
                problems.append(Problem(path, line, "use NAME=value, with the value in quotes if it has quotes"))
            else:
                values[parsed[0]] = parsed[1]
    if problems:
        raise ProblemsError(problems)
    return values


def _read_lines(path: str, problems: list[Problem]) -> Iterator[str]:
    try:
        with Path(path).open("rb") as file:
            text = file.read(MAX_FILE_SIZE + 1).decode("utf-8-sig")
    except UnicodeDecodeError:
        problems.append(Problem(path, 1, "is not UTF-8 text"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "invalid path"
        problems.append(Problem(path, 1, f"cannot be read: {str(reason).lower()}"))
    else:
        if len(text) > MAX_FILE_SIZE:
            problems.append(Problem(path, 1, f"is longer than {MAX_FILE_SIZE} bytes"))
        else:
            yield from text.splitlines()


def _parse(text: str) -> tuple[str, str] | None:
    line = _LINE.fullmatch(text)
    if line is None:
        return None
    name, value = line[1], line[2].strip()
    if not value.startswith(("'", '"')):
        return name, value
    try:
        (value,) = shlex.split(value)
    except ValueError:
        return None
    return name, value
