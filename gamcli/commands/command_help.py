"""The class of all commands: refuses empty paths, and shows help with examples in one line and options in groups."""

import inspect
import re
from typing import Any

from typer.core import TyperCommand

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


class GroupedCommand(TyperCommand):
    """A command whose options are grouped by their `rich_help_panel`, when there are many."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's own types
        rest: list[str] = super().parse_args(ctx, args)
        for parameter in self.get_params(ctx):
            values = ctx.params.get(parameter.name)
            metavar = str(parameter.metavar or "").removesuffix("...")
            is_empty = values == "" or (isinstance(values, list | tuple) and "" in values)
            if is_empty and metavar in PATHS and parameter.name != "base_path":
                option = next((name for name in parameter.opts if name.startswith("--")), metavar)
                raise UsageError(
                    f"{option} is empty", f"{option} FILE" if option != metavar else f"specify a {metavar}"
                )
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
