"""Inspect the text of a credential, without a store: its kind, ID and checksum, and common kinds of damage."""

import re
from dataclasses import dataclass

from gamcli.model.credential_formats import ACCESS_TOKEN, API_KEY, FORMATS, LENGTHS
from gamcli.rules.credentials import api_key_id, has_valid_checksum

QUOTES = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the text shows; `checksum` is None for kinds without one, `damage` describes each problem."""

    type: str
    id: str | None
    checksum: bool | None
    damage: tuple[str, ...]


def inspect(text: str) -> Inspection:
    """Inspect `text`, ignoring quotes, whitespace and invisible characters, which are reported as damage."""
    damage, bare = _strip_damage(text)
    token = re.fullmatch(ACCESS_TOKEN, bare)
    if token is not None:
        return Inspection("access token", token[1], None, damage)
    for kind, (prefix, rest) in FORMATS.items():
        if bare.startswith(prefix):
            has_form = re.fullmatch(prefix + rest, bare) is not None
            is_valid = has_form and has_valid_checksum(bare)
            key_id = api_key_id(bare) if has_form and kind == API_KEY else None
            return Inspection(kind, key_id, is_valid, (*damage, *_describe_damage(bare, LENGTHS[kind], is_valid)))
    return Inspection("unknown", None, None, (*damage, "not a credential issued by gamcli"))


def _strip_damage(text: str) -> tuple[tuple[str, ...], str]:
    """Return the removable damage, and the text without it."""
    damage = []
    for description, letters in (("invisible characters", INVISIBLE), ("quotes around or inside it", QUOTES)):
        if set(text) & set(letters):
            damage.append(description)
            text = "".join(letter for letter in text if letter not in letters)
    if re.search(r"\s", text):
        damage.append("spaces or line breaks around or inside it")
        text = re.sub(r"\s", "", text)
    return tuple(damage), text


def _describe_damage(text: str, length: int, is_valid: bool) -> tuple[str, ...]:  # noqa: FBT001 - private
    if is_valid:
        return ()
    if len(text) < length:
        return (f"truncated: {len(text)} of {length} characters",)
    if len(text) > length:
        return (f"too long: {len(text)} instead of {length} characters",)
    return ("checksum mismatch: at least one character is wrong",)
