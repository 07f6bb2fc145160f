"""`gamcli help TOPIC`: what is true of all commands."""

from collections.abc import Callable, Iterator
from typing import Annotated, Literal

import typer

from gamcli.commands import EXIT_CODES
from gamcli.commands.options import noun
from gamcli.commands.settings import SETTINGS
from gamcli.render.output import Output

verbs = noun()


def exit_codes() -> Iterator[str]:
    """Yield the exit codes and their meanings."""
    yield from (f"{code:>4}  {meaning}" for code, meaning in EXIT_CODES.items())


def environment() -> Iterator[str]:
    """Yield the environment variables and their meanings."""
    rows = {
        **{each.variable: f"{each.about} (setting {each.name})" for each in SETTINGS.values()},
        "GAMCLI_CONFIG": "the user's config file",
        "NO_COLOR": "when not empty: no colours",
        "TERM": "dumb: no colours",
    }
    width = max(map(len, rows))
    yield from (f"{name.ljust(width)}  {meaning}" for name, meaning in rows.items())


FORMATS = {
    "table": "for people; in a pipe, columns that are never cut",
    "json": "one document; lists are arrays, times RFC 3339 in UTC, nothing cut; errors are JSON on stderr too",
    "jsonl": "one JSON document a line",
    "csv": "a header, quoted as in RFC 4180; nested fields by dotted names, lists joined by '+', attributes as JSON",
    "value": "the one field that --field names, raw; --field alone means this",
}


def formats() -> Iterator[str]:
    """Yield what -o takes."""
    width = max(map(len, FORMATS))
    yield from (f"{name.ljust(width)}  {meaning}" for name, meaning in FORMATS.items())


TOPICS: dict[str, Callable[[], Iterator[str]]] = {
    "exit-codes": exit_codes,
    "environment": environment,
    "formats": formats,
}


@verbs.command("help")
def topic(
    name: Annotated[
        Literal["exit-codes", "environment", "formats"] | None,
        typer.Argument(metavar="TOPIC", help="Without one, the topics are listed.", show_default=False),
    ] = None,
) -> None:
    """Explain exit-codes, environment or formats."""
    for line in TOPICS[name]() if name else TOPICS:
        Output.data(line)
