"""The failure limit: after too many failures a client is refused until the minute is over."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from time import sleep
from urllib.parse import urlencode

import pytest

from gamcli.actions import Gam, apps, auth_types, keys, users
from gamcli.rules.credentials import Secret
from gamcli.server import worker_pool
from gamcli.server.endpoints import context, routes
from gamcli.server.endpoints.access_token import PendingGrant, write_tokens
from gamcli.server.endpoints.failure_limit import DEFAULT_LIMIT, MAX_FAILURES, Client, FailureLimiter
from gamcli.server.endpoints.form_bodies import MEDIA_TYPE
from gamcli.server.endpoints.refusals import ResponseFormat
from gamcli.server.server import Server
from gamcli.server.transport.messages import Request, Response
from tests.cases import for_each
from tests.server.conftest import respond

Ask = Callable[..., Response]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def failed(*seconds: float, limit: int = 3) -> FailureLimiter:
    failures = FailureLimiter(limit)
    for each in seconds:
        failures.record(Client("client"), NOON + each * SECOND)
    return failures


@for_each(
    ("seconds", "at", "expected"),
    [
        ((), 0, 0),
        ((0, 1), 2, 0),
        ((0, 1, 2), 2, 58),
        ((0, 0, 0), 0, 60),
        ((0, 0, 0), 0.1, 60),
        ((0, 1, 2), 59.9, 1),
        ((0, 1, 2), 60, 0),
        ((0, 1, 61), 61, 0),
        ((0, 30, 59, 61), 61, 29),
        ((0, 30, 59, 61), 90, 0),
        ((0, 1, 2), -3600, 0),
    ],
)
def test_the_limit_within_a_minute_is_too_many(seconds: tuple[float, ...], at: float, expected: int) -> None:
    assert failed(*seconds).retry_after(Client("client"), NOON + at * SECOND) == expected


def test_each_client_is_counted_for_itself() -> None:
    failures = failed(0, 0, 0)
    assert failures.retry_after(Client("other"), NOON) == 0
    failures.record(Client("other"), NOON)
    assert failures.retry_after(Client("other"), NOON) == 0
    assert failures.retry_after(Client("client"), NOON) == 60


def test_attempts_that_run_count_until_they_end() -> None:
    failures, client = FailureLimiter(2), Client("client")
    failures.record(client, NOON)
    assert failures.begin(client, lambda: NOON) == 0
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(failures.begin, client, lambda: NOON)
        assert failures.begin(Client("other"), lambda: NOON) == 0
        with pytest.raises(TimeoutError):
            waiting.result(0.05)
        failures.end(client, lambda: NOON, failed=False)
        assert waiting.result(10) == 0
    failures.end(client, lambda: NOON, failed=True)
    assert failures.begin(client, lambda: NOON) == 60


@pytest.mark.parametrize("right", [0, 30])
def test_parallel_attempts_get_exactly_the_allowed_number_of_answers(right: int) -> None:
    failures, client = FailureLimiter(10), Client("client")

    def attempt(number: int) -> int | None:
        answer = failures.begin(client, lambda: datetime.now(UTC))
        if answer == 0:
            sleep(0.001)
            failures.end(client, lambda: datetime.now(UTC), failed=number >= right)
        return answer

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(attempt, range(60)))
    assert answers.count(0) == 10 + right


def test_parallel_wrong_passwords_get_exactly_the_allowed_number_of_answers(
    serve: Callable[..., Server], gam: Gam, form: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_pool, "MAX_THREADS", 8)
    monkeypatch.setattr(worker_pool, "MAX_WAIT_SECONDS", 60.0)  # a busy machine is slow to hash
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    auth_types.update(gam, "local", {"enabled": True})
    users.set_password(gam, "ana", Secret("right"))
    port = serve(max_failures=3).port
    sent = {**form, "username": "ana", "password": "wrong", "authentication_type_name": "local"}
    del sent["api_key"]

    def status(_: int) -> int:
        with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as client:
            client.request("POST", "/oauth/gam/v2.0/access_token", urlencode(sent), {"Content-Type": MEDIA_TYPE})
            with client.getresponse() as response:
                return response.status

    with ThreadPoolExecutor(12) as pool:
        assert sorted(pool.map(status, range(12))) == [401] * 3 + [429] * 9


@pytest.mark.parametrize(
    ("counted_by", "refused"),
    [
        ("both", [("a", "192.0.2.1")]),
        ("client", [("a", "192.0.2.1"), ("a", "192.0.2.2")]),
        ("address", [("a", "192.0.2.1"), ("b", "192.0.2.1")]),
    ],
)
def test_failures_may_be_counted_by_client_or_address_alone(counted_by: str, refused: list[tuple[str, str]]) -> None:
    failures = FailureLimiter(1, counted_by=counted_by)
    failures.record(Client("a", "192.0.2.1"), NOON)
    for client_id in "ab":
        for address in ("192.0.2.1", "192.0.2.2"):
            assert bool(failures.retry_after(Client(client_id, address), NOON)) is ((client_id, address) in refused)


def test_no_limit_counts_nothing() -> None:
    failures = failed(*[0] * 100, limit=0)
    assert failures.retry_after(Client("client"), NOON) == 0
    assert len(failures) == 0


def test_those_whose_minute_is_over_are_forgotten() -> None:
    failures = failed(0, 30)
    failures.record(Client("second"), NOON + 31 * SECOND)
    assert len(failures) == 2
    failures.record(Client("third"), NOON + 90 * SECOND)
    assert len(failures) == 2
    failures.record(Client("third"), NOON + 91 * SECOND)
    assert len(failures) == 1


def test_many_clients_find_room_for_so_many_alone() -> None:
    failures = FailureLimiter(limit=1, max_clients=2)
    for client in ("first", "second", "first", "third"):
        failures.record(Client(str(client)), NOON)
    assert len(failures) == 2
    assert [bool(failures.retry_after(Client(str(each)), NOON)) for each in ("first", "second", "third")] == [
        True,
        False,
        True,
    ]


def test_a_higher_limit_has_room_for_fewer() -> None:
    failures = FailureLimiter(limit=MAX_FAILURES // 2)
    for client in range(3):
        failures.record(Client(str(client)), NOON)
    assert len(failures) == 2


WRONG = {"client_secret_wrong": {"client_secret": "x"}, "key_unproven": {"api_key": "x"}}


@pytest.mark.parametrize("rule", WRONG)
def test_a_guesser_has_to_wait(post: Ask, forward: Callable[[timedelta], None], lines: list[str], rule: str) -> None:
    for _ in range(DEFAULT_LIMIT):
        assert post(**WRONG[rule]).status == 401
        assert lines[-1].endswith(f"rule={rule}")
        forward(SECOND)
    response = post()
    assert (response.status, json.loads(response.body)["error"]["code"]) == (429, "429")
    assert dict(response.fields)["Retry-After"] == "50"
    assert "WWW-Authenticate" not in dict(response.fields)
    assert lines[-1].endswith("rule=too_many_failures")
    assert "client_id=" in lines[-1]
    forward(49 * SECOND)
    assert post(**WRONG[rule]).status == 429
    forward(SECOND)
    assert post().status == 200


def test_a_success_resets_nothing(post: Ask) -> None:
    for _ in range(DEFAULT_LIMIT // 2):
        assert (post(client_secret="x").status, post().status, post(api_key="x").status) == (401, 200, 401)
    assert post().status == 429


def test_what_is_no_guess_is_not_counted(post: Ask, gam: Gam) -> None:
    for _ in range(DEFAULT_LIMIT + 1):
        assert post(client_id="x").status == 401
        assert post(scope="session_initial_prop").status == 401
        assert post(repository="x").status == 401
    keys.revoke_all(gam, keys.KeySearch(user="ana"), None, 1)
    for _ in range(DEFAULT_LIMIT + 1):
        assert json.loads(post().body)["error"]["message"] == "The API key was revoked."


def test_too_many_failures_are_judged_between_the_client_and_its_secret(post: Ask, gam: Gam) -> None:
    for _ in range(DEFAULT_LIMIT):
        post(client_secret="x")
    apps.update(gam, "portal", {"enabled": False})
    assert post(grant_type="x").status == 400
    assert post(client_id="x").status == 401
    assert post(client_secret="x").status == 429
    assert post().status == 429


def test_another_address_is_counted_for_itself(gam: Gam, form: dict[str, str]) -> None:
    conduct = context.ServerConfig(failure_limiter=FailureLimiter(2))

    def status(peer: str, **changes: str) -> int:
        body = urlencode({**form, **changes}).encode()
        fields = {"content-type": "application/x-www-form-urlencoded", "content-length": str(len(body))}
        request = Request("POST", "/oauth/gam/v2.0/access_token", fields=fields, body=body, peer=peer)
        return respond(gam, request, conduct).response.status

    other = apps.create(gam, apps.AppSpec("other", {"remote_rest": True, "api_keys.enabled": True}, ("gam_user_data",)))
    for _ in range(2):
        assert status("192.0.2.1", client_secret="x") == 401
    assert status("192.0.2.1") == 429
    assert status("192.0.2.2") == 200
    # The secret is wrong for the other one.
    assert status("192.0.2.1", client_id=other.record.client_id) == 401
    for number in range(5):
        assert status("192.0.2.3", client_id=f"invented{number}") == 401
    assert len(conduct.failure_limiter) == 2


@pytest.mark.parametrize(("limit", "expected"), [(0, {401}), (2, {401, 429})])
def test_the_limit_is_an_option(
    serve: Callable[..., Server], raw: Callable[..., bytes], form: dict[str, str], limit: int, expected: set[int]
) -> None:
    body = urlencode({**form, "client_secret": "x"})
    head = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}"
    request = f"POST /oauth/gam/v2.0/access_token HTTP/1.0\r\n{head}\r\n\r\n{body}".encode()
    port = serve(max_failures=limit).port
    assert {int(raw(request, port=port).split()[1]) for _ in range(DEFAULT_LIMIT + 2)} == expected


def test_too_many_failures_have_a_name_of_rfc_6749(gam: Gam, form: dict[str, str]) -> None:
    body = urlencode({**form, "api_key": "x"}).encode()
    fields = {"content-type": "application/x-www-form-urlencoded", "content-length": str(len(body))}
    request = Request("POST", "/oauth/gam/v2.0/access_token", fields=fields, body=body)
    conduct = context.ServerConfig(response_format=ResponseFormat("rfc6749"), failure_limiter=FailureLimiter(1))
    assert respond(gam, request, conduct).response.status == 400
    response = respond(gam, request, conduct).response
    assert (response.status, json.loads(response.body)["error"]) == (429, "invalid_request")
    assert dict(response.fields)["Retry-After"] == "60"


def test_of_the_wrong_requests_of_a_turn_only_the_allowed_number_is_judged(gam: Gam, form: dict[str, str]) -> None:
    body = urlencode({**form, "client_secret": "wrong"}).encode()
    fields = {"content-type": "application/x-www-form-urlencoded", "content-length": str(len(body))}
    request = Request("POST", "/oauth/gam/v2.0/access_token", fields=fields, body=body, peer="192.0.2.1")
    conduct = context.ServerConfig(failure_limiter=FailureLimiter(3), nonblocking=True)
    turn = [routes.handle(gam, request, conduct) for _ in range(5)]
    responses = write_tokens(gam, [each for each in turn if isinstance(each, PendingGrant)])
    assert [each.trace.rule for each in responses] == ["client_secret_wrong"] * 3 + ["too_many_failures"] * 2
