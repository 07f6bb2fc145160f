"""Requests that find the store held by another process wait for it, and hold up nobody."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from gamcli.actions import Gam, users
from gamcli.server import waiting
from gamcli.server.messages import Response
from gamcli.store import Store
from gamcli.store.database import BUSY_SECONDS

Ask = Callable[..., Response]


def test_a_grant_waits_for_a_writer_and_the_others_do_not(
    post: Ask, raw: Callable[..., bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another connection to the file holds the write lock; userinfo and healthz go on."""
    entered = Event()
    enter = waiting.WaitingRoom.enter

    def noticed(room: waiting.WaitingRoom, guest: waiting.Guest) -> None:
        entered.set()
        enter(room, guest)

    monkeypatch.setattr(waiting.WaitingRoom, "enter", noticed)
    with Store.open(tmp_path / "gam.db") as other, ThreadPoolExecutor(1) as pool:
        with other.writing():
            granted = pool.submit(post)
            assert entered.wait(5)
            assert b"ok" in raw(b"GET /healthz HTTP/1.0\r\n\r\n")
            assert not granted.done()
        assert granted.result(10).status == 200


def test_who_has_waited_too_long_is_told_that_the_store_is_busy(
    post: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    """Without another try, for whoever came earlier has waited in vain."""
    monkeypatch.setattr(waiting, "MAX_WAIT", 0)
    began = monotonic()
    with Store.open(tmp_path / "gam.db") as other, other.writing():
        response = post()
    assert monotonic() - began < BUSY_SECONDS
    assert (response.status, json.loads(response.body)["error"]["code"]) == (503, "503")
    assert dict(response.fields)["Retry-After"] == "1"
    assert lines[-1].endswith("rule=store_busy")


def test_grants_go_on_while_others_write(post: Ask, gam: Gam) -> None:
    """Each sees what was written before it."""
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(lambda: [users.update(gam, "ana", {"city": str(number)}) for number in range(50)])
        statuses = {post().status for _ in range(100)}
        assert len(written.result(30)) == 50
    assert statuses == {200}


def test_a_guest_waits_for_what_is_left_of_its_time(
    post: Ask, gam: Gam, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those before it have used up some; whoever else works with the store waits as long as ever."""
    monkeypatch.setattr(waiting, "MAX_WAIT", 0.3)
    began = monotonic()
    with Store.open(tmp_path / "gam.db") as other, other.writing():
        assert post().status == 503
    assert 0.3 <= monotonic() - began < BUSY_SECONDS / 2
    assert gam.store.patience == BUSY_SECONDS
