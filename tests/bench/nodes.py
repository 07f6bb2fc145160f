"""
Measure one, two and four nodes on one store: `python tests/bench/nodes.py`.

A node is a `gamcli serve`. All nodes of an engine use the same store: a SQLite file, a PostgreSQL database that is
started for it with `fsync`, and that database behind a proxy that adds 0.5 ms to every round trip. Shown are grants and
userinfo requests per second over all nodes, the median and the 99th percentile of the latency, and the processor time
per request of the nodes and of the database. Every node has a separate load generator, and all of them share the
processors of this machine: the processor time is the figure to plan with, and the last table does so.

With the defaults it takes about eight minutes. The tables are those of the page `operations` of the manual, in
Markdown; progress goes to stderr. `--brief` runs everything once with the smallest numbers.
"""

import json
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic
from typing import NamedTuple

from gamcli.actions import maintenance
from gamcli.store.postgres.url import parse_url
from tests.bench import serve, servers
from tests.bench.serve import LOAD, Asked
from tests.bench.servers import Running

LOADS = ("grants, one client", f"grants, {serve.MANY:,} keys", "userinfo, one client", f"userinfo, {serve.MANY:,} keys")
RATES = (1_000, 10_000, 100_000)
SCHEMA = "bench"
BUSY = 0.7
"""The share of a processor that nodes and the database are planned to use."""

WAL_BYTES = 300
"""What a grant adds to the write-ahead log of PostgreSQL, in transactions of many grants."""


class Nodes(NamedTuple):
    """Nodes on one store, and the database that they use if it is a process."""

    engine: str
    nodes: list[Running]
    asked: Asked
    database: Running | None = None

    def requests(self, load: str) -> list[str]:
        sent = self.asked.grants if load.startswith("grants") else self.asked.userinfo
        return sent[:1] if load.endswith("one client") else sent

    @property
    def title(self) -> str:
        return f"{self.engine}, {len(self.nodes)} node{'s' if len(self.nodes) > 1 else ''}"


class Figures(NamedTuple):
    """Requests per second, latencies in ms, and processor time per request in us of the nodes and the database."""

    rate: float
    p50: float
    p99: float
    node_cpu: float
    database_cpu: float


@dataclass(slots=True)
class Results:
    """The figures of all rounds by nodes, load and connections."""

    runs: dict[tuple[str, str, int], list[Figures]] = field(default_factory=dict)

    def add(self, key: tuple[str, str, int], figures: Figures) -> None:
        self.runs.setdefault(key, []).append(figures)

    def typical(self, key: tuple[str, str, int]) -> Figures:
        return Figures(*map(median, zip(*self.runs[key], strict=True)))


def measure(target: Nodes, requests: list[str], connections: int, seconds: float) -> Figures:
    """Send requests to all nodes at once, over this number of connections each."""
    used, database_used = cpu(target.nodes), cpu([target.database] if target.database else [])
    loads = [
        subprocess.Popen(
            [sys.executable, str(LOAD), str(node.port), str(connections), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for node in target.nodes
    ]
    for each in loads:
        assert each.stdin is not None
        each.stdin.write(json.dumps(requests).encode())
        each.stdin.close()
    found = [json.loads(each.stdout.read()) for each in loads if each.stdout is not None]
    assert [each.wait(60) for each in loads] == [0] * len(loads)
    rates, p50, p99, numbers = zip(*found, strict=True)
    number = sum(numbers)
    node_cpu = (cpu(target.nodes) - used) / number
    database_cpu = (cpu([target.database]) - database_used) / number if target.database else 0.0
    database_cpu = max(0.0, database_cpu)  # a process of the database that has ended takes its time along
    return Figures(sum(rates), median(p50), max(p99), node_cpu, database_cpu)


def cpu(processes: list[Running]) -> float:
    return sum(each.cpu_microseconds() for each in processes)


class Engine(NamedTuple):
    """An engine with a filled store: where nodes find it, its requests, and the process of the database."""

    name: str
    store: Path | str
    asked: Asked
    database: Running | None = None


def fill(stack: ExitStack, folder: Path, options: Namespace) -> list[Engine]:
    path = folder / "gam.db"
    asked = serve.asked_of(path, options.keys)
    engines = [Engine("SQLite", path, asked)]
    try:
        server, database = stack.enter_context(servers.postgres())
    except servers.SkippedError as error:
        sys.stderr.write(f"\n*** PostgreSQL is left out: {error}\n\n")
        return engines
    maintenance.copy_store(path, parse_url(server.url(SCHEMA)))
    engines.append(Engine("PostgreSQL", server.url(SCHEMA), asked, database))
    if options.delay:
        port = stack.enter_context(servers.delayed(server.port, options.delay))
        url = server.url(SCHEMA).replace(f":{server.port}/", f":{port}/")
        engines.append(Engine(f"PostgreSQL + {options.delay:g} ms", url, asked, database))
    return engines


def start(stack: ExitStack, engine: Engine, count: int, folder: Path) -> Nodes:
    numbers = range(count)
    ready = [folder / f"{engine.name}-{count}-{number}.ready" for number in numbers]
    nodes = [stack.enter_context(servers.gamcli(engine.store, ready=each)) for each in ready]
    return Nodes(engine.name, nodes, engine.asked, engine.database)


def run(targets: list[Nodes], options: Namespace) -> Results:
    results, began = Results(), monotonic()
    for number in range(options.rounds):
        for connections in options.connections:
            for load in LOADS:
                for target in targets:
                    figures = measure(target, target.requests(load), connections, options.seconds)
                    results.add((target.title, load, connections), figures)
        sys.stderr.write(f"round {number + 1} of {options.rounds}: {(monotonic() - began) / 60:.1f} minutes\n")
    return results


def table(results: Results) -> None:
    """Print a table for each number of connections; a cell is the rate, the latency, and node + database time."""
    titles = list(dict.fromkeys(key[0] for key in results.runs))
    for connections in dict.fromkeys(key[2] for key in results.runs):
        write(f"| {connections} connections per node | {' | '.join(LOADS)} |")
        write(f"|---{'|--:' * len(LOADS)}|")
        for title in titles:
            cells = [format_cell(results.typical((title, load, connections))) for load in LOADS]
            write(f"| {title} | {' | '.join(cells)} |")
        write("")


def format_cell(figures: Figures) -> str:
    database = f" + {figures.database_cpu:.0f}" if figures.database_cpu else ""
    return f"{figures.rate:,.0f}/s, {figures.p50:.1f} / {figures.p99:.1f} ms, {figures.node_cpu:.0f}{database} µs"


class Goal(NamedTuple):
    """The worst ratio of a figure between two lines of the table must be at least, or at most, `limit`."""

    what: str
    title: str
    base: str
    load: str
    figure: str
    limit: float

    def evaluate(self, results: Results) -> str:
        keys = [key for key in results.runs if key[0] == self.title and key[1].startswith(self.load)]
        pairs = [(results.typical(key), results.typical((self.base, *key[1:]))) for key in keys]
        ratios = [getattr(one, self.figure) / getattr(two, self.figure) for one, two in pairs]
        is_least = self.figure == "rate"
        worst = min(ratios) if is_least else max(ratios)
        is_met = worst >= self.limit if is_least else worst <= self.limit
        comparison = f"at {'least' if is_least else 'most'} {self.limit}"
        return f"{self.what}: {worst:.2f}, goal {comparison}{'' if is_met else ' (missed)'}"


def goals(results: Results, delay: float) -> None:
    sqlite, one, two = "SQLite, 1 node", "PostgreSQL, 1 node", "PostgreSQL, 2 nodes"
    far = f"PostgreSQL + {delay:g} ms, 1 node"
    titles = {key[0] for key in results.runs}
    for goal in (
        Goal("grants of a node, of SQLite's", one, sqlite, "grants", "rate", 0.5),
        Goal("grants of a node with the delay, of SQLite's", far, sqlite, "grants", "rate", 0.35),
        Goal("grants of two nodes, of one node's", two, one, "grants", "rate", 1.2),
        Goal("userinfo of a node, of SQLite's", one, sqlite, "userinfo", "rate", 0.5),
        Goal("processor time of a node per grant, of SQLite's", one, sqlite, "grants", "node_cpu", 1.5),
    ):
        if {goal.title, goal.base} <= titles:
            write(goal.evaluate(results))
    write("")


def plan(results: Results) -> None:
    """Print how many nodes and which database carry a rate, from the processor times with the most connections."""
    connections = max(key[2] for key in results.runs)
    title = "PostgreSQL, 1 node" if any(key[0].startswith("PostgreSQL") for key in results.runs) else "SQLite, 1 node"
    found = results.typical((title, LOADS[1], connections))
    write("| grants/s | nodes with one process | processors of the database | WAL of the database |")
    write("|--:|--:|--:|--:|")
    for rate in RATES:
        nodes, processors = (ceil(rate * each / BUSY / 1e6) for each in (found.node_cpu, found.database_cpu))
        write(f"| {rate:,} | {nodes} | {processors} | {rate * WAL_BYTES / 1e6:.1f} MB/s |")


def write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def parse_options() -> Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.5, help="how long each measurement counts")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is made; the medians are shown")
    parser.add_argument("--connections", type=int, nargs="*", default=[16, 64], help="connections per node")
    parser.add_argument("--nodes", type=int, nargs="*", default=[1, 2, 4], help="numbers of nodes")
    parser.add_argument("--keys", type=int, default=100_000, help="how many keys the store has")
    parser.add_argument("--delay", type=float, default=0.5, help="of the network, in ms per round trip; 0 = none")
    parser.add_argument("--brief", action="store_true", help="run everything once with the smallest numbers")
    options = parser.parse_args()
    if options.brief:
        options.seconds, options.rounds, options.connections, options.nodes, options.keys = 0.2, 1, [4], [1, 2], 100
    return options


def main() -> None:
    options = parse_options()
    with TemporaryDirectory() as folder, ExitStack() as stack:
        engines = fill(stack, Path(folder), options)
        targets = [start(stack, engine, count, Path(folder)) for engine in engines for count in options.nodes]
        results = run(targets, options)
    table(results)
    goals(results, options.delay)
    plan(results)


if __name__ == "__main__":
    main()
