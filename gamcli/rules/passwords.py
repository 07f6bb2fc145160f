"""Passwords: what people choose and remember, so they are kept under scrypt with its parameters beside the hash."""

import base64
import hashlib
import hmac
from typing import NamedTuple

from gamcli.errors import UsageError
from gamcli.rules.credentials import Entropy, Secret


class ScryptCost(NamedTuple):
    """Parameters of scrypt (RFC 7914): `n` cost, `r` block size, `p` lanes; memory is 128 * n * r bytes."""

    n: int
    r: int
    p: int


OWASP_2_15 = ScryptCost(2**15, 8, 3)
"""32 MiB and three lanes, one of the five equal choices of the OWASP Password Storage Cheat Sheet."""

CURRENT_COST = OWASP_2_15
"""What hashes are made with now: a login whose hash was made with other parameters makes it anew."""

SEED_COST = ScryptCost(2**10, 8, 1)
"""For seeds alone: their store is in memory and dies with its server, which is to be ready at once."""

TEST_COST = ScryptCost(2, 8, 1)
"""For tests alone."""

_NUL = "\0"  # HMAC fills its key up with them (RFC 2104 §2): with a few at its end, a password has the same hash

MAX_PASSWORD_LENGTH = 50
"""GAM: Password is 50 characters."""


def check_password(password: Secret) -> Secret:
    """Return `password` when it may be one; raises UsageError."""
    if not 1 <= len(password.reveal()) <= MAX_PASSWORD_LENGTH:
        raise UsageError(f"a password has 1 to {MAX_PASSWORD_LENGTH} characters", "choose another one")
    if _NUL in password.reveal():
        raise UsageError("a password has no NUL characters", "choose another one")
    return password


def hash_password(password: Secret, entropy: Entropy, cost: ScryptCost | None = None) -> str:
    """Return `scrypt$n$r$p$salt$hash` for a password of 1 to 50 characters; raises UsageError for others."""
    check_password(password)
    cost = cost or CURRENT_COST
    salt = entropy(16)
    parts = (*map(str, cost), _encode_base64(salt), _encode_base64(_scrypt(password, salt, cost)))
    return "$".join(("scrypt", *parts))


def dummy_hash() -> str:
    """Return a hash that no password has, and that takes as long to compare with as any that is made now."""
    return "$".join(("scrypt", *map(str, CURRENT_COST), _encode_base64(bytes(16)), _encode_base64(bytes(32))))


def needs_rehash(stored: str) -> bool:
    """Say whether `stored` was made with other parameters than the present ones."""
    return stored.split("$")[1:4] != [*map(str, CURRENT_COST)]


def verify(password: Secret, stored: str) -> bool:
    """Say whether `password` is the one that `stored` was made from."""
    _, n, r, p, salt, expected = stored.split("$")
    found = _scrypt(password, base64.b64decode(salt), ScryptCost(int(n), int(r), int(p)))
    return hmac.compare_digest(found, base64.b64decode(expected)) and _NUL not in password.reveal()


def _scrypt(password: Secret, salt: bytes, cost: ScryptCost) -> bytes:
    # OpenSSL refuses beyond 32 MiB unless told: what the parameters need, and as much again for its own use.
    memory = 256 * cost.n * cost.r + 2**20
    text = password.reveal().encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=memory, dklen=32)


def _encode_base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
