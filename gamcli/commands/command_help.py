"""
What typer makes of a command: groups of options, and a class that refuses invalid paths and formats the help.

A command shows its help with examples in one line, and its options in panels when there are many.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import update_wrapper
from itertools import takewhile
from typing import Any

import typer
from typer.core import TyperCommand

from gamcli.commands.context import CliContext
from gamcli.errors import UsageError

MAX_UNGROUPED = 10
"""How many options are listed without groups."""

OUTPUT = "Output"
CHANGE = "Confirmation and dry run"


_DEFAULT_IN_PARENTHESES = r"(?<=\[default: )\((.*)\)(?=[;\]])"

_OPEN_RANGE = r"(; |  \[)(?:x>=\d|\d<=x<=\d{10,})(?=\])"
"""A range that says nothing to a person: without an upper limit, or with one that is never reached."""

_RANGE = r"(\d+)<=x<=(\d+)(?=\]$)"

PATHS = ("FILE", "DIR", "PATH")
"""The metavars of paths; only an empty `--base-path` has a meaning."""


class OptionGroup:
    """
    Options that belong together: a parameter of a command with such a type stands for all of them.

    The options are the attributes with an `Annotated` type, those of a subclass before those of its base.
    """

    def __init__(self, cli: CliContext, values: Mapping[str, Any]) -> None:
        self.cli = cli
        vars(self).update(values)

    @classmethod
    def parameters(cls) -> dict[str, inspect.Parameter]:
        """Return the options as parameters of a function."""
        found: dict[str, inspect.Parameter] = {}
        for base in cls.__mro__:
            for name, kind in inspect.get_annotations(base).items():
                if hasattr(kind, "__metadata__") and name not in found:
                    found[name] = _keyword(name, kind, getattr(cls, name, inspect.Parameter.empty))
        return found


def _keyword(name: str, kind: object, default: object = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def expand_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return a function for typer that takes the options of each group of `command` one by one."""
    groups: dict[str, type[OptionGroup]] = {}
    parameters = {"context": _keyword("context", typer.Context)}
    for name, parameter in inspect.signature(command).parameters.items():
        if isinstance(parameter.annotation, type) and issubclass(parameter.annotation, OptionGroup):
            groups[name] = parameter.annotation
            parameters |= parameter.annotation.parameters()
        else:
            parameters[name] = _keyword(name, parameter.annotation, parameter.default)
    if not groups:
        return command

    def run(context: typer.Context, **values: Any) -> None:  # noqa: ANN401 - parsed by typer
        cli = CliContext.from_typer(context)
        for name, kind in groups.items():
            values[name] = kind(cli, {option: values.pop(option) for option in kind.parameters()})
        command(**values)

    update_wrapper(run, command).__signature__ = inspect.Signature([*parameters.values()])  # type: ignore[attr-defined]
    return run


def require_option_values(parameters: Iterable[Any], ctx: Any, words: Sequence[str]) -> None:  # noqa: ANN401 - typer's own types
    """
    Raise UsageError if another option follows an option instead of its value, which typer would take as the value.

    `--owner=--prune` is the way to give such a value.
    """
    options = {name: each for each in parameters for name in (*each.opts, *each.secondary_opts) if name[:1] == "-"}
    rest = iter(words)
    for word in takewhile("--".__ne__, rest):
        if word in options and not options[word].is_flag:
            value = next(rest, None)  # typer reports that it is missing
            if value in options or value == "--":
                metavar = options[word].metavar
                hint = f"{ctx.command_path} {word} {metavar}" if metavar else f"{ctx.command_path} --help"
                raise UsageError(f"option '{word}' requires an argument", hint)
        elif not word.startswith("-") and not ctx.allow_interspersed_args:
            return  # the options of a command or program that follows


def check_path(name: str, usage: str, path: object, *, can_be_dash: bool = False) -> None:
    """Raise UsageError for an empty path, and for '-' unless it stands for stdin or stdout."""
    if path == "":  # it would mean the working directory
        raise UsageError(f"{name} is empty", usage)
    if path == "-" and not can_be_dash:
        raise UsageError(f"{name} cannot be '-'", "specify the path of a file; that of a file named '-' is ./-")


class GroupedCommand(TyperCommand):
    """A command whose options are grouped by their `rich_help_panel`, when there are many."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's own types
        require_option_values(self.get_params(ctx), ctx, args)
        rest: list[str] = super().parse_args(ctx, args)
        for parameter in self.get_params(ctx):
            metavar = str(parameter.metavar or "").removesuffix("...")
            if metavar in PATHS and parameter.name != "base_path":
                option = next((name for name in parameter.opts if name.startswith("--")), None)
                usage = f"{option} FILE" if option else f"specify a {metavar}"
                values = ctx.params.get(parameter.name)
                for path in values if isinstance(values, list | tuple) else (values,):
                    check_path(option or metavar, usage, path, can_be_dash="'-'" in str(getattr(parameter, "help", "")))
        return rest

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401 - typer's own types
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - typer's own types
        for paragraph in inspect.cleandoc(self.help or "").split("\n\n"):
            formatter.write_paragraph()
            with formatter.indentation():
                if paragraph.startswith("Example"):
                    title, _, line = paragraph.partition(": ")
                    indent = " " * formatter.current_indent
                    formatter.write(f"{indent}{title}:\n{indent}  {' '.join(line.split())}\n")
                else:
                    formatter.write_text(paragraph)

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - typer's own types
        parameters = [(parameter, parameter.get_help_record(ctx)) for parameter in self.get_params(ctx)]
        is_grouped = len(parameters) > MAX_UNGROUPED
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter, record in parameters:
            title = "Arguments" if parameter.param_type_name == "argument" else "Options"
            if is_grouped:
                title = getattr(parameter, "rich_help_panel", None) or title
            if record is not None:
                sections.setdefault(title, []).append((record[0].strip("[]"), _simplify(record[1])))
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def _simplify(text: str) -> str:
    """Return the help of an option with its default and range as people write them: `[default: 8080; 0-65535]`."""
    text = re.sub(_OPEN_RANGE, lambda match: "" if match[1] == "; " else "  [", text).replace("  []", "")
    return re.sub(_RANGE, r"\1-\2", re.sub(_DEFAULT_IN_PARENTHESES, r"\1", text))
