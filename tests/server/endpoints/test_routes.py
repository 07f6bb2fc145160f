"""The endpoints over a real port: every rule of the contract, in order, with its header fields."""

import json
import re
import subprocess
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote_plus, urlencode

import pytest

from gamcli.actions import Gam, apps, keys, users
from gamcli.actions.grant_cache import GrantCache
from gamcli.rules.credentials import Secret
from gamcli.server.endpoints import context
from gamcli.server.endpoints.access_token import MAX_CACHED_BODY
from gamcli.server.endpoints.context import ServerConfig
from gamcli.server.server import Server
from gamcli.server.transport.messages import Request, Response
from gamcli.store import Store
from tests.server.conftest import respond

Ask = Callable[..., Response]
TOKEN_PATH = "/oauth/gam/v2.0/access_token"
USERINFO_PATH = "/oauth/gam/v2.0/userinfo"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def refused(response: Response) -> tuple[str, int]:
    assert list(json.loads(response.body)) == ["error"]
    error = json.loads(response.body)["error"]
    assert list(error) == ["code", "message"]
    assert dict(response.fields)["Content-Type"] == "application/json"
    assert dict(response.fields)["Cache-Control"] == "no-store"
    return error["code"], response.status


def token_of(response: Response) -> str:
    assert response.status == 200, response.body
    return str(json.loads(response.body)["access_token"])


def basic(form: dict[str, str], client_id: str | None = None) -> dict[str, str]:
    halves = (client_id or form["client_id"], form["client_secret"])
    return {"Authorization": "Basic " + b64encode(":".join(map(quote_plus, halves)).encode()).decode()}


def ana(gam: Gam, **changes: object) -> object:
    return users.update(gam, "ana", changes)


def portal(gam: Gam, accept: int | None = None, edit: apps.ScopeEdit | None = None, **changes: object) -> object:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return apps.update(gam, "portal", named, edit or apps.ScopeEdit(), accept)


def test_a_grant_answers_with_these_fields_in_this_order(post: Ask, gam: Gam) -> None:
    response = post()
    body = json.loads(response.body)
    guid = users.show(gam, "ana").guid
    assert list(body) == ["access_token", "token_type", "expires_in", "refresh_token", "scope", "user_guid"]
    assert re.fullmatch(r"[0-9a-f-]{36}![0-9A-Za-z]{78}", body.pop("access_token"))
    assert body == {
        "token_type": "Bearer",
        "expires_in": 3600,
        "refresh_token": "",
        "scope": "gam_user_data+gam_user_roles+user_team",
        "user_guid": guid,
    }


def test_a_grant_may_be_kept_by_nobody(post: Ask) -> None:
    names = [name for name, _ in post().fields]
    assert names == ["Date", "Content-Type", "Cache-Control", "Pragma", "X-Request-Id", "Content-Length"]
    assert dict(post().fields)["Content-Type"] == "application/json"
    assert dict(post().fields)["Cache-Control"] == "no-store"
    assert dict(post().fields)["Pragma"] == "no-cache"


def test_two_secrets_are_good_until_the_old_one_has_retired(
    gam: Gam, post: Ask, form: dict[str, str], forward: Callable[[timedelta], None]
) -> None:
    rotated = apps.rotate_secret(gam, "portal", overlap=timedelta(hours=24)).secret
    assert rotated is not None
    new = {**form, "client_secret": rotated.reveal()}

    def statuses() -> list[int]:
        asked = [post(client_secret=each["client_secret"]) for each in (form, new)]
        by_basic = [post(basic(each), client_id=None, client_secret=None) for each in (form, new)]
        return [each.status for each in (*asked, *by_basic)]

    assert statuses() == [200, 200, 200, 200]
    forward(timedelta(hours=24) - timedelta(microseconds=1))
    assert statuses() == [200, 200, 200, 200]
    forward(timedelta(microseconds=1))
    assert statuses() == [401, 200, 401, 200]


def test_curl_is_granted_a_token(server: Server, form: dict[str, str]) -> None:
    data = [part for name, value in form.items() for part in ("--data-urlencode", f"{name}={value}")]
    done = subprocess.run(
        ["curl", "-sS", "--fail", f"{server.url}{TOKEN_PATH}", *data], capture_output=True, check=True, timeout=10
    )
    token = json.loads(done.stdout)["access_token"]
    done = subprocess.run(
        ["curl", "-sS", "--fail", "-X", "POST", "-H", f"Authorization: OAuth {token}", f"{server.url}{USERINFO_PATH}"],
        capture_output=True, check=True, timeout=10,
    )  # fmt: skip
    assert json.loads(done.stdout)["username"] == "ana"


def test_a_key_of_which_nothing_is_proven_is_refused_with_one_answer(post: Ask, gam: Gam, form: dict[str, str]) -> None:
    wanted = {"remote_rest": True, "api_keys.enabled": True}
    apps.create(gam, apps.AppSpec("other", wanted, ("gam_user_data",)))
    foreign = keys.generate(gam, keys.KeySpec("ana", "other")).secret.reveal()
    other = "1" if form["api_key"].endswith("0") else "0"
    causes = ("x", form["api_key"][:-1] + other, foreign)
    bodies = {post(api_key=cause).body for cause in causes} | {post(username="nobody").body}
    assert len(bodies) == 1


def test_two_ways_of_client_authentication_are_refused(post: Ask, form: dict[str, str], lines: list[str]) -> None:
    assert refused(post(basic(form), grant_type="x")) == ("292", 400)
    assert lines[-1].endswith("rule=client_twice")
    assert refused(post(basic(form), client_secret=None, client_id="other")) == ("292", 400)
    assert lines[-1].endswith("rule=client_ids_differ")
    post(basic(form), grant_type="")
    assert lines[-1].endswith("rule=grant_type_missing")


@pytest.mark.needs_file
def test_a_client_id_that_is_not_form_encoded_is_found(post: Ask, gam: Gam) -> None:
    created = apps.create(
        gam, apps.AppSpec("special", {"remote_rest": True, "api_keys.enabled": True}, ("gam_user_data",))
    )
    assert created.secret is not None
    with gam.store.writing() as tx:  # no command creates such an ID
        tx.run("PRAGMA defer_foreign_keys = ON")
        columns = (
            "sqlite_master AS t JOIN pragma_table_info(t.name) AS c ON c.name = 'client_id' WHERE t.type = 'table'"
        )
        for (table,) in list(tx.each(f"SELECT t.name FROM {columns}")):
            tx.run(f"UPDATE {table} SET client_id = 'a+b%2B' WHERE client_id = ?", created.record.client_id)
    key = keys.generate(gam, keys.KeySpec("ana", "special")).secret.reveal()
    sent = b64encode(f"a+b%2B:{created.secret.reveal()}".encode()).decode()
    assert post({"Authorization": f"Basic {sent}"}, client_id=None, client_secret=None, api_key=key).status == 200


def test_the_log_names_key_and_token_of_every_request(ask: Ask, post: Ask, gam: Gam, lines: list[str]) -> None:
    answer = json.loads(post().body)["access_token"]
    token = answer.partition("!")[2][:12]
    named = re.search(r" address=127.0.0.1 client_id=\S+ key=(\S+) token=(\S+)$", lines[-1])
    assert named
    assert named[2] == token
    header = {"Authorization": answer}
    for _ in range(2):  # the second from the cache
        assert ask("GET", USERINFO_PATH, None, header).status == 200
        assert lines[-1].endswith(named[0])
    keys.revoke_all(gam, keys.KeySearch(user="ana"), None, 1)
    assert ask("GET", USERINFO_PATH, None, header).status == 401
    assert lines[-1].endswith(f"{named[0]} rule=token_revoked")
    guessed = {"Authorization": answer[:-1] + ("0" if answer[-1] != "0" else "1")}
    assert ask("GET", USERINFO_PATH, None, guessed).status == 401
    assert "token=" not in lines[-1]


def test_the_log_names_the_address_of_bytes_that_are_no_request(raw: Callable[..., bytes], lines: list[str]) -> None:
    raw(b"x\r\n\r\n")
    assert " 400 0.0ms address=127.0.0.1 rule=request_unreadable" in lines[-1]


def test_head_is_answered_wherever_get_is_and_uses_no_token_up(ask: Ask, post: Ask, form: dict[str, str]) -> None:
    token = json.loads(post().body)["access_token"]
    for path in ("/healthz", USERINFO_PATH):
        got, head = (ask(method, path, None, {"Authorization": token}) for method in ("GET", "HEAD"))
        assert (head.status, head.body) == (200, b"")
        assert dict(head.fields)["Content-Length"] == str(len(got.body))
    assert ask("HEAD", USERINFO_PATH).status == 401
    query = f"grant_type=refresh_token&client_id={form['client_id']}&refresh_token=x"
    assert ask("HEAD", f"{TOKEN_PATH}?{query}").status == 405


def test_readyz_fails_while_the_server_drains_and_healthz_does_not(gam: Gam) -> None:
    config = ServerConfig()
    assert respond(gam, Request("GET", "/readyz"), config).response.body == b'{"status":"ok"}'
    config.state.is_draining = True
    answer = respond(gam, Request("GET", "/readyz"), config)
    assert (refused(answer.response), answer.trace.rule) == (("503", 503), "draining")
    assert respond(gam, Request("GET", "/healthz"), config).response.status == 200


def test_readyz_fails_when_a_newer_gamcli_has_migrated_the_store(gam: Gam) -> None:
    with gam.store.writing() as tx:
        tx.run("INSERT INTO migration (version, at) VALUES (1000, 0)")
    answer = respond(gam, Request("GET", "/readyz"))
    assert (refused(answer.response), answer.trace.rule) == (("503", 503), "store_version")
    assert "has version 1000" in answer.trace.detail
    assert respond(gam, Request("GET", "/healthz")).response.status == 200


def test_a_store_that_is_gone_is_503(gam: Gam) -> None:
    gam.store.close()
    answer = respond(gam, Request("GET", "/healthz"))
    assert refused(answer.response) == ("503", 503)
    assert dict(answer.response.fields)["Retry-After"] == "1"
    assert answer.trace.rule == "store_gone"


@pytest.mark.needs_file
@pytest.mark.parametrize("replaced", [False, True])
def test_a_store_that_was_taken_away_is_503(
    ask: Ask,
    post: Ask,
    gam: Gam,
    tmp_path: Path,
    lines: list[str],
    replaced: bool,  # noqa: FBT001 - a case
) -> None:
    fields = {"Authorization": token_of(post())}
    other = tmp_path / "other.db"
    Store.create(other).close()
    if replaced:
        other.replace(gam.store.path)
    else:
        gam.store.path.unlink()
    for response in (post(), ask("GET", USERINFO_PATH, None, fields), ask("GET", "/healthz")):
        assert refused(response) == ("503", 503)
        assert "rule=store_gone" in lines[-1]
        assert lines[-1].endswith("store.db was removed or replaced")


def test_claims_are_read_or_the_store_is_gone(post: Ask, gam: Gam) -> None:
    request = Request("GET", USERINFO_PATH, fields={"authorization": token_of(post())})
    assert respond(gam, request).response.status == 200
    gam.store.close()
    assert respond(gam, request).trace.rule == "store_gone"


@pytest.mark.needs_file  # the tables of a database are shared by tests
def test_healthz_looks_at_the_tokens_too(gam: Gam) -> None:
    with gam.store.writing() as tx:
        tx.run("DROP TABLE token")
    assert refused(respond(gam, Request("GET", "/healthz")).response) == ("503", 503)


def test_a_busy_store_is_503(gam: Gam, form: dict[str, str]) -> None:
    body = urlencode(form).encode()
    request = Request("POST", TOKEN_PATH, fields={**lowered(FORM), "content-length": str(len(body))}, body=body)
    with gam.store.open_again(durable=True, timeout=0) as store:
        with gam.store.writing():
            answer = respond(replace(gam, store=store), request)
        assert refused(answer.response) == ("503", 503)
        assert answer.trace.rule == "store_busy"
        assert respond(replace(gam, store=store), request).response.status == 200


def lowered(fields: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in fields.items()}


def test_a_bug_is_500_and_reports_its_place_to_the_log_alone(gam: Gam, form: dict[str, str]) -> None:
    def broken(_: int) -> bytes:
        raise ValueError("s3")

    body = urlencode(form).encode()
    request = Request("POST", TOKEN_PATH, fields={**lowered(FORM), "content-length": str(len(body))}, body=body)
    answer = respond(replace(gam, entropy=broken), request)
    assert refused(answer.response) == ("500", 500)
    assert b"s3" not in answer.response.body
    assert answer.trace.detail.startswith("ValueError in broken, line ")
    assert answer.trace.client_id == form["client_id"]


def test_the_log_names_client_and_key_but_no_secret(post: Ask, form: dict[str, str], lines: list[str]) -> None:
    token = token_of(post())
    post(client_secret="wrong")
    key_id = form["api_key"].split("_")[1]
    for line in lines:
        assert f"client_id={form['client_id']} key={key_id}" in line
        assert Secret(form["api_key"]).reveal() not in line
        assert form["client_secret"] not in line
        assert token not in line


@pytest.mark.needs_file  # as above
def test_the_log_names_no_client_that_is_invalid(post: Ask, form: dict[str, str], lines: list[str], gam: Gam) -> None:
    post(client_id=form["client_secret"], client_secret=form["client_id"])
    assert lines[-1].endswith("rule=client_unknown")
    with gam.store.writing() as tx:
        tx.run("ALTER TABLE key RENAME TO lost")
    post(client_id=form["client_secret"], client_secret=form["client_id"])
    assert "rule=store_gone" in lines[-1]
    assert not any("client_id=" in line for line in lines)


def test_a_secret_behind_a_fragment_is_not_logged(raw: Callable[..., bytes], lines: list[str]) -> None:
    for path in (b"/healthz", b"/nowhere"):
        raw(b"GET " + path + b"#api_key=s3cret HTTP/1.0\r\n\r\n")
    assert len(lines) == 2
    assert not any("s3cret" in line for line in lines)


def test_the_rest_of_a_body_before_a_request_is_not_logged(raw: Callable[..., bytes], lines: list[str]) -> None:
    raw(b"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na=s3cretGET /healthz HTTP/1.0\r\n\r\n")
    assert len(lines) == 2
    assert not any("cret" in line for line in lines)


def test_a_long_request_is_answered_and_not_kept_ready(gam: Gam, form: dict[str, str]) -> None:
    known = GrantCache()
    for padding in ("", "x" * MAX_CACHED_BODY):
        body = urlencode({**form, "padding": padding}).encode()
        fields = {"content-type": FORM["Content-Type"], "content-length": str(len(body))}
        request = Request("POST", TOKEN_PATH, fields=fields, body=body)
        answer = respond(gam, request, replace(context.DEFAULT_CONFIG, grant_cache=known))
        assert answer.response.status == 200
        assert len(known.grants) == 1  # the short one alone
