"""Manual pages on a terminal: Markdown with plain headings and indented examples."""

import re
from typing import TYPE_CHECKING

from rich.markdown import CodeBlock, Heading, Markdown, TableElement
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

_TYPED = "cyan"
"""The style of what the reader types."""

_PAGE_LINK = re.compile(r"\[([^\]]+)\]\(([\w-]+)\.md\)")


class LeftHeading(Heading):
    """A heading without rich's box."""

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Yield the heading in bold, the title of the page underlined."""
        del console, options
        yield Text()
        yield Text(self.text.plain, "bold underline" if self.tag == "h1" else "bold")


class PlainCode(CodeBlock):
    """An example as it would be typed: no background, no line breaks."""

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Yield the lines, indented."""
        del console, options
        for line in str(self.text).rstrip("\n").split("\n"):
            yield Text(f"    {line}", _TYPED if line.startswith(("$ ", "> ")) else "", no_wrap=True, overflow="ignore")


class WholeTable(TableElement):
    """A table that cuts nothing, and keeps names of one word whole where there is room."""

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Yield the table."""
        for table in super().__rich_console__(console, options):
            assert isinstance(table, Table)
            for column in table.columns:
                column.overflow = "fold"
                column.no_wrap = not any(" " in str(cell) for cell in column.cells)
            yield table


class ManualPage(Markdown):
    """A page of the manual."""

    elements = {  # noqa: RUF012 - as rich declares it
        **Markdown.elements,
        "heading_open": LeftHeading,
        "table_open": WholeTable,
        "fence": PlainCode,
        "code_block": PlainCode,
    }


def render_page(text: str, console: "Console") -> str:
    """Return a page as `console` would show it; links to other pages become the command that shows them."""
    with console.use_theme(Theme({"markdown.code": _TYPED})), console.capture() as capture:
        console.print(ManualPage(_PAGE_LINK.sub(_help_command, text), hyperlinks=False), crop=False)
    return capture.get().lstrip("\n")


def _help_command(link: re.Match[str]) -> str:
    shown, name = link.groups()
    return f"`gamcli help {name}`" if shown == name else f"{shown} (`gamcli help {name}`)"
