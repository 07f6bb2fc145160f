"""Every word of the command line, read from the live commands: what `completing` and the README are held against."""

from collections.abc import Iterator
from typing import Any

import typer

from gamcli.commands import root
from gamcli.commands.complete import Word


def written() -> str:
    """Return what `completion_table.tsv` must hold."""
    return "".join("\t".join(word) + "\n" for word in words())


def words() -> Iterator[Word]:
    """Yield every word, a command's own before those behind it."""
    yield from _of(typer.main.get_command(root.app), "")


def _of(command: Any, path: str) -> Iterator[Word]:  # noqa: ANN401 - typer's commands
    place = 0
    for parameter in command.params:
        if parameter.hidden if hasattr(parameter, "hidden") else False:
            continue
        if parameter.param_type_name == "argument":
            many = "..." if parameter.nargs != 1 or parameter.multiple else ""
            yield Word(path, f"<{place}{many}>", _value(parameter), parameter.help or "")
            place += 1
        else:
            for text in (*parameter.opts, *parameter.secondary_opts):
                yield Word(path, text, "" if parameter.is_flag else _value(parameter), parameter.help or "")
    if path:
        yield Word(path, "--help", "", "Show this message and exit.")
    for name in getattr(command, "list_commands", lambda _: [])(None):
        verb = command.get_command(None, name)
        about = root.NOUNS[name].about if not path else _short(verb)
        yield Word(path, name, "", about)
        yield from _of(verb, f"{path} {name}".strip())


def _short(command: Any) -> str:  # noqa: ANN401 - typer's commands
    return str(command.help or "").partition("\n\n")[0].replace("\n", " ").removesuffix(".")


def _value(parameter: Any) -> str:  # noqa: ANN401 - typer's parameters
    choices = getattr(parameter.type, "choices", None)
    if choices:
        return "|".join(map(str, choices))
    return str(parameter.metavar or parameter.type.name.upper()).removesuffix("...")
