"""Names and other short texts: which may be, and which known one was probably meant."""

from collections.abc import Iterable

from gamcli.errors import UsageError

NAME_LENGTH = 60
APP_NAME_LENGTH = 254
TEXT_LENGTH = 254


def check_name(noun: str, name: str, max_length: int = NAME_LENGTH) -> str:
    """Return `name` when it may name a `noun`: 1 to `longest` printable characters, no blank at either end."""
    if not name:
        raise UsageError(f"the name of {noun} is empty", f"1 to {max_length} characters")
    if name != name.strip():
        raise UsageError(
            f"the name of {noun} has a blank at its end: '{escape_unprintable(name)}'",
            f"'{escape_unprintable(name.strip())}'",
        )
    return check_text(f"the name of {noun}", name, max_length)


def check_text(what: str, text: str, max_length: int = TEXT_LENGTH) -> str:
    """Return `text` when it is printable and at most `longest` characters; `what` names it in the error."""
    if len(text) > max_length:
        raise UsageError(f"{what} has {len(text)} characters", f"{max_length} at most")
    if not text.isprintable():
        raise UsageError(
            f"{what} holds a character that cannot be printed: '{escape_unprintable(text)}'", "leave that out"
        )
    return text


def escape_unprintable(text: str) -> str:
    """Return `text` fit for a message: what cannot be printed is escaped."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def closest_match(name: str, known: Iterable[str]) -> str | None:
    """Return the one of `known` that was probably meant by `name`: one like it, or the only one that begins so."""
    from difflib import get_close_matches  # noqa: PLC0415 - only errors need it

    known = list(known)
    begun = [each for each in known if name and each.startswith(name)]
    close = get_close_matches(name, known, n=1) or (begun if len(begun) == 1 else [])
    return close[0] if close else None
