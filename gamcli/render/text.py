"""Text fit for a terminal, and the way to stdout: all that `--version` needs."""

import sys


def clean(value: object) -> str:
    """Return `value` as text in which nothing can drive a terminal: what cannot be printed shows as `?`."""
    text = str(value)
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


def data(text: str) -> None:
    """Write `text` and a line end to stdout."""
    sys.stdout.write(f"{text}\n")
