"""Many API keys at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.rules import bulk_minting
from gamcli.rules.credentials import Entropy, mint_api_key, mint_api_keys, parse_api_key_id


@pytest.mark.parametrize("count", [0, 1, 2, 5000])
def test_each_key_of_many_is_as_one_made_alone(entropy: Entropy, count: int) -> None:
    beginning = bulk_minting.mint_id_prefix(entropy)
    ids = bulk_minting.mint_ids(beginning, count, entropy)
    secrets = mint_api_keys(ids, entropy)
    assert [parse_api_key_id(secret) for secret in secrets] == ids
    assert len(set(ids)) == len({secret.reveal()[16:48] for secret in secrets}) == count
    assert ids == sorted(ids)
    assert {key_id[:4] for key_id in ids} <= {beginning}
    assert {len(secret.reveal()) for secret in secrets} <= {len(mint_api_key(entropy)[1].reveal())}


@given(st.integers(0, 255))
def test_ids_that_are_drawn_twice_are_drawn_again(byte: int) -> None:
    rolls = iter(range(10_000_000))

    def random_bytes(count: int) -> bytes:
        return bytes((next(rolls) // 7 + byte) % 248 for _ in range(count))

    assert len(set(bulk_minting.mint_ids("Ab12", 40, random_bytes))) == 40


@pytest.mark.parametrize("length", [4])
def test_a_beginning_leaves_room_for_the_rest(entropy: Entropy, length: int) -> None:
    assert len(bulk_minting.mint_id_prefix(entropy)) == length
