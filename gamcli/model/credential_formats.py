"""
The formats of credentials, defined once.

    API key         gamkey_<8 id>_<32 random><6 checksum>
    client secret   gamsec_<40 random><6 checksum>
    access token    <repository GUID>!<12 id><66 random>
    refresh token   <3 counter><12 session id><24 random>
    client ID       32 lowercase hex digits

All but the client ID are base62: ASCII letters and digits. Functions that mint and parse them are in
`rules.credentials`; only parts that may not import the rules use this module directly.
"""

import re

API_KEY, CLIENT_SECRET = "API key", "client secret"

API_KEY_PREFIX, CLIENT_SECRET_PREFIX = "gamkey_", "gamsec_"
KEY_ID_LENGTH = 8
KEY_RANDOM_LENGTH = 32
CLIENT_SECRET_RANDOM_LENGTH = 40
CHECKSUM_LENGTH = 6
REFRESH_RANDOM_LENGTH = 24
TOKEN_RANDOM_LENGTH = 66

BASE62 = "[0-9A-Za-z]"

FORMATS = {
    API_KEY: (API_KEY_PREFIX, f"{BASE62}{{{KEY_ID_LENGTH}}}_{BASE62}{{{KEY_RANDOM_LENGTH + CHECKSUM_LENGTH}}}"),
    CLIENT_SECRET: (CLIENT_SECRET_PREFIX, f"{BASE62}{{{CLIENT_SECRET_RANDOM_LENGTH + CHECKSUM_LENGTH}}}"),
}
"""The kinds of credential with a prefix and a checksum: the prefix, and the expression of the rest."""

LENGTHS = {
    API_KEY: len(API_KEY_PREFIX) + KEY_ID_LENGTH + 1 + KEY_RANDOM_LENGTH + CHECKSUM_LENGTH,
    CLIENT_SECRET: len(CLIENT_SECRET_PREFIX) + CLIENT_SECRET_RANDOM_LENGTH + CHECKSUM_LENGTH,
}

GUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
ACCESS_TOKEN = f"{GUID}!({BASE62}{{12}}){BASE62}{{{TOKEN_RANDOM_LENGTH}}}"
REFRESH_TOKEN = f"([0-9]{{3}})({BASE62}{{12}}){BASE62}{{{REFRESH_RANDOM_LENGTH}}}"

_PREFIXED = re.compile(rf"(gam(?:key|sec)_){BASE62}+(?:_{BASE62}*)?")
_TOKEN = re.compile(rf"([0-9a-f-]{{36}}!){BASE62}+")


def redact(text: str) -> str:
    """Return `text` with everything that looks like a credential cut after its prefix."""
    return _TOKEN.sub(r"\1...", _PREFIXED.sub(r"\1...", text))
