"""Base62, and the displayed IDs of access tokens."""

BASE62_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""Base62 in ASCII order: texts of the same length sort like the numbers they encode."""

TOKEN_ID_LENGTH = 12

BASE62_PAIRS = [first + second for first in BASE62_ALPHABET for second in BASE62_ALPHABET]
_DIGIT_VALUES = {letter: place for place, letter in enumerate(BASE62_ALPHABET)}


def encode_base62(number: int, width: int) -> str:
    """Encode `number` in base62, zero-padded to `width`; raises ValueError if it is negative."""
    if number < 0:
        raise ValueError("a negative number")
    text = ""
    while number:
        number, two = divmod(number, len(BASE62_PAIRS))
        text = BASE62_PAIRS[two] + text
    return text.lstrip("0").rjust(width, "0")


def format_token_id(row: int) -> str:
    """Return the ID of the token in that row: the first twelve letters of its secret part."""
    return encode_base62(row, TOKEN_ID_LENGTH)


def parse_token_id(token: str) -> int | None:
    """Return the row of the token with that ID, or None if the ID is invalid."""
    row = 0
    for letter in token:
        digit = _DIGIT_VALUES.get(letter)
        if digit is None:
            return None
        row = row * 62 + digit
    return row if len(token) == TOKEN_ID_LENGTH and row < MAX_ROW else None


MAX_ROW = 2**63
"""Rows are 64-bit integers."""
