"""Fixtures of all tests: a real store in a temporary folder, a clock that can be set, and repeatable randomness."""

import gc
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from importlib.util import cache_from_source
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from time import sleep

import pytest
from hypothesis import settings

from gamcli.actions import Gam, repository
from gamcli.rules import passwords
from gamcli.rules.credentials import Entropy
from gamcli.store import Store
from gamcli.store.postgres.url import parse_url
from gamcli.store.schema import MIGRATIONS
from tests import warm_gamcli as warm_gamcli_server

settings.register_profile("here", deadline=None, max_examples=40)
settings.register_profile("ci", deadline=None, max_examples=40, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile("ci" if "CI" in os.environ else "here")

# Where it is set, pytest and every gamcli that a test starts would compile each module again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# In the background or under nohup, a shell ignores these signals, and so would every gamcli that a test starts.
for each, handler in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
    if signal.getsignal(each) is signal.SIG_IGN:
        signal.signal(each, handler)

DEFAULT_COST = passwords.CURRENT_COST
passwords.CURRENT_COST = passwords.TEST_COST  # the default takes a third of a second for each password

MEMORY = Path("/dev/shm")
if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 2**32:
    # Stores wait for the disk at every commit. Files in memory save a third of the whole run.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


gc.disable()  # until the tests are collected: it takes half of that time, and nothing is freed


def pytest_collection_finish() -> None:
    gc.enable()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return the workers of `-n auto`: three for two cores, since tests wait for processes a third of their time."""
    return (os.cpu_count() or 1) * 3 // 2


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Let a process that is done take tests from another one, so that none is the last for long."""
    from xdist.scheduler import WorkStealingScheduling  # type: ignore[import-untyped] # noqa: PLC0415 - it may be absent

    return WorkStealingScheduling(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """In a fresh clone, rewrite the assertions of all modules once: each process would do so, for twice the time."""
    if not any(Path(cache_from_source(__file__)).parent.glob("test_*-pytest-*")):
        command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-n0", str(Path(__file__).parent)]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL)


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


@pytest.fixture(scope="session")
def warm_gamcli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[warm_gamcli_server.WarmGamcli]:
    with warm_gamcli_server.install(tmp_path_factory.mktemp("warm")) as running:
        yield running


class PostgresServer:
    """A PostgreSQL server on a free port, with its files in a temporary directory of an unprivileged user."""

    def __init__(self, *, fsync: bool) -> None:
        self._programs = find_postgres()
        self._user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.folder = Path(mkdtemp(prefix="gamcli-postgres-", dir="/tmp" if fsync else None))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        shutil.chown(self.folder, self._user)
        self._run("initdb", "--auth=trust", "--username=gam", "--encoding=UTF8", "--locale=C", "--no-sync")
        settings = {
            "port": self.port, "listen_addresses": "'127.0.0.1'", "unix_socket_directories": f"'{self.folder}'",
            "fsync": fsync, "max_connections": 200,
        }  # fmt: skip
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())
        self.start()

    def _run(self, program: str, *words: str) -> None:
        command = [f"{self._programs}/{program}", "-D", f"{self.folder}/data", *words]
        own = {} if self._user == pwd.getpwuid(os.geteuid()).pw_name else {"user": self._user, "extra_groups": []}
        subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL, **own)  # type: ignore[call-overload]

    def start(self) -> None:
        self._run("pg_ctl", "-w", "-s", "-l", f"{self.folder}/log", "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-w", "-s", "-m", mode, "stop")

    def kill(self) -> None:
        """Kill all processes of the server with SIGKILL."""
        pid_file = self.folder / "data" / "postmaster.pid"
        main = int(pid_file.read_text().split()[0])
        os.kill(main, signal.SIGSTOP)  # so that it starts no other
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for pid in (main, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(Path(f"/proc/{pid}/exe").exists() for pid in (main, *children)):  # a zombie has none
            sleep(0.005)
        for lock in (pid_file, *self.folder.glob(".s.PGSQL.*")):  # with the number of a zombie
            lock.unlink()

    def set(self, settings: Mapping[str, object | None]) -> None:
        """Change settings of the running server, None to their defaults, and wait until they apply."""
        changes = [f"RESET {name}" if value is None else f"SET {name} = '{value}'" for name, value in settings.items()]
        statements = [f"ALTER SYSTEM {change}" for change in changes] + ["SELECT pg_reload_conf()"]
        line = [f"{self._programs}/psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "gam", "-q", "postgres"]
        subprocess.run(line, input=";\n".join(statements), text=True, check=True, stdout=subprocess.DEVNULL)
        sleep(0.3)

    @contextmanager
    def stopped(self, *, connections_only: bool = False) -> Iterator[None]:
        """Stop the processes of the server with SIGSTOP; with `connections_only`, it accepts new connections."""
        main = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        children = [*map(int, Path(f"/proc/{main}/task/{main}/children").read_text().split())]
        if connections_only:
            children = [pid for pid in children if b"postgres: gam " in Path(f"/proc/{pid}/cmdline").read_bytes()]
        pids = children if connections_only else [main, *children]
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def url(self, schema: str) -> str:
        return f"postgresql://gam@127.0.0.1:{self.port}/postgres?schema={schema}"

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)


def find_postgres() -> str | None:
    """Return the folder with PostgreSQL's programs."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((str(folder) for folder in folders if (folder / "pg_ctl").exists()), None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    if find_postgres() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    server = PostgresServer(fsync=False)
    yield server
    server.close()


SCHEMA_NUMBERS = count(1)


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """Return the URL of a store that does not exist yet."""
    return postgres.url(f"test_{next(SCHEMA_NUMBERS)}")


@pytest.fixture(scope="session")
def empty_schema(postgres: PostgresServer) -> Iterator[Store]:
    with Store.create(parse_url(postgres.url("empty"))) as store:
        yield store


def clear_schema(store: Store) -> None:
    tables = "refresh_token session token_floor token key_request batch_part batch key user_attribute user app_use app"
    tables += " repository auth_type adoption default_type_use audit"
    with store.writing() as tx:
        for table in tables.split():
            tx.save(f"DELETE FROM {table}", [()])
        tx.run("DELETE FROM migration WHERE version > ?", len(MIGRATIONS))


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """
    Return the engine of `store`: SQLite, and PostgreSQL as well for tests marked with `both_engines`.

    With GAMCLI_TEST_ENGINE=postgresql, all tests that have a store run on PostgreSQL, except those that need a file.
    """
    return "sqlite" if needs_file(request.node) else os.environ.get("GAMCLI_TEST_ENGINE", "sqlite")


def needs_file(test: pytest.Item) -> bool:
    return test.get_closest_marker("needs_file") is not None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marks = {mark.name for mark in metafunc.definition.iter_markers()}
    is_chosen = "GAMCLI_TEST_ENGINE" in os.environ
    if "engine" in metafunc.fixturenames and "both_engines" in marks and "needs_file" not in marks and not is_chosen:
        metafunc.parametrize("engine", ["sqlite", "postgresql"])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("GAMCLI_TEST_ENGINE") != "postgresql":
        return
    left_out = [each for each in items if "engine" not in getattr(each, "fixturenames", ()) or needs_file(each)]
    items[:] = [each for each in items if each not in left_out]
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture
def store(engine: str, request: pytest.FixtureRequest) -> Iterator[Store]:
    if engine == "sqlite":
        store_path: Path = request.getfixturevalue("store_path")
        store_path.parent.mkdir(mode=0o700)
        shutil.copy(request.getfixturevalue("empty_store"), store_path)
        with Store.open(store_path) as opened:
            yield opened
        return
    clear_schema(request.getfixturevalue("empty_schema"))
    with Store.open(parse_url(request.getfixturevalue("postgres").url("empty"))) as opened:
        yield opened


@pytest.fixture
def gam(store: Store, clock: Clock, entropy: Entropy) -> Gam:
    made = Gam(store=store, now=lambda: clock.now, entropy=entropy, actor="tester")
    repository.initialise(made)
    return made
