"""
Measure the audit log: `python tests/bench/audit.py --entries 1000000`.

Verified entries per second are compared with a bare loop that hashes as many bytes per row in memory with SHA-256.
`audit verify` also runs as a process, to measure its peak memory, and again with a tenth of the entries. Then
`key generate --from` issues the same keys with and without the audit log, in turn; medians are shown.
"""

import gc
import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from unittest.mock import patch

from gamcli.actions import Gam, audit
from gamcli.store import Store, Transaction
from gamcli.store import audit as stored
from tests.bench.bulk import GAMCLI, fill, ours, watched, write_input

DETAILS = '{"user":"ana","app":"portal","scopes":["gam_user_data"],"expires_at":"2026-06-01T00:00:00Z"}'
ACTOR = "root@build-7 github=acme/portal#123456"
GOAL = 200_000
COSTS = 0.15
ROUNDS = 5


def written(path: Path, count: int) -> float:
    with Store.create(path) as store:
        began = perf_counter()
        with store.writing() as tx:
            for number in range(count):
                stored.add(tx, "2026-03-01T12:00:00Z", ACTOR, "key.generate", f"K{number:07}", DETAILS)
        return count / (perf_counter() - began)


def verified(path: Path) -> float:
    with Store.open(path) as store:
        gam = Gam(store, lambda: datetime.now(UTC), os.urandom, "bench")
        began = perf_counter()
        found = audit.verify(gam)
        return found.entries / (perf_counter() - began)


def bare(path: Path) -> float:
    with Store.open(path) as store, store.reading() as tx:
        texts = ["".join(map(str, row)).encode() for row in tx.each("SELECT * FROM audit")]
    began = perf_counter()
    for text in texts:
        sha256(text).hexdigest()
    return len(texts) / (perf_counter() - began)


def measure_verify(folder: Path, count: int) -> None:
    sizes = {}
    for each in (count // 10, count):
        path = folder / f"{each}.db"
        rate = written(path, each)
        sizes[each] = watched([GAMCLI, "--quiet", "--store", str(path), "audit", "verify"]).memory / 1024
    rounds = [(verified(path), bare(path)) for _ in range(ROUNDS)]
    ours_, theirs = median(one for one, _ in rounds), median(other for _, other in rounds)
    memory = ", ".join(f"{size:.0f} MiB for {each:,}" for each, size in sizes.items())
    sys.stdout.write(
        f"{count:,} entries\n"
        f"  written            {rate:10,.0f} entries/s\n"
        f"  verified           {ours_:10,.0f} entries/s (the goal is {GOAL:,})\n"
        f"  the barest loop    {theirs:10,.0f} entries/s, ratio {median(one / other for one, other in rounds):.2f}\n"
        f"  audit verify takes {memory}\n"
    )


def nothing(_tx: Transaction, *_: str) -> None: ...


def generated(folder: Path, keys: int) -> Callable[[bool], float]:
    table = folder / "keys.csv"
    write_input(table, keys, 1, keys)

    def run(audited: bool) -> float:  # noqa: FBT001 - the one thing that differs
        path, out = folder / "bulk.db", folder / "bulk.csv"
        for each in folder.glob("bulk.*"):
            each.unlink()
        fill(path, keys, 1)
        with nullcontext() if audited else patch.object(stored, "add", nothing):
            seconds: float = ours(path, table, out)[0]
        return seconds

    return run


def measure_bulk(folder: Path, keys: int) -> None:
    run = generated(folder, keys)
    rounds = [(run(True), run(False)) for _ in range(ROUNDS)]  # noqa: FBT003 - with and without
    whole, without = median(one for one, _ in rounds), median(other for _, other in rounds)
    cost = median(one / other for one, other in rounds) - 1
    sys.stdout.write(
        f"{keys:,} keys in bulk, CSV apart\n"
        f"  with the audit trail {keys / whole:10,.0f} keys/s\n"
        f"  without              {keys / without:10,.0f} keys/s\n"
        f"  it costs             {cost:10.1%} (at most {COSTS:.0%})\n"
    )


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000, help="how many entries are verified")
    parser.add_argument("--keys", type=int, default=200_000, help="how many keys are made in bulk")
    asked = parser.parse_args()
    gc.disable()  # as the commands do
    with TemporaryDirectory() as folder:
        measure_verify(Path(folder), asked.entries)
        measure_bulk(Path(folder), asked.keys)


if __name__ == "__main__":
    main()
