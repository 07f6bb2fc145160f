"""Requests of a turn are answered together; what is wrong with one is not answered to the others."""

import json
from contextlib import closing
from time import monotonic

import pytest

from gamcli.actions import Gam, issuance, keys, users
from gamcli.rules.credentials import Secret
from gamcli.rules.grants import TokenRequest
from gamcli.server.dispatcher import Dispatcher
from gamcli.server.endpoints.context import DEFAULT_CONFIG
from gamcli.server.request_log import RequestLog
from gamcli.server.transport.connection import PendingRequest
from gamcli.server.transport.messages import Request

from .conftest import CLIENT_ID, CLIENT_SECRET

pytestmark = pytest.mark.both_engines


def issue_token(gam: Gam, user: str) -> str:
    secret = keys.generate(gam, keys.KeySpec(user, "portal")).secret
    request = TokenRequest(CLIENT_ID, Secret(CLIENT_SECRET), authentication_type_name="apikey", api_key=secret)
    return issuance.exchange(gam, request).secret.reveal()


def test_a_damaged_user_fails_the_claims_of_no_other_user(gam: Gam) -> None:
    users.create(gam, "bob", {})
    tokens = {user: issue_token(gam, user) for user in ("ana", "bob")}
    with gam.store.writing() as tx:
        tx.run("UPDATE user SET attributes = 'x' WHERE name = 'bob'")
    log = RequestLog(lambda _: True, "text", gam.now, "run")
    with closing(Dispatcher[PendingRequest](gam, DEFAULT_CONFIG, log, lambda: None)) as turn:
        for token in tokens.values():
            fields = {"authorization": f"Bearer {token}"}
            turn.submit(PendingRequest(Request("GET", "/oauth/gam/v2.0/userinfo", fields=fields), monotonic()))
        turn.end_turn()
        responses = [response for _, response in turn.pop_responses()]
    assert [each.status for each in responses] == [200, 503]
    assert json.loads(responses[0].body)["username"] == "ana"
