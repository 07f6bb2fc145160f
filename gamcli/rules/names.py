"""Check names and other short texts, and suggest the closest known name."""

from collections.abc import Iterable

from gamcli.errors import UsageError

NAME_LENGTH = 60
APP_NAME_LENGTH = 254
TEXT_LENGTH = 254


def check_name(noun: str, name: str, max_length: int = NAME_LENGTH) -> str:
    """
    Return `name`, or raise UsageError unless it has 1 to `max_length` printable characters without outer spaces.

    Paths such as `../evil` are refused, since names become parts of file names.
    """
    if not name:
        raise UsageError(f"the name of {noun} is empty", f"use 1 to {max_length} characters")
    if name != name.strip():
        raise UsageError(
            f"the name of {noun} begins or ends with a space: '{escape_unprintable(name)}'",
            f"use '{escape_unprintable(name.strip())}'",
        )
    if name.startswith(("/", "\\", "~")) or {".", ".."} & set(name.replace("\\", "/").split("/")):
        raise UsageError(f"the name of {noun} looks like a path: '{escape_unprintable(name)}'", "use another name")
    return check_text(f"the name of {noun}", name, max_length)


def check_text(what: str, text: str, max_length: int = TEXT_LENGTH) -> str:
    """Return `text`, or raise UsageError unless it is printable and short enough; `what` names it in the error."""
    if len(text) > max_length:
        raise UsageError(f"{what} is too long: {len(text):,} characters", f"use at most {max_length} characters")
    if not text.isprintable():
        raise UsageError(f"{what} contains an unprintable character: '{escape_unprintable(text)}'", "remove it")
    return text


def escape_unprintable(text: str) -> str:
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def closest_match(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most similar to `name`, or the only one that begins with it."""
    from difflib import get_close_matches  # noqa: PLC0415 - only errors need it

    known = list(known)
    completions = [each for each in known if name and each.startswith(name)]
    close = get_close_matches(name, known, n=1) or (completions if len(completions) == 1 else [])
    return close[0] if close else None
