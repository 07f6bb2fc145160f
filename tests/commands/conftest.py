"""Fixtures of the command tests: a working directory for each test, and ways to run gamcli in it."""

import codecs
import fcntl
import io
import json
import os
import pty
import re
import shutil
import sqlite3
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from select import select
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import pytest

from gamcli.actions import Gam, issuance
from gamcli.commands import main, wants_json
from gamcli.rules.credentials import Secret
from gamcli.rules.grants import TokenRequest
from gamcli.store import Store
from tests.warm_gamcli import Run, WarmGamcli

SECRET = re.compile(r"gam(key|sec)_[0-9A-Za-z]")
MESSAGE_LINE = re.compile(r"gamcli: (?:(error|hint|warning): )?(.+)")
PROBLEM_LINE = re.compile(r"[^\s:][^:]*:[0-9]+: [^ ].*")
"""A problem in a line of a file, in the format of compilers."""


class RunResult(NamedTuple):
    """What a run of gamcli came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - any document
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def hint(self) -> str:
        return next(
            found[2] for found in map(MESSAGE_LINE.fullmatch, self.err.splitlines()) if found and found[1] == "hint"
        )


def check_streams(ran: RunResult, argv: tuple[str, ...]) -> None:
    assert not SECRET.search(ran.err + " ".join(argv)), "a secret was told"
    is_answer = ran.code == 4 and argv[:1] == ("key",) and argv[1] in ("verify", "explain", "inspect")
    is_answer = is_answer or (ran.code == 4 and argv[:1] == ("try",))
    is_answer = is_answer or (ran.code == 7 and argv[:1] == ("conformance",))
    is_answer = is_answer or (ran.code == 6 and argv[:1] in (("plan",), ("drift",)))
    is_answer = is_answer or (ran.code == 8 and argv[:2] == ("store", "check"))
    is_answer = is_answer or (ran.code == 1 and "doctor" in argv)
    is_answer = is_answer or (ran.code == 7 and argv[:1] == ("scan",))
    is_answer = is_answer or (ran.code == 7 and argv[:1] == ("key",))
    if ran.code in (0, 130) or (is_answer and (ran.out or ran.code == 7)):
        assert "error:" not in ran.err
    elif wants_json(argv):
        assert ran.out == ""
        found = json.loads(ran.err)["error"]
        assert list(found)[:3] == ["code", "message", "hint"]
        check_message_style(found["message"])
    else:
        assert ran.out == ""
        told = [
            MESSAGE_LINE.fullmatch(line)
            for line in ran.err.splitlines()
            if not PROBLEM_LINE.fullmatch(line) and not line.startswith("::error ")
        ]
        kinds = [line[1] for line in told if line]
        assert len(kinds) == len(told), "every line says who speaks"
        assert kinds.count("error") == 1
        assert kinds.count("hint") <= 1
        for line in told:
            assert line
            if not line[2].startswith("  "):  # a key that would end
                check_message_style(line[2])


def check_message_style(message: str) -> None:
    first = message.split(maxsplit=1)[0]
    assert first[:1] == first[:1].lower() or first.isupper(), message
    assert not message.endswith("."), message


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [*os.environ]:
        if name.startswith(("GAMCLI_", "XDG_")) or name in ("NO_COLOR", "COLUMNS", "LINES", "FORCE_COLOR"):
            monkeypatch.delenv(name)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("GAMCLI_STORE", str(tmp_path / "store.db"))
    return here


@pytest.fixture
def file(place: Path) -> Path:
    return place.parent / "store.db"


@pytest.fixture
def gamcli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunResult]:
    def run(*argv: str, stdin: str = "") -> RunResult:
        capfd.readouterr()
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = main(argv)
        ran = RunResult(code, *capfd.readouterr())
        check_streams(ran, argv)
        return ran

    return run


@pytest.fixture
def line() -> list[str]:
    return [sys.executable, "-m", "gamcli"]


@pytest.fixture
def program(warm_gamcli: WarmGamcli) -> Callable[..., RunResult]:
    """Run gamcli in a process, which is forked by one that has imported it."""

    def run(*argv: str, stdin: bytes = b"", env: Mapping[str, str] = os.environ) -> RunResult:
        reading, writing = os.pipe()
        with TemporaryFile() as out, TemporaryFile() as err:
            started = warm_gamcli.start(argv, (reading, out.fileno(), err.fileno()), env)
            os.close(reading)
            with suppress(BrokenPipeError), os.fdopen(writing, "wb") as pipe:
                pipe.write(stdin)
            code = started.wait(60)
            for stream in (out, err):
                stream.seek(0)
            return RunResult(code, out.read().decode(), err.read().decode())

    return run


@pytest.fixture
def new_program(line: list[str]) -> Callable[..., RunResult]:
    """Run gamcli in a process that starts Python, for what happens or is read at that time."""

    def run(*argv: str, stdin: bytes = b"", **changes: Any) -> RunResult:  # noqa: ANN401 - what subprocess takes
        found = subprocess.run([*line, *argv], input=stdin, capture_output=True, timeout=60, check=False, **changes)
        return RunResult(found.returncode, found.stdout.decode(), found.stderr.decode())

    return run


@pytest.fixture
def path(warm_gamcli: WarmGamcli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{warm_gamcli.folder}:{os.environ['PATH']}")


@pytest.fixture
def shell(path: None) -> Callable[..., RunResult]:
    del path

    def run(script: str, *words: str, shell: Sequence[str] = ("bash", "-c")) -> RunResult:
        found = subprocess.run([*shell, script, *words], capture_output=True, timeout=60, check=False)
        return RunResult(found.returncode, found.stdout.decode(), found.stderr.decode())

    return run


@pytest.fixture
def terminal(warm_gamcli: WarmGamcli) -> Callable[..., RunResult]:
    def run(
        *argv: str, answers: Sequence[tuple[str, str]] = (), columns: int = 120, program: bool = False, **more: str
    ) -> RunResult:
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        environment = {**os.environ, **more}
        if program:
            process: subprocess.Popen[bytes] | Run = start_at_terminal(argv, follower, environment)
        else:
            process = warm_gamcli.start(argv, (follower,) * 3, environment, terminal=True)
        os.close(follower)
        screen = "".join(type_answers(leader, list(answers)))
        os.close(leader)
        return RunResult(process.wait(30), screen.replace("\r\n", "\n"), "")

    return run


def start_at_terminal(argv: Sequence[str], follower: int, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        argv,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=environment,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads here; Ctrl-C works
    )


def type_answers(leader: int, answers: list[tuple[str, str]]) -> Iterator[str]:
    unanswered, answer = "", ""
    decoder = codecs.getincrementaldecoder("utf-8")()
    while True:
        while answer == "\x03" and not select([leader], [], [], 0.5)[0]:
            os.write(leader, b"\x03")  # Python misses a Ctrl-C that comes right before it begins to read
        try:
            data = os.read(leader, 65536)
        except OSError:  # how Linux says that nobody is left at the other end
            return
        if not data:
            return
        text = decoder.decode(data)
        yield text
        unanswered += text
        if answers and answers[0][0] in unanswered:
            unanswered = ""
            answer = answers.pop(0)[1]
            os.write(leader, answer.encode() if answer == "\x03" else f"{answer}\n".encode())


@pytest.fixture
def sql(file: Path) -> Callable[..., list[Any]]:
    def run(statement: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            return connection.execute(statement, values).fetchall()

    return run


@pytest.fixture
def ago(file: Path) -> Iterator[Callable[[timedelta], Gam]]:
    with ExitStack() as stack:

        def open_(length: timedelta) -> Gam:
            store = stack.enter_context(Store.open(file))
            return Gam(store, lambda: datetime.now(UTC) - length, os.urandom, "tester")

        yield open_


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the first test that needs a world keeps a copy of its store for the others."""
    return tmp_path_factory.mktemp("prepared") / "store.db"


@pytest.fixture
def world(gamcli: Callable[..., RunResult], file: Path, prepared: Path) -> Callable[..., RunResult]:
    if prepared.exists():
        shutil.copy(prepared, file)
        return gamcli
    for words in (
        ("init",),
        ("app", "create", "portal", "--scope", "gam_user_data+gam_user_roles", "--remote-rest", "--api-keys"),
        ("user", "create", "ana", "--email", "ana@example.com", "--first-name", "Ana", "--role", "operator"),
    ):
        assert gamcli(*words).code == 0
    assert not Path(f"{file}-wal").exists()
    shutil.copy(file, prepared)
    return gamcli


@pytest.fixture
def api_key(world: Callable[..., RunResult]) -> str:
    return world("key", "generate", "--user", "ana", "--app", "portal").out.strip()


@pytest.fixture
def key_id(api_key: str) -> str:
    return api_key[7:15]


@pytest.fixture
def many_keys(world: Callable[..., RunResult], sql: Callable[..., list[Any]]) -> int:
    assert world("key", "list").code == 0
    count = 2000
    sql(
        """WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
        INSERT INTO key (id, user_number, app_number, scopes, digest, created_at, label)
        SELECT printf('%08d', i), user.number, app.number, 'gam_user_data', randomblob(32), i, ''
        FROM n, user, app""",
        count,
    )
    return count


@pytest.fixture
def token(world: Callable[..., RunResult], api_key: str, ago: Callable[[timedelta], Gam]) -> str:
    secret = world("app", "rotate-secret", "portal", "--overlap", "0").out.strip()
    asked = TokenRequest(
        client_id=world("app", "show", "portal", "--field", "client_id").out.strip(),
        client_secret=Secret(secret),
        api_key=Secret(api_key),
        authentication_type_name="apikey",
    )
    issuance.exchange(ago(timedelta()), asked)
    found: str = world("token", "list", "--field", "id").out.strip()
    return found
