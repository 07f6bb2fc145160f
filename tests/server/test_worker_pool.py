"""Slow requests run on separate threads and block no others."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from gamcli.actions import Gam
from gamcli.errors import StoreBusyError
from gamcli.server import worker_pool
from gamcli.server.endpoints import context, routes
from gamcli.server.server import Server
from gamcli.server.transport.messages import Request, Response
from gamcli.store.engine import BUSY_TIMEOUT
from gamcli.store.sqlite.database import SqliteStore

Ask = Callable[..., Response]


@pytest.fixture
def takes_long(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Event, Event]]:
    begun, go_on = Event(), Event()
    begin = routes.handle

    def later(gam: Gam, request: Request, conduct: context.ServerConfig) -> routes.Handled:
        if request.method == "POST" and conduct.nonblocking:
            return context.WouldBlock()
        if request.method == "POST":
            begun.set()
            assert go_on.wait(10)
        return begin(gam, request, conduct)

    monkeypatch.setattr(routes, "handle", later)
    yield begun, go_on
    go_on.set()


@pytest.mark.needs_file
def test_a_server_has_three_connections_to_its_store(serve: Callable[..., Server], gam: Gam) -> None:
    def connections() -> int:
        links = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
        return links.count(str(gam.store.path))

    alone = connections()
    serve()
    assert connections() == 3 * alone


def test_what_takes_long_blocks_nobody(post: Ask, raw: Callable[..., bytes], takes_long: tuple[Event, Event]) -> None:
    begun, go_on = takes_long
    with ThreadPoolExecutor(1) as pool:
        granted = pool.submit(post)
        assert begun.wait(5)
        assert b"ok" in raw(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert not granted.done()
        go_on.set()
        assert granted.result(10).status == 200


def test_who_has_waited_too_long_is_reported_that_the_store_is_busy(
    post: Ask, takes_long: tuple[Event, Event], monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    monkeypatch.setattr(worker_pool, "MAX_WAIT_SECONDS", 0)
    response = post()
    assert (response.status, json.loads(response.body)["error"]["code"]) == (503, "503")
    assert dict(response.fields)["Retry-After"] == "1"
    assert lines[-1].endswith("rule=store_busy")
    assert not takes_long[0].is_set()


@pytest.mark.needs_file
def test_a_request_waits_for_what_is_left_of_its_time(
    post: Ask, gam: Gam, takes_long: tuple[Event, Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    takes_long[1].set()
    monkeypatch.setattr(worker_pool, "MAX_WAIT_SECONDS", 0.3)
    with gam.store.open_again(durable=True, timeout=5) as other, other.writing():
        assert post().status == 503
    assert gam.store.timeout == BUSY_TIMEOUT


@pytest.mark.needs_file
def test_a_store_that_is_busy_when_it_is_read_is_asked_again_with_patience(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, asked = SqliteStore.reading, list[float]()

    def busy_at_first(store: SqliteStore) -> Any:  # noqa: ANN401 - as reading
        asked.append(store.timeout)
        if store.timeout == 0:
            raise StoreBusyError("held")
        return reading(store)

    monkeypatch.setattr(SqliteStore, "reading", busy_at_first)
    assert ask("GET", "/healthz").status == 200
    assert asked[0] == 0
    assert asked[-1] > 0


@pytest.mark.needs_file
def test_a_thread_asks_a_busy_store_again_while_the_request_may_wait(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, asked = SqliteStore.reading, list[float]()

    def loses_its_connection_twice(store: SqliteStore) -> Any:  # noqa: ANN401 - as reading
        asked.append(store.timeout)
        if len(asked) <= 3:
            raise StoreBusyError("the connection was lost")
        return reading(store)

    monkeypatch.setattr(SqliteStore, "reading", loses_its_connection_twice)
    assert ask("GET", "/healthz").status == 200
    assert asked == [0, *[BUSY_TIMEOUT] * 3]


@pytest.mark.needs_file
def test_a_store_that_is_gone_is_asked_to_those_who_wait(
    post: Ask, takes_long: tuple[Event, Event], gam: Gam, tmp_path: Path
) -> None:
    takes_long[1].set()
    gam.store.path.rename(tmp_path / "elsewhere.db")
    response = post()
    assert (response.status, json.loads(response.body)["error"]["message"]) == (503, "The store is unavailable.")
