"""
Credentials: how they look, how they are minted, digested and compared.

    API key         gamkey_<8 of id>_<32 random><6 checksum>
    client secret   gamsec_<40 random><6 checksum>
    access token    <repository GUID>!<12 of id><66 random>
    refresh token   <3 of counter><12 of its session's id><24 random>
    client_id       32 lowercase hex

The alphabet is base62 in ASCII order; 32 of it hold 190 bits. The checksum is the CRC-32 of all before it: it tells a
typo from a wrong key without the store and proves nothing. Secrets of 128 bits and more need no slow hash
(OWASP ASVS 5.0, 11.5.1 and 6.5.2), so what is kept is their SHA-256.
"""

import hashlib
import hmac
import re
import zlib
from collections.abc import Callable

from gamcli.model import BASE62_ALPHABET, encode_base62, format_token_id, parse_token_id

Entropy = Callable[[int], bytes]
"""A source of randomness: that many bytes, as `os.urandom` gives them."""

KEY_ID_LENGTH = 8
TOKEN_RANDOM_LENGTH = 66
REFRESH_RANDOM_LENGTH = 24
MIN_SECRET_LENGTH = 32

_API_KEY = re.compile(r"gamkey_([0-9A-Za-z]{8})_[0-9A-Za-z]{32}([0-9A-Za-z]{6})", re.ASCII)
_REFRESH_TOKEN = re.compile(r"([0-9]{3})([0-9A-Za-z]{12})[0-9A-Za-z]{24}", re.ASCII)
_ACCESS_TOKEN = re.compile(r"[0-9a-f-]{36}!([0-9A-Za-z]{12})[0-9A-Za-z]{66}", re.ASCII)
# A byte above 247 would favour the first letters (248 = 4 * 62): it is dropped, the others map evenly.
_TO_LETTER = bytes(ord(BASE62_ALPHABET[byte % 62]) for byte in range(256))
_BIASED_BYTES = bytes(range(248, 256))


class Secret:
    """A secret text that shows itself only when asked: `reveal()`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
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
"""What was not sent."""

NO_DIGEST = bytes(32)
"""What a secret is compared with when nothing is stored: no text has this digest."""


def random_base62(count: int, entropy: Entropy) -> str:
    """Return `count` evenly distributed letters of base62."""
    text = b""
    while len(text) < count:
        text += entropy(count + 8).translate(_TO_LETTER, _BIASED_BYTES)
    return text[:count].decode("ascii")


def checksum(text: str) -> str:
    """Return the six letters that end a credential beginning with `text`."""
    return encode_base62(zlib.crc32(text.encode("ascii")), 6)


def mint_api_key(entropy: Entropy) -> tuple[str, Secret]:
    """Return a new API key and its id."""
    key_id = random_base62(KEY_ID_LENGTH, entropy)
    text = f"gamkey_{key_id}_{random_base62(32, entropy)}"
    return key_id, Secret(text + checksum(text))


def mint_client_secret(entropy: Entropy) -> Secret:
    """Return a new client secret."""
    text = f"gamsec_{random_base62(40, entropy)}"
    return Secret(text + checksum(text))


def mint_access_token(repository: str, row: int, entropy: Entropy) -> Secret:
    """Return a new access token of the repository with that GUID; `row` is the time-ordered id of its row."""
    return Secret(f"{repository}!{format_token_id(row)}{random_base62(TOKEN_RANDOM_LENGTH, entropy)}")


def mint_refresh_token(session: int, counter: int, entropy: Entropy) -> Secret:
    """Return a new refresh token of the session with that id, for its renewal of that number, 1 to 999."""
    return Secret(f"{counter:03}{format_token_id(session)}{random_base62(REFRESH_RANDOM_LENGTH, entropy)}")


def mint_client_id(entropy: Entropy) -> str:
    """Return a new client_id."""
    return entropy(16).hex()


def mint_guid(entropy: Entropy) -> str:
    """Return a random GUID in lower case (RFC 9562 §5.4, version 4)."""
    raw = bytearray(entropy(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    return format_guid(raw)


def format_guid(raw: bytes | bytearray) -> str:
    """Write 16 bytes as a GUID in lower case."""
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def parse_api_key_id(secret: Secret) -> str | None:
    """Return the id within an API key, or None when its form or its checksum is wrong."""
    text = secret.reveal()
    found = _API_KEY.fullmatch(text)
    return found[1] if found and checksum(text[:-6]) == found[2] else None


def parse_access_token(secret: Secret) -> int | None:
    """Return the row id within an access token, or None when its form is wrong."""
    found = _ACCESS_TOKEN.fullmatch(secret.reveal())
    return parse_token_id(found[1]) if found else None


def parse_refresh_token(secret: Secret) -> tuple[int, int] | None:
    """Return the id of the session and the number of the renewal within a refresh token, None if its form is wrong."""
    found = _REFRESH_TOKEN.fullmatch(secret.reveal())
    session = parse_token_id(found[2]) if found else None
    return (session, int(found[1])) if found and session is not None else None
