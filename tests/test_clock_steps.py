"""A clock that is set back or was fast: nothing inactive becomes valid again, and nothing waits for it."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from gamcli.actions import Gam, apps, issuance, keys, tokens, userinfo, users
from gamcli.actions.apps import AppSpec
from gamcli.actions.keys import KeySpec
from gamcli.errors import RefusedError
from gamcli.model.token_ids import format_token_id
from gamcli.rules.credentials import Secret, parse_access_token
from gamcli.rules.grants import TokenRequest
from gamcli.server.endpoints.failure_limit import Client, FailureLimiter

Forward = Callable[[timedelta], datetime]
HOUR = timedelta(hours=1)


@pytest.fixture
def asked(gam: Gam) -> TokenRequest:
    wish = AppSpec("portal", {"scopes": ("gam_user_data",), "remote_rest": True, "api_keys.enabled": True})
    made = apps.create(gam, wish)
    users.create(gam, "ana", {})
    issued = keys.generate(gam, KeySpec("ana", "portal", expires_in=timedelta(days=90)))
    assert made.secret is not None
    assert issued.secret is not None
    return TokenRequest(
        client_id=made.record.client_id,
        client_secret=made.secret,
        api_key=issued.secret,
        authentication_type_name="apikey",
    )


def refused(gam: Gam, token: Secret) -> str:
    with pytest.raises(RefusedError) as caught:
        userinfo.userinfo(gam, token)
    return caught.value.rule


def id_of(token: Secret) -> str:
    row = parse_access_token(token)
    assert row is not None
    return format_token_id(row)


def test_a_revoked_token_stays_revoked_when_the_clock_is_set_back(
    gam: Gam, asked: TokenRequest, forward: Forward
) -> None:
    one, other = (issuance.exchange(gam, asked).secret for _ in range(2))
    forward(timedelta(minutes=1))
    tokens.revoke(gam, id_of(one))
    keys.revoke(gam, [tokens.show(gam, id_of(other)).key or ""], None)
    for step in (timedelta(minutes=1), HOUR, timedelta(days=3650)):
        forward(-step)
        assert refused(gam, one) in ("token_revoked", "token_expired")
        assert refused(gam, other) in ("token_revoked", "token_expired")
        with pytest.raises(RefusedError):
            issuance.exchange(gam, asked)


def test_a_replaced_token_stays_replaced_when_the_clock_is_set_back(
    gam: Gam, asked: TokenRequest, forward: Forward
) -> None:
    apps.update(gam, "portal", {"one_token_per_user": True})
    first = issuance.exchange(gam, asked).secret
    second = issuance.exchange(gam, asked).secret
    forward(timedelta(minutes=-1))
    assert refused(gam, first) == "token_revoked"
    assert userinfo.userinfo(gam, second)


@pytest.mark.parametrize("ahead", [HOUR, timedelta(days=3650)])
def test_a_token_issued_by_a_fast_clock_expires_in_time(
    gam: Gam, asked: TokenRequest, forward: Forward, ahead: timedelta
) -> None:
    with gam.store.writing() as tx:
        tx.run("UPDATE key SET expires_at = NULL")
    forward(ahead)
    early = issuance.exchange(gam, asked)
    assert userinfo.userinfo(gam, early.secret)
    forward(-ahead)
    assert refused(gam, early.secret) == "token_expired"
    again = issuance.exchange(gam, asked)
    assert again.expires_in == early.expires_in == 3600
    assert userinfo.userinfo(gam, again.secret)
    forward(HOUR)
    assert refused(gam, again.secret) == "token_expired"


def test_a_key_is_valid_longer_by_the_time_that_the_clock_was_set_back(
    gam: Gam, asked: TokenRequest, forward: Forward
) -> None:
    forward(timedelta(days=90) - timedelta(milliseconds=300))
    assert issuance.exchange(gam, asked).expires_in == 1
    forward(-HOUR)
    assert 1 <= issuance.exchange(gam, asked).expires_in <= 3600
    forward(HOUR + timedelta(seconds=1))
    with pytest.raises(RefusedError) as caught:
        issuance.exchange(gam, asked)
    assert caught.value.rule == "key_expired"


@pytest.mark.parametrize("step", [-HOUR, HOUR, timedelta(days=-3650)])
def test_a_clock_step_delays_nothing_by_more_than_a_minute(now: datetime, step: timedelta) -> None:
    failures = FailureLimiter(limit=2)
    for _ in range(2):
        failures.record(Client("client"), now)
    assert failures.retry_after(Client("client"), now) == 60
    assert failures.retry_after(Client("client"), now + step) == 0
    for _ in range(2):
        failures.record(Client("client"), now + step)
    assert failures.retry_after(Client("client"), now + step) == 60
