"""Error messages about the values of references, which can be secrets."""

import re

from gamcli.errors import UsageError
from gamcli.rules.names import escape_unprintable


def redact(value: object, error: UsageError, reference: str) -> UsageError:
    """
    Return an error that says why the value of a reference is invalid without showing it: it can be a secret.

    Where the message or the hint quotes a part of the value, that part is left out.
    """
    words = [word for text in _texts(value) for word in re.findall(r"\w{3,}", escape_unprintable(text).lower())]
    message = error.message
    for text in sorted({*_texts(value), *map(escape_unprintable, _texts(value))}, key=len, reverse=True):
        message = message.replace(f": '{text}'", "").replace(f" '{text}'", "") if text else message
    if "unprintable" in message and any(end in text for text in _texts(value) for end in "\r\n"):
        message = message.replace("an unprintable character", "a line break")
    reason, hint = (
        None if text is None or any(word in text.lower() for word in words) else text for text in (message, error.hint)
    )
    return UsageError(f"the value of {reference} is invalid" + (f": {reason}" if reason else ""), hint)


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]
