"""Every word of the command line, read from the live commands: what `completing` and the README are held against."""

from collections.abc import Iterator
from typing import Any

import typer

from gamcli.commands import root
from gamcli.commands.complete import CompletionRow


def render_table() -> str:
    """Return what `completion_table.tsv` must hold."""
    return "".join("\t".join(word) + "\n" for word in completion_rows())


def completion_rows() -> Iterator[CompletionRow]:
    """Yield every word, a command's own before those behind it."""
    yield from _command_rows(typer.main.get_command(root.app), "")


def _command_rows(command: Any, path: str) -> Iterator[CompletionRow]:  # noqa: ANN401 - typer's commands
    place = 0
    for parameter in command.params:
        if parameter.hidden if hasattr(parameter, "hidden") else False:
            continue
        if parameter.param_type_name == "argument":
            many = "..." if parameter.nargs != 1 or parameter.multiple else ""
            yield CompletionRow(path, f"<{place}{many}>", _metavar(parameter), parameter.help or "")
            place += 1
        else:
            for text in (*parameter.opts, *parameter.secondary_opts):
                yield CompletionRow(path, text, "" if parameter.is_flag else _metavar(parameter), parameter.help or "")
    if path:
        yield CompletionRow(path, "--help", "", "Show this message and exit.")
    for name in getattr(command, "list_commands", lambda _: [])(None):
        verb = command.get_command(None, name)
        about = root.NOUNS[name].summary if not path else _summary(verb)
        yield CompletionRow(path, name, "", about)
        yield from _command_rows(verb, f"{path} {name}".strip())


def _summary(command: Any) -> str:  # noqa: ANN401 - typer's commands
    return str(command.help or "").partition("\n\n")[0].replace("\n", " ").removesuffix(".")


def _metavar(parameter: Any) -> str:  # noqa: ANN401 - typer's parameters
    choices = getattr(parameter.type, "choices", None)
    if choices:
        return "|".join(map(str, choices))
    return str(parameter.metavar or parameter.type.name.upper()).removesuffix("...")
