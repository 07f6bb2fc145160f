"""
What comes next on a command line, answered without typer: shells ask at every press of the tab key.

The words that never change lie in `completion_table.tsv`, written from the live commands by `words.py` and compared by a test: a
line for each verb and option, with tabs between the command, the word, what its value names and its help. Names of
applications, users and keys come from the store.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from gamcli.errors import GamcliError
from gamcli.render.text import clean, print_line

TABLE_FILE = Path(__file__).with_name("completion_table.tsv")

MAX_NAMES = 100
"""So many names are offered at most: beyond that people type a letter first."""


class CompletionRow(NamedTuple):
    """A row of the table: after `path` may come `text`; an option takes a `value` of that name, a flag none."""

    path: str
    text: str
    metavar: str
    help: str


def read_table() -> list[CompletionRow]:
    """Return the rows of the table."""
    lines = TABLE_FILE.read_text(encoding="utf-8").splitlines()
    return [CompletionRow(*line.split("\t")) for line in lines]


def print_completions(words: list[str]) -> int:
    """Print what may stand in place of the last of `words`, a word a line; an error offers nothing."""
    try:
        for text, about in find_completions(words):
            if text.isprintable():  # nobody could type it, and a shell would
                print_line(f"{text}\t{clean(about)}")
    except (GamcliError, OSError):
        return 0
    return 0


def find_completions(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield what may stand in place of the last of `words`, each with its help."""
    *before, typed = words or [""]
    rows = read_table()
    path, expects, given = parse_words(rows, before)
    if expects:
        yield from _complete_value(expects, typed, before)
        return
    option, equals, begun = typed.partition("=")
    here = {row.text: row for row in rows if row.path == path}
    if equals and option in here:
        yield from ((f"{option}={text}", about) for text, about in _complete_value(here[option].metavar, begun, before))
        return
    for row in here.values():
        if row.text.startswith("<"):
            if (not typed.startswith("-") and given < int(row.text[1]) + 1) or row.text.endswith("...>"):
                yield from _complete_value(row.metavar, typed, before)
        elif row.text.startswith(typed) and (typed or not row.text.startswith("-")):
            yield row.text, row.help


def parse_words(rows: list[CompletionRow], words: Sequence[str]) -> tuple[str, str, int]:
    """Return the command that `words` reach, what value its last option waits for, and how many arguments it has."""
    path, expects, given = "", "", 0
    for word in words:
        if expects:
            expects = ""
            continue
        row = next((row for row in rows if row.path == path and row.text == word), None)
        if row is None:
            given += not word.startswith("-")
        elif word.startswith("-"):
            expects = row.metavar
        else:
            path, given = f"{path} {word}".strip(), 0
    return path, expects, given


def _complete_value(names: str, typed: str, before: list[str]) -> Iterator[tuple[str, str]]:
    if "|" in names:
        yield from ((choice, "") for choice in names.split("|") if choice.startswith(typed))
    elif names.removesuffix("...") in VALUE_SOURCES:
        joined, plus, last = typed.rpartition("+") if names == "SCOPE" else ("", "", typed)
        for text, about in VALUE_SOURCES[names.removesuffix("...")](last, before):
            yield f"{joined}{plus}{text}", about


def _store_names(sql: str) -> Callable[[str, list[str]], Iterator[tuple[str, str]]]:
    def found(typed: str, before: list[str]) -> Iterator[tuple[str, str]]:
        from gamcli.commands.context import CliContext  # noqa: PLC0415 - only names need the store
        from gamcli.model import normalize_name  # noqa: PLC0415
        from gamcli.store import completion  # noqa: PLC0415

        session = CliContext.from_flags({"store": _option_value(before, "--store")}, _option_value(before, "--config"))
        return completion.find_by_prefix(
            session.settings.store(), sql, normalize_name(typed) if sql != "key" else typed, MAX_NAMES
        )

    return found


def _option_value(words: list[str], name: str) -> str | None:
    if name in words[:-1]:
        return words[words.index(name) + 1]
    return next((word.partition("=")[2] for word in words if word.startswith(f"{name}=")), None)


def _scope_names(typed: str, before: list[str]) -> Iterator[tuple[str, str]]:
    del before
    from gamcli.rules.scopes import TABLE as SCOPES  # noqa: PLC0415 - the other table here

    return ((scope.name, scope.description) for scope in SCOPES.values() if scope.name.startswith(typed))


def _setting_names(typed: str, before: list[str]) -> Iterator[tuple[str, str]]:
    del before
    from gamcli.commands.settings import SETTINGS  # noqa: PLC0415 - only this needs them

    return ((setting.name, setting.description) for setting in SETTINGS.values() if setting.name.startswith(typed))


def _topic_names(typed: str, before: list[str]) -> Iterator[tuple[str, str]]:
    del before
    from gamcli import manual  # noqa: PLC0415 - only this needs them

    topics = (*manual.PAGES, *manual.REFERENCES)
    return ((name, manual.read_title(name)) for name in topics if name.startswith(typed))


VALUE_SOURCES: dict[str, Callable[[str, list[str]], Iterator[tuple[str, str]]]] = {
    "USER": _store_names("user"),
    "APP": _store_names("app"),
    "AUTH_TYPE": _store_names("auth_type"),
    "KEY": _store_names("key"),
    "SCOPE": _scope_names,
    "SETTING": _setting_names,
    "TOPIC": _topic_names,
}
"""Where the values come from that a metavar names."""
