"""`kill -9` at random points: everything that was acknowledged before is there afterwards, and the store is valid."""

import csv
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from random import Random
from threading import Thread
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.faults.world import APP, CLIENT_ID, CLIENT_SECRET, LostError, Outcome, World, killed, started, whole_lines

PROCESSES = """
number=0
while :; do
    "$@" --quiet key generate --replace --app portal --user user$((number % 60)) || exit
    number=$((number + 1))
done
"""
"""One process per key."""

ONE_PROCESS = """
import sys
from gamcli.commands import main

for number in range(1_000_000):
    words = ["key", "generate", "--replace", "--app", "portal", "--user", f"user{number % 60}"]
    if main([*sys.argv[1:], "--quiet", *words]):
        sys.exit(1)
"""
"""All keys in one process, so that most of the time goes into the store, and not into starting Python."""

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
GRANT = urlencode(
    {
        "grant_type": "password",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "authentication_type_name": "apikey",
        "api_key": "",
    }
)
Going = Callable[[], bool]


def each_key(folder: Path, rng: Random, going: Going) -> Outcome:
    world = World(folder)
    return _loop(world, ["sh", "-c", PROCESSES, "sh", *world.line()], rng, (0.25, going))


def one_after_another(folder: Path, rng: Random, going: Going) -> Outcome:
    world = World(folder)
    return _loop(world, [sys.executable, "-c", ONE_PROCESS, "--store", str(world.location)], rng, (0.1, going))


def _loop(world: World, line: list[str], rng: Random, rounds: tuple[float, Going]) -> Outcome:
    outcome, said, (longest, going) = Outcome(), list[str](), rounds
    while going():
        process = started(line)
        assert process.stdout is not None
        first = process.stdout.readline()
        sleep(rng.uniform(0, longest))
        out, err = killed(process)
        now = whole_lines(first + out)
        if err or not now:
            raise LostError(f"key generate failed: {err}")
        said += now
        world.require_well()
        outcome = outcome.plus(len(now), world.count_rows("key", now))
    missing = len(said) - world.count_rows("key", said)
    world.checked()
    return outcome._replace(found=outcome.found - missing)


MANY = 2000
"""The number of keys that a run with `--from` issues."""


def bulk(folder: Path, rng: Random, going: Going) -> Outcome:
    template = World(folder / "template", MANY)
    table = folder / "keys.csv"
    table.write_text("user,app\n" + "".join(f"{name},{APP}\n" for name in template.people), encoding="utf-8")
    outcome, words = Outcome(), ["key", "generate", "--from", str(table), "--out"]
    began = monotonic()
    world = _copied(template, folder / "first")
    _require(world.run(*words, str(folder / "first.csv")).returncode == 0, "a bulk run that nobody kills")
    longest = monotonic() - began
    while going():
        world = _copied(template, folder / str(outcome.rounds))
        out = world.folder / "issued.csv"
        process = world.start(*words, str(out))
        sleep(rng.uniform(0.3, 1.1) * longest)
        killed(process)
        world.require_well()
        before = _delivered(out)
        found = world.count_rows("key", before)
        ran = world.run(*words, str(out))
        _require(ran.returncode == 0, ran.stderr)
        after = _delivered(out)
        _require(len(after) == MANY == len(world.kept("key")), f"{len(after)} rows of {MANY}")
        world.require_well()
        outcome = outcome.plus(len(before) + MANY, found + world.count_rows("key", after))
        shutil.rmtree(world.folder)
    return outcome


def _copied(template: World, folder: Path) -> World:
    folder.mkdir(mode=0o700)
    world = World.__new__(World)
    world.folder, world.location, world.people = folder, folder / "store.db", template.people
    shutil.copy(template.store, world.store)
    return world


def _delivered(out: Path) -> list[str]:
    if not out.exists():
        return []
    return [row["api_key"] for row in csv.DictReader(whole_lines(out.read_text(encoding="utf-8")))]


def _require(holds: bool, what: str) -> None:  # noqa: FBT001 - as assert
    if not holds:
        raise LostError(what)


EACH = 8
"""The numbers of applications, users and keys in a manifest."""


def apply(folder: Path, rng: Random, going: Going) -> Outcome:
    world, outcome = World(folder), Outcome()
    began = monotonic()
    _apply(world, 0).communicate()
    longest = monotonic() - began
    while going():
        process = _apply(world, outcome.rounds + 1)
        if outcome.rounds % 2:
            sleep(rng.uniform(0.5, 1.1) * longest)
        else:  # closer to the critical moment: the secrets are written while the change is in progress
            secrets = _secrets_out(world, outcome.rounds + 1)
            while process.poll() is None and not secrets.exists():
                sleep(0.001)
            sleep(rng.uniform(0, 0.02))
        over = process.poll() == 0
        killed(process)
        world.require_well()
        acknowledged, found = _applied(world, outcome.rounds + 1, over=over)
        outcome = outcome.plus(acknowledged, found)
    world.checked()
    return outcome


def _secrets_out(world: World, number: int) -> Path:
    return world.folder / f"secrets{number}.json"


def _apply(world: World, number: int) -> Any:  # noqa: ANN401 - a Popen
    manifest = world.folder / f"wanted{number}.toml"
    names = [f"r{number}n{each}" for each in range(EACH)]
    manifest.write_text(
        "".join(
            f'[app.{name}]\nscopes = ["gam_user_data"]\nremote_rest = true\napi_keys = {{ enabled = true }}\n'
            f'[user.{name}]\nemail = "{name}@example.org"\n'
            for name in names
        )
        + "".join(f'[[key]]\nuser = "{name}"\napp = "{name}"\n' for name in names),
        encoding="utf-8",
    )
    return world.start("apply", str(manifest), "--secrets-out", str(_secrets_out(world, number)))


def _applied(world: World, number: int, *, over: bool) -> tuple[int, int]:
    listed = json.loads(world.run("app", "list", "-o", "json").stdout)
    there = sum(app["name"].startswith(f"r{number}n") for app in listed)
    _require(there in (0, EACH), f"{there} of {EACH} applications of one manifest")
    _require(there == EACH or not over, "apply ended with 0, and nothing holds")
    if not there:
        return 0, 0
    secrets = json.loads(_secrets_out(world, number).read_text(encoding="utf-8"))
    texts = [text for text in _leaves(secrets) if text.startswith("gamkey_")]
    return EACH, world.count_rows("key", texts)


def _leaves(document: Any) -> list[str]:  # noqa: ANN401 - any document
    if isinstance(document, dict | list):
        inner = document.values() if isinstance(document, dict) else document
        return [leaf for each in inner for leaf in _leaves(each)]
    return [str(document)]


class Served:
    """A server process on the store of a world; `more` are additional command-line arguments."""

    def __init__(self, world: World, *more: str) -> None:
        self._ready = world.folder / "ready.json"
        self._ready.unlink(missing_ok=True)
        words = ("--quiet", "serve", "--port", "0", "--max-failures", "0", "--ready-file", str(self._ready))
        self.process = world.start(*words, *more)
        while not self._ready.exists():
            _require(self.process.poll() is None, "serve did not start")
            sleep(0.005)
        self.url = urlsplit(json.loads(self._ready.read_text(encoding="utf-8"))["url"])
        self._drain = Thread(target=self._read, daemon=True)
        self._drain.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for _ in self.process.stderr:  # a log that nobody reads would fill its pipe
            pass

    def connection(self) -> HTTPConnection:
        return HTTPConnection(self.url.netloc, timeout=20)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._drain.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


class Client(Thread):
    """Exchanges a key for tokens until the server is gone; `tokens` are complete ones, `others` other responses."""

    def __init__(self, served: Served, key: str) -> None:
        super().__init__(daemon=True)
        self.tokens: list[str] = []
        self.others: list[tuple[int, bytes]] = []
        self.ends = False
        self._connection = served.connection()
        self._path = f"{served.url.path}/oauth/gam/v2.0/access_token"
        self._body = GRANT + key

    def run(self) -> None:
        try:
            while not self.ends:
                self._connection.request("POST", self._path, self._body, FORM)
                answer = self._connection.getresponse()
                body = answer.read()
                if answer.status == 200:
                    self.tokens.append(json.loads(body)["access_token"])
                else:
                    self.others.append((answer.status, body))
                    self.refused(answer)
        except (OSError, HTTPException):
            pass
        finally:
            self._connection.close()

    def refused(self, answer: HTTPResponse) -> None:
        """React to a response that is not a token."""


def serve(folder: Path, rng: Random, going: Going) -> Outcome:
    world, outcome = World(folder), Outcome()
    ran = world.run("key", "generate", "--user", "user0", "--app", APP)
    served, all_tokens = Served(world), list[str]()
    while going():
        clients = [Client(served, ran.stdout.strip()) for _ in range(8)]
        for client in clients:
            client.start()
        sleep(rng.uniform(0.02, 0.3))
        served.kill()
        for client in clients:
            client.join()
        tokens = [token for client in clients for token in client.tokens]
        _require(not any(client.others for client in clients), "a grant was refused")
        world.require_well()
        served = Served(world)
        found = world.count_rows("token", tokens)
        _require_claims(served, rng.sample(tokens, min(20, len(tokens))))
        outcome = outcome.plus(len(tokens), found)
        all_tokens += tokens
    served.kill()
    missing = len(all_tokens) - world.count_rows("token", all_tokens)
    world.checked()
    return outcome._replace(found=outcome.found - missing)


def _require_claims(served: Served, tokens: list[str]) -> None:
    connection = served.connection()
    for token in tokens:
        connection.request("GET", f"{served.url.path}/oauth/gam/v2.0/userinfo", headers={"Authorization": token})
        answer = connection.getresponse()
        answer.read()
        _require(answer.status == 200, f"userinfo is {answer.status} for a token of the server before")
    connection.close()
