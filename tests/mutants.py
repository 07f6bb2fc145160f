"""
Whether the tests notice when the code is changed: `python tests/mutants.py`, with cosmic-ray on the PATH.

It changes one operator, number or word at a time, in a clone, and runs the tests that execute the changed line, the
fastest first. Which those are is recorded in a first run of the tests of each part. A line that is executed by imports
only is judged by all tests that execute the module. A change that no test notices is printed, and `mutants.md` says why
it may stay.
"""

import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from argparse import ArgumentParser
from collections import Counter
from contextlib import closing, suppress
from importlib.util import cache_from_source
from itertools import chain
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from coverage import Coverage

ROOT = Path(__file__).parent.parent
PYTEST = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", "--tb=no"]


class Part(NamedTuple):
    """Modules that are changed together: how many mutants are drawn, and the tests that judge them."""

    modules: list[str]
    drawn: int
    tests: list[str]


_CONTRACT = ["tests/conformance/test_suite.py"]
_GRANTS = [
    "tests/rules",
    "tests/server/endpoints",
    "tests/server/test_sessions.py",
    "tests/server/test_formats.py",
    *_CONTRACT,
]
_ISSUANCE = ["actions/issuance", "actions/grant_facts", "store/grant_facts", "store/engine"]
_ISSUED = [
    "tests/actions/test_turns.py",
    "tests/actions/test_grants.py",
    "tests/actions/test_grant_cache.py",
    "tests/store/test_grant_facts.py",
    "tests/server/test_sessions.py",
    "tests/server/test_group_commit.py",
    "tests/store/sqlite/test_database.py",
]
_SQLITE = ["transaction", "database", "connection", "lock_file", "open_lock", "file_watch", "file_header"]
_NEW_FILES = ["system/new_files", "commands/secret_files", "commands/delivery", "bulk/results_file"]
PARTS = {
    "rules": Part(["gamcli/rules"], 60, _GRANTS),
    "endpoints": Part(["gamcli/server/endpoints"], 40, _GRANTS),
    "issuance": Part([f"gamcli/{name}.py" for name in _ISSUANCE], 20, _ISSUED),
    "grant cache": Part(["gamcli/actions/grant_cache.py"], 20, _ISSUED),
    "group commit": Part(["gamcli/server/group_commit.py"], 20, ["tests/server/test_group_commit.py"]),
    "transactions": Part(
        [*(f"gamcli/store/sqlite/{name}.py" for name in _SQLITE), "gamcli/store/hash_chain.py"], 40, ["tests/store"]
    ),
    "delivery": Part(
        [f"gamcli/{name}.py" for name in _NEW_FILES],
        30,
        [
            "tests/commands/test_new_files.py",
            "tests/commands/test_durability.py",
            "tests/commands/test_delivery.py",
            "tests/commands/test_provisioning.py",
            "tests/commands/test_bulk.py",
        ],
    ),
}
PROCESSES = {"transactions": ["tests/store/test_processes.py"]}
"""Tests that execute a part in other processes, which are not recorded: they judge what the others let pass."""

TESTS = "GAMCLI_MUTANT_TESTS"
"""The folder with the tests of each part, by module and line."""

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


class Recorder:
    """A plugin for pytest that records which test executes which lines, and how long it takes."""

    def __init__(self, coverage: Coverage) -> None:
        self.seconds: dict[str, float] = {}
        self._coverage = coverage

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self._coverage.switch_context(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration


def record(name: str) -> int:
    """Run the tests of a part, and write those of each line, the fastest first."""
    part = PARTS[name]
    coverage = Coverage(
        None, config_file=False, include=[each if each.endswith(".py") else f"{each}/*" for each in part.modules]
    )
    recorder = Recorder(coverage)
    coverage.start()
    code = pytest.main([*PYTEST, *part.tests], plugins=[recorder])
    coverage.stop()
    data, found = coverage.get_data(), {}
    for file in data.measured_files():
        lines = data.contexts_by_lineno(file).items()
        found[os.path.relpath(file)] = {
            line: sorted((test for test in tests if test), key=lambda test: recorder.seconds.get(test, 0))
            for line, tests in lines
        }
    Path(os.environ[TESTS], f"{name}.json").write_text(json.dumps(found), encoding="utf-8")
    return int(code)


def find_tests(name: str, module: str, lines: range) -> list[str]:
    """Return the tests of some lines, or of the module if only imports execute them."""
    by_line = json.loads(Path(os.environ[TESTS], f"{name}.json").read_text(encoding="utf-8")).get(module, {})
    chosen = [by_line.get(str(line), []) for line in lines]
    return list(dict.fromkeys(chain(*chosen))) or list(dict.fromkeys(chain(*by_line.values())))


def judge() -> int:
    """Run the tests of the change in the working directory."""
    words = ["git", "diff", "-U0", "--", "gamcli"]
    diff = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    heads = re.findall(r"^@@ -([0-9]+)(?:,([0-9]+))?", diff, re.MULTILINE)
    module = re.findall(r"^--- a/(.+)", diff, re.MULTILINE)[0]
    lines = range(int(heads[0][0]), int(heads[-1][0]) + int(heads[-1][1] or 1))
    Path(cache_from_source(str(Path(module).resolve()))).unlink(missing_ok=True)
    name = find_part(module)
    tests = find_tests(name, module, lines) or PARTS[name].tests
    code = pytest.main([*PYTEST, "-x", *tests])
    if not code and name in PROCESSES:
        code = subprocess.run([sys.executable, "-m", "pytest", *PYTEST, "-x", *PROCESSES[name]], check=False).returncode
    return int(code)


def main() -> int:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=62, help="of the draw")
    parser.add_argument("--minutes", type=float, help="stop after this time; what was judged is a draw too")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; repeatable")
    parser.add_argument("--judge", action="store_true", help="as cosmic-ray calls it, for each")
    parser.add_argument("--record", choices=PARTS, help="as this program calls itself, for each part")
    asked = parser.parse_args()
    if asked.judge or asked.record:
        return judge() if asked.judge else record(asked.record)
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
            TESTS: folder,
        }
        settings.pop("PYTHONDONTWRITEBYTECODE", None)
        subprocess.run(["cosmic-ray", "init", str(config), str(session)], cwd=clone, check=True)
        sample(session, asked.seed)
        for name in asked.part or PARTS:
            subprocess.run([sys.executable, "tests/mutants.py", "--record", name], cwd=clone, env=settings, check=True)
        seconds = asked.minutes and asked.minutes * 60
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                ["cosmic-ray", "exec", str(config), str(session)], cwd=clone, env=settings, timeout=seconds, check=True
            )
        return 0 if report(session) else 1


if __name__ == "__main__":
    sys.exit(main())
