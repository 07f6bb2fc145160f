"""Text from the store and the command line, fit for a terminal."""


def clean(value: object) -> str:
    """Return `value` as text in which nothing can drive a terminal: what cannot be printed shows as `?`."""
    text = str(value)
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)
