"""
Measure speed and memory of `key generate --from` for many keys: `python tests/bench/bulk.py --keys 1000000`.

Two inputs in random order: as many users as applications, and one application for all users. The command runs as a
process, whose memory is measured. Then the same work runs in this process, with the time to read and write the CSV
files measured separately, beside the simplest loop that could issue keys: mint, digest, insert.

Finally, the time until the first row of `key list` and `key due` on that store.

`--engine postgresql` does all of it on a PostgreSQL server that is started for it with `fsync`.
"""

import gc
import os
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from math import isqrt
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

from gamcli.actions import Gam, bulk_issue, bulk_validation, repository
from gamcli.actions.bulk_terms import KeyRow
from gamcli.actions.bulk_validation import BulkTarget
from gamcli.actions.problems import ProblemList
from gamcli.bulk import csv_input, results_file
from gamcli.bulk.csv_format import NO_OPTIONS
from gamcli.commands.bulk import KEY_COLUMNS, key_row
from gamcli.model import ApiKeyPolicy, App, User
from gamcli.rules.credentials import mint_api_key, mint_client_id, mint_guid
from gamcli.store import Location, Store, Transaction, apps, users
from gamcli.store.postgres.url import parse_url
from gamcli.store.timestamps import to_micros
from tests.bench import servers

GAMCLI = str(Path(sys.executable).with_name("gamcli"))
TIMEOUT_HOURS = 8760

WATCH = """
import os, sys, time
ours, theirs = os.pipe()
began = time.perf_counter()
child = os.fork()
if not child:
    os.dup2(theirs, 1)
    os.execv(sys.argv[2], sys.argv[2:])
os.close(theirs)
with open(ours, "rb") as lines:
    for _ in range(int(sys.argv[1])):
        lines.readline()
    first = time.perf_counter() - began
    for _ in lines:
        pass
memory = os.wait4(child, 0)[2].ru_maxrss
print(first, time.perf_counter() - began, memory)
"""
"""Runs the command in its arguments and prints what it used; the first argument is the first line that is a row."""


class Took(NamedTuple):
    """Seconds to the first row and in all, and KiB of memory at most."""

    first: float
    whole: float
    memory: int


def watched(line: Sequence[str], first_row: int = 0) -> Took:
    command = [sys.executable, "-S", "-c", WATCH, str(first_row), *line]
    fields = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, timeout=1200).stdout.split()
    return Took(float(fields[0]), float(fields[1]), int(fields[2]))


def gam_of(store: Store) -> Gam:
    return Gam(store, lambda: datetime.now(UTC), os.urandom, "bench")


def fill(path: Location, people: int, programs: int) -> None:
    now = datetime.now(UTC)
    policy = ApiKeyPolicy(enabled=True, timeout_hours=TIMEOUT_HOURS, auth_type="apikey")
    with Store.create(path) as store:
        repository.initialise(gam_of(store))
        with store.writing() as tx:
            for number in range(programs):
                app = App(f"app{number}", mint_client_id(os.urandom), b"", now, now, remote_rest=True)
                apps.add(tx, app._replace(scopes=("gam_user_data",), api_keys=policy))
            for number in range(people):
                users.add(tx, User(mint_guid(os.urandom), f"user{number}", now, now))


def pairs(people: int, programs: int, count: int) -> Iterator[tuple[int, int]]:
    places = list(range(people * programs))
    Random(62).shuffle(places)
    return (divmod(place, programs) for place in places[:count])


def write_input(path: Path, people: int, programs: int, count: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("user,app\n")
        file.writelines(f"user{user},app{app}\n" for user, app in pairs(people, programs, count))


def rows(source: csv_input.CsvSource, faults: ProblemList) -> Iterator[KeyRow]:
    found = csv_input.read_table(source, faults, KEY_COLUMNS, NO_OPTIONS)
    return (key_row(line, row) for line, row in found)


def ours(path: Location, table: Path, out: Path) -> tuple[float, float]:
    faults, writing, longest = ProblemList("keys.csv"), 0.0, 0.0
    with Store.open(path) as store, csv_input.open_csv(str(table)) as source:
        began = perf_counter()
        for _ in rows(source, faults):
            pass
        reading = perf_counter() - began
        with results_file.open_results(str(out), source.file) as found:
            gam = gam_of(store)
            began = perf_counter()
            checked = bulk_validation.validate_rows(gam, faults, rows(source, faults), BulkTarget(None, "out"), 0)
            run = bulk_issue.start_run(gam, checked, source.digest, str(out))
            found.begin()
            last = perf_counter()

            def deliver(made: Sequence[bulk_issue.DeliveredKey]) -> None:
                nonlocal writing, longest, last
                now = perf_counter()
                longest = max(longest, now - last)
                found.append_keys(made)
                last = perf_counter()
                writing += last - now

            bulk_issue.issue_keys(gam, run, deliver)
            whole = perf_counter() - began
    return whole - reading - writing, longest


def bare(path: Location, people: int, programs: int, count: int) -> float:
    numbers = list(pairs(people, programs, count))
    with Store.open(path) as store:
        began = perf_counter()
        for at in range(0, count, bulk_issue.CHUNK_ROWS):
            with store.writing() as tx:
                insert(tx, numbers[at : at + bulk_issue.CHUNK_ROWS])
        return perf_counter() - began


def insert(tx: Transaction, numbers: list[tuple[int, int]]) -> None:
    now = to_micros(datetime.now(UTC))
    keyed = [(mint_api_key(os.urandom), user, app) for user, app in numbers]
    tx.run_many(
        """INSERT INTO key (id, user_number, app_number, scopes, digest, created_at, expires_at, label,
        current) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            (
                key_id,
                user + 1,
                app + 1,
                "gam_user_data",
                secret.digest(),
                now,
                now + TIMEOUT_HOURS * 3_600_000_000,
                "",
                1,
            )
            for (key_id, secret), user, app in keyed
        ),
    )


def measure(folder: Path, locate: Callable[[str], Location], people: int, programs: int, count: int) -> None:
    table = folder / "keys.csv"
    write_input(table, people, programs, count)
    stores = [locate(f"{name}_{programs}") for name in ("command", "ours", "bare")]
    for path in stores:
        fill(path, people, programs)
    line = [GAMCLI, "--quiet", "--store", str(stores[0]), "key", "generate", "--from", str(table)]
    took = watched([*line, "--out", str(folder / "command.csv")])
    seconds, longest = ours(stores[1], table, folder / "ours.csv")
    barest = bare(stores[2], people, programs, count)
    title = f"{people:,} users x {programs:,} applications, {count:,} keys"
    sys.stdout.write(
        f"{title}\n"
        f"  the command      {count / took.whole:10,.0f} keys/s, {took.whole:.1f} s, {took.memory / 1024:.0f} MiB\n"
        f"  apart from CSV   {count / seconds:10,.0f} keys/s, longest chunk {longest:.2f} s\n"
        f"  the barest loop  {count / barest:10,.0f} keys/s, ratio {barest / seconds:.2f}\n"
    )
    for words in (("key", "list"), ("key", "list", "-o", "csv"), ("key", "due", "--within", "700d")):
        found = watched(["/bin/sh", "-c", '"$@" || true', "sh", GAMCLI, "--store", str(stores[0]), *words], 2)
        shown = f"first row {1000 * found.first:.0f} ms, {found.whole:.1f} s, {found.memory / 1024:.0f} MiB"
        sys.stdout.write(f"  {' '.join(words):30} {shown}\n")
    for path in folder.iterdir():
        path.unlink()


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000, help="how many keys each input asks for")
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], default="sqlite", help="engine of the stores")
    asked = parser.parse_args()
    side = isqrt(asked.keys - 1) + 1
    gc.disable()  # as the command does
    with TemporaryDirectory() as folder, ExitStack() as stack:

        def locate(name: str) -> Location:
            return parse_url(server.url(name)) if server else Path(folder, f"{name}.db")

        server = stack.enter_context(servers.postgres())[0] if asked.engine == "postgresql" else None
        for people, programs in ((side, side), (asked.keys, 1)):
            measure(Path(folder), locate, people, programs, asked.keys)


if __name__ == "__main__":
    main()
