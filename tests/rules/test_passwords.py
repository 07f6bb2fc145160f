"""Hashing passwords with scrypt."""

import base64
import hashlib
from os import urandom

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamcli.errors import UsageError
from gamcli.rules import passwords
from gamcli.rules.credentials import Entropy, Secret
from gamcli.rules.passwords import TEST_COST, ScryptCost
from tests.conftest import DEFAULT_COST

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=50)


def no_randomness(count: int) -> bytes:
    return bytes(count)


@given(TEXTS, TEXTS)
def test_a_password_is_known_again_and_another_is_not(password: str, other: str) -> None:
    stored = passwords.hash_password(Secret(password), no_randomness, TEST_COST)
    assert passwords.verify(Secret(password), stored)
    assert passwords.verify(Secret(other), stored) is (other == password)


@settings(max_examples=10)
@given(st.sampled_from([2, 4, 8]), st.integers(1, 4), st.integers(1, 3))
def test_the_parameters_are_read_from_the_stored_hash(n: int, r: int, p: int) -> None:
    stored = passwords.hash_password(Secret("hunter2"), no_randomness, ScryptCost(n, r, p))
    assert stored.startswith(f"scrypt${n}${r}${p}$")
    assert passwords.verify(Secret("hunter2"), stored)
    assert not passwords.verify(Secret("hunter2"), stored.replace(f"${n}$", f"${n * 2}$", 1))


def test_two_hashes_of_one_password_differ(entropy: Entropy) -> None:
    one, other = (passwords.hash_password(Secret("hunter2"), entropy, TEST_COST) for _ in range(2))
    assert one != other


def test_the_default_cost_is_one_that_owasp_names() -> None:
    stored = passwords.hash_password(Secret("hunter2"), no_randomness, DEFAULT_COST)
    assert stored.startswith("scrypt$32768$8$3$")
    assert passwords.verify(Secret("hunter2"), stored)


@pytest.mark.parametrize("password", ["", "x" * 51])
def test_a_password_has_one_to_fifty_characters(password: str) -> None:
    with pytest.raises(UsageError, match="invalid password length") as caught:
        passwords.hash_password(Secret(password), no_randomness, TEST_COST)
    assert not password or password not in str(caught.value)


@pytest.mark.parametrize("password", ["x", "x" * 50])
def test_a_password_may_be_as_short_and_as_long_as_it_goes(password: str) -> None:
    assert passwords.check_password(Secret(password)) == Secret(password)


def test_a_password_of_undecodable_bytes_is_wrong_and_no_crash() -> None:
    stored = passwords.hash_password(Secret("hunter2"), no_randomness, TEST_COST)
    assert not passwords.verify(Secret("\udcff"), stored)


def test_a_password_with_nul_characters_behind_it_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = passwords.hash_password(Secret("hunter2"), no_randomness, TEST_COST)
    assert not passwords.verify(Secret("hunter2\0"), stored)
    with pytest.raises(UsageError, match="NUL"):
        passwords.hash_password(Secret("hunter2\0"), no_randomness, TEST_COST)
    monkeypatch.setattr(passwords, "_NUL", "x")
    assert passwords.verify(Secret("hunter2\0"), stored)


def test_the_dummy_hash_has_the_current_parameters() -> None:
    stored = passwords.dummy_hash()
    assert stored.startswith("scrypt$2$8$1$")
    assert not passwords.needs_rehash(stored)
    assert not passwords.verify(Secret("hunter2"), stored)


def test_a_hash_of_other_parameters_is_outdated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "CURRENT_COST", ScryptCost(4, 2, 2))
    for cost in (ScryptCost(8, 2, 2), ScryptCost(4, 3, 2), ScryptCost(4, 2, 1)):
        assert passwords.needs_rehash(passwords.hash_password(Secret("hunter2"), no_randomness, cost))
    assert not passwords.needs_rehash(passwords.hash_password(Secret("hunter2"), no_randomness))


COMPOSED, DECOMPOSED = "caf\u00e9 \u00fc", "cafe\u0301\u00a0u\u0308"


@pytest.mark.parametrize("password", [COMPOSED, DECOMPOSED])
def test_a_password_is_the_same_whatever_keyboard_typed_it(password: str) -> None:
    stored = passwords.hash_password(Secret(password), urandom, TEST_COST)
    assert stored.startswith("scrypt-nfc$")
    assert passwords.verify(Secret(COMPOSED), stored)
    assert passwords.verify(Secret(DECOMPOSED), stored)
    assert not passwords.verify(Secret("cafe u"), stored)


def test_a_hash_of_text_as_it_was_typed_is_valid_and_renewed() -> None:
    stored = passwords.hash_password(Secret("x"), urandom, passwords.CURRENT_COST)
    raw = "$".join((*stored.split("$")[:5], passwords._encode_base64(scrypt(DECOMPOSED, stored))))  # noqa: SLF001 - as before
    assert passwords.verify(Secret(DECOMPOSED), raw)
    assert not passwords.verify(Secret(COMPOSED), raw)
    assert not passwords.needs_rehash(raw, Secret("ascii"))
    assert passwords.needs_rehash(raw, Secret(DECOMPOSED))
    renewed = passwords.hash_password(Secret(DECOMPOSED), urandom)
    assert not passwords.needs_rehash(renewed, Secret(DECOMPOSED))
    assert passwords.may_be_renewal(raw, renewed)
    assert not passwords.may_be_renewal(renewed, raw)


def scrypt(text: str, stored: str) -> bytes:
    _, n, r, p, salt, _ = stored.split("$")
    memory = 256 * int(n) * int(r) + 2**20
    return hashlib.scrypt(
        text.encode(), salt=base64.b64decode(salt), n=int(n), r=int(r), p=int(p), maxmem=memory, dklen=32
    )
