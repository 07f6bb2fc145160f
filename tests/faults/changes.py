"""Put servers under load while other processes change their store, and `kill -9` them in between."""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from http.client import HTTPException
from itertools import chain
from pathlib import Path
from random import Random
from threading import Event
from time import monotonic, time
from urllib.parse import urlencode

from gamcli.rules.credentials import Secret, parse_access_token
from tests.faults.estate import Changer, Done, Estate, Held, Pair, Password, Run, Token, estates
from tests.faults.judging import GRANT, USERINFO, Answer, Thing, wrongs
from tests.faults.kills import FORM, Served
from tests.faults.world import LostError, Outcome, Rounds, World, started

Nodes = tuple[tuple[str, ...], ...]

SERVERS: list[Nodes] = [(("--workers=2",),), ((),)]
"""The servers of each round, in turn, each with its options."""

CLIENTS = 6
RESIDENT = 2
"""This many processes each run one command after another; one more starts a process per command."""

SURVIVORS = 500
"""How many tokens of a round are checked against the next server."""

COMMANDS = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from time import monotonic
from gamcli.commands import main

for line in sys.stdin:
    begun = monotonic()
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = main([*sys.argv[1:], *json.loads(line)])
    print(json.dumps([code, out.getvalue(), err.getvalue(), begun, monotonic()]), flush=True)
"""


@contextmanager
def resident(world: World) -> Iterator[Run]:
    line = [sys.executable, "-c", COMMANDS, "--store", str(world.location)]
    with started(line, stdin=subprocess.PIPE) as process:
        told, tells = process.stdin, process.stdout
        assert told is not None
        assert tells is not None

        def run(words: tuple[str, ...]) -> Done:
            told.write(json.dumps(words) + "\n")
            told.flush()
            return Done(*json.loads(tells.readline()))

        yield run


def by_process(world: World) -> Run:
    def run(words: tuple[str, ...]) -> Done:
        begun = monotonic()
        done = world.run(*words)
        return Done(done.returncode, done.stdout, done.stderr, begun, monotonic())

    return run


class Asker:
    """A client with its own connection; it records each complete response and each token it received."""

    def __init__(self, served: Served) -> None:
        self.answers: list[Answer] = []
        self.granted: list[Token] = []
        self._connection = served.connection()
        self._root = f"{served.url.path}/oauth/gam/v2.0"

    def grant(self, pair: Pair, secret: Held, key: Held) -> None:
        things = (*pair.switches, secret.thing, key.thing)
        form = {
            "grant_type": "password",
            "authentication_type_name": "apikey",
            "client_secret": secret.secret,
            "api_key": key.secret,
        }
        form["authentication_type_name"] = "apikey"
        self._granted(pair, key.thing, form, things)

    def login(self, pair: Pair, secret: Held, password: Password) -> None:
        things = (*pair.password_switches, secret.thing, password.thing)
        form = {"grant_type": "password", "client_secret": secret.secret, "password": password.secret}
        form |= {"username": pair.user, "authentication_type_name": "local"}
        self._granted(pair, password.sessions, form, things)

    def renew(self, token: Token, secret: Held) -> None:
        things = (*token.switches, secret.thing, token.source, token.session)
        form = {"grant_type": "refresh_token", "client_secret": secret.secret, "refresh_token": token.refresh}
        self._granted(token.pair, token.source, form, things, token.session)

    def _granted(
        self, pair: Pair, source: Thing, form: dict[str, str], things: tuple[Thing, ...], session: Thing | None = None
    ) -> None:
        body = urlencode({**form, "client_id": pair.client.client_id})
        begun = monotonic()
        self._connection.request("POST", f"{self._root}/access_token", body, FORM)
        answer, code = self._answer()
        if code == "503" and "password" in form:  # too many passwords to hash at once
            return
        secret = str(answer.get("access_token", ""))
        issued = begun if code else max(begun, _issued_at(secret))
        self.answers.append(Answer(GRANT, things, issued, monotonic(), code))
        if code:
            return
        refresh = str(answer["refresh_token"])
        switches = pair.password_switches if source.kind == "password session" else pair.switches
        new_session = Thing("session", f"of token {secret[37:49]}")
        token = Token(secret, pair, source, session or new_session, refresh, switches)
        self.granted.append(token)
        pair.tokens.append(token)
        if refresh:
            pair.renewable.append(token)

    def userinfo(self, token: Token) -> None:
        things = (*token.switches, token.source, token.session)
        begun = monotonic()
        self._connection.request("GET", f"{self._root}/userinfo", headers={"Authorization": token.secret})
        answer, code = self._answer()
        if not code and answer["username"] != token.pair.user:
            code = f"claims of {answer['username']}"
        self.answers.append(Answer(USERINFO, things, begun, monotonic(), code))

    def _answer(self) -> tuple[dict[str, object], str]:
        answer = self._connection.getresponse()
        document = json.load(io.BytesIO(answer.read()))
        return document, "" if answer.status == 200 else document["error"]["code"]

    def close(self) -> None:
        self._connection.close()


CLOCK_ERROR = 0.001
"""Seconds by which the two clocks may differ."""


def _issued_at(secret: str) -> float:
    """Return when an access token was issued, on the monotonic clock: its ID is the time in microseconds."""
    row = parse_access_token(Secret(secret))
    assert row is not None
    return row / 1e6 - (time() - monotonic()) - CLOCK_ERROR


def ask(asker: Asker, pairs: list[Pair], rng: Random, ending: Event) -> None:
    while not ending.is_set():
        pair = rng.choice(pairs)
        secret = rng.choice(pair.client.secrets) if rng.random() < 0.1 else pair.client.secrets[-1]
        what = rng.random()
        if what < 0.1 and pair.renewable:
            renew(asker, pair.renewable.popleft, secret)
        elif what < 0.15:
            asker.login(pair, secret, rng.choice(pair.passwords.all) if rng.random() < 0.2 else pair.passwords.all[-1])
        elif what < 0.5 and pair.tokens:
            asker.userinfo(rng.choice(pair.tokens))
        else:
            asker.grant(pair, secret, rng.choice(pair.keys) if rng.random() < 0.2 else pair.keys[-1])


def renew(asker: Asker, taken: Callable[[], Token], secret: Held) -> None:
    try:
        token = taken()
    except IndexError:  # there is none, or another client was faster
        return
    asker.renew(token, secret)


def change(asker: Asker, changer: Changer, ending: Event) -> None:
    while not ending.is_set():
        for pair in changer.turn():
            probe(asker, pair)


def probe(asker: Asker, pair: Pair) -> None:
    tokens = [pair.tokens[-back] for back in range(1, min(3, len(pair.tokens)) + 1)]
    if len(pair.client.secrets) > 1:
        asker.grant(pair, pair.client.secrets[-2], pair.keys[-1])
    if len(pair.keys) > 1:
        asker.grant(pair, pair.client.secrets[-1], pair.keys[-2])
    asker.grant(pair, pair.client.secrets[-1], pair.keys[-1])
    for token in tokens:
        asker.userinfo(token)
    renew(asker, pair.renewable.pop, pair.client.secrets[-1])


class Load:
    """Servers, their clients, and the processes that change their store, until they are killed."""

    def __init__(self, world: World, owned: list[Estate], rng: Random) -> None:
        self._world = world
        self._owned = owned
        self._dice = rng
        self.tokens: list[Token] = []
        self.keys: list[str] = []
        self.pairs = [pair for estate in owned for pair in estate.pairs]

    def run(self, nodes: list[Served], seconds: float) -> None:
        ending = Event()
        with resident(self._world) as first, resident(self._world) as second:
            runs = (first, second, by_process(self._world))
            changers = [Changer(*each, self._die(), self._world.folder) for each in zip(self._owned, runs, strict=True)]
            askers = [Asker(nodes[number % len(nodes)]) for number in range(CLIENTS + len(changers))]
            with ThreadPoolExecutor(len(askers)) as pool:
                work = [
                    *(pool.submit(change, *each, ending) for each in zip(askers, changers, strict=False)),
                    *(pool.submit(ask, each, self.pairs, self._die(), ending) for each in askers[len(changers) :]),
                ]
                wait(work, seconds, FIRST_EXCEPTION)
                broken = [each.exception() for each in work if each.done()]
                ending.set()
                kill(nodes)
            for error in (*broken, *(each.exception() for each in work)):
                if error is not None and (error in broken or not isinstance(error, OSError | HTTPException)):
                    raise error if isinstance(error, LostError) else LostError(f"{error!r} before the kill") from error
        self.tokens = [token for asker in askers for token in asker.granted]
        self.keys = [key for changer in changers for key in changer.made]
        self._judge(askers)

    def _die(self) -> Random:
        return Random(self._dice.random())

    def look(self, nodes: list[Served]) -> None:
        for node in nodes:
            self._look(Asker(node))

    def _look(self, asker: Asker) -> None:
        for pair in self.pairs:
            probe(asker, pair)
        for token in self._dice.sample(self.tokens, min(SURVIVORS, len(self.tokens))):
            asker.userinfo(token)
        self._judge([asker])

    def _judge(self, askers: list[Asker]) -> None:
        for asker in askers:
            asker.close()
        answers = list(chain.from_iterable(asker.answers for asker in askers))
        if wrong := wrongs(answers):
            raise LostError(f"{len(wrong)} of {len(answers)} answers are wrong: {'; '.join(wrong[:3])}")


def kill(nodes: list[Served]) -> None:
    for node in nodes:
        node.kill()


def changes(folder: Path, rng: Random, going: Rounds) -> Outcome:
    return changes_of(World(folder), SERVERS, rng, going)


def changes_of(world: World, servers: list[Nodes], rng: Random, going: Rounds) -> Outcome:
    outcome = Outcome()
    load = Load(world, estates(world, RESIDENT + 1), rng)
    nodes, tokens, keys = start_nodes(world, servers[0]), list[str](), list[str]()
    try:
        while going():
            load.run(nodes, going.each)
            world.require_well()
            nodes = start_nodes(world, servers[(outcome.rounds + 1) % len(servers)])
            load.look(nodes)
            now, made = [token.secret for token in load.tokens], load.keys
            outcome = outcome.plus(len(now) + len(made), world.count_rows("token", now) + world.count_rows("key", made))
            tokens, keys = tokens + now, keys + made
    finally:
        kill(nodes)
    world.checked()
    verified = world.run("audit", "verify")
    if verified.returncode:
        raise LostError(f"audit verify is {verified.returncode}: {verified.stdout}{verified.stderr}")
    missing = len(tokens) + len(keys) - world.count_rows("token", tokens) - world.count_rows("key", keys)
    return outcome._replace(found=outcome.found - missing)


def start_nodes(world: World, options: Nodes) -> list[Served]:
    return [Served(world, *each) for each in options]
