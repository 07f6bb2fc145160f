"""Lists in one text: the cells of CSV files are split, values of commands and manifests are refused with a hint."""

import re

from gamcli.errors import UsageError

SEPARATORS = "+,;|"
"""What people write between the items of a list; no role or scope contains one of them."""


def split(text: str) -> list[str]:
    """Return the items of a cell of a CSV file, which are separated by `+`, `,` or `;`."""
    return [item.strip() for item in re.split("[+,;]", text)]


def require_single(what: str, value: str, hint: str) -> None:
    """Raise UsageError if `value` contains a separator, and so seems to be several."""
    found = next((letter for letter in value if letter in SEPARATORS), None)
    if found is not None:
        raise UsageError(f"the {what} '{value}' contains a '{found}'", hint)
