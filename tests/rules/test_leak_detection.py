"""Leaked credentials in bytes, in any context and in chunks of any size."""

import re
import tracemalloc
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.model.credential_formats import API_KEY, CLIENT_SECRET, FORMATS
from gamcli.model.findings import ScanSource
from gamcli.model.token_ids import BASE62_ALPHABET
from gamcli.rules.credentials import Entropy, mint_api_key, mint_client_secret
from gamcli.rules.leak_detection import MAX_LENGTH, UTF_16, Leak, build_finding, find_leaks, may_contain_credential
from tests.cases import for_each

KEY_ID, SECRET = mint_api_key(Random(1).randbytes)
KEY = SECRET.reveal()
CLIENT = mint_client_secret(Random(2).randbytes).reveal()
KINDS = {KEY: API_KEY, CLIENT: CLIENT_SECRET}
MARKED = [*zip(UTF_16, ("utf-16-le", "utf-16-be"), strict=True)]


def find(*pieces: bytes) -> list[tuple[str, int, int]]:
    return [(each.secret.reveal(), each.line, each.column) for each in find_leaks(pieces)]


def cut(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = turn = 0
    while at < len(data):
        yield data[at : at + sizes[turn % len(sizes)]]
        at, turn = at + sizes[turn % len(sizes)], turn + 1


filling = st.binary(max_size=200).filter(lambda data: b"gam" not in data)
filling |= st.builds(bytes.__add__, st.sampled_from(UTF_16), filling)


@given(
    text=st.sampled_from([KEY, CLIENT]),
    before=filling,
    after=filling,
    sizes=st.lists(st.integers(1, 120), min_size=1, max_size=4),
)
def test_a_credential_is_found_once_wherever_pieces_end(
    text: str, before: bytes, after: bytes, sizes: list[int]
) -> None:
    (leak,) = find_leaks(cut(before + text.encode() + after, sizes))
    assert (leak.secret.reveal(), leak.kind) == (text, KINDS[text])
    assert leak.line == before.count(b"\n") + 1


@given(
    text=st.sampled_from([KEY, CLIENT]),
    at=st.integers(0, 52),
    letter=st.sampled_from(BASE62_ALPHABET),
    sizes=st.lists(st.integers(1, 120), min_size=1, max_size=4),
)
def test_a_damaged_credential_is_never_found(text: str, at: int, letter: str, sizes: list[int]) -> None:
    changed = text[:at] + letter + text[at + 1 :]
    assert find(*cut(f"x {changed} y".encode(), sizes)) == ([(text, 1, 3)] if changed == text else [])
    assert all(each.length for each in find_leaks(cut(f"x {text[:at]}{text[at + 1 :]} y".encode(), sizes)))


@given(texts=st.lists(st.sampled_from([KEY, CLIENT, "gamkey_", "gamsec_x", "\n", "é", " "]), max_size=12))
def test_each_of_many_has_its_line_and_column(texts: list[str]) -> None:
    whole, wanted = "", []
    for text in texts:
        if text in KINDS:
            line = whole.rpartition("\n")[2]
            wanted.append((text, whole.count("\n") + 1, len(line) + 1))
        whole += text
    assert find(*cut(whole.encode(), [7])) == wanted


@for_each(
    "line",
    [
        '{"api_key": "%s"}', "key='%s'", "\u201c%s\u201d", "https://example.com/?key%%3D%s%%26x", "KEY=%s\\n", "x%sx",
        "\0\0%s\0", "gamkey_%s", "gamkey_12345678_%s", "gamkey_xx%s",
        "%s" + "z" * 1_000_000,
    ],
)  # fmt: skip
@for_each("text", [KEY, CLIENT])
def test_what_stands_around_a_credential_does_not_hide_it(line: str, text: str) -> None:
    before, _, _ = (line % "|").partition("|")
    assert find((line % text).encode()) == [(text, 1, len(before) + 1)]


@for_each(("mark", "encoding"), MARKED)
@for_each("size", [1, 2, 3, 64, 1000])
def test_utf_16_is_text_too(mark: bytes, encoding: str, size: int) -> None:
    data = mark + f"# ключ\r\n  key = {KEY}\r\n".encode(encoding) + b"\0"
    assert find(*cut(data, [size])) == [(KEY, 2, 9)]


@for_each("mark", UTF_16)
@for_each("before", [b"", b"\0", b"\n"])
@for_each("size", [1, 3, 1000])
def test_a_mark_of_utf_16_hides_nothing_that_is_invalid(mark: bytes, before: bytes, size: int) -> None:
    assert [each[:2] for each in find(*cut(mark + before + KEY.encode(), [size]))] == [(KEY, 1 + before.count(b"\n"))]


@pytest.mark.parametrize(("mark", "encoding"), MARKED)
def test_text_of_both_kinds_in_a_file_is_reported_at_its_lines(mark: bytes, encoding: str) -> None:
    data = mark + f"\r\nключ {KEY}\r\n".encode(encoding) + f"{CLIENT}\n".encode()
    assert sorted(each[:2] for each in find(data)) == [(KEY, 2), (CLIENT, 3)]


@pytest.mark.parametrize("mark", [b"", *UTF_16])
def test_no_more_than_a_piece_is_held(mark: bytes) -> None:
    piece = b"gamkey_ x" * 1000
    tracemalloc.start()
    try:
        list(find_leaks(mark + piece for _ in range(20)))
        assert tracemalloc.get_traced_memory()[1] < 100 * len(piece)
    finally:
        tracemalloc.stop()


@for_each("data", [b"", b"g", b"\xff", b"\xff\xfe"])
def test_next_to_nothing_holds_nothing(data: bytes) -> None:
    assert find(data) == []
    assert find() == []


def test_a_leak_reports_the_id_of_a_key_and_hides_the_rest(entropy: Entropy) -> None:
    key_id, secret = mint_api_key(entropy)
    key, client = find_leaks([f"{secret.reveal()} {CLIENT}".encode()])
    assert (key.id, client.id) == (key_id, None)
    assert re.fullmatch("[0-9a-f]{16}", key.fingerprint)
    assert key.fingerprint == Leak(API_KEY, secret, 7, 7).fingerprint != client.fingerprint
    assert key.fingerprint not in secret.digest().hex()
    assert secret.reveal() not in repr(key)


@pytest.mark.parametrize(("status", "is_live"), [("unknown", None), ("foreign", False)])
def test_whether_a_credential_works_is_unknown_when_no_store_was_checked(status: str, *, is_live: bool | None) -> None:
    (leak,) = find_leaks([f"one\n  {KEY}".encode()])
    found = build_finding(ScanSource("app.log", "c0ffee"), leak, status)
    assert (found.status, found.live, found.fingerprint) == (status, is_live, leak.fingerprint)
    assert (found.file, found.commit, found.line, found.column, found.id) == ("app.log", "c0ffee", 2, 3, KEY_ID)


@for_each("text", [KEY, CLIENT, KEY[:30], "gamkey%5F", "\\u0067am", "gamk\\\n", "g\0a\0m\0", "Z2Fta2V5X"])
def test_the_quick_look_sees_where_one_may_begin(text: str) -> None:
    assert may_contain_credential(f"ab{text}cd".encode())
    assert not may_contain_credential(b"gam, gamma & 100 % of \\n ZWXQ ZXk \0\0")


def test_the_expressions_that_others_are_given_are_ours() -> None:
    for text, kind in KINDS.items():
        assert re.fullmatch("".join(FORMATS[kind]), text)
    assert max(map(len, KINDS)) == MAX_LENGTH
    assert KEY_ID in KEY


def test_what_was_read_before_an_error_is_searched() -> None:
    def fail() -> Iterator[bytes]:
        yield KEY.encode()
        raise OSError

    leaks = find_leaks(fail())
    assert next(leaks).secret.reveal() == KEY
    with pytest.raises(OSError):  # noqa: PT011 - without a message
        next(leaks)
