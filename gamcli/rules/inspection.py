"""Inspect the text of a credential, without a store: its kind, ID and checksum, and common kinds of damage."""

import re
from dataclasses import dataclass

from gamcli.model.credential_formats import (
    ACCESS_TOKEN,
    API_KEY,
    API_KEY_PREFIX,
    BASE62,
    FORMATS,
    KEY_ID_LENGTH,
    LENGTHS,
)
from gamcli.rules.credentials import api_key_id, has_valid_checksum

QUOTES = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"


_CUT_SHORT = re.compile(rf"{API_KEY_PREFIX}{BASE62}{{{KEY_ID_LENGTH}}}_{BASE62}*")


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
            key_id = api_key_id(bare) if (has_form or is_cut_short(bare)) and kind == API_KEY else None
            return Inspection(kind, key_id, is_valid, (*damage, *_describe_damage(bare, LENGTHS[kind], is_valid)))
    return _inspect_within(bare, damage) or Inspection(
        "unknown", None, None, (*damage, "not a credential issued by gamcli")
    )


def is_cut_short(text: str) -> bool:
    """Return whether this is the beginning of an API key that contains its whole ID."""
    return _CUT_SHORT.fullmatch(text) is not None and len(text) < LENGTHS[API_KEY]


def _inspect_within(text: str, damage: tuple[str, ...]) -> Inspection | None:
    """Inspect the credential within a longer text, such as `NAME=gamkey_...`."""
    for kind, (prefix, _) in FORMATS.items():
        before, found, rest = text.partition(prefix)
        if found:
            credential = re.match(r"\w*", rest, re.ASCII)
            result = inspect(prefix + (credential[0] if credential else ""))
            more = f"the line contains more than the {kind}: remove the text before it" + _describe_name(before)
            return Inspection(kind, result.id, result.checksum, (*damage, more, *result.damage))
    return None


def _describe_name(before: str) -> str:
    """Return the name of a variable, which is not a secret."""
    name = re.fullmatch(r"(?:export)?([A-Za-z_][A-Za-z0-9_]{0,60})=", before)
    return f" ({name[1]}=)" if name else ""


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
        key_id = f"; looks like key {api_key_id(text)}" if is_cut_short(text) else ""
        return (f"truncated: {len(text)} of {length} characters{key_id}",)
    if len(text) > length:
        return (f"too long: {len(text)} instead of {length} characters",)
    return ("checksum mismatch: at least one character is wrong",)
