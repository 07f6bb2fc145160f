"""One line a request: who asked for what, what came of it, and which rule refused; never a secret."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass

MAX_TEXT = 128
"""How much of a path or client_id a line shows."""

_UNPRINTABLE = re.compile(r"[^\x21-\x7e]|[\"\\]")
_CREDENTIAL = re.compile(r"(gam(?:key|sec)_|[0-9a-f-]{36}!)[0-9A-Za-z_]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """The fields of a line in their order; `ms` is how long the answer took, `detail` where a bug is."""

    time: str
    request: str
    method: str
    path: str
    status: int
    ms: float
    client_id: str = ""
    key: str = ""
    rule: str = ""
    detail: str = ""


def shown(text: str) -> str:
    """Return what a client sent as one printable word: escaped, cut, and without a credential in the wrong place."""
    hidden = _CREDENTIAL.sub(r"\1...", text)
    cut = hidden if len(hidden) <= MAX_TEXT else hidden[:MAX_TEXT] + "..."
    return _UNPRINTABLE.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", cut)


def as_text(entry: Entry) -> str:
    """Write a line for people: what every line has in its place, the rest by name."""
    rest = (("client_id", entry.client_id), ("key", entry.key), ("rule", entry.rule), ("detail", entry.detail))
    named = "".join(f" {name}={value}" for name, value in rest if value)
    return f"{entry.time} {entry.request} {entry.method} {entry.path} {entry.status} {entry.ms:.1f}ms{named}"


def as_json(entry: Entry) -> str:
    """Write a line for programs: a JSON object that has every field."""
    return json.dumps(asdict(entry), separators=(",", ":"))


FORMATS: dict[str, Callable[[Entry], str]] = {"text": as_text, "json": as_json}
"""How `--log-format` writes a line."""
