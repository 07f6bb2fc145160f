"""Hash and verify passwords with scrypt; the parameters are stored with each hash."""

import base64
import hashlib
import hmac
from typing import NamedTuple
from unicodedata import category, normalize

from gamcli.errors import UsageError
from gamcli.rules.credentials import Entropy, Secret


class ScryptCost(NamedTuple):
    """Parameters of scrypt (RFC 7914): `n` cost, `r` block size, `p` parallelization; memory is 128 * n * r bytes."""

    n: int
    r: int
    p: int


OWASP_2_15 = ScryptCost(2**15, 8, 3)
"""32 MiB, p = 3: one of the five equivalent choices of the OWASP Password Storage Cheat Sheet."""

CURRENT_COST = OWASP_2_15
"""The parameters of new hashes. A login with a hash of other parameters hashes the password again."""

SEED_COST = ScryptCost(2**10, 8, 1)
"""Only for seeded stores, which are in memory: the server must start quickly."""

TEST_COST = ScryptCost(2, 8, 1)
"""Only for tests."""

_NUL = "\0"  # HMAC pads its key with NUL (RFC 2104 section 2): a password followed by NULs has the same hash

MAX_PASSWORD_LENGTH = 50
"""GAM: Password is 50 characters."""


PREPARED = "scrypt-nfc"
"""The scheme of a hash of prepared text that is not ASCII; `scrypt` hashes may be of text as it was typed."""


def prepare(password: Secret) -> Secret:
    """Return a password in the form in which it is compared, whatever keyboard typed it (RFC 8265 section 4.2.2)."""
    text = password.reveal()
    if text.isascii():
        return password
    spaced = "".join(" " if category(letter) == "Zs" else letter for letter in text)
    return Secret(normalize("NFC", spaced))


def check_password(password: Secret) -> Secret:
    """Return `password` in the form in which it is compared, or raise UsageError if it is invalid."""
    password = prepare(password)
    if not 1 <= len(password.reveal()) <= MAX_PASSWORD_LENGTH:
        raise UsageError("invalid password length", f"use 1 to {MAX_PASSWORD_LENGTH} characters")
    if _NUL in password.reveal():
        raise UsageError("the password contains a NUL character", "choose another password")
    return password


def hash_password(password: Secret, entropy: Entropy, cost: ScryptCost | None = None) -> str:
    """Return `scrypt$n$r$p$salt$hash` for a password of 1 to 50 characters; raises UsageError for others."""
    password = check_password(password)
    cost = cost or CURRENT_COST
    salt = entropy(16)
    parts = (*map(str, cost), _encode_base64(salt), _encode_base64(_scrypt(password, salt, cost)))
    return "$".join(("scrypt" if password.reveal().isascii() else PREPARED, *parts))


def dummy_hash() -> str:
    """Return a hash that no password matches, and that takes as long to verify as any other."""
    return "$".join(("scrypt", *map(str, CURRENT_COST), _encode_base64(bytes(16)), _encode_base64(bytes(32))))


def needs_rehash(stored: str, password: Secret | None = None) -> bool:
    """Return whether `stored` was made with other parameters than the current ones, or of unprepared text."""
    is_unprepared = password is not None and not password.reveal().isascii() and not _is_prepared(stored)
    return is_unprepared or stored.split("$")[1:4] != [*map(str, CURRENT_COST)]


def _is_prepared(stored: str) -> bool:
    return stored.startswith(f"{PREPARED}$")


def may_be_renewal(before: str, after: str) -> bool:
    """Return whether a login may have replaced the hash `before` with `after`, of the same password."""
    return needs_rehash(before) or (_is_prepared(after) and not _is_prepared(before))


def verify(password: Secret, stored: str) -> bool:
    """Return whether `stored` is a hash of the password; earlier hashes may be of the text as it was typed."""
    prepared = prepare(password)
    if _matches(prepared, stored):
        return True
    return not _is_prepared(stored) and prepared != password and _matches(password, stored)


def _matches(password: Secret, stored: str) -> bool:
    _, n, r, p, salt, expected = stored.split("$")
    actual = _scrypt(password, base64.b64decode(salt), ScryptCost(int(n), int(r), int(p)))
    return hmac.compare_digest(actual, base64.b64decode(expected)) and _NUL not in password.reveal()


def _scrypt(password: Secret, salt: bytes, cost: ScryptCost) -> bytes:
    # OpenSSL limits memory to 32 MiB by default: allow what the parameters need, twice over for its own buffers.
    memory = 256 * cost.n * cost.r + 2**20
    text = password.reveal().encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=memory, dklen=32)


def _encode_base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
