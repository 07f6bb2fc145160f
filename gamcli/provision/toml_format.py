"""How values and keys are written in TOML."""

import json
import re
from collections.abc import Iterable, Mapping
from unicodedata import category

from gamcli.provision.toml_scan import Keys

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def path(keys: Keys) -> str:
    """Write a key path, `key[2].scopes` for what is in the third table of an array; which element, its line tells."""
    text = ""
    for place, key in enumerate(keys):
        if isinstance(key, str):
            text += f"{'.' if text else ''}{word(key)}"
        elif place == 1:
            text += f"[{key}]"
    return text


def word(key: str) -> str:
    """Write one part of a key: bare where TOML allows it."""
    return key if _BARE.fullmatch(key) else quoted(key)


def quoted(text: str) -> str:
    """Write a basic string; what drives a terminal, turns or hides text is escaped."""
    written = json.dumps(text, ensure_ascii=False)
    return written if written.isprintable() else "".join(map(_escaped, written))


def _escaped(letter: str) -> str:
    if letter.isprintable() or category(letter) == "Zs":
        return letter
    return f"\\u{ord(letter):04x}" if letter <= "\uffff" else f"\\U{ord(letter):08x}"


def value(of: object) -> str:
    """Write a value in one line: a text, a truth, a whole number, or a list or table of them."""
    if isinstance(of, str):
        return quoted(of)
    if isinstance(of, bool):
        return "true" if of else "false"
    if isinstance(of, Mapping):
        inner = ", ".join(f"{word(str(key))} = {value(each)}" for key, each in of.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(of, Iterable):
        return f"[{', '.join(map(value, of))}]"
    return str(of)
