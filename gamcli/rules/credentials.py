"""
Credentials: mint, parse, digest and compare them. Their formats are in `model.credential_formats`.

The alphabet is base62 in ASCII order; 32 letters hold 190 bits. The checksum is the CRC-32 of everything before it: it
detects typos without a store, and proves nothing. Secrets of at least 128 random bits need no slow hash (OWASP ASVS
5.0, 11.5.1 and 6.5.2), so the store holds their SHA-256.
"""

import hashlib
import hmac
import re
import zlib
from collections.abc import Callable, Sequence

from gamcli.model.credential_formats import (
    ACCESS_TOKEN,
    API_KEY,
    API_KEY_PREFIX,
    CHECKSUM_LENGTH,
    CLIENT_SECRET_PREFIX,
    CLIENT_SECRET_RANDOM_LENGTH,
    FORMATS,
    KEY_ID_LENGTH,
    KEY_RANDOM_LENGTH,
    REFRESH_RANDOM_LENGTH,
    REFRESH_TOKEN,
    TOKEN_RANDOM_LENGTH,
)
from gamcli.model.token_ids import BASE62_ALPHABET, BASE62_PAIRS, encode_base62, format_token_id, parse_token_id

Entropy = Callable[[int], bytes]
"""A source of randomness, such as `os.urandom`."""

MIN_SECRET_LENGTH = 32

_REFRESH_TOKEN = re.compile(REFRESH_TOKEN)
_ACCESS_TOKEN = re.compile(ACCESS_TOKEN)
_API_KEY = re.compile("".join(FORMATS[API_KEY]))
# Bytes above 247 would favour the first letters (248 = 4 * 62), so they are dropped.
_TO_LETTER = bytes(ord(BASE62_ALPHABET[byte % 62]) for byte in range(256))
_BIASED_BYTES = bytes(range(248, 256))


class Secret:
    """A secret text; only `reveal()` shows it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def digest(self) -> bytes:
        """Return the SHA-256 digest (32 bytes), the only form that is stored."""
        return hashlib.sha256(self._text.encode("utf-8", "surrogatepass")).digest()

    def matches(self, digest: bytes) -> bool:
        """Compare with a stored digest in constant time."""
        return hmac.compare_digest(self.digest(), digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other.digest())

    def __hash__(self) -> int:
        return hash(self.digest())

    def __repr__(self) -> str:
        return "Secret(<hidden>)"

    def __str__(self) -> str:
        return "<hidden>"

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled or copied")


NO_SECRET = Secret("")
"""Stands for a credential that the request does not contain."""

NO_DIGEST = bytes(32)
"""What a secret is compared with when nothing is stored: no text has this digest."""


def random_base62(count: int, entropy: Entropy) -> str:
    """Return `count` uniformly distributed base62 letters."""
    text = b""
    while len(text) < count:
        text += entropy(count + 8).translate(_TO_LETTER, _BIASED_BYTES)
    return text[:count].decode("ascii")


def checksum(text: str) -> str:
    """Return the six checksum letters of a credential that begins with `text`."""
    rest, low = divmod(zlib.crc32(text.encode("ascii")), 3844)  # two letters at a time
    high, middle = divmod(rest, 3844)
    return f"{BASE62_PAIRS[high]}{BASE62_PAIRS[middle]}{BASE62_PAIRS[low]}"


def has_valid_checksum(text: str) -> bool:
    return checksum(text[:-CHECKSUM_LENGTH]) == text[-CHECKSUM_LENGTH:]


def api_key_id(text: str) -> str:
    """Return the ID in a text that has the form of an API key."""
    return text[len(API_KEY_PREFIX) :][:KEY_ID_LENGTH]


def mint_api_key(entropy: Entropy) -> tuple[str, Secret]:
    """Return a new API key and its ID."""
    key_id = random_base62(KEY_ID_LENGTH, entropy)
    (secret,) = mint_api_keys([key_id], entropy)
    return key_id, secret


def mint_api_keys(ids: Sequence[str], entropy: Entropy) -> list[Secret]:
    letters = random_base62(len(ids) * KEY_RANDOM_LENGTH, entropy)
    parts = (letters[at : at + KEY_RANDOM_LENGTH] for at in range(0, len(letters), KEY_RANDOM_LENGTH))
    texts = (f"{API_KEY_PREFIX}{key_id}_{part}" for key_id, part in zip(ids, parts, strict=True))
    return [Secret(text + checksum(text)) for text in texts]


API_KEY_ID_PREFIX_LENGTH = 4
"""The IDs of many API keys that are minted together share a prefix, so that a store appends them in one place."""

MAX_IDS_PER_PREFIX = 100_000
"""A hundredth of the possible IDs, so that few are drawn twice."""


def mint_api_key_id_prefix(entropy: Entropy) -> str:
    return random_base62(API_KEY_ID_PREFIX_LENGTH, entropy)


def mint_api_key_ids(prefix: str, count: int, entropy: Entropy) -> list[str]:
    """Return `count` different IDs (MAX_IDS_PER_PREFIX at most) that begin with `prefix`, in ascending order."""
    assert count <= MAX_IDS_PER_PREFIX
    width = KEY_ID_LENGTH - API_KEY_ID_PREFIX_LENGTH
    ids: dict[str, None] = {}
    while len(ids) < count:
        text = random_base62((count - len(ids)) * width, entropy)
        ids.update((text[at : at + width], None) for at in range(0, len(text), width))
    return [prefix + suffix for suffix in sorted(ids)]


def mint_client_secret(entropy: Entropy) -> Secret:
    text = f"{CLIENT_SECRET_PREFIX}{random_base62(CLIENT_SECRET_RANDOM_LENGTH, entropy)}"
    return Secret(text + checksum(text))


def mint_access_token(repository: str, row: int, entropy: Entropy) -> Secret:
    """Return a new access token of the repository with that GUID; `row` is the time-ordered ID of its row."""
    return Secret(f"{repository}!{format_token_id(row)}{random_base62(TOKEN_RANDOM_LENGTH, entropy)}")


def mint_refresh_token(session: int, counter: int, entropy: Entropy) -> Secret:
    """Return a new refresh token of the session; `counter` is the number of its renewal, 1 to 999."""
    return Secret(f"{counter:03}{format_token_id(session)}{random_base62(REFRESH_RANDOM_LENGTH, entropy)}")


def mint_client_id(entropy: Entropy) -> str:
    return entropy(16).hex()


def mint_guid(entropy: Entropy) -> str:
    """Return a random GUID in lower case (RFC 9562 section 5.4, version 4)."""
    raw = bytearray(entropy(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    return format_guid(raw)


def format_guid(raw: bytes | bytearray) -> str:
    """Write 16 bytes as a GUID in lower case."""
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def parse_api_key_id(secret: Secret) -> str | None:
    """Return the ID in an API key, or None if its form or checksum is wrong."""
    text = secret.reveal()
    return api_key_id(text) if _API_KEY.fullmatch(text) and has_valid_checksum(text) else None


def api_key_lookup_id(secret: Secret) -> str:
    """
    Return the ID under which a store has an API key.

    An imported key without the form of an API key has an ID that is derived from its digest.
    """
    derived = int.from_bytes(secret.digest()[:8], "big") % len(BASE62_ALPHABET) ** KEY_ID_LENGTH
    return parse_api_key_id(secret) or encode_base62(derived, KEY_ID_LENGTH)


def parse_access_token(secret: Secret) -> int | None:
    """Return the row ID in an access token, or None if its form is wrong."""
    match = _ACCESS_TOKEN.fullmatch(secret.reveal())
    return parse_token_id(match[1]) if match else None


def parse_refresh_token(secret: Secret) -> tuple[int, int] | None:
    """Return the session ID and renewal number in a refresh token, or None if its form is wrong."""
    match = _REFRESH_TOKEN.fullmatch(secret.reveal())
    session = parse_token_id(match[2]) if match else None
    return (session, int(match[1])) if match and session is not None else None
