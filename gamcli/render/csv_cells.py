"""
Protect spreadsheets from CSV injection: an apostrophe precedes text that would run as a formula (OWASP).

That is text that begins with `=`, `+`, `-` or `@`, their full-width forms, TAB or CR. Numbers with a sign and telephone
numbers stay as they are. Text that begins with apostrophes followed by one of these gets one more, so that removing one
restores the text.
"""

import re

_FORMULA_STARTS = frozenset("'=+-@\uff1d\uff0b\uff0d\uff20\t\r")
_FORMULA = re.compile("'*[=+\\-@\uff1d\uff0b\uff0d\uff20\t\r]")
_NUMBER = re.compile(r"[+-][0-9][0-9 ]*(\.[0-9]+)?")


def escape_formula(text: str) -> str:
    """Return `text` as a cell that a spreadsheet does not run as a formula."""
    if text[:1] not in _FORMULA_STARTS or not _FORMULA.match(text) or _NUMBER.fullmatch(text):
        return text
    return f"'{text}"


def unescape_formula(cell: str) -> str:
    """Return the text of a cell that `escape_formula` wrote; other cells are unchanged."""
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell, 1) else cell
