"""
Measure `token prune` and its effect on grants: `python tests/bench/prune.py`.

A store with many expired tokens is served as in `serve.py`; grants are counted first alone, then while a process
prunes.
"""

import sqlite3
import subprocess
import sys
from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from time import perf_counter

from tests.bench import servers
from tests.bench.serve import Work, asked_of

GAMCLI = str(Path(sys.executable).with_name("gamcli"))

DEAD = """
INSERT INTO token (id, digest, user_guid, client_id, key, scopes, issued_at, expires_at)
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
SELECT i, randomblob(32), user.guid, app.client_id, key.id, 'gam_user_data', i, i + 3600000000 FROM n, user, app, key
"""


def add_dead(path: Path, tokens: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(DEAD, [tokens])


def prune(path: Path, took: list[float]) -> None:
    began = perf_counter()
    subprocess.run([GAMCLI, "--quiet", "--store", str(path), "token", "prune"], check=True)
    took.append(perf_counter() - began)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=500_000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long the grants are counted at a time")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        requests = asked_of(path, 1).grants
        add_dead(path, asked.tokens)
        with servers.gamcli(path) as server:
            grants = Work(server, requests)
            alone = grants.once(asked.connections, 2 * asked.seconds)
            sys.stdout.write(f"grants alone {alone.rate:6.0f}/s, p99 {alone.p99:.1f} ms\n")
            took: list[float] = []
            thread = Thread(target=prune, args=(path, took))
            thread.start()
            while thread.is_alive():
                found = grants.once(asked.connections, asked.seconds)
                part = found.rate / alone.rate
                sys.stdout.write(f"beside prune {found.rate:6.0f}/s, p99 {found.p99:.1f} ms, {part:.0%}\n")
            thread.join()
        sys.stdout.write(f"{asked.tokens:,} dead tokens in {took[0]:.1f} s\n")


if __name__ == "__main__":
    main()
