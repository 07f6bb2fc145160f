"""What a credential tells of itself, without a store: its kind, its id, its checksum, and how it was damaged."""

import re
from dataclasses import dataclass

from gamcli.rules.credentials import checksum

KINDS = {
    "API key": ("gamkey_", re.compile(r"gamkey_([0-9A-Za-z]{8})_[0-9A-Za-z]{38}", re.ASCII), 54),
    "client secret": ("gamsec_", re.compile(r"gamsec_([0-9A-Za-z]{46})", re.ASCII), 53),
}
"""How each kind begins, what it looks like, and how long it is."""

TOKEN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}!([0-9A-Za-z]{12})[0-9A-Za-z]{66}", re.ASCII)

QUOTES = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found: `checksum` is None where there is none to check, `damage` is what is wrong with the text."""

    type: str
    id: str | None
    checksum: bool | None
    damage: tuple[str, ...]


def inspect(text: str) -> Inspection:
    """Return what `text` says of itself; common damage is named, and looked through to what lies below it."""
    damage, bare = _strip_damage(text)
    token = TOKEN.fullmatch(bare)
    if token is not None:
        return Inspection("access token", token[2], None, damage)
    for kind, (prefix, form, length) in KINDS.items():
        if bare.startswith(prefix):
            found = form.fullmatch(bare)
            key_id = found[1] if found and kind == "API key" else None
            right = found is not None and checksum(bare[:-6]) == bare[-6:]
            return Inspection(kind, key_id, right, (*damage, *_describe_damage(bare, length, is_valid=right)))
    return Inspection("unknown", None, None, (*damage, "it is no credential that gamcli makes"))


def _strip_damage(text: str) -> tuple[tuple[str, ...], str]:
    """Return the damage that can be taken off, and the text without it."""
    damage = []
    bare = text
    for what, letters in (("an invisible character", INVISIBLE), ("quotes around or in it", QUOTES)):
        if set(bare) & set(letters):
            damage.append(what)
            bare = "".join(letter for letter in bare if letter not in letters)
    if re.search(r"\s", bare):
        damage.append("blanks or line ends around or in it")
        bare = re.sub(r"\s", "", bare)
    return tuple(damage), bare


def _describe_damage(bare: str, length: int, *, is_valid: bool) -> tuple[str, ...]:
    if is_valid:
        return ()
    if len(bare) < length:
        return (f"cut short: {len(bare)} of {length} characters",)
    if len(bare) > length:
        return (f"too long: {len(bare)} characters, not {length}",)
    return ("a character is wrong: the checksum does not fit",)
