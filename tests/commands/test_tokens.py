"""`gamcli token`."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from gamcli.actions import Gam, issuance
from gamcli.rules.credentials import Secret
from gamcli.rules.grants import TokenRequest

Run = Callable[..., Any]


@pytest.fixture
def trade(world: Run, api_key: str, ago: Callable[[timedelta], Gam]) -> Callable[[timedelta], str]:
    asked = TokenRequest(
        client_id=world("app", "show", "portal", "--field", "client_id").out.strip(),
        client_secret=Secret(world("app", "rotate-secret", "portal", "--overlap", "0").out.strip()),
        api_key=Secret(api_key),
        authentication_type_name="apikey",
    )

    def traded(length: timedelta = timedelta()) -> str:
        return issuance.exchange(ago(length), asked).secret.reveal()[37:49]

    return traded


def ids(ran: Any) -> list[str]:  # noqa: ANN401 - Ran
    return [each["id"] for each in ran.json]


def test_list_filters_by_user_application_key_and_status(world: Run, key_id: str, trade: Callable[..., str]) -> None:
    world("user", "create", "bob")
    world("app", "create", "other")
    old, new = trade(timedelta(hours=2)), trade()
    assert ids(world("token", "list", "-o", "json")) == [old, new]
    for words in (["--user", "ana"], ["--app", "portal"], ["--key", key_id], ["--key", key_id[:6]]):
        assert ids(world("token", "list", *words, "-o", "json")) == [old, new]
    assert ids(world("token", "list", "--user", "bob", "-o", "json")) == []
    assert ids(world("token", "list", "--app", "other", "-o", "json")) == []
    assert ids(world("token", "list", "--status", "expired", "-o", "json")) == [old]
    assert ids(world("token", "list", "--status", "active", "-o", "json")) == [new]
    assert ids(world("token", "list", "--status", "active", "--status", "expired", "-o", "json")) == [old, new]
    assert ids(world("token", "list", "--limit", "1", "-o", "json")) == [old]
    assert ids(world("token", "list", "--sort", "-issued_at", "-o", "json")) == [new, old]


@pytest.mark.parametrize(
    ("words", "code"),
    [(["--user", "x"], 3), (["--app", "x"], 3), (["--key", "x"], 3), (["--status", "x"], 2), (["--sort", "x"], 2)],
    ids=str,
)
def test_list_refuses_what_there_is_not(world: Run, words: list[str], code: int) -> None:
    assert world("token", "list", *words).code == code


def test_revoke_ends_a_token_and_says_so_when_it_has_ended(world: Run, trade: Callable[..., str]) -> None:
    token = trade()
    assert world("token", "revoke", token).err == f"gamcli: revoked token {token} of ana for portal\n"
    again = world("token", "revoke", token)
    assert again.code == 0
    told = f"not revoked, because it is already revoked: token {token} of ana for portal"
    assert again.err == f"gamcli: {told}\n"
    assert world("token", "revoke", token, "-o", "json").json["status"] == "revoked"
    assert ids(world("token", "list", "--status", "revoked", "-o", "json")) == [token]


def test_a_token_says_whose_it_is(world: Run, key_id: str, trade: Callable[..., str]) -> None:
    found = world("token", "show", trade(), "-o", "json").json
    assert (found["user"], found["app"], found["key"], found["status"]) == ("ana", "portal", key_id, "active")
    assert found["scopes"] == ["gam_user_data", "gam_user_roles"]


def test_the_tokens_of_a_revoked_key_have_ended(world: Run, key_id: str, trade: Callable[..., str]) -> None:
    token = trade()
    world("key", "revoke", key_id)
    assert world("token", "show", token, "--field", "status").out == "revoked\n"


@pytest.mark.parametrize("token", ["", "nope", "0" * 12, "z" * 12, "!" * 12, "0" * 13])
def test_an_unknown_token_is_3(world: Run, token: str) -> None:
    assert world("token", "show", token).code == 3
    assert world("token", "revoke", token).code == 3


def test_revoke_ends_the_session_of_a_token_that_is_renewed(world: Run, trade: Callable[..., str]) -> None:
    world("app", "update", "portal", "--token-renewals", "1")
    token = trade()
    shown = world("token", "show", token, "-o", "json").json
    assert shown["session"] == token
    assert world("token", "revoke", token).err == (
        f"gamcli: revoked token {token} of ana for portal with its session\n"
    )


@pytest.mark.parametrize("table", ["app", "user"])
def test_keys_without_their_application_or_user_do_not_become_those_of_the_next_one(
    world: Run, sql: Run, api_key: str, table: str
) -> None:
    client_id = world("app", "show", "portal", "--field", "client_id").out.strip()
    sql(f"DELETE FROM {table}")  # without foreign keys, as another program does it
    sql("DELETE FROM app_use")
    assert world("store", "check").code == 8
    if table == "app":
        made = world(
            "app", "create", "portal", "--remote-rest", "--api-keys", "--client-id", client_id, "--out", "secret"
        )
    else:
        sql("INSERT INTO app_use (client_id, grants) VALUES (?, 0)", client_id)
        made = world("user", "create", "bob")
    assert made.code == 0
    assert world("key", "list", "-o", "json").json == []
    assert world("key", "verify", "--api-key-file", "-", stdin=api_key).code == 4
    assert world("store", "check").code == 8
