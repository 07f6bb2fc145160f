"""Formats of credentials; minting, digesting, comparing and hiding them."""

import copy
import hashlib
import hmac
import pickle
import traceback
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.model.token_ids import BASE62_ALPHABET, MAX_ROW
from gamcli.rules import credentials
from gamcli.rules.credentials import Entropy, Secret
from tests.cases import for_each

HIDDEN = Secret("what nobody may read")
GUID = "9d2c6f0e-7a1b-4c3d-8e5f-112233445566"

LETTER = st.sampled_from(BASE62_ALPHABET)


def random_bytes(seed: int) -> Entropy:
    return lambda count: hashlib.shake_256(f"{seed} {count}".encode()).digest(count)


@pytest.mark.parametrize(
    ("text", "checksum"),
    [("zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ", "0mLq17"), ("qkJaB6MffYVzZXWqmcoF49yrUxP3wf", "0LsakP"), ("", "000000")],
)
def test_the_checksum_is_the_crc32_in_base62_padded_to_six(text: str, checksum: str) -> None:
    assert credentials.checksum(text) == checksum


@given(st.integers())
def test_an_api_key_has_its_form_and_carries_its_id(seed: int) -> None:
    key_id, secret = credentials.mint_api_key(random_bytes(seed))
    prefix, read_id, rest = secret.reveal().split("_")
    assert (prefix, read_id, len(key_id), len(rest)) == ("gamkey", key_id, 8, 38)
    assert set(key_id + rest) <= set(BASE62_ALPHABET)
    assert rest[-6:] == credentials.checksum(secret.reveal()[:-6])
    assert credentials.parse_api_key_id(secret) == key_id


@given(st.integers(), st.integers(0, 53), LETTER)
def test_a_single_changed_letter_of_an_api_key_is_always_noticed(seed: int, place: int, letter: str) -> None:
    key_id, secret = credentials.mint_api_key(random_bytes(seed))
    text = secret.reveal()
    changed = text[:place] + letter + text[place + 1 :]
    assert credentials.parse_api_key_id(Secret(changed)) == (key_id if changed == text else None)


DAMAGES: dict[str, Callable[[str], str]] = {
    "cut short": lambda text: text[:-1],
    "longer": lambda text: text + "0",
    "a line end": lambda text: text + "\n",
    "a blank": lambda text: " " + text,
    "another case": lambda text: text.upper(),
    "another prefix": lambda text: text.replace("gamkey", "gamsec"),
    "other dashes": lambda text: text.replace("_", "-"),
    "an accent": lambda text: text[:20] + "é" + text[21:],
    "a digit of another script": lambda text: text[:20] + "\u0661" + text[21:],
    "nothing left": lambda _: "",
}


@for_each("damage", DAMAGES.values())
def test_what_has_not_the_form_of_an_api_key_has_no_id(damage: Callable[[str], str]) -> None:
    _, secret = credentials.mint_api_key(random_bytes(1))
    assert credentials.parse_api_key_id(Secret(damage(secret.reveal()))) is None


@given(st.text())
def test_any_text_may_be_taken_for_an_api_key_or_a_token(text: str) -> None:
    assert credentials.parse_api_key_id(Secret(text)) is None
    assert credentials.parse_access_token(Secret(text)) is None
    assert credentials.parse_refresh_token(Secret(text)) is None


@given(st.integers())
def test_a_client_secret_has_its_form(seed: int) -> None:
    text = credentials.mint_client_secret(random_bytes(seed)).reveal()
    assert len(text) == 53
    assert text.startswith("gamsec_")
    assert set(text[7:]) <= set(BASE62_ALPHABET)
    assert text[-6:] == credentials.checksum(text[:-6])


@given(st.integers(), st.integers(0, MAX_ROW - 1))
def test_an_access_token_has_its_form_and_carries_its_row(seed: int, row: int) -> None:
    token = credentials.mint_access_token(GUID, row, random_bytes(seed))
    guid, _, rest = token.reveal().partition("!")
    assert (guid, len(rest), len(token.reveal())) == (GUID, 78, 115)
    assert set(rest) <= set(BASE62_ALPHABET)
    assert credentials.parse_access_token(token) == row


NO_TOKENS = {
    "empty": "",
    "cut short": f"{GUID}!" + "0" * 77,
    "longer": f"{GUID}!" + "0" * 79,
    "a line end": f"{GUID}!" + "0" * 78 + "\n",
    "another mark": f"{GUID}?" + "0" * 78,
    "another case": f"{GUID.upper()}!" + "0" * 78,
    "beyond 64 bits": f"{GUID}!" + "z" * 78,
    "digits of another script": f"{GUID}!" + "\u0661" * 78,
}


@for_each("text", NO_TOKENS.values())
def test_what_has_not_the_form_of_a_token_has_no_row(text: str) -> None:
    assert credentials.parse_access_token(Secret(text)) is None


@given(st.integers(), st.integers(0, MAX_ROW - 1), st.integers(1, 999))
def test_a_refresh_token_has_its_form_and_carries_its_place(seed: int, session: int, counter: int) -> None:
    token = credentials.mint_refresh_token(session, counter, random_bytes(seed))
    text = token.reveal()
    assert (len(text), int(text[:3])) == (39, counter)
    assert set(text[3:]) <= set(BASE62_ALPHABET)
    assert credentials.parse_refresh_token(token) == (session, counter)


@for_each("text", ["", "001" + "0" * 35, "001" + "0" * 37, "0a1" + "0" * 36, "001" + "z" * 36])
def test_what_has_not_the_form_of_a_refresh_token_has_no_place(text: str) -> None:
    assert credentials.parse_refresh_token(Secret(text)) is None


def test_a_client_id_is_32_lowercase_hex() -> None:
    assert credentials.mint_client_id(lambda count: bytes(range(255, 255 - count, -1))) == (
        "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0"
    )


@pytest.mark.parametrize(
    ("byte", "guid"), [(0x00, "00000000-0000-4000-8000-000000000000"), (0xFF, "ffffffff-ffff-4fff-bfff-ffffffffffff")]
)
def test_a_guid_is_of_version_four(byte: int, guid: str) -> None:
    assert credentials.mint_guid(lambda count: bytes([byte]) * count) == guid


def test_letters_are_evenly_distributed_over_every_byte_value() -> None:
    text = credentials.random_base62(248, lambda _: bytes(range(256)))
    assert Counter(text) == dict.fromkeys(BASE62_ALPHABET, 4)


def test_letters_ask_again_when_too_many_bytes_were_dropped() -> None:
    throws = iter([b"\xff" * 20, b"\xf8\x00", b"\x01\x02", b"\x03\x04"])
    assert credentials.random_base62(4, lambda _: next(throws)) == "0123"


SHOWS: dict[str, Callable[[Secret], str]] = {
    "repr": repr,
    "str": str,
    "format": format,
    "f-string": lambda secret: f"{secret} {secret!r} {secret!s}",
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - as logging does
    "containers": lambda secret: f"{[secret]} { {'a': secret} }",
    "traceback": lambda secret: "".join(traceback.format_exception(ValueError(secret))),
}


@for_each("show", SHOWS.values())
def test_a_secret_hides_itself_wherever_it_is_shown(show: Callable[[Secret], str]) -> None:
    assert HIDDEN.reveal() not in show(HIDDEN)
    assert "<hidden>" in show(HIDDEN)


@for_each("leak", [pickle.dumps, copy.copy, copy.deepcopy, vars])
def test_a_secret_is_neither_pickled_nor_copied(leak: Callable[[Secret], object]) -> None:
    with pytest.raises(TypeError) as caught:
        leak(HIDDEN)
    assert HIDDEN.reveal() not in str(caught.value)


@given(st.text(), st.text())
def test_secrets_are_equal_when_their_texts_are(one: str, other: str) -> None:
    assert (Secret(one) == Secret(other)) is (one == other)
    assert (Secret(one).matches(Secret(other).digest())) is (one == other)
    assert hash(Secret(one)) == hash(Secret(one))


def test_a_secret_is_not_a_text() -> None:
    text: object = HIDDEN.reveal()
    assert text != HIDDEN


@pytest.mark.parametrize(("text", "key_id"), [("legacy-key of another system", "MMQBAhbb"), ("x" * 32, "VsQwKHL8")])
def test_an_imported_key_has_the_same_id_in_every_version(text: str, key_id: str) -> None:
    assert credentials.api_key_lookup_id(Secret(text)) == key_id


def test_a_digest_is_the_sha256_of_the_text() -> None:
    assert Secret("abc").digest() == hashlib.sha256(b"abc").digest()


def test_bytes_that_were_no_text_have_a_digest_too() -> None:
    assert not Secret("\udcff").matches(credentials.NO_DIGEST)


def test_no_secret_has_the_digest_that_stands_for_none() -> None:
    assert not credentials.NO_SECRET.matches(credentials.NO_DIGEST)


def test_digests_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def watched(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    assert HIDDEN.matches(HIDDEN.digest())
    other = Secret("another")
    assert other != HIDDEN
    assert compared == [(HIDDEN.digest(), HIDDEN.digest()), (other.digest(), HIDDEN.digest())]


@pytest.mark.parametrize("count", [0, 1, 2, 5000])
def test_each_key_of_many_is_as_one_made_alone(entropy: Entropy, count: int) -> None:
    prefix = credentials.mint_api_key_id_prefix(entropy)
    ids = credentials.mint_api_key_ids(prefix, count, entropy)
    secrets = credentials.mint_api_keys(ids, entropy)
    assert [credentials.parse_api_key_id(secret) for secret in secrets] == ids
    assert len(set(ids)) == len({secret.reveal()[16:48] for secret in secrets}) == count
    assert ids == sorted(ids)
    assert {key_id[:4] for key_id in ids} <= {prefix}
    assert {len(secret.reveal()) for secret in secrets} <= {len(credentials.mint_api_key(entropy)[1].reveal())}


@given(st.integers(0, 255))
def test_ids_that_are_drawn_twice_are_drawn_again(byte: int) -> None:
    rolls = iter(range(10_000_000))

    def random_bytes(count: int) -> bytes:
        return bytes((next(rolls) // 7 + byte) % 248 for _ in range(count))

    assert len(set(credentials.mint_api_key_ids("Ab12", 40, random_bytes))) == 40
