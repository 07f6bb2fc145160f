"""
Mint the IDs of many API keys at once.

The IDs of one batch share a random prefix of four letters and ascend, so that a store appends them in one place. An ID
is not secret: the 190 random bits after it are drawn for each key.
"""

from gamcli.model.credential_formats import KEY_ID_LENGTH
from gamcli.rules.credentials import Entropy, random_base62

ID_PREFIX_LENGTH = 4

MAX_IDS_PER_PREFIX = 100_000
"""A hundredth of the possible IDs, so that few are drawn twice."""


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
