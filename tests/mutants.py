"""
Whether the tests notice when a rule is changed: `python tests/mutants.py`, with cosmic-ray on the PATH.

It changes one operator, number or word of the rules and of the endpoint at a time, in a clone, and runs their tests; a
change that no test notices is printed, and `mutants.md` says why it may stay.
"""

import os
import shlex
import sqlite3
import subprocess
import sys
from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
CHANGED = ["gamcli/rules", "gamcli/server/endpoints"]
TESTS = ["tests/rules", "tests/server/endpoints", "tests/server/test_sessions.py", "tests/server/test_formats.py"]

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


def sample(session: Path, count: int, seed: int) -> int:
    with closing(sqlite3.connect(session, isolation_level=None)) as connection:
        order = "module_path, start_pos_row, start_pos_col, operator_name, occurrence, operator_args"
        rows = connection.execute(f"SELECT job_id FROM mutation_specs WHERE NOT {LEAVE_OUT} ORDER BY {order}")
        jobs = [job for (job,) in rows]
        kept = Random(seed).sample(jobs, min(count, len(jobs)))
        held = ",".join("?" * len(kept))
        for table in ("mutation_specs", "work_items"):
            connection.execute(f"DELETE FROM {table} WHERE job_id NOT IN ({held})", kept)
    return len(jobs)


def survivors(session: Path) -> list[str]:
    with closing(sqlite3.connect(session)) as connection:
        rows = connection.execute("SELECT diff FROM work_results WHERE test_outcome = 'SURVIVED'")
        return [diff for (diff,) in rows]


def tried() -> int:
    diff = subprocess.run(["git", "diff", "--name-only", "--", "gamcli"], capture_output=True, text=True, check=True)
    changed = Path(diff.stdout.strip())
    first = Path("tests", changed.parent.name, f"test_{changed.name}")
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    for paths in ([str(first)] if first.exists() else [], TESTS):
        if paths and (code := subprocess.run([*words, *paths], check=False).returncode):
            return code
    return 0


def main() -> int:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="how many mutants, drawn from all")
    parser.add_argument("--seed", type=int, default=62, help="of the draw")
    parser.add_argument("--tried", action="store_true", help="as cosmic-ray calls it, for each")
    asked = parser.parse_args()
    if asked.tried:
        return tried()
    with TemporaryDirectory(prefix="gamcli-mutants-") as folder:
        clone, session, config = (Path(folder) / name for name in ("clone", "session.sqlite", "config.toml"))
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        words = [sys.executable, "tests/mutants.py", "--tried"]
        config.write_text(CONFIG.format(modules=CHANGED, command=shlex.join(words)), encoding="utf-8")
        settings = os.environ | {"PYTHONPATH": str(clone), "CI": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        subprocess.run(["cosmic-ray", "init", str(config), str(session)], cwd=clone, check=True)
        every = sample(session, asked.count, asked.seed)
        subprocess.run(["cosmic-ray", "exec", str(config), str(session)], cwd=clone, env=settings, check=True)
        alive = survivors(session)
    made = min(asked.count, every)
    told = f"{made} of {every} mutants: {made - len(alive)} killed ({1 - len(alive) / made:.1%})"
    sys.stdout.write("\n".join([*alive, told, ""]))
    return 1 if len(alive) * 10 > made else 0


if __name__ == "__main__":
    sys.exit(main())
