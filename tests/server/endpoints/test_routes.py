"""The endpoints over a real port: every rule of the contract, in order, with its header fields."""

import json
import re
import subprocess
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest

from gamcli.actions import Gam, apps, auth_types, key_changes, keys, tokens, users
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


def test_a_token_never_expires_when_its_application_says_so(post: Ask, gam: Gam) -> None:
    portal(gam, token__timeout_minutes=0)
    assert json.loads(post().body)["expires_in"] == 0


def test_the_guid_of_a_user_is_kept_to_itself_when_ids_are_not_shared(post: Ask, gam: Gam) -> None:
    portal(gam, share_user_ids=False)
    guid = users.show(gam, "ana").guid
    assert json.loads(post().body)["user_guid"] not in ("", guid)


@pytest.mark.parametrize(
    "changes",
    [
        {"grant_type": "PassWord"},
        {"username": "ana"},
        {"username": "ANA@example.org"},
        {"authentication_type_name": "APIKEY"},
        {"scope": ""},
        {"username": "", "repository": ""},
        {"unknown": "ignored"},
        {"additional_parameters": "{}"},
    ],
)
def test_what_else_may_be_sent(post: Ask, changes: dict[str, str]) -> None:
    assert post(**changes).status == 200


@pytest.mark.parametrize(
    "scope", ["gam_user_roles+user_team", "user_team gam_user_roles", "user_team++ GAM_USER_ROLES"]
)
def test_scope_narrows_the_token(post: Ask, scope: str) -> None:
    assert json.loads(post(scope=scope).body)["scope"] == "gam_user_roles+user_team"


def test_the_guid_of_the_repository_may_be_sent(post: Ask) -> None:
    guid = token_of(post()).partition("!")[0]
    assert post(repository=guid.upper()).status == 200


def test_a_client_may_use_http_basic(post: Ask, form: dict[str, str]) -> None:
    assert post(basic(form), client_id=None, client_secret=None).status == 200
    assert post(basic(form), client_secret=None).status == 200


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


def test_the_path_has_no_case(ask: Ask, form: dict[str, str]) -> None:
    assert ask("POST", "/OAuth/GAM/V2.0/Access_Token?x=y", urlencode(form).encode(), FORM).status == 200


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


REFUSED_AS_SENT: dict[str, tuple[dict[str, str | None], tuple[str, int]]] = {
    "grant_type_missing": ({"grant_type": ""}, ("292", 400)),
    "grant_type_unknown": ({"grant_type": "client_credentials"}, ("292", 400)),
    "client_id_missing": ({"client_id": None}, ("39", 401)),
    "client_unknown": ({"client_id": "x" * 32}, ("236", 401)),
    "client_secret_wrong": ({"client_secret": "wrong"}, ("116", 401)),
    "repository_wrong": ({"repository": "0f8fad5b-d9cb-469f-a165-70867728950e"}, ("2", 401)),
    "auth_type_unavailable": ({"authentication_type_name": "local"}, ("240", 401)),
    "key_unproven": ({"api_key": "gamkey_00000000_x"}, ("11", 401)),
    "scope_beyond": ({"scope": "session_initial_prop"}, ("235", 401)),
}


@pytest.mark.parametrize("rule", REFUSED_AS_SENT)
def test_what_is_sent_may_be_refused(post: Ask, lines: list[str], rule: str) -> None:
    changes, expected = REFUSED_AS_SENT[rule]
    assert refused(post(**changes)) == expected
    assert lines[-1].endswith(f"rule={rule}")


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("auth_type_wrong", {"grant_type": "password", "api_key": None, "username": "ana", "password": "x"}),
        ("auth_type_missing", {"authentication_type_name": ""}),
        ("auth_type_missing", {"authentication_type_name": None}),
        ("api_key_empty", {"grant_type": "password", "api_key": ""}),
        ("refresh_unknown", {"grant_type": "refresh_token", "api_key": None, "refresh_token": "x"}),
        ("grant_type_unknown", {"grant_type": "client_credentials"}),
        ("client_secret_missing", {"client_secret": None}),
        ("auth_type_unavailable", {"authentication_type_name": "nothing"}),
        ("key_unproven", {"api_key": "x"}),
        ("key_unproven", {"api_key": "gamkey_\0\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")}),
        ("key_unproven", {"username": "someone"}),
        ("scope_beyond", {"scope": "gam_user_data+nonsense"}),
    ],
)
def test_other_ways_to_be_refused(post: Ask, lines: list[str], rule: str, changes: dict[str, str | None]) -> None:
    assert post(**changes).status in (400, 401)
    assert lines[-1].endswith(f"rule={rule}")


def issued_key_id(gam: Gam) -> str:
    with keys.search(gam, keys.KeySearch(user="ana")) as found:
        return next(found).id


REFUSED_BY_STATE: dict[str, tuple[Callable[[Gam], Any], tuple[str, int]]] = {
    "app_disabled": (lambda gam: portal(gam, enabled=False), ("111", 401)),
    "remote_rest_off": (lambda gam: portal(gam, remote_rest=False), ("230", 401)),
    "api_keys_off": (lambda gam: portal(gam, api_keys__enabled=False), ("230", 401)),
    "auth_type_unavailable": (lambda gam: auth_types.update(gam, "apikey", {"enabled": False}), ("240", 401)),
    "auth_type_wrong": (
        lambda gam: (auth_types.create(gam, "other", "APIkey", {}), portal(gam, api_keys__auth_type="other")),
        ("35", 401),
    ),
    "key_revoked": (lambda gam: keys.revoke_all(gam, keys.KeySearch(user="ana"), None, 1), ("11", 401)),
    "key_replaced": (lambda gam: keys.generate(gam, keys.KeySpec("ana", "portal", replace=True)), ("11", 401)),
    "key_invalidated": (lambda gam: portal(gam, 1, apps.ScopeEdit(remove=("user_team",))), ("11", 401)),
    "key_disabled": (lambda gam: key_changes.disable(gam, issued_key_id(gam), None), ("11", 401)),
    "user_inactive": (lambda gam: ana(gam, enabled=False), ("9", 401)),
    "user_blocked": (lambda gam: ana(gam, blocked=True), ("10", 401)),
}


@pytest.mark.parametrize("rule", REFUSED_BY_STATE)
def test_what_the_store_says_may_refuse(post: Ask, gam: Gam, lines: list[str], rule: str) -> None:
    change, expected = REFUSED_BY_STATE[rule]
    assert post().status == 200
    change(gam)
    assert refused(post()) == expected
    assert lines[-1].endswith(f"rule={rule}")


def test_an_expired_key_is_refused(
    ask: Ask, gam: Gam, form: dict[str, str], forward: Callable[[timedelta], None]
) -> None:
    wish = keys.KeySpec("ana", "portal", expires_in=timedelta(hours=1), replace=True)
    body = urlencode({**form, "api_key": keys.generate(gam, wish).secret.reveal()}).encode()
    assert ask("POST", TOKEN_PATH, body, FORM).status == 200
    forward(timedelta(hours=1))
    response = ask("POST", TOKEN_PATH, body, FORM)
    assert refused(response) == ("11", 401)
    assert b"expired" in response.body


def test_a_key_of_which_nothing_is_proven_is_refused_with_one_answer(post: Ask, gam: Gam, form: dict[str, str]) -> None:
    wanted = {"remote_rest": True, "api_keys.enabled": True}
    apps.create(gam, apps.AppSpec("other", wanted, ("gam_user_data",)))
    foreign = keys.generate(gam, keys.KeySpec("ana", "other")).secret.reveal()
    other = "1" if form["api_key"].endswith("0") else "0"
    causes = ("x", form["api_key"][:-1] + other, foreign)
    bodies = {post(api_key=cause).body for cause in causes} | {post(username="nobody").body}
    assert len(bodies) == 1


@pytest.mark.parametrize(
    ("fields", "body", "expected"),
    [
        ({"Content-Type": "application/json"}, b"{}", ("415", 415)),
        ({}, b"a=b", ("415", 415)),
        (FORM, b"a=\xff", ("400", 400)),
        (FORM, b"a=%ff", ("400", 400)),
        (FORM, b"a=\0", ("400", 400)),
        (FORM, b"a", ("292", 400)),
        ({"Content-Type": "multipart/form-data"}, b"", ("400", 400)),
        (FORM, b"", ("292", 400)),
        (FORM, b"grant_type=password&grant_type=password", ("292", 400)),
        (FORM, b"a=b&a=b", ("292", 400)),
    ],
)
def test_what_cannot_be_read_is_refused(
    ask: Ask, fields: dict[str, str], body: bytes, expected: tuple[str, int]
) -> None:
    assert refused(ask("POST", TOKEN_PATH, body, fields)) == expected


def test_rules_are_judged_in_their_order(ask: Ask, gam: Gam, form: dict[str, str]) -> None:
    portal(gam, enabled=False)
    wrong = {
        "client_id": "x" * 32,
        "client_secret": "x",
        "api_key": "x",
        "repository": "x",
        "scope": "session_initial_prop",
    }
    sent, codes = {**wrong, "authentication_type_name": "apikey", "grant_type": "x"}, []
    repairs: list[Callable[[], object]] = [
        lambda: sent.update(grant_type="password"),
        lambda: sent.update(client_id=form["client_id"]),
        lambda: sent.update(client_secret=form["client_secret"]),
        lambda: portal(gam, enabled=True, remote_rest=False),
        lambda: portal(gam, remote_rest=True, api_keys__enabled=False),
        lambda: sent.update(repository=""),
        lambda: portal(gam, api_keys__enabled=True),
        lambda: (sent.update(api_key=form["api_key"]), ana(gam, enabled=False, blocked=True)),
        lambda: ana(gam, enabled=True),
        lambda: ana(gam, blocked=False),
        lambda: sent.update(scope=""),
    ]
    for repair in repairs:
        codes.append(refused(ask("POST", TOKEN_PATH, urlencode(sent).encode(), FORM))[0])
        repair()
    assert codes == ["292", "236", "116", "111", "230", "2", "230", "11", "9", "10", "235"]
    assert ask("POST", TOKEN_PATH, urlencode(sent).encode(), FORM).status == 200


def test_two_ways_of_client_authentication_are_refused(post: Ask, form: dict[str, str], lines: list[str]) -> None:
    assert refused(post(basic(form), grant_type="x")) == ("292", 400)
    assert lines[-1].endswith("rule=client_twice")
    assert refused(post(basic(form), client_secret=None, client_id="other")) == ("292", 400)
    assert lines[-1].endswith("rule=client_ids_differ")
    post(basic(form), grant_type="")
    assert lines[-1].endswith("rule=grant_type_missing")


def test_http_basic_may_be_form_encoded_or_not(post: Ask, form: dict[str, str]) -> None:
    assert "+" not in quote_plus(form["client_secret"])
    assert quote_plus(form["client_secret"]) != form["client_secret"]
    for encode in (quote_plus, str):
        text = f"{encode(form['client_id'])}:{encode(form['client_secret'])}"
        fields = {"Authorization": "Basic " + b64encode(text.encode()).decode()}
        assert post(fields, client_id=None, client_secret=None).status == 200
    for text in (f"{form['client_id']}:x", f"x:{form['client_secret']}"):
        fields = {"Authorization": "Basic " + b64encode(text.encode()).decode()}
        assert post(fields, client_id=None, client_secret=None).status == 401


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


def test_malformed_basic_is_refused_as_an_unknown_client_is(post: Ask, lines: list[str]) -> None:
    malformed = {"Authorization": "Basic !"}
    assert refused(post(malformed, client_secret=None)) == ("39", 401)
    assert lines[-1].endswith("rule=client_basic_malformed")
    assert refused(post(malformed, client_secret=None, grant_type="x")) == ("292", 400)


@pytest.mark.parametrize("wrong", [{"client_id": "x" * 32}, {"client_secret": "x"}])
def test_a_client_that_used_basic_is_asked_for_it_again(post: Ask, form: dict[str, str], wrong: dict[str, str]) -> None:
    response = post(basic({**form, **wrong}), client_id=None, client_secret=None)
    assert dict(response.fields)["WWW-Authenticate"] == 'Basic realm="gam"'
    assert dict(post(**wrong).fields)["WWW-Authenticate"].startswith('OAuth realm="')


def test_basic_is_not_asked_for_when_the_client_is_not_to_blame(post: Ask, form: dict[str, str]) -> None:
    response = post(basic(form), client_id=None, client_secret=None, api_key="x")
    assert dict(response.fields)["WWW-Authenticate"].startswith('OAuth realm="')


def test_only_a_401_carries_a_challenge(post: Ask) -> None:
    assert "WWW-Authenticate" not in dict(post(grant_type="x").fields)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", TOKEN_PATH, "POST"),
        ("PUT", TOKEN_PATH, "POST"),
        ("OPTIONS", TOKEN_PATH, "POST"),
        ("DELETE", USERINFO_PATH, "GET, POST"),
        ("POST", "/healthz", "GET"),
        ("get", "/healthz", "GET"),
    ],
)
def test_a_wrong_method_is_reported_the_right_ones(ask: Ask, method: str, path: str, allow: str) -> None:
    response = ask(method, path)
    assert refused(response) == ("405", 405)
    assert dict(response.fields)["Allow"] == allow


@pytest.mark.parametrize(
    "path", ["/", "/oauth", f"{TOKEN_PATH}/", f"{TOKEN_PATH}/x", f"/x{TOKEN_PATH}", "/%68ealthz", "//healthz", "*"]
)
def test_any_other_path_is_nowhere(ask: Ask, path: str) -> None:
    assert refused(ask("GET", path)) == ("404", 404)


def test_a_base_path_comes_before_every_route(serve: Callable[..., Server], raw: Callable[..., bytes]) -> None:
    server = serve(base_path="/MyApp/")
    assert server.url == f"http://127.0.0.1:{server.port}/MyApp"
    for path, status in (("/myapp/healthz", 200), ("/MYAPP/Healthz", 200), ("/healthz", 404), ("/myapphealthz", 404)):
        answer = raw(f"GET {path} HTTP/1.0\r\n\r\n".encode(), port=server.port)
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_userinfo_reports_the_claims_of_the_scopes(ask: Ask, post: Ask) -> None:
    token = token_of(post(scope="user_email+user_team"))
    expected = {
        "email": "ana@example.org",
        "verified_email": False,
        "attributes": [{"Id": "team", "IsMultiValue": False, "Value": "núcleo"}],
    }
    for method, before in (("GET", ""), ("POST", ""), ("GET", "OAuth "), ("GET", "bearer ")):
        response = ask(method, USERINFO_PATH, None, {"Authorization": before + token})
        assert response.status == 200
        assert json.loads(response.body.decode()) == expected
        assert dict(response.fields)["Cache-Control"] == "no-store"


def test_userinfo_needs_a_header(ask: Ask) -> None:
    response = ask("GET", USERINFO_PATH)
    assert (response.status, json.loads(response.body)) == (
        401,
        {"error": {"code": "0", "message": "This service needs an Authorization Header"}},
    )
    assert dict(response.fields)["WWW-Authenticate"].startswith('OAuth realm="')


@pytest.mark.parametrize(
    "token", ["x", "Basic eDp5", "Bearer x y", "\xff", "0f8fad5b-d9cb-469f-a165-70867728950e!" + "0" * 78]
)
def test_an_unknown_token_is_refused(ask: Ask, token: str) -> None:
    assert refused(ask("GET", USERINFO_PATH, None, {"Authorization": token})) == ("112", 401)


TOKEN_REFUSED_BY_STATE: dict[str, tuple[Callable[[Gam], Any], tuple[str, int]]] = {
    "token_revoked": (
        lambda gam: [tokens.revoke(gam, token.id) for token in all_tokens(gam)],
        ("102", 401),
    ),
    "token_app_disabled": (lambda gam: portal(gam, enabled=False), ("111", 401)),
    "token_user_blocked": (lambda gam: ana(gam, blocked=True), ("10", 401)),
    "token_user_inactive": (lambda gam: ana(gam, enabled=False), ("9", 401)),
}


def all_tokens(gam: Gam) -> list[Any]:
    with tokens.search(gam, tokens.TokenSearch()) as found:
        return list(found)


@pytest.mark.parametrize("rule", TOKEN_REFUSED_BY_STATE)
def test_a_token_is_invalidated_with_what_it_stands_on(
    ask: Ask, post: Ask, gam: Gam, lines: list[str], rule: str
) -> None:
    change, expected = TOKEN_REFUSED_BY_STATE[rule]
    fields = {"Authorization": token_of(post())}
    assert ask("GET", USERINFO_PATH, None, fields).status == 200
    change(gam)
    assert refused(ask("GET", USERINFO_PATH, None, fields)) == expected
    assert lines[-1].endswith(f"rule={rule}")


def test_a_token_is_invalidated_with_its_key(ask: Ask, post: Ask, gam: Gam) -> None:
    fields = {"Authorization": token_of(post())}
    keys.revoke_all(gam, keys.KeySearch(user="ana"), None, 1)
    assert refused(ask("GET", USERINFO_PATH, None, fields)) == ("102", 401)


def test_a_token_expires(ask: Ask, post: Ask, forward: Callable[[timedelta], None]) -> None:
    fields = {"Authorization": token_of(post())}
    forward(timedelta(hours=1))
    assert refused(ask("GET", USERINFO_PATH, None, fields)) == ("103", 401)


def test_healthz_reports_whether_the_store_answers(ask: Ask) -> None:
    response = ask("GET", "/healthz")
    assert (response.status, response.body) == (200, b'{"status":"ok"}')


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
