"""
Many API keys at once: each as `credentials.mint_api_key` makes it, in a fraction of the time.

The ids of keys that are made together begin with the same four letters and ascend, so that a store appends them in one
place. An id is no secret: the 190 bits behind it are drawn for each key on its own.
"""

import zlib
from collections.abc import Sequence
from itertools import product

from gamcli.model import BASE62_ALPHABET
from gamcli.rules.credentials import KEY_ID_LENGTH, Entropy, Secret, random_base62

ID_PREFIX_LENGTH = 4
RANDOM_LENGTH = 32

MAX_IDS_PER_PREFIX = 100_000
"""So many ids have one beginning at most: a hundredth of the possible ones, so that few are drawn twice."""

_PAIRS = [first + second for first, second in product(BASE62_ALPHABET, repeat=2)]


def mint_id_prefix(entropy: Entropy) -> str:
    """Return how the ids of keys begin that are made together."""
    return random_base62(ID_PREFIX_LENGTH, entropy)


def mint_ids(prefix: str, count: int, entropy: Entropy) -> list[str]:
    """Return `count` different ids (MOST at most) that begin with `beginning`, in their order."""
    assert count <= MAX_IDS_PER_PREFIX
    width = KEY_ID_LENGTH - ID_PREFIX_LENGTH
    found: dict[str, None] = {}
    while len(found) < count:
        text = random_base62((count - len(found)) * width, entropy)
        found.update((text[at : at + width], None) for at in range(0, len(text), width))
    return [prefix + end for end in sorted(found)]


def mint_secrets(ids: Sequence[str], entropy: Entropy) -> list[Secret]:
    """Return a new API key for each of `ids`."""
    text = random_base62(len(ids) * RANDOM_LENGTH, entropy)
    parts = (text[at : at + RANDOM_LENGTH] for at in range(0, len(text), RANDOM_LENGTH))
    return [Secret(_with_checksum(f"gamkey_{key_id}_{part}")) for key_id, part in zip(ids, parts, strict=True)]


def _with_checksum(text: str) -> str:
    """Return `text` with the checksum that `credentials.checksum` gives it, a pair of letters at a time."""
    rest, low = divmod(zlib.crc32(text.encode("ascii")), 3844)
    high, middle = divmod(rest, 3844)
    return f"{text}{_PAIRS[high]}{_PAIRS[middle]}{_PAIRS[low]}"
