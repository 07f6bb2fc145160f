"""
Compare a store with many keys with a store with one key in the same run: `python tests/bench/store.py`.

The stores are measured in turn within each round; medians are shown, and the ratios within rounds. Every measurement
uses other keys, so that no cache helps the large store. In the store with one key the record cache always helps; the
store with a thousand keys, more than the cache holds, shows how much of a ratio is due to that.

Then `key list`: time to the first row, rows per second, and peak memory of the process. Each list runs under a parent
process that is smaller than itself, because the memory of a parent counts for its child.
"""

import os
import random
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

from gamcli.actions import Gam, issuance, keys, repository
from gamcli.model import ApiKeyPolicy, App, Key, User
from gamcli.rules.credentials import Secret, mint_api_key, mint_client_id, mint_guid
from gamcli.rules.grants import TokenRequest
from gamcli.store import Store, apps, users
from gamcli.store import keys as stored
from gamcli.store.engine import Location

GAMCLI = str(Path(sys.executable).with_name("gamcli"))
SECRET = Secret("s" * 40)
APPS = 10
GOAL = 1.5
FORMATS = ("jsonl", "table", "csv")


@dataclass(frozen=True, slots=True)
class Filled:
    """A store, and the keys in it with their secrets."""

    gam: Gam
    keys: list[tuple[Key, Secret]]

    def any_key(self) -> tuple[Key, Secret]:
        return random.choice(self.keys)


def now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def filled(path: Location, number: int) -> Iterator[Filled]:
    with Store.create(path) as store:
        gam = Gam(store, now, os.urandom, "bench")
        repository.initialise(gam)
        made = list[tuple[Key, Secret]]()
        with store.writing() as tx:
            each_app = [_app(at) for at in range(min(APPS, number))]
            for app in each_app:
                apps.add(tx, app)
            for at in range(number // len(each_app)):
                user = User(mint_guid(os.urandom), f"user{at}", now(), now(), f"user{at}@example.org")
                users.add(tx, user)
                for app in each_app:
                    key_id, secret = mint_api_key(os.urandom)
                    made.append((_key(key_id, secret, user, app), secret))
                    stored.add(tx, made[-1][0])
        yield Filled(gam, made)


def _app(at: int) -> App:
    return App(
        f"app{at}",
        mint_client_id(os.urandom),
        SECRET.digest(),
        now(),
        now(),
        scopes=("gam_user_data",),
        remote_rest=True,
        api_keys=ApiKeyPolicy(enabled=True),
    )


def _key(key_id: str, secret: Secret, user: User, app: App) -> Key:
    owner = (user.name, user.guid, app.name, app.client_id)
    return Key(key_id, *owner, ("gam_user_data",), secret.digest(), now())


def show(store: Filled) -> None:
    keys.show(store.gam, store.any_key()[0].id)


def generate(store: Filled) -> None:
    place = random.randrange(len(store.keys))
    old = store.keys[place][0]
    issued = keys.generate(store.gam, keys.KeySpec(old.user, old.app, replace=True))
    store.keys[place] = (issued.record, issued.secret)


def grant(store: Filled) -> None:
    key, secret = store.any_key()
    issuance.exchange(store.gam, TokenRequest(key.client_id, SECRET, secret, "apikey"))


def show_process(store: Filled) -> None:
    gamcli(store, "key", "show", store.any_key()[0].id)


def generate_process(store: Filled) -> None:
    place = random.randrange(len(store.keys))
    old = store.keys[place][0]
    line = gamcli(store, "key", "generate", "--user", old.user, "--app", old.app, "--replace")
    secret = Secret(line.strip())
    store.keys[place] = (keys.show(store.gam, secret.reveal()[7:15]), secret)


def gamcli(store: Filled, *arguments: str) -> str:
    command = [GAMCLI, "--quiet", "--store", str(store.gam.store.path), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, timeout=60).stdout


WORK: dict[str, tuple[Callable[[Filled], None], int]] = {
    "key show": (show, 200),
    "key generate": (generate, 50),
    "grant": (grant, 200),
    "gamcli key show": (show_process, 1),
    "gamcli key generate": (generate_process, 1),
}
"""What is measured, and how often within one measurement."""


def seconds(work: Callable[[Filled], None], store: Filled, times: int) -> float:
    began = perf_counter()
    for _ in range(times):
        work(store)
    return (perf_counter() - began) / times


class Listing(NamedTuple):
    """What one process took: seconds to its first row, seconds in all, how many rows, KiB of memory at most."""

    first: float
    whole: float
    rows: int
    memory: int


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
    rows = 1 + sum(1 for _ in lines)
memory = os.wait4(child, 0)[2].ru_maxrss
print(first, time.perf_counter() - began, rows, memory)
"""
"""Runs the command in its arguments and prints what it used; the first argument is the first line that is a row."""


def listing(command: list[str], first_row: int) -> Listing:
    watched = [sys.executable, "-S", "-c", WATCH, str(first_row), *command]
    fields = subprocess.run(watched, stdout=subprocess.PIPE, check=True, text=True, timeout=120).stdout.split()
    return Listing(float(fields[0]), float(fields[1]), int(fields[2]), int(fields[3]))


def compare(stores: list[Filled], rounds: int) -> None:
    sys.stdout.write(f"{'':20} {''.join(f'{len(each.keys):>9,} keys' for each in stores)}  against 1    goal  1,000\n")
    for name, (work, times) in WORK.items():
        runs = [[seconds(work, each, times) for each in stores] for _ in range(rounds + 1)][1:]
        ratio, real = (median(run[-1] / run[at] for run in runs) for at in (0, 1))
        shown = "".join(f"{1000 * median(column):11.3f} ms" for column in zip(*runs, strict=True))
        title = f"{GOAL:5.1f}x {'met   ' if ratio <= GOAL else 'MISSED'}"
        sys.stdout.write(f"{name:20} {shown} {ratio:9.2f}x {title} {real:.2f}x\n")


def compare_lists(stores: list[Filled], rounds: int) -> None:
    sys.stdout.write("\nkey list          rows   first row ms     rows/s   memory MiB   of bare Python\n")
    bare = [sys.executable, "-c", "print()"]
    for form in FORMATS:
        lines = [[GAMCLI, "--store", str(each.gam.store.path), "key", "list", "-o", form] for each in stores]
        runs = [
            [listing(bare, 1), *(listing(line, 1 if form == "jsonl" else 2) for line in lines)] for _ in range(rounds)
        ]
        nothing, *columns = zip(*runs, strict=True)
        least = median(each.memory for each in nothing)
        for found in columns:
            first, whole, rows, memory = (median(column) for column in zip(*found, strict=True))
            title = f"{1000 * first:14.0f} {rows / whole:10.0f} {memory / 1024:12.1f} {memory / least:15.2f}x"
            sys.stdout.write(f"-o {form:6} {rows:12,} {title}\n")


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=100_000, help="how many keys the large store has")
    parser.add_argument("--rounds", type=int, default=9, help="how often each is measured; the medians are shown")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder, ExitStack() as opened:
        sizes = (1, 1000, asked.keys)
        stores = [opened.enter_context(filled(Path(folder) / f"{size}.db", size)) for size in sizes]
        compare(stores, asked.rounds)
    with TemporaryDirectory() as folder, ExitStack() as opened:
        stores = [opened.enter_context(filled(Path(folder) / f"{size}.db", size)) for size in sizes[1:]]
        compare_lists(stores, min(asked.rounds, 3))


if __name__ == "__main__":
    main()
