"""Wrap messages at words, to the width of the terminal."""

import os
import re
import sys
import textwrap
from contextlib import suppress
from typing import TextIO

INDENT = "  "
DEFAULT_WIDTH = 80
_HINT = "gamcli: hint: gamcli "
CONTINUATION = " \\"


def wrap_message(line: str) -> str:
    """Return `line`, wrapped; a suggested command stays one command for the shell."""
    width = _find_width(sys.stderr)
    if len(line) <= width:
        return line
    is_command = line.startswith(_HINT)
    width -= len(CONTINUATION) * is_command
    lines = textwrap.wrap(
        line, max(width, 20), subsequent_indent=INDENT, break_long_words=False, break_on_hyphens=False
    )
    return f"{CONTINUATION if is_command else ''}\n".join(lines)


_NAME = re.compile(r" *\S+  +")
"""A name and the gap before its description."""


def wrap_description(line: str) -> list[str]:
    """Return the lines of a name and its description, which stay in two columns."""
    name = _NAME.match(line)
    indent = " " * name.end() if name else ""
    width = _find_width(sys.stdout)
    if len(line) <= width:
        return [line]
    return textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _find_width(stream: TextIO) -> int:
    """Return the width of the terminal of a stream; 80 if it is not known."""
    with suppress(OSError, ValueError):
        return int(os.environ.get("COLUMNS", "")) or DEFAULT_WIDTH
    with suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno()).columns or DEFAULT_WIDTH
    return DEFAULT_WIDTH
