"""Fixtures of all tests: a real store in a temporary folder, a clock that can be set, and repeatable randomness."""

import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings

from gamcli.actions import Gam, repository
from gamcli.rules.credentials import Entropy
from gamcli.store import Store

settings.register_profile("here", deadline=None, max_examples=40)
settings.register_profile("ci", deadline=None, max_examples=40, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile("ci" if "CI" in os.environ else "here")

# Where it is set, pytest and every gamcli that a test starts would compile each module again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

MEMORY = Path("/dev/shm")
if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 2**32:
    # Stores wait for the disk at every commit. Files in memory save a third of the whole run.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def advance(self, length: timedelta) -> datetime:
        self.now += length
        return self.now


@pytest.fixture(scope="session")
def now() -> datetime:
    return START


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def forward(clock: Clock) -> Callable[[timedelta], datetime]:
    return clock.advance


@pytest.fixture
def entropy() -> Entropy:
    return random.Random(62).randbytes


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    return tmp_path / "gam" / "store.db"


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "store.db"
    Store.create(path).close()
    return path


@pytest.fixture
def store(store_path: Path, empty_store: Path) -> Iterator[Store]:
    store_path.parent.mkdir(mode=0o700)
    shutil.copy(empty_store, store_path)
    with Store.open(store_path) as opened:
        yield opened


@pytest.fixture
def gam(store: Store, clock: Clock, entropy: Entropy) -> Gam:
    made = Gam(store=store, now=lambda: clock.now, entropy=entropy, actor="tester")
    repository.initialise(made)
    return made
