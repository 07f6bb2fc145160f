"""Wrap messages at words, to the width of the terminal."""

import shutil
import textwrap

INDENT = "  "
_HINT = "gamcli: hint: gamcli "
CONTINUATION = " \\"


def wrap_message(line: str) -> str:
    """Return `line`, wrapped; a suggested command stays one command for the shell."""
    width = shutil.get_terminal_size().columns
    if len(line) <= width:
        return line
    is_command = line.startswith(_HINT)
    width -= len(CONTINUATION) * is_command
    lines = textwrap.wrap(
        line, max(width, 20), subsequent_indent=INDENT, break_long_words=False, break_on_hyphens=False
    )
    return f"{CONTINUATION if is_command else ''}\n".join(lines)
