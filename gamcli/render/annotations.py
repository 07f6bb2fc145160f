"""Format problems and results as workflow commands, which GitHub Actions shows next to the lines of a file."""

from collections.abc import Iterable, Iterator

from gamcli.errors import Problem
from gamcli.render.text import clean


def format_problem(problem: Problem) -> str:
    """Return a problem as an error annotation of its line."""
    return f"::error file={_escape_property(problem.file)},line={problem.line}::{_escape(problem.message)}"


def format_warnings(messages: Iterable[str]) -> Iterator[str]:
    return (f"::warning title=gamcli::{_escape(message)}" for message in messages)


def _escape(text: str) -> str:
    return clean(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")
