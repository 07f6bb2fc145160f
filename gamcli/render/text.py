"""Text that is safe for a terminal, and the way to stdout. Imported by every run: keep it small."""

import sys
from collections.abc import Callable, Iterable


def clean(value: object) -> str:
    """Return `value` as text, with `?` for each character that is not printable."""
    text = str(value)
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


def redact(text: str) -> str:
    """Return `text` without the secret part of anything that looks like a credential."""
    if "gam" not in text and "!" not in text:
        return text
    from gamcli.model import credential_formats  # noqa: PLC0415 - start-up: few messages could contain a credential

    return credential_formats.redact(text)


def write_lines(write: Callable[[str], object], lines: Iterable[str]) -> int:
    """Write the lines as they come, and return their number."""
    number = 0
    for number, line in enumerate(lines, 1):  # noqa: B007 - returned
        write(f"{line}\n")
    return number


def print_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
