"""The table of all commands and options, read from the live commands, for completion and generated documents."""

from collections.abc import Iterator
from typing import Any

import typer

from gamcli.commands import root
from gamcli.commands.complete import CompletionRow


def render_table() -> str:
    """Return the contents of `completion_table.tsv`."""
    return "".join("\t".join(row) + "\n" for row in completion_rows())


def completion_rows() -> Iterator[CompletionRow]:
    """Yield a row for each option, argument and subcommand; those of a command before those of its subcommands."""
    yield from _command_rows(typer.main.get_command(root.app), "")


def _command_rows(command: Any, path: str) -> Iterator[CompletionRow]:  # noqa: ANN401 - typer's commands
    position = 0
    for parameter in command.params:
        if parameter.hidden if hasattr(parameter, "hidden") else False:
            continue
        if parameter.param_type_name == "argument":
            suffix = "..." if parameter.nargs != 1 or parameter.multiple else ""
            yield CompletionRow(path, f"<{position}{suffix}>", _metavar(parameter), parameter.help or "")
            position += 1
        else:
            for text in (*parameter.opts, *parameter.secondary_opts):
                yield CompletionRow(path, text, "" if parameter.is_flag else _metavar(parameter), parameter.help or "")
    if path:
        yield CompletionRow(path, "--help", "", "Show this message and exit.")
    for name in getattr(command, "list_commands", lambda _: [])(None):
        verb = command.get_command(None, name)
        yield CompletionRow(path, name, "", _summary(verb) if path else root.NOUNS[name].summary)
        yield from _command_rows(verb, f"{path} {name}".strip())


def _summary(command: Any) -> str:  # noqa: ANN401 - typer's commands
    return str(command.help or "").partition("\n\n")[0].replace("\n", " ").removesuffix(".")


def _metavar(parameter: Any) -> str:  # noqa: ANN401 - typer's parameters
    choices = getattr(parameter.type, "choices", None)
    if choices:
        return "|".join(map(str, choices))
    return str(parameter.metavar or parameter.type.name.upper()).removesuffix("...")
