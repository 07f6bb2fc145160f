"""The faults of a store on PostgreSQL that two nodes and commands use: kills, changes, cuts, crowds and clocks."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from random import Random
from threading import Thread
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlencode

from gamcli.actions import Gam, apps, keys, repository
from gamcli.provision import seed
from gamcli.rules.credentials import Secret, parse_access_token
from gamcli.store import Store
from gamcli.store.postgres.url import parse_url
from tests.conftest import PostgresServer, find_postgres
from tests.faults import changes
from tests.faults.kills import FORM, GRANT, Client, Going, Served
from tests.faults.proxy import CuttingProxy
from tests.faults.world import APP, CLIENT_ID, CLIENT_SECRET, LostError, Outcome, Rounds, World

CLIENTS = 4
"""Clients of each node."""

RECOVERY_SECONDS = 30
"""How long a node may need to answer again after the database is back."""

Fault = Callable[[Path, Random, Rounds], Outcome]


def on_postgres(fault: Callable[[PostgresServer, Path, Random, Rounds], Outcome]) -> Fault:
    def run(folder: Path, rng: Random, going: Rounds) -> Outcome:
        if find_postgres() is None:
            return Outcome(skipped="PostgreSQL is not installed")
        with closing(PostgresServer(fsync=True)) as server:
            return fault(server, folder, rng, going)

    return run


def create_world(server: PostgresServer, folder: Path, schema: str = "faults") -> World:
    return World(folder, store=parse_url(server.url(schema)))


class PatientClient(Client):
    """Waits as a server asks that cannot reach its database, and reports a server that leaves or never recovers."""

    def run(self) -> None:
        self.failed: Exception | None = None
        super().run()
        if not self.ends:
            self.failed = LostError("a node closed the connection")

    def refused(self, answer: HTTPResponse) -> None:
        if answer.status != 503 or answer.getheader("Retry-After") is None:
            self.ends = True
        sleep(0.02)

    def require_only_503(self) -> None:
        if self.failed is not None:
            raise self.failed
        if wrong := [other for other in self.others if other[0] != 503]:
            raise LostError(f"{len(wrong)} grants were refused: {wrong[0]}")


@contextmanager
def serving(world: World, number: int = 2, *options: str) -> Iterator[list[Served]]:
    nodes = [Served(world, *options) for _ in range(number)]
    try:
        yield nodes
    finally:
        changes.kill(nodes)


@contextmanager
def under_load(nodes: list[Served], key: str) -> Iterator[list[PatientClient]]:
    clients = [PatientClient(node, key) for node in nodes for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield clients
    finally:
        for client in clients:
            client.ends = True
        for client in clients:
            client.join()


def wait_for_grants(clients: list[PatientClient]) -> None:
    """Wait until every client has got another token."""
    before = [len(client.tokens) for client in clients]
    end = monotonic() + RECOVERY_SECONDS
    while any(len(client.tokens) <= number for client, number in zip(clients, before, strict=True)):
        for client in clients:
            if client.ends or not client.is_alive():
                client.join()
                client.require_only_503()
        if monotonic() > end:
            raise LostError(f"a node grants nothing {RECOVERY_SECONDS} s after the database is back")
        sleep(0.01)


def generate_key(world: World, *options: str) -> str:
    made = world.run("key", "generate", "--user", "user0", "--app", APP, *options)
    if made.returncode:
        raise LostError(f"key generate failed: {made.stderr}")
    return made.stdout.strip()


@on_postgres
def kills(server: PostgresServer, folder: Path, rng: Random, going: Rounds) -> Outcome:
    """`kill -9` all processes of the database once in a round while two nodes grant and renew, and start it again."""
    world, outcome = create_world(server, folder), Outcome()
    tokens, key = list[str](), _generate_key_with_renewals(world, rng)
    with serving(world) as nodes:
        while going():
            with under_load(nodes, key) as clients, renewing(nodes, key) as renewers:
                end = monotonic() + going.each
                wait_for_grants(clients)
                sleep(rng.uniform(0, going.each / 2))
                server.kill()
                sleep(rng.choice((0, rng.uniform(0, 2))))
                server.start()
                wait_for_grants(clients)
                sleep(max(0, end - monotonic()))
            for client in clients:
                client.require_only_503()
            now = _list_tokens([*clients, *renewers])
            outcome = outcome.plus(len(now), world.count_rows("token", now))
            tokens += now
    world.checked()
    missing = len(tokens) - world.count_rows("token", tokens)
    return outcome._replace(found=outcome.found - missing)


STOPPED_SECONDS = 15
"""How long a node may need for its answer while the database is stopped; see the manual page `operations`."""


@on_postgres
def stops(server: PostgresServer, folder: Path, rng: Random, going: Rounds) -> Outcome:
    """Stop all processes of the database with SIGSTOP while two nodes grant, and let them go on."""
    world, outcome = create_world(server, folder), Outcome()
    with serving(world) as nodes:
        key = generate_key(world)
        while going():
            with under_load(nodes, key) as clients:
                wait_for_grants(clients)
                sleep(rng.uniform(0, 0.5))
                with server.stopped():
                    for node in nodes:
                        _require_unready(node)
                wait_for_grants(clients)
            for client in clients:
                client.require_only_503()
            tokens = [token for client in clients for token in client.tokens]
            outcome = outcome.plus(len(tokens), world.count_rows("token", tokens))
    world.checked()
    return outcome


def _require_unready(node: Served) -> None:
    began = monotonic()
    with closing(node.connection()) as connection:
        connection.request("GET", f"{node.url.path}/readyz")
        answer = connection.getresponse()
    if answer.status != 503 or answer.getheader("Retry-After") is None:
        raise LostError(f"readyz is {answer.status} while the database is stopped")
    if (seconds := monotonic() - began) > STOPPED_SECONDS:
        raise LostError(f"readyz took {seconds:.0f} s while the database is stopped")


CONFORMANCE_SECONDS = 600
"""The timeout of `gamcli conformance`, which waits for many passwords to be hashed."""


@on_postgres
def conformance(server: PostgresServer, folder: Path, rng: Random, _going: Rounds) -> Outcome:
    """Compare two nodes on one database with the contract, with `gamcli conformance`; counts rows, not tokens."""
    world = create_world(server, folder, "unused")
    for name, option in (("world", "--print-world"), ("seed", "--print-seed")):
        known = ("--world", f"{folder}/world.toml") if name == "seed" else ()
        made = world.run("conformance", option, *known)
        (folder / f"{name}.toml").write_text(made.stdout, encoding="utf-8")
    world.location = parse_url(server.url("conformance"))
    with Store.create(world.location) as store:
        gam = Gam(store, lambda: datetime.now(UTC), rng.randbytes, "faults")
        repository.initialise(gam)
        seed.apply_seed(gam, [folder / "seed.toml"], {})
    outcome = Outcome()
    with serving(world) as nodes:
        for node in nodes:
            words = ("conformance", node.url.geturl(), "--world", f"{folder}/world.toml", "-o", "json")
            with world.start(*words) as checking:
                out, _ = checking.communicate(timeout=CONFORMANCE_SECONDS)
            verdicts = [row["verdict"] for row in json.loads(out) if row["verdict"] != "skipped"]
            outcome = outcome.plus(len(verdicts), verdicts.count("same") if checking.returncode == 0 else 0)
    return outcome


@on_postgres
def changing(server: PostgresServer, folder: Path, rng: Random, going: Rounds) -> Outcome:
    """Make the changes of `changes`, with two nodes."""
    servers: list[changes.Nodes] = [((), ()), (("--workers=2",), ())]
    return changes.changes_of(create_world(server, folder), servers, rng, going)


class Renewer(Thread):
    """Renews a refresh token again and again, and uses the same one again after a 503."""

    def __init__(self, node: Served, first: str) -> None:
        super().__init__(daemon=True)
        self.tokens: list[str] = []
        self.others: list[tuple[int, Any]] = []
        self.ends = False
        self._refresh = first
        self._connection = node.connection()
        self._path = f"{node.url.path}/oauth/gam/v2.0/access_token"

    def run(self) -> None:
        with closing(self._connection):
            while not self.ends and self._refresh:
                form = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
                body = urlencode({**form, "refresh_token": self._refresh})
                try:
                    self._connection.request("POST", self._path, body, FORM)
                    answer = self._connection.getresponse()
                    content = json.loads(answer.read())
                except (OSError, HTTPException) as error:
                    self.others.append((0, repr(error)))
                    return
                if answer.status == 200:
                    self.tokens.append(content["access_token"])
                    self._refresh = content["refresh_token"]
                else:
                    self.others.append((answer.status, content))
                    sleep(0.02)


@contextmanager
def renewing(nodes: list[Served], key: str) -> Iterator[list[Renewer]]:
    """Renew a refresh token at each node, and require that none is used up by a request that failed."""
    renewers = [Renewer(node, _request_refresh_token(node, key)) for node in nodes]
    for renewer in renewers:
        renewer.start()
    try:
        yield renewers
    finally:
        for renewer in renewers:
            renewer.ends = True
            renewer.join()
    if wrong := [other for renewer in renewers for other in renewer.others if other[0] != 503]:
        raise LostError(f"a renewal ended its session: {wrong[0]}")


def _list_tokens(clients: Sequence[PatientClient | Renewer]) -> list[str]:
    return [token for client in clients for token in client.tokens]


def _generate_key_with_renewals(world: World, rng: Random) -> str:
    with Store.open(world.location) as store:
        gam = Gam(store, lambda: datetime.now(UTC), rng.randbytes, "faults")
        apps.update(gam, APP, {"token.renewals": 999})
        return keys.generate(gam, keys.KeySpec("user0", APP)).secret.reveal()


@on_postgres
def cuts(server: PostgresServer, folder: Path, rng: Random, going: Rounds) -> Outcome:
    """Cut the network between a node, a command and the database in the middle of a commit, before or after it."""
    direct = create_world(server, folder)
    key = _generate_key_with_renewals(direct, rng)
    proxy, outcome = CuttingProxy(server.port), Outcome()
    world = World.__new__(World)
    world.folder, world.people = folder, direct.people
    world.location = parse_url(server.url("faults").replace(f":{server.port}/", f":{proxy.port}/"))
    with serving(world, 1) as (node,):
        while going():
            proxy.arrives, proxy.seconds = rng.choice((True, False)), rng.choice((0, 1.5))
            with under_load([node], key) as clients, renewing([node], key) as renewers:
                wait_for_grants(clients)
                cut = proxy.cuts
                proxy.is_cutting = True
                _wait_for_cut(proxy, cut)
                wait_for_grants(clients)
            for client in clients:
                client.require_only_503()
            tokens = _list_tokens([*clients, *renewers])
            outcome = outcome.plus(len(tokens), direct.count_rows("token", tokens))
            acknowledged, found = _cut_command(proxy, world, direct, f"cut{outcome.rounds}")
            outcome = outcome._replace(acknowledged=outcome.acknowledged + acknowledged, found=outcome.found + found)
    proxy.close()
    direct.checked()
    return outcome


def _request_refresh_token(node: Served, key: str) -> str:
    with closing(node.connection()) as connection:
        connection.request("POST", f"{node.url.path}/oauth/gam/v2.0/access_token", GRANT + key, FORM)
        return str(json.loads(connection.getresponse().read())["refresh_token"])


def _wait_for_cut(proxy: CuttingProxy, before: int) -> None:
    end = monotonic() + RECOVERY_SECONDS
    while proxy.cuts == before:
        if monotonic() > end:
            raise LostError("nothing was committed")
        sleep(0.005)


def _cut_command(proxy: CuttingProxy, world: World, direct: World, name: str) -> tuple[int, int]:
    """Return what a command reported about a change, and how much of it is true."""
    proxy.is_cutting = True
    ran = world.run("user", "create", name)
    proxy.is_cutting = False
    exists = direct.run("user", "show", name).returncode == 0
    if ran.returncode == 0:
        return 1, int(exists)
    if ran.returncode != 8:
        raise LostError(f"user create ended with {ran.returncode}: {ran.stderr}")
    if "nothing was changed" in ran.stderr:
        return 1, int(not exists)
    if "not known whether" not in ran.stderr:
        raise LostError(f"a command does not say whether it has changed anything: {ran.stderr}")
    return 0, 0


PROCESSES = 10


@on_postgres
def crowds(server: PostgresServer, folder: Path, _rng: Random, going: Going) -> Outcome:
    """Ten processes at once create a store, migrate it, and copy a file to a new one."""
    file, outcome = World(folder), Outcome()
    generate_key(file)
    head = _read_head(file)
    while going():
        number = outcome.rounds
        world = World.__new__(World)
        world.folder, world.location = folder, parse_url(server.url(f"init{number}"))
        created = _run_at_once(world, "init")
        if [code for code, _ in created] != [0] * PROCESSES:
            raise LostError(f"init at once: {created}")
        new = sum("created the store" in text for _, text in created)
        if new != 1:
            raise LostError(f"{new} processes have created one store")
        migrated = _run_at_once(world, "store", "migrate")
        if [code for code, _ in migrated] != [0] * PROCESSES:
            raise LostError(f"store migrate at once: {migrated}")
        world.checked()
        target = server.url(f"copy{number}")
        copied = sorted(code for code, _ in _run_at_once(file, "store", "migrate", "--to", target))
        world.location = parse_url(target)
        world.checked()
        if copied[0] != 0 or not {*copied[1:]} <= {5, 8} or _read_head(world) != head:  # there is one, or is busy
            raise LostError(f"store migrate --to at once: {copied}")
        outcome = outcome.plus(PROCESSES * 3, PROCESSES * 3)
    return outcome


def _run_at_once(world: World, *words: str) -> list[tuple[int, str]]:
    processes = [world.start(*words) for _ in range(PROCESSES)]
    texts = ["".join(process.communicate(timeout=RECOVERY_SECONDS)) for process in processes]
    return [(process.returncode, text) for process, text in zip(processes, texts, strict=True)]


def _read_head(world: World) -> str:
    return str(json.loads(world.run("store", "info", "-o", "json").stdout)["head"])


SHIFT = 600
"""Seconds by which the clock of a node is off."""

LIFETIME = timedelta(seconds=4)
"""How long the key of the clock test is valid: long enough for two nodes to answer."""


class ShiftedWorld(World):
    """A world whose programs run on a computer with another clock."""

    shift = 0

    def line(self, *words: str) -> list[str]:
        program = [sys.executable, str(Path(__file__).with_name("shifted.py")), str(self.shift)]
        return [*program, "--store", str(self.location), *words]


@on_postgres
def clocks(server: PostgresServer, folder: Path, rng: Random, going: Going) -> Outcome:
    """Serve on computers whose clocks are ten minutes slow and fast: keys and tokens expire when they should."""
    world, outcome = create_world(server, folder), Outcome()
    off = ShiftedWorld.__new__(ShiftedWorld)
    off.folder, off.location = folder, world.location
    nodes = []
    for off.shift in (-SHIFT, SHIFT):
        if "of the database" not in (told := off.run("doctor").stdout):
            raise LostError(f"doctor does not report a clock that is off: {told}")
        nodes.append(Served(off))
    try:
        while going():
            with Store.open(world.location) as store:
                gam = Gam(store, lambda: datetime.now(UTC), rng.randbytes, "faults")
                expires_at = gam.now() + LIFETIME
                spec = keys.KeySpec("user1", APP, expires_in=LIFETIME, replace=True)
                key = keys.generate(gam, spec).secret.reveal()
            tokens = [_require_grant(node, key, 200) for node in nodes]
            for token in tokens:
                _require_issued_now(token)
                for node in nodes:
                    _require_claims(node, token)
            sleep(max(0, (expires_at - datetime.now(UTC)).total_seconds()) + 2.1)  # see clock.TOLERANCE
            for node in nodes:
                _require_grant(node, key, 401)
            outcome = outcome.plus(len(tokens), world.count_rows("token", tokens))
    finally:
        changes.kill(nodes)
    world.checked()
    return outcome


def _require_grant(node: Served, key: str, status: int) -> str:
    with closing(node.connection()) as connection:
        connection.request("POST", f"{node.url.path}/oauth/gam/v2.0/access_token", GRANT + key, FORM)
        answer = connection.getresponse()
        content = json.loads(answer.read())
    if answer.status != status:
        raise LostError(f"a grant of a node whose clock is off is {answer.status}: {content}")
    return str(content.get("access_token", ""))


def _require_issued_now(token: str) -> None:
    row = parse_access_token(Secret(token))
    assert row is not None
    difference = abs(row / 1e6 - datetime.now(UTC).timestamp())
    if difference > 2.5:
        raise LostError(f"a token says that it was issued {difference:.1f} s ago or ahead")


def _require_claims(node: Served, token: str) -> None:
    with closing(node.connection()) as connection:
        connection.request("GET", f"{node.url.path}/oauth/gam/v2.0/userinfo", headers={"Authorization": token})
        if (status := connection.getresponse().status) != 200:
            raise LostError(f"userinfo of a node whose clock is off is {status}")


FAULTS: dict[str, Fault] = {
    "PostgreSQL, two nodes: kill -9 under load": kills,
    "PostgreSQL, two nodes: stopped under load": stops,
    "PostgreSQL, two nodes: conformance": conformance,
    "PostgreSQL, two nodes: changes under load": changing,
    "PostgreSQL: the network cut in a commit": cuts,
    "PostgreSQL: init and migrate, ten at once": crowds,
    "PostgreSQL: clocks off by ten minutes": clocks,
}
