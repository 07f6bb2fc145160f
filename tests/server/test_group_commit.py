"""Tokens that are issued together share one durable commit, and no response is sent before it."""

import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta
from http.client import HTTPConnection
from threading import Event
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlencode

import pytest

from gamcli.actions import Gam, apps, auth_types, issuance, keys, tokens, users
from gamcli.actions.grant_cache import GrantCache
from gamcli.actions.issuance import GrantAttempt, IssuedToken
from gamcli.errors import StoreBusyError, StoreUnknownOutcomeError, StoreUnusableError
from gamcli.rules.credentials import Secret
from gamcli.rules.grants import TokenRequest
from gamcli.rules.passwords import TEST_COST
from gamcli.server import group_commit, worker_pool
from gamcli.server.endpoints.access_token import PendingGrant
from gamcli.server.endpoints.context import RequestContext
from gamcli.server.metrics import COMMIT_DURATIONS, COMMIT_WAITS, SECONDS, Metrics
from gamcli.server.server import Server
from gamcli.server.transport.connection import PendingRequest
from gamcli.server.transport.messages import Request, Response
from gamcli.store import Store, Transaction
from gamcli.store import tokens as rows
from gamcli.store.engine import BUSY_TIMEOUT
from gamcli.store.sqlite.database import SqliteStore

Ask = Callable[..., Response]
TOKEN_PATH = "/oauth/gam/v2.0/access_token"


@pytest.fixture
def commits(gam: Gam, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    written: list[int] = []
    add, commit = rows.add, type(gam.store).commit

    def adding(tx: Any, added: list[Any]) -> None:  # noqa: ANN401 - as add
        written.extend([1] * len(added))
        add(tx, added)

    def counting(store: Store) -> None:
        found.append(len(written))
        written.clear()
        commit(store)

    monkeypatch.setattr(rows, "add", adding)
    monkeypatch.setattr(type(gam.store), "commit", counting)
    return found


def granted(server: Server, form: dict[str, str]) -> int:
    client = HTTPConnection("127.0.0.1", server.port, timeout=20)
    client.request("POST", TOKEN_PATH, urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})
    with client.getresponse() as response:
        response.read()
        status = response.status
    client.close()
    return status


def test_a_grant_that_is_alone_is_committed_alone(post: Ask, commits: list[int]) -> None:
    assert [post().status for _ in range(3)] == [200, 200, 200]
    assert commits == [1, 1, 1]


@pytest.mark.needs_file
def test_grants_that_arrive_while_another_is_committed_share_the_next_commit(
    server: Server, form: dict[str, str], commits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, entered = Event(), Event(), Event()
    commit, enter, came = SqliteStore.commit, group_commit.GroupCommit.add, list[int]()

    def slow(store: SqliteStore) -> None:
        begun.set()
        assert go_on.wait(10)
        commit(store)

    def noticed(book: group_commit.GroupCommit[Any], *args: Any) -> None:  # noqa: ANN401 - as enter
        enter(book, *args)
        came.append(1)
        if len(came) == 10:
            entered.set()

    monkeypatch.setattr(SqliteStore, "commit", slow)
    monkeypatch.setattr(group_commit.GroupCommit, "add", noticed)
    with ThreadPoolExecutor(10) as pool:
        first = pool.submit(granted, server, form)
        assert begun.wait(5)
        others = [pool.submit(granted, server, form) for _ in range(9)]
        assert entered.wait(5)
        assert not first.done()
        go_on.set()
        assert [each.result(10) for each in (first, *others)] == [200] * 10
    assert commits == [1, 9]


@pytest.mark.needs_file
def test_userinfo_does_not_wait_for_a_commit(
    server: Server, ask: Ask, form: dict[str, str], post: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = json.loads(post().body)["access_token"]
    begun, go_on = Event(), Event()
    commit = SqliteStore.commit

    def slow(store: SqliteStore) -> None:
        begun.set()
        assert go_on.wait(10)
        commit(store)

    monkeypatch.setattr(SqliteStore, "commit", slow)
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(granted, server, form)
        assert begun.wait(5)
        assert ask("GET", "/oauth/gam/v2.0/userinfo", None, {"Authorization": token}).status == 200
        assert not waits.done()
        go_on.set()
        assert waits.result(10) == 200


@pytest.mark.needs_file
def test_an_answer_mentions_what_is_committed(post: Ask, gam: Gam) -> None:
    for _ in range(5):
        token = json.loads(post().body)["access_token"]
        connection = sqlite3.connect(gam.store.path)
        found = connection.execute("SELECT count(*) FROM token").fetchone()
        connection.close()
        assert token
        assert found == (_ + 1,)


@pytest.mark.needs_file
def test_a_grant_waits_for_a_writer_and_the_others_do_not(
    server: Server, form: dict[str, str], raw: Callable[..., bytes], gam: Gam, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = Event()
    wait = group_commit.GroupCommit._wait_for_store  # noqa: SLF001 - to know that it waits

    def noticed(book: group_commit.GroupCommit[Any]) -> Any:  # noqa: ANN401 - as it
        waits.set()
        return wait(book)

    monkeypatch.setattr(group_commit.GroupCommit, "_wait_for_store", noticed)
    with gam.store.open_again(durable=True, timeout=5) as other, ThreadPoolExecutor(2) as pool:
        with other.writing():
            both = [pool.submit(granted, server, form) for _ in range(2)]
            assert waits.wait(5)
            assert b"ok" in raw(b"GET /healthz HTTP/1.0\r\n\r\n")
            assert not any(each.done() for each in both)
        assert [each.result(10) for each in both] == [200, 200]


@pytest.mark.needs_file
def test_who_has_waited_too_long_for_a_writer_is_reported_that_the_store_is_busy(
    post: Ask, gam: Gam, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    monkeypatch.setattr(worker_pool, "MAX_WAIT_SECONDS", 0.2)
    began = monotonic()
    with gam.store.open_again(durable=True, timeout=5) as other, other.writing():
        response = post()
    assert monotonic() - began < BUSY_TIMEOUT
    assert (response.status, json.loads(response.body)["error"]["code"]) == (503, "503")
    assert dict(response.fields)["Retry-After"] == "1"
    assert lines[-1].endswith("rule=store_busy")
    assert post().status == 200


@pytest.mark.needs_file
def test_nobody_waits_for_a_writer_beyond_their_own_time(gam: Gam, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def busy(*_: object) -> Any:  # noqa: ANN401 - as begin
        asked.append(1)
        raise StoreBusyError("another process writes")

    monkeypatch.setattr(SqliteStore, "begin", busy)
    late = PendingRequest(Request("POST", TOKEN_PATH), monotonic() - worker_pool.MAX_WAIT_SECONDS)
    attempt = GrantAttempt(TokenRequest())
    with closing(group_commit.GroupCommit[PendingRequest](gam, GrantCache(), lambda: None)) as book:
        book.add(late, PendingGrant(RequestContext(late.request), attempt))
        with pytest.raises(StoreBusyError):
            book._wait_for_store()  # noqa: SLF001 - what its thread does
    assert asked == [1]


@pytest.mark.needs_file
def test_of_the_requests_that_wait_for_a_writer_only_the_late_ones_fail(gam: Gam) -> None:
    notified, attempt = Event(), GrantAttempt(TokenRequest())
    opened = (gam.store.open_again(durable=True, timeout=timeout) for timeout in (0, 5))
    with ExitStack() as stack:
        store, other = map(stack.enter_context, opened)
        writer = replace(gam, store=store)
        book = stack.enter_context(
            closing(group_commit.GroupCommit[PendingRequest](writer, GrantCache(), notified.set))
        )
        with other.writing():
            for seconds_ago in (worker_pool.MAX_WAIT_SECONDS, 0):
                pending = PendingRequest(Request("POST", TOKEN_PATH), monotonic() - seconds_ago)
                book.add(pending, PendingGrant(RequestContext(pending.request), attempt))
            book.start_batch()
            assert notified.wait(worker_pool.MAX_WAIT_SECONDS / 2)
            ((_, late),) = book.pop_responses()
            assert late.trace.rule == "store_busy"
        responses: list[Any] = []
        while not responses:
            book.start_batch()
            assert notified.wait(10)
            notified.clear()
            responses = book.pop_responses()
        assert [response.trace.rule for _, response in responses] == ["client_id_missing"]


def test_the_wait_of_a_batch_is_that_of_its_first_request(gam: Gam) -> None:
    metrics, notified, began = Metrics(1), Event(), monotonic()
    attempt = GrantAttempt(TokenRequest())
    row = metrics.process(0, "")
    with closing(group_commit.GroupCommit[PendingRequest](gam, GrantCache(), notified.set, row)) as book:
        for seconds_ago in (1000, 0):
            pending = PendingRequest(Request("POST", TOKEN_PATH), monotonic() - seconds_ago)
            book.add(pending, PendingGrant(RequestContext(pending.request), attempt))
        book.start_batch()
        assert notified.wait(10)
        assert len(book.pop_responses()) == 2
    total = len(SECONDS) + 1
    assert 1000 <= metrics.sum_rows()[COMMIT_WAITS + total] <= 1000 + monotonic() - began
    assert 0 <= metrics.sum_rows()[COMMIT_DURATIONS + total] <= monotonic() - began


def test_grants_go_on_while_others_write(post: Ask, gam: Gam) -> None:
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(lambda: [users.update(gam, "ana", {"city": str(number)}) for number in range(50)])
        statuses = {post().status for _ in range(100)}
        assert len(written.result(30)) == 50
    assert statuses == {200}


@pytest.mark.needs_file
@pytest.mark.parametrize("step", ["begin", "commit"])
@pytest.mark.parametrize("error", [StoreUnusableError("the disk is full"), StoreBusyError("it is locked")], ids=repr)
def test_a_batch_that_fails_is_tried_again_one_by_one(
    post: Ask, gam: Gam, monkeypatch: pytest.MonkeyPatch, step: str, error: Exception
) -> None:
    real, failed = getattr(SqliteStore, step), list[int]()

    def fails_once(*args: Any) -> Any:  # noqa: ANN401 - as either
        if not failed:
            failed.append(1)
            raise error
        return real(*args)

    monkeypatch.setattr(SqliteStore, step, fails_once)
    assert post().status == 200
    assert failed
    assert used(gam)[0] == 1
    assert post().status == 200
    assert rows_of(gam) == 2


@pytest.mark.needs_file
def test_a_batch_that_may_have_been_saved_is_not_tried_again(
    post: Ask, gam: Gam, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = SqliteStore.commit

    def commits_and_loses_the_answer(store: SqliteStore) -> None:
        commit(store)
        raise StoreUnknownOutcomeError("it is not known whether the change was saved")

    monkeypatch.setattr(SqliteStore, "commit", commits_and_loses_the_answer)
    response = post()
    assert (response.status, dict(response.fields)["Retry-After"]) == (503, "1")
    assert rows_of(gam) == 1


def rows_of(gam: Gam) -> int:
    with tokens.search(gam, tokens.TokenSearch()) as found:
        return len(list(found))


def test_one_that_breaks_a_batch_spoils_no_other(
    server: Server, form: dict[str, str], gam: Gam, monkeypatch: pytest.MonkeyPatch
) -> None:
    users.create(gam, "bob", {})
    other = {**form, "api_key": keys.generate(gam, keys.KeySpec("bob", "portal")).secret.reveal()}
    keep = issuance.Turn.issue_tokens

    def breaks(turn: issuance.Turn, tx: Transaction) -> Any:  # noqa: ANN401 - as keep
        kept = keep(turn, tx)
        if any(each.grant.user.name == "bob" for each in kept if isinstance(each, IssuedToken)):
            raise LookupError
        return kept

    monkeypatch.setattr(issuance.Turn, "issue_tokens", breaks)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda sent: granted(server, sent), [form, other] * 4))
    assert found == [200, 500] * 4
    assert rows_of(gam) == 4


def test_a_damaged_row_fails_the_requests_that_need_it_and_no_other(
    server: Server, form: dict[str, str], gam: Gam
) -> None:
    users.create(gam, "bob", {})
    other = {**form, "api_key": keys.generate(gam, keys.KeySpec("bob", "portal")).secret.reveal()}
    with gam.store.writing() as tx:
        tx.run("UPDATE user SET attributes = 'x' WHERE name = 'bob'")
    with ThreadPoolExecutor(8) as pool:
        assert [*pool.map(lambda sent: granted(server, sent), [form, other] * 4)] == [200, 503] * 4


def test_a_damaged_password_hash_fails_the_logins_of_its_user_alone(ask: Ask, post: Ask, gam: Gam) -> None:
    auth_types.update(gam, "local", {"enabled": True})
    apps.update(gam, "portal", {"token.renewals": 9})
    users.create(gam, "bob", {})
    for name in ("ana", "bob"):
        users.set_password(gam, name, Secret("secret"), TEST_COST)

    def log_in(name: str) -> Response:
        return post(username=name, password="secret", authentication_type_name="local", api_key=None)

    refresh_token = json.loads(log_in("ana").body)["refresh_token"]
    with gam.store.writing() as tx:
        tx.run("UPDATE user SET password_hash = 'scrypt$1$8$1$AAAA' WHERE name = 'ana'")
    assert [log_in(name).status for name in ("ana", "bob")] == [503, 200]
    assert post(grant_type="refresh_token", refresh_token=refresh_token, api_key=None).status == 200
    token = json.loads(post().body)["access_token"]
    assert ask("GET", "/oauth/gam/v2.0/userinfo", None, {"Authorization": token}).status == 200
    assert users.show(gam, "ana").name == "ana"


def test_a_server_that_ends_leaves_no_thread_behind(serve: Callable[..., Server], gam: Gam) -> None:
    with gam.store.open_again(durable=True, timeout=5) as other, other.writing():
        server = serve(stop_seconds=0.1)
        client = HTTPConnection("127.0.0.1", server.port, timeout=20)
        client.request("GET", "/healthz")
        assert client.getresponse().read()
        server.stop()
        client.close()


@pytest.mark.needs_file
def test_tokens_are_committed_to_the_disk(
    server: Server, form: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    levels = []
    commit = SqliteStore.commit

    def look(store: SqliteStore) -> None:
        levels.append(store.read_without_transaction(lambda tx: tx.one("PRAGMA synchronous")))
        commit(store)

    monkeypatch.setattr(SqliteStore, "commit", look)
    assert granted(server, form) == 200
    full = 2
    assert levels == [(full,)]


def used(gam: Gam) -> tuple[int, str | None]:
    with keys.search(gam, keys.KeySearch()) as rows:
        (key,) = rows
    return key.grants, key.last_used_from


@pytest.mark.parametrize(
    ("log_address", "shown"), [("full", "127.0.0.1"), ("masked", "127.0.0.0"), ("none", None)], ids=str
)
def test_a_key_notes_how_often_and_from_where_it_was_used_when_the_server_stops(
    serve: Callable[..., Server], form: dict[str, str], gam: Gam, log_address: str, shown: str | None
) -> None:
    server = serve(log_address=log_address)
    assert [granted(server, form) for _ in range(5)] == [200] * 5
    assert used(gam) == (1, shown)
    server.stop()
    for _ in range(1000):
        if used(gam)[0] > 1:
            break
        sleep(0.01)
    assert used(gam) == (5, shown)


def test_the_uses_of_a_key_are_written_when_no_request_comes_for_a_while(gam: Gam, form: dict[str, str]) -> None:
    notified, cache = Event(), GrantCache()
    key, earlier = keys.show(gam, form["api_key"][7:15]), gam.now() - timedelta(minutes=1)
    cache.key_uses.add(key._replace(last_used_at=earlier), earlier, "192.0.2.1")
    with closing(group_commit.GroupCommit[PendingRequest](gam, cache, notified.set, idle_seconds=0.01)) as book:
        assert notified.wait(10)
        book.start_batch()
        while book._is_task_running:  # noqa: SLF001 - until the commit is done
            book.pop_responses()
        assert used(gam) == (1, "192.0.2.1")  # before it is closed, which would write it too


@pytest.mark.needs_file
def test_uses_of_keys_that_cannot_be_written_wait_until_the_next_time(
    gam: Gam, form: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, idle_times, cache = list[int](), Event(), GrantCache()
    begin = SqliteStore.begin

    def is_busy(*_: object) -> None:
        begun.append(1)
        raise StoreBusyError("another process writes", "try again")

    key, earlier = keys.show(gam, form["api_key"][7:15]), gam.now() - timedelta(minutes=1)
    cache.key_uses.add(key._replace(last_used_at=earlier), earlier, "192.0.2.1")
    with closing(group_commit.GroupCommit[PendingRequest](gam, cache, idle_times.set, idle_seconds=0.01)) as book:
        assert idle_times.wait(10)
        monkeypatch.setattr(SqliteStore, "begin", is_busy)
        book.start_batch()
        assert begun == [1]
        assert not book._is_task_running  # noqa: SLF001 - nothing waits for the store
        monkeypatch.setattr(SqliteStore, "begin", begin)
    assert used(gam) == (1, "192.0.2.1")


def test_nothing_is_written_when_no_request_comes_for_a_while_and_no_key_was_used(gam: Gam) -> None:
    notified = Event()
    with closing(group_commit.GroupCommit[PendingRequest](gam, GrantCache(), notified.set, idle_seconds=0.01)) as book:
        assert notified.wait(10)
        book.start_batch()
        assert not book._is_task_running  # noqa: SLF001 - as above
