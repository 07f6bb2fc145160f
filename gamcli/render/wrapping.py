"""Wrap messages at words, to the width of the terminal."""

import os
import sys
import textwrap
from contextlib import suppress

INDENT = "  "
DEFAULT_WIDTH = 80
_HINT = "gamcli: hint: gamcli "
CONTINUATION = " \\"


def wrap_message(line: str) -> str:
    """Return `line`, wrapped; a suggested command stays one command for the shell."""
    width = _find_width()
    if len(line) <= width:
        return line
    is_command = line.startswith(_HINT)
    width -= len(CONTINUATION) * is_command
    lines = textwrap.wrap(
        line, max(width, 20), subsequent_indent=INDENT, break_long_words=False, break_on_hyphens=False
    )
    return f"{CONTINUATION if is_command else ''}\n".join(lines)


def _find_width() -> int:
    """Return the width of the terminal that shows stderr; 80 if it is not known."""
    with suppress(OSError, ValueError):
        return int(os.environ.get("COLUMNS", "")) or DEFAULT_WIDTH
    with suppress(OSError, ValueError):
        return os.get_terminal_size(sys.stderr.fileno()).columns or DEFAULT_WIDTH
    return DEFAULT_WIDTH
