"""The man pages `gamcli.1` and `gamcli-COMMAND.1`, written from the help of the live commands and from the manual."""

from collections.abc import Iterable, Iterator
from typing import Any

import typer

from gamcli import __version__, manual
from gamcli.commands import EXIT_CODES, root
from gamcli.commands.help import environment_variables


def render_pages() -> dict[str, str]:
    """Return the text of each page by its file name."""
    program = typer.main.get_command(root.app)
    pages = {"gamcli.1": _format_program(program)}
    for name, noun in root.NOUNS.items():
        command: Any = program.get_command(None, name)  # type: ignore[attr-defined] # a group
        pages[f"gamcli-{name}.1"] = _join(_format_command(name, noun.summary, command))
    return pages


def _format_program(program: Any) -> str:  # noqa: ANN401 - typer's commands
    lines = [
        *_format_head("gamcli", "issue, rotate and revoke API keys, and serve the token endpoint for them"),
        *_format_synopsis("gamcli", program),
        ".SH DESCRIPTION",
        *_format_paragraphs(program.help),
        ".SH OPTIONS",
        *_format_options(program, "gamcli"),
        ".SH COMMANDS",
        *_format_rows((f"gamcli {name}", noun.summary) for name, noun in root.NOUNS.items()),
        ".SH EXIT STATUS",
        *_format_rows((str(code), meaning) for code, meaning in EXIT_CODES.items()),
        ".SH ENVIRONMENT",
        *_format_rows(environment_variables().items()),
        ".SH MANUAL",
        "Each topic is shown by",
        ".B gamcli help TOPIC",
        *_format_rows((name, manual.read_title(name)) for name in (*manual.PAGES, *manual.REFERENCES)),
        *_format_see_also(name for name in root.NOUNS),
    ]
    return _join(lines)


def _format_command(name: str, summary: str, command: Any) -> Iterator[str]:  # noqa: ANN401 - as above
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


def _format_synopsis(path: str, command: Any) -> Iterator[str]:  # noqa: ANN401 - as above
    yield ".SH SYNOPSIS"
    yield f".B {_escape(_format_usage(path, command))}"


def _format_usage(path: str, command: Any) -> str:  # noqa: ANN401 - as above
    return " ".join([path, *command.collect_usage_pieces(_make_context(command, path))])


def _format_options(command: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - as above
    context = _make_context(command, path)
    records = (parameter.get_help_record(context) for parameter in command.get_params(context))
    return _format_rows(record for record in records if record)


def _make_context(command: Any, path: str) -> Any:  # noqa: ANN401 - as above
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


def _join(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
