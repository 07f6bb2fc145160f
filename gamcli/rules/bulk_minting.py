"""
Mint many API keys at once, much faster than one by one.

The IDs of one batch share a random prefix of four letters and ascend, so that a store appends them in one place. An ID
is not secret: the 190 random bits after it are drawn for each key.
"""

import zlib
from collections.abc import Sequence
from itertools import product

from gamcli.model.credential_formats import API_KEY_PREFIX, KEY_ID_LENGTH, KEY_RANDOM_LENGTH
from gamcli.model.token_ids import BASE62_ALPHABET
from gamcli.rules.credentials import Entropy, Secret, random_base62

ID_PREFIX_LENGTH = 4

MAX_IDS_PER_PREFIX = 100_000
"""A hundredth of the possible IDs, so that few are drawn twice."""

_PAIRS = [first + second for first, second in product(BASE62_ALPHABET, repeat=2)]


def mint_id_prefix(entropy: Entropy) -> str:
    """Return the prefix of the IDs of one batch."""
    return random_base62(ID_PREFIX_LENGTH, entropy)


def mint_ids(prefix: str, count: int, entropy: Entropy) -> list[str]:
    """Return `count` different IDs (MAX_IDS_PER_PREFIX at most) that begin with `prefix`, in ascending order."""
    assert count <= MAX_IDS_PER_PREFIX
    width = KEY_ID_LENGTH - ID_PREFIX_LENGTH
    ids: dict[str, None] = {}
    while len(ids) < count:
        text = random_base62((count - len(ids)) * width, entropy)
        ids.update((text[at : at + width], None) for at in range(0, len(text), width))
    return [prefix + suffix for suffix in sorted(ids)]


def mint_secrets(ids: Sequence[str], entropy: Entropy) -> list[Secret]:
    """Return a new API key for each ID."""
    text = random_base62(len(ids) * KEY_RANDOM_LENGTH, entropy)
    parts = (text[at : at + KEY_RANDOM_LENGTH] for at in range(0, len(text), KEY_RANDOM_LENGTH))
    return [Secret(_with_checksum(f"{API_KEY_PREFIX}{key_id}_{part}")) for key_id, part in zip(ids, parts, strict=True)]


def _with_checksum(text: str) -> str:
    """Return `text` followed by `credentials.checksum(text)`, written two letters at a time."""
    rest, low = divmod(zlib.crc32(text.encode("ascii")), 3844)
    high, middle = divmod(rest, 3844)
    return f"{text}{_PAIRS[high]}{_PAIRS[middle]}{_PAIRS[low]}"
