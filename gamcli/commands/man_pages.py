"""The man pages `gamcli.1` and `gamcli-COMMAND.1`, written from the help of the live commands and from the manual."""

from collections.abc import Iterable, Iterator
from typing import Any

import typer

from gamcli import __version__, manual
from gamcli.commands import EXIT_CODES, root
from gamcli.commands.help import environment_variables

Command = Any
"""A command or group of typer, whose methods are not in its public types."""


def render_pages() -> dict[str, str]:
    """Return the text of each page by its file name."""
    program: Command = typer.main.get_command(root.app)
    pages = {"gamcli.1": _format_program(program)}
    for name, noun in root.NOUNS.items():
        pages[f"gamcli-{name}.1"] = _format_command(name, noun.summary, program.get_command(None, name))
    return {file: "".join(f"{line}\n" for line in lines) for file, lines in pages.items()}


def _format_program(program: Command) -> Iterator[str]:
    yield from _format_head("gamcli", "issue, rotate and revoke API keys, and serve the token endpoint for them")
    yield from _format_synopsis("gamcli", program)
    yield ".SH DESCRIPTION"
    yield from _format_paragraphs(program.help)
    yield ".SH OPTIONS"
    yield from _format_options(program, "gamcli")
    yield ".SH COMMANDS"
    yield from _format_rows((f"gamcli {name}", noun.summary) for name, noun in root.NOUNS.items())
    yield ".SH EXIT STATUS"
    yield from _format_rows((str(code), meaning) for code, meaning in EXIT_CODES.items())
    yield ".SH ENVIRONMENT"
    yield from _format_rows(environment_variables().items())
    yield ".SH MANUAL"
    yield "Each topic is shown by"
    yield ".B gamcli help TOPIC"
    yield from _format_rows((name, manual.read_title(name)) for name in (*manual.PAGES, *manual.REFERENCES))
    yield from _format_see_also(root.NOUNS)


def _format_command(name: str, summary: str, command: Command) -> Iterator[str]:
    path = f"gamcli {name}"
    yield from _format_head(f"gamcli-{name}", summary)
    yield from _format_synopsis(path, command)
    subcommands = getattr(command, "commands", {})
    if not subcommands:
        yield ".SH DESCRIPTION"
        yield from _format_paragraphs(command.help)
        yield ".SH OPTIONS"
        yield from _format_options(command, path)
    else:
        yield ".SH COMMANDS"
    for verb, subcommand in subcommands.items():
        yield f".SS {_escape(_format_usage(f'{path} {verb}', subcommand))}"
        yield from _format_paragraphs(subcommand.help)
        yield from _format_options(subcommand, f"{path} {verb}")
    yield ".SH EXIT STATUS"
    yield "See"
    yield ".BR gamcli (1)."
    yield from _format_see_also([])


def _format_head(name: str, summary: str) -> Iterator[str]:
    yield f'.TH {_escape(name.upper())} 1 "" "gamcli {__version__}" "gamcli manual"'
    yield ".ad l"  # an example that is stretched or hyphenated cannot be copied
    yield ".nh"
    yield ".SH NAME"
    yield f"{_escape(name)} \\- {_escape(summary)}"


def _format_synopsis(path: str, command: Command) -> Iterator[str]:
    yield ".SH SYNOPSIS"
    yield f".B {_escape(_format_usage(path, command))}"


def _format_usage(path: str, command: Command) -> str:
    return " ".join([path, *command.collect_usage_pieces(_make_context(command, path))])


def _format_options(command: Command, path: str) -> Iterator[str]:
    context = _make_context(command, path)
    records = (parameter.get_help_record(context) for parameter in command.get_params(context))
    return _format_rows(record for record in records if record)


def _make_context(command: Command, path: str) -> Any:  # noqa: ANN401 - a context of typer
    return command.context_class(command, info_name=path, help_option_names=["-h", "--help"])


def _format_rows(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, meaning in rows:
        yield ".TP"
        yield f".B {_escape(term)}"
        yield _escape(" ".join(meaning.split()))


def _format_paragraphs(text: str | None) -> Iterator[str]:
    for paragraph in (text or "").split("\n\n"):
        yield ".PP"
        yield _escape(" ".join(paragraph.split()))


def _format_see_also(names: Iterable[str]) -> Iterator[str]:
    yield ".SH SEE ALSO"
    yield from (f".BR gamcli\\-{_escape(name)} (1)," for name in names)
    yield ".BR gamcli (1),"
    yield ".B gamcli help"


def _escape(text: str) -> str:
    """Return `text` for roff: hyphens that can be copied, and no line that begins a request."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
