"""Patterns of JSON Schema that describe what the rules accept; they are valid in ECMAScript and in Python."""

from collections.abc import Iterable

from gamcli.rules import scopes

_PRINTABLE = r"[^\u0000-\u001f\u007f-\u009f]*"
TEXT = f"^{_PRINTABLE}$"
NAME = rf"^(?=\S)(?=.*\S$){_PRINTABLE}$"
"""No space at the beginning or the end."""

ROLE = rf"^(?=\S)(?=.*\S$)(?!.*\+){_PRINTABLE}$"
EMAIL = r"^(|[^@\s]+@[^@\s]+)$"
_DATE = (
    r"[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|[12][0-9]))"
)
BIRTHDAY = rf"^(|{_DATE})$"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
INSTANT = rf"^(?!0000){_DATE}(?:[Tt ]{_TIME}:[0-5][0-9](?:\.[0-9]+)?(?:[Zz]|[+-]{_TIME})?)?$"
"""A date, or a time in RFC 3339; without an offset it is in UTC."""

REFERENCE = r"\$"


def any_case(words: Iterable[str]) -> str:
    """Return a pattern for one of the words, in any case."""
    letters = (("".join(f"[{x.upper()}{x.lower()}]" if x.isalpha() else x for x in word)) for word in words)
    return f"(?:{'|'.join(letters)})"


_SCOPE = rf"(?:user_[A-Za-z0-9_.-]{{1,60}}|{any_case([*scopes.TABLE, *scopes.ALIASES])})"
SCOPES = rf"^(?:[+\s]*{_SCOPE})?(?:[+\s]+{_SCOPE})*[+\s]*$"
"""One or more scopes, joined by `+` or spaces."""

_FIELDS = any_case(name.removeprefix("user_") for name in (*scopes.TABLE, *scopes.ALIASES) if name.startswith("user_"))
ATTRIBUTE_ID = rf"^(?!{_FIELDS}$)[A-Za-z0-9_.-]{{1,60}}$"
