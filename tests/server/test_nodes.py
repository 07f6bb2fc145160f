"""Two endpoint nodes on one database: what one process changes applies to the next request on each."""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from http.client import HTTPConnection
from threading import Thread
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlencode

import pytest

from gamcli.actions import Gam, apps, keys, repository, users
from gamcli.errors import StoreUnusableError
from gamcli.rules.credentials import Secret
from gamcli.server import dispatcher, worker_pool
from gamcli.server.server import Server, ServerOptions
from gamcli.store import Store
from gamcli.store.postgres import connection
from gamcli.store.postgres.database import ROW_LOCK_SECONDS
from gamcli.store.postgres.url import PostgresUrl, parse_url
from tests.conftest import PostgresServer

CLIENT_ID, CLIENT_SECRET = "portal-0123456789-0123456789-0123", "a-secret-of-forty-characters-0123456789-"


def open_gam(url: PostgresUrl, opened: ExitStack) -> Gam:
    return Gam(opened.enter_context(Store.open(url, timeout=1)), lambda: datetime.now(UTC), os.urandom, "test")


@pytest.fixture
def url(postgres_url: str) -> PostgresUrl:
    return parse_url(postgres_url)


@pytest.fixture
def admin(url: PostgresUrl) -> Iterator[Gam]:
    Store.create(url).close()
    with ExitStack() as opened:
        gam = open_gam(url, opened)
        repository.initialise(gam)
        for name in ("ana", "bob"):
            users.create(gam, name, {})
        wanted = {"remote_rest": True, "api_keys.enabled": True}
        apps.create(gam, apps.AppSpec("portal", wanted, ("gam_user_data",), CLIENT_ID, Secret(CLIENT_SECRET)))
        yield gam


@pytest.fixture
def nodes(admin: Gam, url: PostgresUrl) -> Iterator[list[Server]]:
    assert admin.store.name == str(url)
    with ExitStack() as opened:
        servers = [Server(open_gam(url, opened), ServerOptions(log=lambda _: None, port=0)) for _ in range(2)]
        for server in servers:
            thread = Thread(target=server.run)
            thread.start()
            opened.callback(thread.join, 10)
            opened.callback(server.stop)
        yield servers


def request_token(server: Server, api_key: str) -> tuple[int, dict[str, Any]]:

    form = {"grant_type": "password", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "api_key": api_key}
    client = HTTPConnection("127.0.0.1", server.port, timeout=20)
    body = urlencode({**form, "authentication_type_name": "apikey"})
    client.request("POST", "/oauth/gam/v2.0/access_token", body, {"Content-Type": "application/x-www-form-urlencoded"})
    response = client.getresponse()
    content = json.loads(response.read())
    client.close()
    return response.status, content


def renew(server: Server, refresh_token: str) -> int:
    query = urlencode({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": refresh_token})
    client = HTTPConnection("127.0.0.1", server.port, timeout=20)
    client.request("GET", f"/oauth/gam/v2.0/access_token?grant_type=refresh_token&{query}")
    status = client.getresponse().status
    client.close()
    return status


def read_claims(server: Server, token: str) -> int:
    client = HTTPConnection("127.0.0.1", server.port, timeout=20)
    client.request("GET", "/oauth/gam/v2.0/userinfo", headers={"Authorization": token})
    status = client.getresponse().status
    client.close()
    return status


def test_a_revocation_by_a_third_process_applies_to_the_next_request_on_each_node(
    admin: Gam, nodes: list[Server]
) -> None:
    issued = keys.generate(admin, keys.KeySpec("ana", "portal"))
    secret = issued.secret.reveal()
    tokens = []
    for node in (*nodes, *nodes):  # the second time from the cache
        status, content = request_token(node, secret)
        assert status == 200
        tokens.append(content["access_token"])
    assert {read_claims(node, token) for node in nodes for token in tokens} == {200}
    keys.revoke_by_secret(admin, issued.secret, None)
    assert [request_token(node, secret)[0] for node in nodes] == [401, 401]
    assert {read_claims(node, token) for node in nodes for token in tokens} == {401}
    with admin.store.reading() as tx:
        assert sum(int(str(count)) for (count,) in tx.each("SELECT grants FROM app_use WHERE grants > 0")) == 4
        assert tx.one("SELECT count(*) FROM app_use WHERE grants > 0") == (2,)  # each node has a row


def test_requests_that_meet_a_change_are_judged_again_and_saved_once(admin: Gam, nodes: list[Server]) -> None:
    secret = keys.generate(admin, keys.KeySpec("ana", "portal")).secret.reveal()
    assert request_token(nodes[0], secret)[0] == 200
    with ThreadPoolExecutor(4) as pool:
        for number in range(5):
            users.create(admin, f"user{number}", {})
            assert {status for status, _ in pool.map(lambda _: request_token(nodes[0], secret), range(4))} == {200}
    with admin.store.reading() as tx:
        assert tx.one("SELECT count(*) FROM token") == (21,)
        assert tx.one("SELECT sum(grants) FROM app_use") == (21,)


def test_a_grant_that_deadlocks_is_tried_again_until_its_rows_are_free(
    admin: Gam, nodes: list[Server], url: PostgresUrl, deadlock_timeout: None
) -> None:
    """The other session keeps the rows for longer than a grant waits for a row."""
    assert deadlock_timeout is None
    first = keys.generate(admin, keys.KeySpec("ana", "portal")).secret.reveal()
    assert request_token(nodes[0], first)[0] == 200
    deadlocks = count_deadlocks(admin)
    for _ in range(5):  # on a busy machine, a grant may stop waiting before the other session asks for its key
        unused = keys.generate(admin, keys.KeySpec("bob", "portal", replace=True)).secret.reveal()
        assert grant_while_rows_are_locked(admin, nodes[0], url, unused) == 200
        with suppress(AssertionError):
            wait_until(lambda: count_deadlocks(admin) > deadlocks, seconds=4)
            return
    pytest.fail("no grant met a deadlock")


def grant_while_rows_are_locked(admin: Gam, node: Server, url: PostgresUrl, secret: str) -> int:
    """Return the status of a grant whose rows another session locks in the opposite order."""
    with Store.open(url) as other, ThreadPoolExecutor(1) as pool:
        tx = other.begin()
        tx.run("SET LOCAL deadlock_timeout = '1min'")  # the grant notices it
        tx.run("SET LOCAL lock_timeout = '1min'")
        assert tx.one("SELECT client_id FROM app_use WHERE grants > 0 FOR UPDATE") == (CLIENT_ID,)
        request = pool.submit(request_token, node, secret)  # it has locked its key when it waits for this row
        wait_until(lambda: count_waiting(admin) == 1)
        tx.run("UPDATE key SET grants = grants WHERE last_used_at IS NULL")
        sleep(1.3 * ROW_LOCK_SECONDS)
        assert not request.done()
        other.rollback()
        return request.result()[0]


@pytest.fixture
def deadlock_timeout(admin: Gam) -> Iterator[None]:
    """Find deadlocks sooner than a grant stops waiting for a row."""

    def alter(setting: str) -> None:
        admin.store.read_without_transaction(lambda tx: tx.run(f"ALTER SYSTEM {setting}"))
        admin.store.read_without_transaction(lambda tx: tx.one("SELECT pg_reload_conf()"))

    alter("SET deadlock_timeout = '100ms'")
    yield
    alter("RESET deadlock_timeout")


def count_deadlocks(gam: Gam) -> int:
    sql = "SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()"
    (found,) = gam.store.read_without_transaction(lambda tx: tx.one(sql)) or (0,)
    return int(str(found))


def count_waiting(gam: Gam) -> int:
    sql = "SELECT count(*)::int FROM pg_locks WHERE NOT granted"
    (found,) = gam.store.read_without_transaction(lambda tx: tx.one(sql)) or (0,)
    return int(str(found))


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end
        sleep(0.01)


def fail_tokens_of(gam: Gam, user: str, times: int) -> None:
    """Let the database report a serialization failure for the first tokens of a user."""
    guid = users.show(gam, user).guid
    with gam.store.writing() as tx:
        tx.run("CREATE SEQUENCE failure")
        tx.run(f"""CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.user_guid = '{guid}' AND nextval('failure') <= {times} THEN
            RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$""")
        tx.run("CREATE TRIGGER fail BEFORE INSERT ON token FOR EACH ROW EXECUTE FUNCTION fail()")


def test_a_grant_that_conflicts_with_others_is_tried_again(admin: Gam, nodes: list[Server]) -> None:
    secret = keys.generate(admin, keys.KeySpec("ana", "portal")).secret.reveal()
    fail_tokens_of(admin, "ana", 5)
    assert request_token(nodes[0], secret)[0] == 200
    with admin.store.reading() as tx:
        assert tx.one("SELECT (SELECT count(*) FROM token), (SELECT last_value FROM failure)") == (1, 6)


def test_a_grant_that_always_conflicts_is_refused_after_its_time_and_holds_up_no_other(
    admin: Gam, nodes: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_pool, "MAX_WAIT_SECONDS", 2.0)
    unlucky, other = (keys.generate(admin, keys.KeySpec(name, "portal")).secret.reveal() for name in ("ana", "bob"))
    fail_tokens_of(admin, "ana", 2**62)
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(request_token, nodes[0], unlucky)
        assert [request_token(nodes[0], other)[0] for _ in range(5)] == [200] * 5
        assert not request.done()
        status, content = request.result()
    assert (status, content["error"]["code"]) == (503, "503")


def test_a_renewal_whose_row_is_locked_holds_up_no_other_request(
    admin: Gam, nodes: list[Server], url: PostgresUrl
) -> None:
    apps.update(admin, "portal", {"token.renewals": 9})
    secrets = [keys.generate(admin, keys.KeySpec(name, "portal")).secret.reveal() for name in ("ana", "bob")]
    refresh_token = request_token(nodes[0], secrets[0])[1]["refresh_token"]
    with Store.open(url) as other, ThreadPoolExecutor(1) as pool:
        assert other.begin().one("SELECT counter FROM refresh_token FOR UPDATE") is not None
        renewal = pool.submit(renew, nodes[0], refresh_token)
        seconds = []
        for _ in range(30):
            started = monotonic()
            assert request_token(nodes[0], secrets[1])[0] == 200
            seconds.append(monotonic() - started)
        assert max(seconds) < 0.8
        assert not renewal.done()
        other.rollback()
        assert renewal.result() == 200


def test_nodes_go_on_after_their_connections_were_ended(admin: Gam, nodes: list[Server]) -> None:
    secret = keys.generate(admin, keys.KeySpec("ana", "portal")).secret.reveal()
    assert [request_token(node, secret)[0] for node in nodes] == [200, 200]
    with admin.store.reading() as tx:
        others = "usename = current_user AND pid <> pg_backend_pid()"
        tx.one(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {others}")
    assert [request_token(node, secret)[0] for node in (*nodes, *nodes)] == [200] * 4


def get(server: Server, path: str) -> tuple[int, str | None]:
    client = HTTPConnection("127.0.0.1", server.port, timeout=20)
    client.request("GET", path)
    response = client.getresponse()
    client.close()
    return response.status, response.getheader("Retry-After")


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nodes wait a tenth as long for a database that does not answer."""
    monkeypatch.setattr(dispatcher, "TURN_STATEMENT_SECONDS", 0.3)
    monkeypatch.setattr(dispatcher, "THREAD_STATEMENT_SECONDS", 0.5)
    monkeypatch.setattr(worker_pool, "MAX_WAIT_SECONDS", 1.0)
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 2)


@pytest.mark.usefixtures("short_timeouts")
def test_a_node_answers_503_while_its_database_is_stopped_and_goes_on_when_that_does(
    admin: Gam, postgres: PostgresServer, request: pytest.FixtureRequest
) -> None:
    node: Server = request.getfixturevalue("nodes")[0]
    secret = keys.generate(admin, keys.KeySpec("ana", "portal")).secret.reveal()
    status, content = request_token(node, secret)
    token = content["access_token"]
    assert (status, read_claims(node, token)) == (200, 200)
    with postgres.stopped(), ThreadPoolExecutor() as pool:
        grants = [pool.submit(request_token, node, secret) for _ in range(3)]
        others = [pool.submit(get, node, path) for path in ("/readyz", "/healthz") for _ in range(2)]
        claims = [pool.submit(read_claims, node, token) for _ in range(2)]
        assert {grant.result()[0] for grant in grants} | {claim.result() for claim in claims} == {503}
        assert {other.result() for other in others} == {(503, "1")}
    wait_until(lambda: request_token(node, secret)[0] == 200)
    assert (read_claims(node, token), get(node, "/readyz")[0]) == (200, 200)


@pytest.mark.usefixtures("short_timeouts")
def test_a_node_replaces_connections_whose_process_in_the_database_is_stopped(
    admin: Gam, postgres: PostgresServer, request: pytest.FixtureRequest
) -> None:
    node: Server = request.getfixturevalue("nodes")[0]
    secret = keys.generate(admin, keys.KeySpec("ana", "portal")).secret.reveal()
    assert request_token(node, secret)[0] == 200
    with postgres.stopped(connections_only=True):
        status, content = request_token(node, secret)
        assert (status, read_claims(node, content["access_token"])) == (200, 200)


def test_a_node_that_may_not_write_is_not_ready(
    admin: Gam, nodes: list[Server], url: PostgresUrl, postgres: PostgresServer
) -> None:
    postgres.set({"default_transaction_read_only": "on"})
    try:
        assert [get(node, path) for node in nodes for path in ("/readyz", "/healthz")] == [(503, "1"), (200, None)] * 2
        with Store.open(url) as store, pytest.raises(StoreUnusableError, match="cannot be written"):
            Server(replace(admin, store=store), ServerOptions(log=lambda _: None, port=0))
    finally:
        postgres.set({"default_transaction_read_only": None})
    assert get(nodes[0], "/readyz")[0] == 200
