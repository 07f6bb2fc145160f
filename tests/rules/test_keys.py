"""Issuing keys: when it is allowed, and what the key is like."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.errors import RefusedError, UsageError
from gamcli.model import GAMLOCAL, App, AuthType, Key, User
from gamcli.rules import keys
from gamcli.rules.credentials import Entropy, Secret, parse_api_key_id
from gamcli.rules.grants import GrantFacts
from gamcli.rules.keys import KeyOptions
from tests.cases import for_each

Break = Callable[[GrantFacts], GrantFacts]


def policy(facts: GrantFacts, **settings: object) -> GrantFacts:
    assert facts.app is not None
    changed = replace(facts.app.api_keys, **settings)  # type: ignore[arg-type]
    return facts._replace(app=facts.app._replace(api_keys=changed))


def with_app(facts: GrantFacts, **settings: object) -> GrantFacts:
    assert facts.app is not None
    return facts._replace(app=facts.app._replace(**settings))  # type: ignore[arg-type]


def with_user(facts: GrantFacts, **settings: object) -> GrantFacts:
    assert facts.user is not None
    return facts._replace(user=facts.user._replace(**settings))  # type: ignore[arg-type]


def with_type(facts: GrantFacts, **settings: object) -> GrantFacts:
    assert facts.auth_type is not None
    return facts._replace(auth_type=facts.auth_type._replace(**settings))  # type: ignore[arg-type]


BREAKS: dict[str, tuple[Break, str | None]] = {
    "app_disabled": (lambda f: with_app(f, enabled=False), "gamcli app enable portal"),
    "remote_rest_off": (lambda f: with_app(f, remote_rest=False), "gamcli app update portal --remote-rest"),
    "api_keys_off": (lambda f: policy(f, enabled=False), "gamcli app update portal --remote-rest --api-keys"),
    "auth_type_unavailable": (lambda f: with_type(f, enabled=False), "gamcli auth-type update apikey --enable"),
    "auth_type_wrong": (lambda f: with_type(f, type=GAMLOCAL), "gamcli auth-type list --type APIkey"),
    "user_inactive": (lambda f: with_user(f, enabled=False), "gamcli user enable ana"),
    "user_blocked": (lambda f: with_user(f, blocked=True), "gamcli user unblock ana"),
}
"""For each rule of a new key, what breaks it and the hint of its refusal."""


@pytest.fixture(scope="session")
def wish(now: datetime, app: App, user: User, auth_type: AuthType) -> GrantFacts:
    return GrantFacts(now=now, app=app, user=user, auth_type=auth_type)


def no_randomness(count: int) -> bytes:
    return bytes(count)


def refusal(facts: GrantFacts, terms: KeyOptions) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        keys.issue(facts, terms, no_randomness)
    return caught.value


def test_the_rules_of_a_new_key_are_these_in_this_order() -> None:
    assert [rule.name for rule in keys.ISSUE_RULES] == list(BREAKS)


@pytest.mark.parametrize("rule", BREAKS)
def test_a_broken_rule_refuses_by_its_name_and_its_hint(wish: GrantFacts, rule: str) -> None:
    broken, hint = BREAKS[rule]
    error = refusal(broken(wish), KeyOptions())
    assert (error.rule, error.hint) == (rule, hint)


@pytest.mark.parametrize(("earlier", "later"), list(combinations(BREAKS, 2)))
def test_of_two_broken_rules_the_earlier_one_speaks(wish: GrantFacts, earlier: str, later: str) -> None:
    assert refusal(BREAKS[earlier][0](BREAKS[later][0](wish)), KeyOptions()).rule == earlier


@pytest.mark.parametrize("asked", [timedelta(0), timedelta(seconds=-1)])
def test_a_key_that_expires_at_once_cannot_be(wish: GrantFacts, asked: timedelta, entropy: Entropy) -> None:
    with pytest.raises(UsageError, match="lifetime of a key"):
        keys.issue(wish, KeyOptions(expires_in=asked), entropy)


@pytest.mark.parametrize("rule", BREAKS)
def test_the_rules_speak_before_the_scopes_and_the_label(wish: GrantFacts, rule: str) -> None:
    terms = KeyOptions(scopes=("fullcontrol",), label="\n")
    assert refusal(BREAKS[rule][0](wish), terms).rule == rule


def test_another_type_than_the_one_that_the_application_allows_is_refused(wish: GrantFacts) -> None:
    assert refusal(with_type(wish, name="another"), KeyOptions()).rule == "auth_type_wrong"


def test_a_new_key_belongs_to_its_user_application_and_type(wish: GrantFacts, entropy: Entropy) -> None:
    assert wish.app is not None
    assert wish.user is not None
    issued = keys.issue(wish, KeyOptions(label="ci"), entropy)
    assert issued.record == Key(
        id=str(parse_api_key_id(issued.secret)),
        user="ana",
        user_guid=wish.user.guid,
        app="portal",
        client_id=wish.app.client_id,
        auth_type="apikey",
        scopes=("gam_user_data", "gam_user_roles"),
        digest=issued.secret.digest(),
        created_at=wish.now,
        expires_at=wish.now + timedelta(hours=2160),
        label="ci",
    )
    assert issued.secret.reveal() not in repr(issued)


@pytest.mark.parametrize(
    ("timeout", "asked", "lifetime"),
    [
        (0, None, None),
        (24, None, timedelta(hours=24)),
        (0, timedelta(hours=1), timedelta(hours=1)),
        (24, timedelta(hours=1), timedelta(hours=1)),
        (24, timedelta(hours=24), timedelta(hours=24)),
        (24, timedelta(hours=25), timedelta(hours=24)),
        (999_999_999, None, None),
        (999_999_999, timedelta(days=36_500), timedelta(days=36_500)),
    ],
)
def test_a_key_is_valid_as_asked_but_never_beyond_the_timeout(
    wish: GrantFacts, timeout: int, asked: timedelta | None, lifetime: timedelta | None
) -> None:
    issued = keys.issue(policy(wish, timeout_hours=timeout), KeyOptions(expires_in=asked), no_randomness)
    assert issued.record.expires_at == (None if lifetime is None else wish.now + lifetime)


@given(st.integers(0, 999_999_999), st.none() | st.timedeltas(timedelta(microseconds=1), timedelta(days=36_500)))
def test_no_timeout_and_no_lifetime_overflow(wish: GrantFacts, timeout: int, asked: timedelta | None) -> None:
    late = policy(wish, timeout_hours=timeout)._replace(now=datetime(9990, 1, 1, tzinfo=UTC))
    end = keys.issue(late, KeyOptions(expires_in=asked), no_randomness).record.expires_at
    assert end is None or late.now < end <= datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "short"),
    [(None, False), (timedelta(hours=1), False), (timedelta(hours=24), False), (timedelta(hours=25), True)],
)
def test_a_key_that_was_cut_short_says_so(
    wish: GrantFacts,
    asked: timedelta | None,
    short: bool,  # noqa: FBT001 - a column of the table
) -> None:
    issued = keys.issue(policy(wish, timeout_hours=24), KeyOptions(expires_in=asked), no_randomness)
    assert keys.is_shortened(issued.record, asked) is short


def test_a_key_without_end_was_not_cut_short(key: Key) -> None:
    assert not keys.is_shortened(key._replace(expires_at=None), timedelta(days=1))


def test_scopes_may_be_chosen_only_when_the_application_lets_users_choose(wish: GrantFacts) -> None:
    error = refusal(policy(wish, scope_choice=False), KeyOptions(scopes=("gam_user_data",)))
    assert error.rule == "scope_choice_off"
    assert error.hint == "omit --scope, or gamcli app update portal --api-key-scope-choice"


def test_without_a_choice_a_key_carries_all_that_is_published(wish: GrantFacts) -> None:
    issued = keys.issue(policy(wish, scope_choice=False), KeyOptions(), no_randomness)
    assert issued.record.scopes == ("gam_user_data", "gam_user_roles")


@pytest.mark.parametrize(
    "asked", [(), ("user_email",), ("gam_user_data", "gam_user_roles"), ("user_guid", "user_city")]
)
def test_a_choice_within_what_is_published_is_carried_as_asked(wish: GrantFacts, asked: tuple[str, ...]) -> None:
    assert keys.issue(wish, KeyOptions(scopes=asked), no_randomness).record.scopes == asked


def test_a_choice_beyond_what_is_published_is_refused_with_the_scopes_that_are(wish: GrantFacts) -> None:
    error = refusal(wish, KeyOptions(scopes=("gam_user_data", "fullcontrol", "user_Area")))
    assert error.rule == "scope_beyond"
    assert error.message == "application 'portal' does not publish fullcontrol+user_Area"
    assert error.hint == "gamcli app update portal --add-scope fullcontrol+user_Area"


@pytest.mark.parametrize("label", ["\n", "x" * 255])
def test_a_label_is_a_short_printable_text(wish: GrantFacts, label: str) -> None:
    with pytest.raises(UsageError, match="the label"):
        keys.issue(wish, KeyOptions(label=label), no_randomness)


def test_two_keys_differ_in_id_and_secret(wish: GrantFacts, entropy: Entropy) -> None:
    one, other = (keys.issue(wish, KeyOptions(), entropy) for _ in range(2))
    assert one.record.id != other.record.id
    assert not Secret(one.secret.reveal()).matches(other.record.digest)


def test_the_key_that_follows_another_carries_what_it_carried(wish: GrantFacts, entropy: Entropy) -> None:
    terms = KeyOptions(("gam_user_roles",), timedelta(days=3), "ci")
    old = keys.issue(policy(wish, scope_choice=True), terms, entropy).record
    assert keys.renewal_options(old) == KeyOptions(("gam_user_roles",), timedelta(days=3), "ci", is_renewal=True)
    new = keys.issue(policy(wish, scope_choice=False), keys.renewal_options(old), entropy).record
    assert (new.scopes, new.label, new.expires_at) == (old.scopes, old.label, old.expires_at)


@pytest.mark.parametrize(
    ("life", "within", "due"),
    [
        (None, None, True),
        (None, timedelta(days=9), False),
        (timedelta(days=9), timedelta(days=9), True),
        (timedelta(days=9), timedelta(days=8), False),
    ],
)
def test_a_key_is_due_when_it_expires_within_the_time_asked_for(
    wish: GrantFacts,
    entropy: Entropy,
    life: timedelta | None,
    within: timedelta | None,
    due: bool,  # noqa: FBT001 - a column of the table
) -> None:
    key = keys.issue(policy(wish, timeout_hours=0), KeyOptions(expires_in=life), entropy).record
    assert keys.is_expiring(key, wish.now, within) is due


@for_each(
    ("lifetime", "window", "limit"),
    [
        (timedelta(days=10), timedelta(days=14), "9d"),
        (timedelta(days=10), timedelta(days=10), "9d"),
        (timedelta(hours=36), timedelta(days=2), "1d"),
        (timedelta(hours=24), timedelta(days=1), "23h"),
        (timedelta(minutes=30), timedelta(hours=1), "29m"),
        (timedelta(days=10), timedelta(days=9), None),
        (None, timedelta(days=9), None),
        (timedelta(days=1), None, None),
    ],
)
def test_a_key_that_would_be_due_at_once_is_refused_with_the_largest_window(
    facts: GrantFacts, lifetime: timedelta | None, window: timedelta | None, limit: str | None
) -> None:
    assert facts.key is not None
    expires_at = None if lifetime is None else facts.key.created_at + lifetime
    key = facts.key._replace(expires_at=expires_at)
    if limit is None:
        keys.require_larger_lifetime(key, window)
        return
    with pytest.raises(UsageError, match="would be due for rotation immediately") as caught:
        keys.require_larger_lifetime(key, window)
    assert caught.value.hint == f"use a window of at most {limit}"


@for_each("text", ["a" * 20, "~" * 2048, "two words of a legacy key", "gamkey-but-not-ours-0123456"])
def test_a_printable_key_of_another_system_can_be_imported(text: str) -> None:
    assert keys.check_imported(Secret(text)).reveal() == text


@for_each(
    ("text", "message"),
    [
        ("a" * 19, "the API key has 19 characters"),
        ("a" * 2049, "the API key has 2,049 characters"),
        (" " + "a" * 20, "the API key begins or ends with a space"),
        ("a" * 20 + " ", "the API key begins or ends with a space"),
        ("a" * 20 + "é", "the API key has a character that is not printable ASCII"),
        ("a" * 20 + "\n" + "a" * 20, "the API key has a character that is not printable ASCII"),
        ("a" * 20 + "\x7f", "the API key has a character that is not printable ASCII"),
        ("gamkey_" + "a" * 47, "the API key is damaged: its format or checksum is wrong"),
        ("gamsec_" + "a" * 46, "this is a client secret, not an API key"),
    ],
)
def test_another_text_cannot_be_imported_and_is_not_shown(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        keys.check_imported(Secret(text))
    assert caught.value.message == message
    assert "aaaa" not in f"{caught.value} {caught.value.hint}"


def test_a_key_of_a_seed_begins_with_the_status_asked_for(key: Key) -> None:
    now = key.created_at
    key = key._replace(expires_at=now + timedelta(days=30))
    changed = {status: keys.with_status(key, status, now) for status in keys.STATUSES}
    assert {status: each.status(now) for status, each in changed.items()} == {
        "active": "active", "revoked": "revoked", "expired": "expired", "suspended": "active",
    }  # fmt: skip
    assert changed["suspended"].disabled_at == now
    expired = changed["expired"]
    assert expired.expires_at == now - timedelta(hours=1)
    assert expired.expires_at - expired.created_at == timedelta(days=30)
    lasting = keys.with_status(key._replace(expires_at=None), "expired", now)
    assert lasting.expires_at is not None
    assert lasting.expires_at - lasting.created_at == timedelta(days=1)
