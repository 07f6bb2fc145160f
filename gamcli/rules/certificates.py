"""
Read expiry dates from TLS certificates in PEM: a minimal parser for X.509 (RFC 5280, section 4.1).

Python's `ssl` reports the dates of a certificate only after verifying it.
"""

import base64
import re
from datetime import UTC, datetime

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)

_UTC_TIME = 0x17
_VERSION = 0xA0
_LONG_FORM = 0x80


def read_expiry_dates(pem: str) -> list[datetime]:
    """Return the expiry date of each certificate in `pem`; raises ValueError if there is none or one is invalid."""
    dates = [_read_expiry_date(text) for text in _PEM.findall(pem)]
    if not dates:
        raise ValueError("not a certificate in PEM format")
    return dates


def _read_expiry_date(text: str) -> datetime:
    try:
        _, certificate, _ = _read_element(base64.b64decode(text))
        _, signed, _ = _read_element(certificate)
        tag, _, behind = _read_element(signed)
        rest = behind if tag == _VERSION else signed  # version 1 leaves the version out
        for _ in ("serial number", "algorithm", "issuer"):
            _, _, rest = _read_element(rest)
        _, validity, _ = _read_element(rest)
        _, _, rest = _read_element(validity)
        tag, end, _ = _read_element(rest)
        return _parse_time(tag, end.decode("ascii"))
    except (IndexError, ValueError) as error:
        raise ValueError("a certificate is damaged") from error


def _read_element(der: bytes) -> tuple[int, bytes, bytes]:
    """Return the tag and the content of the first element, and what is behind it (X.690, section 8.1)."""
    tag, length, start = der[0], der[1], 2
    if length >= _LONG_FORM:
        start += length - _LONG_FORM
        length = int.from_bytes(der[2:start])
    if start + length > len(der):
        raise ValueError("truncated")
    return tag, der[start : start + length], der[start + length :]


def _parse_time(tag: int, text: str) -> datetime:
    if tag == _UTC_TIME:  # two digits of a year are from 1950 to 2049 (RFC 5280, section 4.1.2.5.1)
        text = f"{'19' if text >= '50' else '20'}{text}"
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
