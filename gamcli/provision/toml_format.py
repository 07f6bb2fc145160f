"""Formats values and keys as TOML."""

import json
import re
from collections.abc import Iterable, Mapping
from unicodedata import category

from gamcli.provision.toml_scan import Keys

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def format_path(keys: Keys) -> str:
    """Return a key path such as `key[2].scopes`. Indexes within lists are left out: the line number shows them."""
    text = ""
    for position, key in enumerate(keys):
        if isinstance(key, str):
            text += f"{'.' if text else ''}{format_key(key)}"
        elif position == 1:
            text += f"[{key}]"
    return text


def format_key(key: str) -> str:
    """Return one part of a key, bare where TOML allows it."""
    return key if _BARE.fullmatch(key) else quote(key)


def quote(text: str) -> str:
    """Return a basic string, with escapes for control characters and for characters that reorder or hide text."""
    quoted = json.dumps(text, ensure_ascii=False)
    return quoted if quoted.isprintable() else "".join(map(_escape, quoted))


def _escape(character: str) -> str:
    if character.isprintable() or category(character) == "Zs":
        return character
    return f"\\u{ord(character):04x}" if character <= "\uffff" else f"\\U{ord(character):08x}"


def format_value(value: object) -> str:
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        inner = ", ".join(f"{format_key(str(key))} = {format_value(each)}" for key, each in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, Iterable):
        return f"[{', '.join(map(format_value, value))}]"
    return str(value)
