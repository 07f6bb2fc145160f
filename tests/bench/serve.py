"""
Measure grants and userinfo requests per second against other servers in the same run: `python tests/bench/serve.py`.

Measured are `gamcli serve` with one process, with `--metrics`, and with two workers, with every grant durable
(`synchronous=FULL`) and every request logged to /dev/null; a bare `http.server` that answers a constant; and, where
node and npm are installed, oidc-provider with its tokens in SQLite at the same durability: client_credentials and its
/me. The load is either one client that repeats one request, or a thousand keys in turn.

Each server and the load generator run in separate processes, on loopback only. The servers run in turn within each
round, so that other load on the machine affects all of them, and ratios are medians of the ratios within a round. On a
busy machine the processor time of a server is the most reliable figure.
"""

import json
import os
import random
import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import urlencode

from gamcli.actions import issuance
from gamcli.rules.grants import TokenRequest
from gamcli.store.engine import Location
from tests.bench import servers
from tests.bench.servers import Running
from tests.bench.store import SECRET, filled

LOAD = Path(__file__).with_name("load.py")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gamcli-bench"
ROOT = "/oauth/gam/v2.0"
MANY = 1000
SERVERS = {"stdlib": (), "workers": ("--workers=2",), "metrics": ("--metrics=127.0.0.1:0",)}
"""The options of `gamcli serve` by name."""

CLIENT = ("c" * 32, "s" * 40)
THEIR_FORM = {"grant_type": "client_credentials", "client_id": CLIENT[0], "client_secret": CLIENT[1]}


class Run(NamedTuple):
    """Requests per second, latencies in milliseconds, processor time per request in microseconds."""

    rate: float
    p50: float
    p99: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Work:
    """Requests to a server, and the measurements by number of connections."""

    server: Running
    requests: list[str]
    runs: dict[int, list[Run]] = field(default_factory=dict)

    def measure(self, connections: int, seconds: float) -> None:
        self.runs.setdefault(connections, []).append(self.once(connections, seconds))

    def once(self, connections: int, seconds: float) -> Run:
        used = self.server.cpu_microseconds()
        line = [sys.executable, str(LOAD), str(self.server.port), str(connections), str(seconds)]
        given = json.dumps(self.requests).encode()
        done = subprocess.run(line, input=given, stdout=subprocess.PIPE, check=True, timeout=60 + 2 * seconds)
        rate, p50, p99, number = json.loads(done.stdout)
        cpu = (self.server.cpu_microseconds() - used) / number
        return Run(rate, p50, p99, cpu)

    def typical(self, connections: int) -> Run:
        return Run(*map(median, zip(*self.runs[connections], strict=True)))


def post(path: str, form: dict[str, str]) -> str:
    body = urlencode(form)
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )


def get(path: str, authorization: str) -> str:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAuthorization: {authorization}\r\n\r\n"


class Asked(NamedTuple):
    """The requests of a thousand keys of a store: for a token, and for the claims of one."""

    grants: list[str]
    userinfo: list[str]

    def works(self, name: str, server: Running) -> dict[str, Work]:
        return {
            f"{name} grant, one client": Work(server, self.grants[:1]),
            f"{name} grant, {MANY:,} keys": Work(server, self.grants),
            f"{name} userinfo, one client": Work(server, self.userinfo[:1]),
            f"{name} userinfo, {MANY:,} keys": Work(server, self.userinfo),
        }


def asked_of(path: Location, number: int) -> Asked:
    grants, userinfo = [], []
    with filled(path, number) as store:
        for key, secret in random.sample(store.keys, min(MANY, number)):
            form = {"grant_type": "password", "authentication_type_name": "apikey", "api_key": secret.reveal()}
            client = {"client_id": key.client_id, "client_secret": SECRET.reveal()}
            grants.append(post(f"{ROOT}/access_token", {**form, **client}))
            issued = issuance.exchange(store.gam, TokenRequest(key.client_id, SECRET, secret, "apikey"))
            userinfo.append(get(f"{ROOT}/userinfo", issued.secret.reveal()))
    return Asked(grants, userinfo)


def started(stack: ExitStack, options: Namespace, folder: Path) -> dict[str, Work]:
    path = folder / "gam.db"
    ours = asked_of(path, options.keys)
    works = {"bare constant": Work(stack.enter_context(servers.bare()), ours.grants[:1])}
    if not options.alone:
        works |= theirs(stack, options.packages, folder)
    for name in options.servers:
        copy = Path(shutil.copy(path, folder / f"{name}.db"))
        works |= ours.works(name, stack.enter_context(servers.gamcli(copy, *SERVERS[name])))
    if options.asgi:
        copy = Path(shutil.copy(path, folder / "asgi.db"))
        works |= ours.works("asgi", stack.enter_context(servers.uvicorn(copy)))
    if options.against:
        small = asked_of(folder / "small.db", options.against)
        works |= small.works("small", stack.enter_context(servers.gamcli(folder / "small.db")))
    return works


def theirs(stack: ExitStack, packages: Path, folder: Path) -> dict[str, Work]:
    try:
        servers.oidc_packages(packages)
    except servers.SkippedError as error:
        sys.stderr.write(f"\n*** oidc-provider is left out, and with it all ratios to it: {error}\n\n")
        return {}
    server = stack.enter_context(servers.oidc_provider(packages, folder / "oidc.db", CLIENT))
    return {
        "oidc grant": Work(server, [post("/token", THEIR_FORM)]),
        "oidc userinfo": Work(server, [get("/me", f"Bearer {server.token}")]),
    }


def ratio(works: dict[str, Work], what: str, other: str, connections: int) -> float:
    pairs = zip(works[what].runs[connections], works[other].runs[connections], strict=True)
    return median(one.rate / two.rate for one, two in pairs)


def table(works: dict[str, Work], connections: int) -> None:
    for name, work in works.items():
        found = work.typical(connections)
        other = "oidc userinfo" if "userinfo" in name else "oidc grant"
        verdict_text = f"{ratio(works, name, other, connections):8.2f}x" if other in works else ""
        sys.stdout.write(
            f"{connections:4}  {name:28} {found.rate:8.0f} {found.p50:8.2f} {found.p99:8.2f} {found.cpu:8.0f}"
            f" {ratio(works, name, 'bare constant', connections):8.0%} {verdict_text}\n"
        )
    sys.stdout.write("\n")


def memory(works: dict[str, Work]) -> None:
    by_server = {id(work.server): (name.split()[0], work.server) for name, work in works.items()}
    for name, server in by_server.values():
        verdict_text = " + ".join(f"{each:.0f}" for each in server.peak_megabytes())
        sys.stdout.write(f"{name:10} {verdict_text} MB at most\n")
    sys.stdout.write("\n")


def goals(works: dict[str, Work], at: int) -> None:
    many = f"{MANY:,} keys"

    def than(what: str, other: str, least: float) -> None:
        if what in works and other in works:
            found = ratio(works, what, other, at)
            verdict(f"{what} against {other}", f"{found:.2f}x", f"at least {least}x", met=found >= least)

    def p99(what: str, most: float) -> None:
        if what in works:
            found = works[what].typical(at).p99
            verdict(f"{what}, p99", f"{found:.1f} ms", f"under {most:.1f} ms", met=found < most)

    for load in ("one client", many):
        than(f"stdlib grant, {load}", "oidc grant", 3.5)
        than(f"stdlib userinfo, {load}", "oidc userinfo", 1.3)
        than(f"workers userinfo, {load}", f"stdlib userinfo, {load}", 1.3)
        than(f"workers grant, {load}", f"stdlib grant, {load}", 1)
        than(f"stdlib grant, {load}", f"small grant, {load}", 0.9)
        than(f"stdlib userinfo, {load}", f"small userinfo, {load}", 0.9)
        if "oidc grant" in works:
            p99(f"stdlib grant, {load}", works["oidc grant"].typical(at).p99 / 2)
    one = works.get("stdlib grant, one client")
    if one is not None:
        most = max(one.server.peak_megabytes())
        verdict("stdlib, memory", f"{most:.0f} MB", "under 80 MB", met=most < 80)


def verdict(what: str, value: str, goal: str, *, met: bool) -> None:
    sys.stdout.write(f"{what:64} {value:>9}  {goal:20} {'met' if met else 'MISSED'}\n")


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each measurement counts")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is made; the medians are shown")
    parser.add_argument("--connections", type=int, nargs="*", default=[1, 16, 64])
    parser.add_argument("--servers", nargs="*", choices=SERVERS, default=[*SERVERS])
    parser.add_argument("--keys", type=int, default=100_000, help="how many keys the store has")
    parser.add_argument("--against", type=int, default=0, help="serve a store of so many keys as well, to compare")
    parser.add_argument("--asgi", action="store_true", help="measure the ASGI form behind uvicorn as well")
    parser.add_argument("--alone", action="store_true", help="leave oidc-provider out")
    parser.add_argument("--packages", type=Path, default=CACHE, help="where oidc-provider is put; kept")
    options = parser.parse_args()
    with TemporaryDirectory() as folder, ExitStack() as stack:
        works = started(stack, options, Path(folder))
        sys.stdout.write(f"{options.keys:,} keys; load of the machine before: {os.getloadavg()[0]:.1f}\n\n")
        sys.stdout.write(f"{'':4}  {'':28}    req/s   p50 ms   p99 ms   cpu us  of bare   of oidc\n")
        for connections in options.connections:
            for _ in range(options.rounds):
                for work in works.values():
                    work.measure(connections, options.seconds)
            table(works, connections)
        memory(works)
        goals(works, options.connections[-1])


if __name__ == "__main__":
    main()
