"""
Cells of CSV that a spreadsheet takes for text: an apostrophe stands before what would begin a formula.

That is `=`, `+`, `-` and `@`, their wide forms, TAB and CR (OWASP, CSV Injection). Numbers with a sign stay as they
are, so telephone numbers do. What begins with apostrophes and then one of these gets one more, so that whoever takes
one away has the text again.
"""

import re

_FORMULA_STARTS = frozenset("'=+-@\uff1d\uff0b\uff0d\uff20\t\r")
_FORMULA = re.compile("'*[=+\\-@\uff1d\uff0b\uff0d\uff20\t\r]")
_NUMBER = re.compile(r"[+-][0-9][0-9 ]*(\.[0-9]+)?")


def escape_formula(text: str) -> str:
    """Return `text` as a cell that begins no formula."""
    if text[:1] not in _FORMULA_STARTS or not _FORMULA.match(text) or _NUMBER.fullmatch(text):
        return text
    return f"'{text}"


def unescape_formula(cell: str) -> str:
    """Return the text of a cell that `guarded` made, any other as it is."""
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell, 1) else cell
