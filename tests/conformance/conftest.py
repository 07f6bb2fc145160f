"""Fixtures: a store with the test credentials, and servers for it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest

from gamcli.actions import Gam
from gamcli.conformance import local
from gamcli.conformance.exchange import TargetServer
from gamcli.conformance.worlds import World
from gamcli.store import Location, Store

OPTIONS = {
    "format": "--format", "expired_status": "--expired-status", "max_failures": "--max-failures",
    "cors_origin": "--cors-origin", "base_path": "--base-path",
}  # fmt: skip
"""The option of `serve` for each server option of a world."""


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("conformance")


@pytest.fixture(scope="session")
def world(place: Path) -> World:
    return create_world(place / "store.db")


def create_world(location: Location) -> World:
    with Store.create(location) as store:
        return local.create_world(Gam(store, lambda: datetime.now(UTC), os.urandom, "test"), {})


def serve_options(server: Mapping[str, object]) -> list[str]:
    flags = ["--extras"] if server["extras"] else []
    return [*flags, *(f"{option}={server[name]}" for name, option in OPTIONS.items() if server[name] != "")]


WITH_FAST_HASHES = """
from gamcli.commands import entry_point
from gamcli.rules import passwords
passwords.CURRENT_COST = passwords.TEST_COST
entry_point()
"""
"""gamcli with fast password hashes."""

Serve = Callable[[World, Sequence[str]], AbstractContextManager[TargetServer]]


@pytest.fixture
def serve(place: Path) -> Serve:

    @contextmanager
    def serving(world: World, more: Sequence[str] = (), store: str | None = None) -> Iterator[TargetServer]:
        ready = place / f"ready-{time.monotonic_ns()}.json"
        line = [
            sys.executable,
            "-W",
            "error",
            "-c",
            WITH_FAST_HASHES,
            "--store",
            store or str(place / "store.db"),
            "--quiet",
            "serve",
        ]
        line += ["--port=0", f"--ready-file={ready}", *serve_options(world.server), *more]
        with subprocess.Popen(line, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
            log, reader = list[bytes](), Thread(target=lambda: log.extend(process.stderr or ()))
            reader.start()
            try:
                while not ready.exists():
                    assert process.poll() is None, b"".join(log).decode()
                    time.sleep(0.01)
                yield TargetServer.from_url(json.loads(ready.read_bytes())["url"])
            finally:
                process.terminate()
                reader.join(20)
        assert process.returncode == 0
        assert not [line for line in log if b"Traceback" in line or b"rule=bug" in line]

    return serving
