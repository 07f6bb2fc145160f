"""
Compare a backup with a plain file copy, and measure its effect on grants: `python tests/bench/backup.py`.

A plain copy is `cp` and then `sync` of the file, because a finished backup is on disk too. The two run in turn; medians
are shown, and the ratio within each round. Then `serve` answers grants as in `serve.py`, first alone, then while
processes of `gamcli store backup` follow each other without a pause.
"""

import os
import sqlite3
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import perf_counter

from gamcli.actions import maintenance
from tests.bench import servers
from tests.bench.serve import Work, asked_of

GAMCLI = str(Path(sys.executable).with_name("gamcli"))
COPY_GOAL = 3.0
GRANT_GOAL = 0.5

MANY = """
INSERT INTO user (guid, fold, name, created_at, updated_at, email, verified_email, first_name, last_name, external_id,
    birthday, gender, url_image, url_profile, phone, address, city, state, post_code, language, timezone, roles,
    attributes, enabled, blocked, number)
WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
SELECT lower(hex(randomblob(16))), 'user' || i, 'user' || i, i, i, '', 0, '', '', '', '', 'N', '', '', '', '', '', '',
    '', '', '', '', '{}', 1, 0, i FROM n;
INSERT INTO app SELECT lower(hex(randomblob(16))), fold || i, name || i, secret_digest, created_at, updated_at,
    description, enabled, scopes, remote_rest, api_keys_enabled, api_key_timeout_hours, api_key_auth_type,
    api_key_scope_choice, token_timeout_minutes, token_renewals, require_scope, share_user_ids, one_token_per_user,
    managed_by, i + 1, retiring_digest, retiring_until
FROM app, (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT i FROM n);
INSERT INTO app_use SELECT client_id, 0, NULL FROM app WHERE client_id NOT IN (SELECT client_id FROM app_use);
INSERT OR IGNORE INTO key (id, user_number, app_number, scopes, digest, created_at, expires_at, label,
    current)
SELECT hex(randomblob(4)), user.number, app.number, 'gam_user_data', randomblob(32), user.number,
    user.number + 7776000000000, '', 1 FROM user, app WHERE user.number > 1;
"""
"""Users and ten applications, and a key of each user for each of them."""


def multiply(path: Path, keys: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        for statement in MANY.split(";\n")[:-1]:
            values = (1 + keys // 10,) if "?1" in statement else ()
            connection.execute(statement, values)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def plain(path: Path, target: Path) -> None:
    subprocess.run(["cp", str(path), str(target)], check=True)
    subprocess.run(["sync", str(target)], check=True)


def quick(path: Path, target: Path) -> None:
    maintenance.backup(path, target)


def whole(path: Path, target: Path) -> None:
    maintenance.backup(path, target, check_all_pages=True)


def command(path: Path, target: Path) -> None:
    subprocess.run([GAMCLI, "--quiet", "--store", str(path), "store", "backup", str(target)], check=True)


Way = Callable[[Path, Path], None]
WAYS: dict[str, Way] = {"cp and sync": plain, "backup": quick, "gamcli store backup": command, "with --full": whole}


def seconds(copy: Way, path: Path, target: Path) -> float:
    began = perf_counter()
    copy(path, target)
    taken = perf_counter() - began
    target.unlink()
    return taken


def compare(path: Path, rounds: int) -> None:
    runs = [[seconds(copy, path, path.with_name("copy.db")) for copy in WAYS.values()] for _ in range(rounds + 1)][1:]
    for at, (name, column) in enumerate(zip(WAYS, zip(*runs, strict=True), strict=True)):
        ratio = median(run[at] / run[0] for run in runs)
        goal = f"  goal {COPY_GOAL:.0f}x {'met' if ratio <= COPY_GOAL else 'MISSED'}" if name == "backup" else ""
        sys.stdout.write(f"{name:20} {median(column):7.3f} s {ratio:7.2f}x{goal}\n")


@contextmanager
def backups(path: Path) -> Iterator[list[float]]:
    ended = Event()
    taken: list[float] = []

    def work() -> None:
        while not ended.is_set():
            taken.append(seconds(command, path, path.with_name("copy.db")))

    thread = Thread(target=work)
    thread.start()
    try:
        yield taken
    finally:
        ended.set()
        thread.join()


def compare_grants(path: Path, requests: list[str], asked: tuple[int, float, int]) -> None:
    connections, length, rounds = asked
    runs = []
    with servers.gamcli(path) as server:
        grants = Work(server, requests)
        for _ in range(rounds):
            alone = grants.once(connections, length).rate
            with backups(path) as taken:
                beside = grants.once(connections, length).rate
            runs.append((alone, beside, median(taken)))
    alone, beside, each = (median(column) for column in zip(*runs, strict=True))
    ratio = median(run[1] / run[0] for run in runs)
    verdict = f"goal {GRANT_GOAL:.0%} {'met' if ratio >= GRANT_GOAL else 'MISSED'}"
    sys.stdout.write(f"grants alone {alone:.0f}/s, beside backups {beside:.0f}/s: {ratio:.0%}  {verdict};")
    sys.stdout.write(f" a backup meanwhile {each:.2f} s\n")


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long the grants are counted")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--grants", action="store_true", help="only measure the grants")
    asked = parser.parse_args()
    with TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        path = Path(folder) / "store.db"
        grants = asked_of(path, 1).grants
        multiply(path, asked.keys)
        sys.stdout.write(f"{asked.keys:,} keys, {path.stat().st_size / 1e6:.0f} MB\n")
        if not asked.grants:
            compare(path, asked.rounds)
        compare_grants(path, grants, (asked.connections, asked.seconds, asked.rounds))


if __name__ == "__main__":
    main()
