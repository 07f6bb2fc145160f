"""Text fit for a terminal, and the way to stdout: all that `--version` needs."""

import sys


def clean(value: object) -> str:
    """Return `value` as text in which nothing can drive a terminal: what cannot be printed shows as `?`."""
    text = str(value)
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


def redact(text: str) -> str:
    """Return `text` in which whatever looks like a credential shows its kind alone: people paste them anywhere."""
    if "gam" not in text and "!" not in text:
        return text
    import re  # noqa: PLC0415 - start-up: talk seldom comes near a credential

    text = re.sub(r"(gam(?:key|sec)_)[0-9A-Za-z]+(?:_[0-9A-Za-z]*)?", r"\1...", text)
    return re.sub(r"([0-9a-f-]{36}!)[0-9A-Za-z]+", r"\1...", text)


def print_line(text: str) -> None:
    """Write `text` and a line end to stdout."""
    sys.stdout.write(f"{text}\n")
