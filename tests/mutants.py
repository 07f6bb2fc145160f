"""
Whether the tests notice when the code is changed: `python tests/mutants.py`, with cosmic-ray on the PATH.

It changes one operator, number or word at a time, in a clone, and runs the tests of that module and then those of its
part; a change that no test notices is printed, and `mutants.md` says why it may stay.
"""

import os
import shlex
import sqlite3
import subprocess
import sys
from argparse import ArgumentParser
from collections import Counter
from contextlib import closing, suppress
from importlib.util import cache_from_source
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).parent.parent


class Part(NamedTuple):
    """Modules that are changed together: how many mutants are drawn, and the tests that judge them."""

    modules: list[str]
    drawn: int
    tests: list[str]


_GRANTS = ["tests/rules", "tests/server/endpoints", "tests/server/test_sessions.py", "tests/server/test_formats.py"]
_SQLITE = ["transaction", "database", "connection", "lock_file", "open_lock", "file_watch", "file_header"]
_STORE = [
    "tests/store/sqlite/test_database.py",
    "tests/store/sqlite/test_file_watch.py",
    "tests/store/test_processes.py",
]
PARTS = {
    "rules": Part(["gamcli/rules"], 100, _GRANTS),
    "endpoints": Part(["gamcli/server/endpoints"], 80, _GRANTS),
    "issuance": Part(
        [
            "gamcli/actions/issuance.py",
            "gamcli/actions/grant_facts.py",
            "gamcli/store/grant_facts.py",
            "gamcli/store/engine.py",
        ],
        40,
        [
            "tests/actions/test_turns.py",
            "tests/actions/test_grants.py",
            "tests/store/test_grant_facts.py",
            "tests/server/test_sessions.py",
            "tests/server/test_group_commit.py",
            "tests/store/sqlite/test_database.py",
        ],
    ),
    "grant cache": Part(["gamcli/actions/grant_cache.py"], 40, ["tests/actions/test_grants.py"]),
    "group commit": Part(["gamcli/server/group_commit.py"], 40, ["tests/server/test_group_commit.py"]),
    "transactions": Part(
        [*(f"gamcli/store/sqlite/{name}.py" for name in _SQLITE), "gamcli/store/hash_chain.py"], 80, _STORE
    ),
    "delivery": Part(
        ["gamcli/system/new_files.py", "gamcli/commands/secret_files.py", "gamcli/commands/delivery.py"],
        40,
        ["tests/commands/test_new_files.py", "tests/commands/test_durability.py", "tests/commands/test_delivery.py"],
    ),
}

CONFIG = """[cosmic-ray]
module-path = {modules!r}
timeout = 120.0
excluded-modules = []
test-command = {command!r}
[cosmic-ray.distributor]
name = "local"
"""

LEAVE_OUT = "operator_name LIKE '%BinaryOperator_BitOr%'"
"""Those of `X | None` in annotations: no module that has one can be imported, which proves nothing."""


def find_part(module: str) -> str:
    return next(name for name, part in PARTS.items() if any(module.startswith(each) for each in part.modules))


def sample(session: Path, seed: int) -> None:
    """Keep a draw of the mutants of each part, in an order in which every beginning is a draw too."""
    draw = Random(seed)
    with closing(sqlite3.connect(session, isolation_level=None)) as connection:
        order = "module_path, start_pos_row, start_pos_col, operator_name, occurrence, operator_args"
        rows = connection.execute(
            f"SELECT job_id, module_path FROM mutation_specs WHERE NOT {LEAVE_OUT} ORDER BY {order}"
        )
        by_part: dict[str, list[str]] = {}
        for job, module in rows:
            by_part.setdefault(find_part(module), []).append(job)
        kept = [job for name, jobs in by_part.items() for job in draw.sample(jobs, min(PARTS[name].drawn, len(jobs)))]
        draw.shuffle(kept)
        held = ",".join("?" * len(kept))
        connection.execute(f"DELETE FROM mutation_specs WHERE job_id NOT IN ({held})", kept)
        connection.execute("DELETE FROM work_items")
        connection.executemany("INSERT INTO work_items (job_id) VALUES (?)", [(job,) for job in kept])


def report(session: Path) -> bool:
    """Print the survivors and a row for each part; return whether nine in ten were killed."""
    with closing(sqlite3.connect(session)) as connection:
        rows = connection.execute(
            "SELECT module_path, test_outcome, diff FROM work_results JOIN mutation_specs USING (job_id)"
        ).fetchall()
    judged = Counter(find_part(module) for module, _, _ in rows)
    alive = Counter(find_part(module) for module, outcome, _ in rows if outcome == "SURVIVED")
    for _, outcome, diff in rows:
        if outcome == "SURVIVED":
            sys.stdout.write(f"{diff}\n")
    for name, count in judged.items():
        sys.stdout.write(f"| {name} | {count} | {count - alive[name]} | {1 - alive[name] / count:.1%} |\n")
    return alive.total() * 10 <= judged.total()


def judge() -> int:
    diff = subprocess.run(["git", "diff", "--name-only", "--", "gamcli"], capture_output=True, text=True, check=True)
    module = diff.stdout.strip()
    changed = Path(module)
    first = Path("tests", *changed.parts[1:-1], f"test_{changed.name}")
    Path(cache_from_source(str(changed.resolve()))).unlink(missing_ok=True)
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    for paths in ([str(first)] if first.exists() else [], PARTS[find_part(module)].tests):
        if paths and (code := subprocess.run([*words, *paths], check=False).returncode):
            return code
    return 0


def main() -> int:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=62, help="of the draw")
    parser.add_argument("--minutes", type=float, help="stop after this time; what was judged is a draw too")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; repeatable")
    parser.add_argument("--judge", action="store_true", help="as cosmic-ray calls it, for each")
    asked = parser.parse_args()
    if asked.judge:
        return judge()
    with TemporaryDirectory(prefix="gamcli-mutants-") as folder:
        clone, session, config = (Path(folder) / name for name in ("clone", "session.sqlite", "config.toml"))
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        words = [sys.executable, "tests/mutants.py", "--judge"]
        modules = [module for name in asked.part or PARTS for module in PARTS[name].modules]
        config.write_text(CONFIG.format(modules=modules, command=shlex.join(words)), encoding="utf-8")
        settings = os.environ | {
            "PYTHONPATH": str(clone),
            "CI": "1",
            "PYTHONPYCACHEPREFIX": str(Path(folder) / "cache"),
        }
        settings.pop("PYTHONDONTWRITEBYTECODE", None)
        subprocess.run(["cosmic-ray", "init", str(config), str(session)], cwd=clone, check=True)
        sample(session, asked.seed)
        seconds = asked.minutes and asked.minutes * 60
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                ["cosmic-ray", "exec", str(config), str(session)], cwd=clone, env=settings, timeout=seconds, check=True
            )
        return 0 if report(session) else 1


if __name__ == "__main__":
    sys.exit(main())
