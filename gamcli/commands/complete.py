"""
Complete a command line, without importing typer, since shells run this at every press of the tab key.

Words need neither pathlib nor typing, and names no typing: importing them takes as long as starting Python.

Commands and options are in `completion_table.tsv`, which `completion_table.py` generates and a test compares: a line
for each, with tabs between the command, the word, the metavar of its value, and its help. Names of applications, users
and keys are read from the store.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from gamcli.errors import GamcliError
from gamcli.render.text import clean, print_line

TABLE_FILE = os.path.join(os.path.dirname(__file__), "completion_table.tsv")  # noqa: PTH118, PTH120 - start-up

MAX_NAMES = 100
"""How many names are offered at most."""


class CompletionRow:
    """A word that may follow the command `path`; `metavar` names the value of an option, and is empty for a flag."""

    __slots__ = ("help", "metavar", "path", "text")

    def __init__(self, path: str, text: str, metavar: str, help_text: str) -> None:
        self.path = path
        self.text = text
        self.metavar = metavar
        self.help = help_text


def read_table() -> list[CompletionRow]:
    with open(TABLE_FILE, encoding="utf-8") as file:  # noqa: PTH123 - start-up
        return [CompletionRow(*line.rstrip("\n").split("\t")) for line in file]


def print_completions(words: list[str]) -> None:
    """Print the completions of the last of `words`, one in each line; print nothing on errors."""
    with suppress(GamcliError, OSError):
        for text, help_text in find_completions(words):
            if text.isprintable():  # control characters could drive the terminal
                print_line(f"{text}\t{clean(help_text)}")


def find_completions(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the completions of the last of `words`, each with its help."""
    *before, typed = words or [""]
    rows = read_table()
    path, metavar, argument_count = parse_words(rows, before)
    if argument_count and any(row.path == path and row.text[:1].isalpha() for row in rows):
        return  # after an unknown command
    if metavar:
        yield from _complete_value(metavar, typed, before)
        return
    option, equals, value = typed.partition("=")
    candidates = {row.text: row for row in rows if row.path == path}
    if equals and option in candidates:
        for text, help_text in _complete_value(candidates[option].metavar, value, before):
            yield f"{option}={text}", help_text
        return
    for row in candidates.values():
        if row.text.startswith("<"):
            is_next = not typed.startswith("-") and argument_count < int(row.text[1]) + 1
            if is_next or row.text.endswith("...>"):
                yield from _complete_value(row.metavar, typed, before)
        elif row.text.startswith(typed) and (typed or not row.text.startswith("-")):
            yield row.text, row.help


def parse_words(rows: list[CompletionRow], words: Sequence[str]) -> tuple[str, str, int]:
    """Return the command in `words`, the metavar of the value that comes next, and the number of arguments so far."""
    path, metavar, argument_count = "", "", 0
    for word in words:
        if metavar:
            metavar = ""
            continue
        row = next((row for row in rows if row.path == path and row.text == word), None)
        if row is None:
            argument_count += not word.startswith("-")
        elif word.startswith("-"):
            metavar = row.metavar
        else:
            path, argument_count = f"{path} {word}".strip(), 0
    return path, metavar, argument_count


def _complete_value(metavar: str, typed: str, before: list[str]) -> Iterator[tuple[str, str]]:
    if "|" in metavar:
        yield from ((choice, "") for choice in metavar.split("|") if choice.startswith(typed))
        return
    joined, plus, last = typed.rpartition("+") if metavar == "SCOPE" else ("", "", typed)
    for text, help_text in _find_values(metavar.removesuffix("..."), last, before):
        yield f"{joined}{plus}{text}", help_text


KINDS = {"USER": "user", "APP": "app", "AUTH_TYPE": "auth_type", "KEY": "key"}
"""The kind of record that a metavar names."""


def _find_values(metavar: str, typed: str, before: list[str]) -> Iterable[tuple[str, str]]:
    """Return the values that begin with `typed`, each with its help, importing only what they need."""
    if metavar in KINDS:
        from gamcli.commands.settings import Settings  # noqa: PLC0415 - as above
        from gamcli.normalization import normalize_name  # noqa: PLC0415
        from gamcli.store import completion  # noqa: PLC0415

        settings = Settings.from_flags({"store": option_value(before, "--store")}, option_value(before, "--config"))
        prefix = typed if metavar == "KEY" else normalize_name(typed)
        return completion.find_by_prefix(settings.store(), KINDS[metavar], prefix, MAX_NAMES)
    if metavar == "SCOPE":
        from gamcli.rules.scopes import TABLE  # noqa: PLC0415 - as above

        return ((scope.name, scope.description) for scope in TABLE.values() if scope.name.startswith(typed))
    if metavar == "SETTING":
        from gamcli.commands.settings import SETTINGS  # noqa: PLC0415 - as above

        return ((each.name, each.description) for each in SETTINGS.values() if each.name.startswith(typed))
    if metavar == "TOPIC":
        from gamcli import manual  # noqa: PLC0415 - as above

        topics = (*manual.PAGES, *manual.REFERENCES)
        return ((name, manual.read_title(name)) for name in topics if name.startswith(typed))
    return ()


def option_value(words: Sequence[str], name: str) -> str | None:
    """Return the value of an option in a command line, or None."""
    if name in words[:-1]:
        return words[words.index(name) + 1]
    return next((word.partition("=")[2] for word in words if word.startswith(f"{name}=")), None)
