"""The form in which names are compared: a module that imports nothing, because every completion of a name needs it."""

from unicodedata import normalize


def normalize_name(name: str) -> str:
    """Return the form in which names are compared: they are unique regardless of case."""
    return name.lower() if name.isascii() else normalize("NFC", normalize("NFC", name).casefold())
