"""The scripts of the manual page `jobs`, in six weeks in the life of a store."""

import re
import sys
from pathlib import Path

from tests.cases import for_each
from tests.test_scripts import blocks, find_differences, parse_steps, run_steps
from tests.warm_gamcli import WarmGamcli

PAGE = Path(__file__).parent.parent / "gamcli" / "manual" / "jobs.md"
SCRIPTS = {block.split()[1].removesuffix(":"): block for block in blocks("sh", PAGE)}
MAX_LINES = 15

LATER = """#!{python}
import sqlite3, sys
store = sqlite3.connect(sys.argv[1])
shift = int(sys.argv[2]) * 86_400_000_000
times = ("created_at", "expires_at", "retires_at", "ended_at", "last_used_at")
changes = ", ".join(f"{{name}} = {{name}} - {{shift}}" for name in times)
users = "SELECT number FROM user WHERE name GLOB ?"
store.execute(f"UPDATE key SET {{changes}} WHERE user_number IN ({{users}})", [sys.argv[3]])
store.commit()
"""


@for_each("name", SCRIPTS)
def test_a_script_is_short(name: str) -> None:
    assert SCRIPTS[name].count("\n") <= MAX_LINES


def test_six_weeks_go_as_written(tmp_path: Path, warm_gamcli: WarmGamcli) -> None:
    home, tools = tmp_path / "home", tmp_path / "tools"
    tools.mkdir()
    for name, text in SCRIPTS.items():
        (tools / name).write_text(text, encoding="utf-8")
    (tools / "later.py").write_text(LATER.format(python=sys.executable), encoding="utf-8")
    text = (Path(__file__).parent / "six_weeks.txt").read_text(encoding="utf-8")
    later = f'{sys.executable} {tools}/later.py "$(gamcli store info --field path)"'
    begin = f'cp {tools}/*.sh .; later() {{ {later} "$@"; }}'
    steps = parse_steps(re.sub(r"^\$ ", f"$ {begin}\n$ ", text, count=1, flags=re.MULTILINE))
    differences = list(find_differences(steps, run_steps(steps, home, warm_gamcli.folder)))
    assert not differences, "\n\n".join(differences)
