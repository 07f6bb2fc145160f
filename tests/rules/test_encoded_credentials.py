"""Encoded credentials in bytes."""

import base64
import json
from collections.abc import Callable
from random import Random

import pytest

from gamcli.rules.credentials import mint_api_key, mint_client_secret
from gamcli.rules.leak_detection import find_leaks
from tests.cases import for_each

KEY = mint_api_key(Random(1).randbytes)[1].reveal()
CLIENT = mint_client_secret(Random(2).randbytes).reveal()
CLIENT_ID = "0123456789abcdef0123456789abcdef"


def find(data: bytes, size: int = 1 << 18) -> list[tuple[str, int, int]]:
    chunks = (data[at : at + size] for at in range(0, len(data), size))
    return [(each.secret.reveal(), each.line, each.column) for each in find_leaks(chunks)]


def fold(text: str, at: int, fold_text: str) -> str:
    return text[:at] + fold_text + text[at:]


def escape_all(text: str, escape: str) -> str:
    return "".join(escape % ord(letter) for letter in text)


ENCODERS: dict[str, Callable[[str], str]] = {
    "percent": lambda text: text.replace("_", "%5F"),
    "percent in lower case": lambda text: text.replace("_", "%5f"),
    "percent twice": lambda text: text.replace("_", "%255F"),
    "percent everywhere": lambda text: escape_all(text, "%%%02x"),
    "JSON": lambda text: text.replace("_", r"\u005f"),
    "JSON everywhere": lambda text: escape_all(text, r"\u%04x"),
    "JSON in JSON": lambda text: text.replace("_", r"\\u005F"),
    "YAML": lambda text: text.replace("_", r"\x5f"),
    "YAML with eight digits": lambda text: text.replace("_", r"\U0000005F"),
    "YAML everywhere": lambda text: escape_all(text, r"\U%08x"),
    "braces": lambda text: text.replace("_", r"\u{5F}"),
    "braces everywhere": lambda text: escape_all(text, r"\x{00%02x}"),
    "octal": lambda text: text.replace("_", r"\137"),
    "octal everywhere": lambda text: escape_all(text, r"\%03o"),
    "octal with a zero": lambda text: escape_all(text, r"\0%03o"),
    "CSS": lambda text: text.replace("_", r"\5f "),
    "CSS everywhere": lambda text: escape_all(text, "\\%x\n"),
    "CSS with six digits": lambda text: escape_all(text, r"\%06X"),
    "HTML": lambda text: text.replace("_", "&#95;"),
    "HTML in hexadecimal": lambda text: text.replace("_", "&#x5F;"),
    "HTML everywhere": lambda text: escape_all(text, "&#%d;"),
    "HTML with zeros": lambda text: escape_all(text, "&#x000%X;"),
    "quoted-printable": lambda text: text.replace("_", "=5F"),
    "Markdown": lambda text: text.replace("_", r"\_"),
    "one letter": lambda text: text[:20] + escape_all(text[20], r"\u%04x") + text[21:],
    "folded in the prefix": lambda text: fold(text, 3, "\\\n"),
    "folded after the prefix": lambda text: fold(text, 7, "\\\r\n    "),
    "folded twice": lambda text: fold(fold(text, 40, "\\\n\t"), 12, "\\\n  "),
    "quoted-printable fold": lambda text: fold(text, 30, "=\r\n"),
}


@for_each("size", [1, 7, 1 << 18])
@for_each("name", ENCODERS)
@for_each("text", [KEY, CLIENT])
def test_an_escaped_or_folded_credential_is_found(text: str, name: str, size: int) -> None:
    assert find(f"\n key: '{ENCODERS[name](text)}' # x".encode(), size) == [(text, 2, 8)]


@for_each("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@for_each("before", ["", "x"])
@for_each("name", ENCODERS)
def test_an_escaped_or_folded_credential_is_found_in_utf_16_and_utf_32(name: str, before: str, encoding: str) -> None:
    data = before.encode() + f"1 %2 \\x &#1; '{ENCODERS[name](KEY)}'".encode(encoding)
    for size in (7, 1 << 18):
        assert find(data, size) == [(KEY, 1, 15 + len(before))]


@for_each("text", [text for encode in ENCODERS.values() if (text := encode(KEY)).startswith("gamkey")])
@for_each("before", ["", "x", "xy"])
def test_an_escaped_or_folded_credential_is_found_in_base64(before: str, text: str) -> None:
    assert [each[0] for each in find(b"data: " + base64.b64encode((before + text).encode()))] == [KEY]


@for_each("distance", [2, 300])
@for_each("name", ENCODERS)
def test_frequent_and_rare_special_characters_before_it_hide_nothing(name: str, distance: int) -> None:
    before = "".join(f"{letter:x<{distance}}" for letter in r"\%&ZWXQ" * 20)
    for text in (ENCODERS[name](KEY), base64.b64encode(KEY.encode()).decode()):
        assert find(f"{before} {text}".encode()) == [(KEY, 1, len(before) + 2)]


@for_each("at", range(1, len(KEY)))
def test_a_fold_hides_nothing_wherever_it_is(at: int) -> None:
    assert find(b"x=" + fold(KEY, at, "\\\n   ").encode()) == [(KEY, 1, 3)]
    if at >= len("gamkey_"):
        assert find(b"x=" + base64.b64encode(fold(KEY, at, "\\\n   ").encode())) == [(KEY, 1, 3)]


@for_each("before", ["", "x", "xy", "\n"])
@for_each("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_utf_16_and_utf_32_are_found_at_any_offset_and_after_other_text(before: str, encoding: str) -> None:
    data = before.encode() + f"a\r\nkey {KEY}\r\n".encode(encoding) + CLIENT.encode()
    lines = 2 + before.count("\n")
    key, client = find(data)
    assert (key, client[:2]) == ((KEY, lines, 5), (CLIENT, lines + 1))


def test_utf_16_within_folded_lines_is_found() -> None:
    for at in (3, 20):
        assert find(fold(KEY, at, "\\\r\n ").encode("utf-16-le")) == [(KEY, 1, 1)]


@for_each("encoding", ["ascii", "utf-16-le"])
@for_each("encode", [base64.b64encode, base64.urlsafe_b64encode])
@for_each("before", ["", "a", "ab", "password=\xff\xfe\xfb?>"])
@for_each("text", [KEY, CLIENT])
def test_base64_is_found_in_each_alignment(
    text: str, before: str, encode: Callable[[bytes], bytes], encoding: str
) -> None:
    raw = before.encode("latin-1") + f"{text}".encode(encoding)
    (found,) = find(b"data: " + encode(raw))
    assert found[0] == text


def test_base64_that_a_letter_follows_is_found() -> None:
    encoded = base64.b64encode(KEY.encode())
    assert not encoded.endswith(b"=")  # so that the letter is more than base64 can end with
    assert find(b"x=" + encoded + b"A") == [(KEY, 1, 3)]


def test_the_header_of_basic_authentication_is_found() -> None:
    header = b"Authorization: Basic " + base64.b64encode(f"{CLIENT_ID}:{CLIENT}".encode())
    assert find(header) == [(CLIENT, 1, 22 + 44)]


@for_each("line_break", ["\n", "\r\n", "\n    ", r"\n", r"\r\n", "\\\n"])
@for_each("width", [4, 20, 60, 64, 76])
@for_each("before", range(12))
def test_base64_broken_into_lines_is_found(before: int, width: int, line_break: str) -> None:
    text = base64.b64encode(b"x" * before + KEY.encode() + b"\n").decode()
    lines = line_break.join(text[at : at + width] for at in range(0, len(text), width))
    assert [each[0] for each in find(lines.encode())] == [KEY]


@for_each("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@for_each("line_break", ["", "\r\n", "\n    ", r"\n"])
@for_each("before", ["", "a", "ab"])
def test_base64_in_utf_16_text_is_found(before: str, line_break: str, encoding: str) -> None:
    text = base64.b64encode(f"{before}{KEY}".encode()).decode()
    lines = line_break.join(text[at : at + 4] for at in range(0, len(text), 4)) if line_break else text
    data = b"ascii\n" + f"data: {lines}\r\n".encode(encoding) + KEY.encode()
    assert [each[0] for each in find(data)] == [KEY, KEY]


def test_a_secret_of_kubernetes_is_found_in_its_data() -> None:
    env = base64.b64encode(f"A=1\nGAM_API_KEY={KEY}\nGAM_CLIENT_SECRET={CLIENT}\n".encode()).decode()
    text = f"apiVersion: v1\nkind: Secret\ndata:\n  key: {base64.b64encode(KEY.encode()).decode()}\n  env: {env}\n"
    assert [each[:2] for each in find(text.encode())] == [(KEY, 4), (KEY, 5), (CLIENT, 5)]
    assert len(find(json.dumps({"stringData": text}).encode())) == 3


@pytest.mark.parametrize("text", [KEY[:-1] + "!", KEY[:20] + "%20" + KEY[20:], KEY[:20] + "\\\\\n" + KEY[20:]])
def test_what_is_no_encoding_is_not_removed(text: str) -> None:
    assert [each for each in find_leaks([text.encode()]) if each.length is None] == []


@for_each("length", range(16, len(KEY)))
@for_each("after", [b"", b"...", b" x", b"%20x", "…".encode()])
def test_a_key_that_is_cut_short_is_found_from_eight_random_characters_on(length: int, after: bytes) -> None:
    found = [(each.id, each.length, each.column) for each in find_leaks([b"x " + KEY[:length].encode() + after])]
    assert found == ([(KEY[7:15], length, 3)] if length >= 24 else [])


@pytest.mark.parametrize("size", [1, 7, 5000])
def test_a_key_across_chunks_is_not_cut_short(size: int) -> None:
    assert find(KEY.encode() * 100, size) == [(KEY, 1, 1 + len(KEY) * number) for number in range(100)]


@pytest.mark.parametrize("text", ["gamkey_12345678_xxxxxxxxxxxx", "gamkey_gamkey_12345678_abcdefgh", CLIENT[:40]])
def test_an_example_and_a_client_secret_are_not_reported_as_cut_short(text: str) -> None:
    assert [each for each in find_leaks([text.encode()]) if each.id != "12345678"] == []


@pytest.mark.parametrize("raw", [KEY[:7] + "!" * 60, KEY[:20] + "\n"])
def test_base64_of_a_prefix_alone_is_not_a_credential(raw: str) -> None:
    assert find(base64.b64encode(raw.encode())) == []


@for_each("mixed", [b"-+", b"-++", b"_/", b"_//", b"-+/+"])
def test_base64_in_two_alphabets_is_not_a_credential(mixed: bytes) -> None:
    assert find(base64.b64encode(KEY[:15].encode()) + mixed) == []
