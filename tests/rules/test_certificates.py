"""Expiry dates, read from certificates that OpenSSL made."""

import base64
from datetime import UTC, datetime

import pytest

from gamcli.rules import certificates
from tests.cases import for_each


def element(tag: int, *inner: bytes) -> bytes:
    content = b"".join(inner)
    size = len(content)
    length = bytes([size]) if size < 0x80 else bytes([0x82, *size.to_bytes(2, "big")])
    return bytes([tag]) + length + content


def pem(end: bytes, *, version: bool = True, tag: int = 0x17, padding: int = 0) -> str:
    begin = element(0x17, b"260101000000Z")
    signed = element(
        0x30,
        element(0xA0, element(0x02, b"\x02")) if version else b"",
        element(0x02, b"\x01"),
        element(0x30),
        element(0x30, bytes(padding)),
        element(0x30, begin, element(tag, end)),
    )
    text = base64.encodebytes(element(0x30, signed)).decode()
    return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"


@for_each(
    ("end", "tag", "year"),
    [
        (b"270301120000Z", 0x17, 2027),
        (b"490301120000Z", 0x17, 2049),
        (b"500301120000Z", 0x17, 1950),
        (b"20510301120000Z", 0x18, 2051),
    ],
)
def test_a_certificate_says_when_it_ends(end: bytes, tag: int, year: int) -> None:
    assert certificates.read_expiry_dates(pem(end, tag=tag)) == [datetime(year, 3, 1, 12, tzinfo=UTC)]


def test_a_certificate_of_the_first_version_is_read_too(now: datetime) -> None:
    assert certificates.read_expiry_dates(pem(f"{now:%y%m%d%H%M%SZ}".encode(), version=False)) == [now]


def test_long_elements_are_passed_over() -> None:
    assert certificates.read_expiry_dates(pem(b"270301120000Z", padding=3000))[0].year == 2027


def test_every_certificate_of_a_chain_counts() -> None:
    chain = f"Subject: me\n{pem(b'270301120000Z')}\n{pem(b'280301120000Z')}"
    assert [end.year for end in certificates.read_expiry_dates(chain)] == [2027, 2028]


def test_what_holds_no_certificate_is_reported() -> None:
    with pytest.raises(ValueError, match="not a certificate"):
        certificates.read_expiry_dates("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")


@pytest.mark.parametrize("keep", [10, 20, 30])
def test_a_certificate_that_is_cut_short_is_damaged(keep: int) -> None:
    whole = base64.b64decode(pem(b"270301120000Z").split("-----")[2])
    text = base64.b64encode(whole[:keep]).decode()
    with pytest.raises(ValueError, match="damaged"):
        certificates.read_expiry_dates(f"-----BEGIN CERTIFICATE-----{text}-----END CERTIFICATE-----")


def test_bytes_that_are_no_certificate_are_damaged() -> None:
    for text in ("=", "A", "AAAA", base64.b64encode(b"\x30").decode(), "MAA="):
        with pytest.raises(ValueError, match="damaged"):
            certificates.read_expiry_dates(f"-----BEGIN CERTIFICATE-----{text}-----END CERTIFICATE-----")
