"""Inspection of credentials, without a store."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.model.token_ids import BASE62_ALPHABET
from gamcli.rules.credentials import Entropy, Secret, mint_access_token, mint_api_key, mint_client_secret
from gamcli.rules.inspection import inspect
from tests.cases import for_each


def test_a_sound_api_key_reports_its_id(entropy: Entropy) -> None:
    key_id, secret = mint_api_key(entropy)
    result = inspect(secret.reveal())
    assert (result.type, result.id, result.checksum, result.damage) == ("API key", key_id, True, ())


def test_a_sound_client_secret_and_a_sound_token_are_known(entropy: Entropy) -> None:
    result = inspect(mint_client_secret(entropy).reveal())
    assert (result.type, result.id, result.checksum, result.damage) == ("client secret", None, True, ())
    token = mint_access_token("0f8fad5b-d9cb-469f-a165-70867728950e", 7, entropy)
    result = inspect(token.reveal())
    assert (result.type, result.id, result.checksum, result.damage) == ("access token", "000000000007", None, ())


@pytest.mark.parametrize(
    ("before", "after", "damage"),
    [
        (" ", "", "spaces or line breaks around or inside it"),
        ("", "\r\n", "spaces or line breaks around or inside it"),
        ("\u201c", "\u201d", "quotes around or inside it"),
        ("'", "'", "quotes around or inside it"),
        ("\ufeff", "", "invisible characters"),
    ],
)
def test_what_was_wrapped_around_a_key_is_named_and_looked_through(
    entropy: Entropy, before: str, after: str, damage: str
) -> None:
    key_id, secret = mint_api_key(entropy)
    result = inspect(f"{before}{secret.reveal()}{after}")
    assert (result.id, result.checksum, result.damage) == (key_id, True, (damage,))


SECRET: Secret = mint_api_key(bytes)[1]


@given(cut=st.integers(7, 53))
def test_a_key_cut_anywhere_is_cut_short(cut: int) -> None:
    result = inspect(SECRET.reveal()[:cut])
    key_id = SECRET.reveal()[7:15]
    named = f"; looks like key {key_id}" if cut >= 16 else ""
    assert (result.type, result.checksum, result.damage) == (
        "API key", False, (f"truncated: {cut} of 54 characters{named}",),
    )  # fmt: skip
    assert result.id == (key_id if named else None)


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [("GAM_API_KEY=", "", " (GAM_API_KEY=)"), ("export KEY=", "", " (KEY=)"), ('{"key": ', "}", ""), ("x", "", "")],
)
def test_a_line_with_more_than_the_credential_is_reported(entropy: Entropy, before: str, after: str, name: str) -> None:
    key_id, secret = mint_api_key(entropy)
    result = inspect(before + secret.reveal() + after)
    assert (result.type, result.id, result.checksum) == ("API key", key_id, True)
    assert f"the line contains more than the API key: remove the text before it{name}" in result.damage
    assert inspect(f"{before}gamsec_x").type == "client secret"


def test_a_key_with_more_behind_it_is_too_long(entropy: Entropy) -> None:
    _, secret = mint_api_key(entropy)
    assert inspect(secret.reveal() * 2).damage == ("too long: 108 instead of 54 characters",)


@given(place=st.integers(7, 53), letter=st.sampled_from(BASE62_ALPHABET))
def test_a_wrong_letter_anywhere_is_noticed(place: int, letter: str) -> None:
    text = SECRET.reveal()
    changed = f"{text[:place]}{letter}{text[place + 1 :]}"
    result = inspect(changed)
    expected = () if changed == text else ("checksum mismatch: at least one character is wrong",)
    assert result.damage == expected


def test_the_length_of_a_client_secret_is_known(entropy: Entropy) -> None:
    text = mint_client_secret(entropy).reveal()
    assert inspect(text[:-1]).damage == ("truncated: 52 of 53 characters",)
    assert inspect(f"{text}A").damage == ("too long: 54 instead of 53 characters",)
    other = "B" if text.endswith("A") else "A"
    assert inspect(text[:-1] + other).damage == ("checksum mismatch: at least one character is wrong",)


@for_each("text", ["", "hello", "sk_live_123", "GAMKEY_x"])
def test_what_gamcli_never_made_is_unknown(text: str) -> None:
    assert inspect(text).type == "unknown"
    assert inspect(text).damage == ("not a credential issued by gamcli",)
