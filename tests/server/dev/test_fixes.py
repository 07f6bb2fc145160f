"""What the journal suggests for a refused request."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from gamcli.actions import Gam, example, repository, users
from gamcli.server.dev.fixes import FIXES, FIXES_WITHOUT_FACTS, suggest_fix
from gamcli.server.endpoints import refusals
from gamcli.server.endpoints.context import Trace
from gamcli.server.transport.messages import Request
from gamcli.store import Store

TOKEN = "/oauth/gam/v2.0/access_token"
Seeded = tuple[Gam, example.Credentials]


@pytest.fixture
def seeded() -> Iterator[Seeded]:
    with Store.in_memory() as store:
        gam = Gam(store, lambda: datetime.now(UTC), os.urandom, "test")
        repository.initialise(gam)
        yield gam, example.create_example(gam)


def fix(seeded: Seeded, rule: str, **changes: str) -> str:
    gam, made = seeded
    form = {"client_id": made.client_id, "client_secret": made.client_secret.reveal(), "grant_type": "password"}
    form |= {"authentication_type_name": "apikey"} | changes
    if "username" not in form:
        form = {"api_key": made.api_key.reveal()} | form
    body = urlencode(form).encode()
    fields = {"content-type": "application/x-www-form-urlencoded", "content-length": str(len(body))}
    return suggest_fix(gam, Request("POST", TOKEN, fields=fields, body=body), Trace(rule=rule))


def test_every_rule_is_one_of_the_table() -> None:
    assert {*FIXES, *FIXES_WITHOUT_FACTS} <= {*refusals.TABLE}
    assert FIXES.keys().isdisjoint(FIXES_WITHOUT_FACTS)


def test_a_change_of_the_server_is_a_request_to_the_control_api(seeded: Seeded) -> None:
    users.rename(seeded[0], "ana", "Ana B.")
    assert fix(seeded, "user_blocked") == 'curl -X POST "$GAM_CONTROL_URL/users/Ana%20B./unblock"'
    key = '{"user": "Ana B.", "app": "portal", "replace": true}'
    assert fix(seeded, "key_expired") == f"curl -d '{key}' \"$GAM_CONTROL_URL/keys\""
    assert '"[app.\\"portal\\"]\\nremote_rest = true"' in fix(seeded, "remote_rest_off")


def test_a_wrong_request_is_fixed_by_what_to_send(seeded: Seeded) -> None:
    gam = seeded[0]
    assert fix(seeded, "client_secret_wrong") == "send the value of GAM_CLIENT_SECRET_PORTAL"
    assert fix(seeded, "auth_type_wrong", authentication_type_name="local") == "send authentication_type_name=apikey"
    assert fix(seeded, "key_unproven", api_key="wrong") == "send the value of GAM_API_KEY"
    assert "belongs to user 'ana'" in fix(seeded, "key_unproven", username="eva", api_key=seeded[1].api_key.reveal())
    assert fix(seeded, "password_wrong", username="ana", password="x") == "send the value of GAM_PASSWORD_ANA"
    users.create(gam, "eva", {})
    assert '[user.\\"eva\\"]' in fix(seeded, "password_wrong", username="eva", password="x")
    assert "name of a user" in fix(seeded, "password_wrong", username="bob", password="x")
    assert fix(seeded, "scope_beyond") == "request scopes of: gam_user_data+gam_user_roles"


def test_another_rule_keeps_its_command_and_an_unreadable_request_has_none(seeded: Seeded) -> None:
    assert fix(seeded, "auth_type_missing", authentication_type_name="") == "send authentication_type_name=apikey"
    assert fix(seeded, "bug") == ""
    assert suggest_fix(seeded[0], Request("POST", TOKEN, body=b"%"), Trace(rule="key_expired")) == ""


def test_a_fault_is_removed() -> None:
    fault = Trace(rule="store_gone", detail="fault token=503")
    with Store.in_memory() as store:
        gam = Gam(store, lambda: datetime.now(UTC), os.urandom, "test")
        assert suggest_fix(gam, Request("POST", TOKEN), fault) == 'curl -X DELETE "$GAM_CONTROL_URL/faults"'
