"""A store to break, programs that work on it, and checks that it is still valid."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from gamcli.actions import Gam, apps, maintenance, repository, users
from gamcli.rules.credentials import Secret
from gamcli.store import Location, Store

PEOPLE = 60
APP = "portal"
CLIENT_ID = "c" * 32
CLIENT_SECRET = "s" * 40
SECONDS = 60
"""The timeout of a program that is not killed."""


class LostError(Exception):
    """A promise was broken: a damaged store, a wrong exit code, half of an atomic change."""


class Outcome(NamedTuple):
    """The outcome of a fault; `skipped` is the reason why it could not be tested here."""

    rounds: int = 0
    acknowledged: int = 0
    found: int = 0
    skipped: str = ""

    @property
    def lost(self) -> int:
        return self.acknowledged - self.found

    def plus(self, acknowledged: int, present: int) -> "Outcome":
        return Outcome(self.rounds + 1, self.acknowledged + acknowledged, self.found + present)


class Rounds:
    """Decides whether another round starts: at most N, none after the time is over, at least one."""

    def __init__(self, number: int, seconds: float) -> None:
        self.each = max(1.0, seconds / number)
        """The length of a round without a fixed length: all rounds share the time."""
        self._left = number
        self._began = False
        self._end = monotonic() + seconds

    def __call__(self) -> bool:
        goes_on = self._left > 0 and (not self._began or monotonic() < self._end)
        self._left -= 1
        self._began = True
        return goes_on


class World:
    """A store with users and one application: a file in a folder that holds nothing else, or a database."""

    def __init__(self, folder: Path, people: int = PEOPLE, store: Location | None = None) -> None:
        self.folder = folder
        self.location = store or folder / "store.db"
        self.people = [f"user{number}" for number in range(people)]
        with Store.create(self.location) as created:
            gam = Gam(created, lambda: datetime.now(UTC), os.urandom, "faults")
            repository.initialise(gam)
            with created.writing():
                for name in self.people:
                    users.create(gam, name, {"email": f"{name}@example.org"})
                wanted = {"remote_rest": True, "api_keys.enabled": True, "api_keys.timeout_hours": 2160}
                apps.create(gam, apps.AppSpec(APP, wanted, ("gam_user_data",), CLIENT_ID, Secret(CLIENT_SECRET)))

    @property
    def store(self) -> Path:
        """The file of the store."""
        assert isinstance(self.location, Path)
        return self.location

    def line(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "gamcli", "--store", str(self.location), *words]

    def start(self, *words: str, file_size: int | None = None) -> "subprocess.Popen[str]":
        return started(self.line(*words), file_size)

    def run(self, *words: str, file_size: int | None = None) -> "subprocess.CompletedProcess[str]":
        with self.start(*words, file_size=file_size) as process:
            out, err = process.communicate(timeout=SECONDS)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def kept(self, table: str) -> set[bytes]:
        with Store.open(self.location) as store, store.reading() as tx:
            column = "secret_digest" if table == "app" else "digest"
            return {bytes(row[0]) for row in tx.each(f"SELECT {column} FROM {table}")}  # type: ignore[call-overload]

    def count_rows(self, table: str, secrets: Iterable[str]) -> int:
        kept = self.kept(table)
        return sum(Secret(secret).digest() in kept for secret in secrets)

    def require_well(self) -> None:
        require_well(self.location)

    def checked(self) -> None:
        ran = self.run("store", "check")
        if ran.returncode:
            raise LostError(f"store check is {ran.returncode}: {ran.stdout}{ran.stderr}")


def require_well(location: Location) -> None:
    wrong = [f"{each.name}: {each.what}" for each in maintenance.check(location) if not each.ok]
    if wrong:
        raise LostError("; ".join(wrong))


def started(line: list[str], file_size: int | None = None, stdin: int = subprocess.DEVNULL) -> "subprocess.Popen[str]":
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("GAMCLI_", "XDG_"))}
    if file_size is not None:
        limited = "import os,resource,sys;resource.setrlimit(resource.RLIMIT_FSIZE,(int(sys.argv[1]),)*2)"
        settings["PYTHONDONTWRITEBYTECODE"] = "1"  # Python 3.11 keeps compiled modules that are cut short
        line = [sys.executable, "-S", "-c", f"{limited};os.execv(sys.argv[2],sys.argv[2:])", str(file_size), *line]
    return subprocess.Popen(
        line,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=settings,
        start_new_session=True,
    )


def killed(process: "subprocess.Popen[str]") -> tuple[str, str]:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.communicate(timeout=SECONDS)


def whole_lines(text: str) -> list[str]:
    return [line.rstrip("\n") for line in text.splitlines(keepends=True) if line.endswith("\n")]
