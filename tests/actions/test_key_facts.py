"""Loading what the rules need to know about many keys."""

from itertools import cycle, islice

import pytest

from gamcli.actions import Gam, keys, users
from gamcli.actions.changes import KEYS_PER_READ, load_key_facts
from gamcli.actions.keys import KeySpec
from gamcli.rules.keys import IssuedKey

pytestmark = pytest.mark.both_engines


def test_each_of_many_keys_comes_with_its_own_user_and_application(gam: Gam, issued: IssuedKey) -> None:
    users.create(gam, "bea", {})
    other = keys.generate(gam, KeySpec("bea", issued.record.app))
    asked = [*islice(cycle([issued.record, other.record, issued.record]), KEYS_PER_READ + 2)]
    with gam.store.reading() as tx:
        found = [*load_key_facts(tx, gam, asked)]
    assert [facts.known_key for facts in found] == asked
    assert {(facts.known_user.name, facts.known_key.user) for facts in found} == {("ana", "ana"), ("bea", "bea")}
    assert {facts.known_app.name for facts in found} == {"portal"}


def test_the_first_key_is_judged_before_all_keys_are_read(gam: Gam, issued: IssuedKey) -> None:
    unread = iter([issued.record] * 2 * KEYS_PER_READ)
    with gam.store.reading() as tx:
        assert next(load_key_facts(tx, gam, unread)).known_user.name == "ana"
    assert len([*unread]) == KEYS_PER_READ
