"""
Damage on the disk: a page, or a sector of one, holds something else. `store check` reports it, or nothing differs.

SQLite keeps no checksums, so it cannot see a changed letter within a value. These tests do what disks do: sectors and
pages become zeros, random bytes, or the content of another place.
"""

import shutil
import sqlite3
from contextlib import closing, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from random import Random

from gamcli.commands import main
from tests.faults.kills import Going
from tests.faults.world import APP, LostError, Outcome, World

PAGE, SECTOR = 4096, 512
CRASHED = -1
ASKED = (
    ("key", "list", "-o", "json"),
    ("user", "list", "-o", "json"),
    ("app", "list", "-o", "json"),
    ("audit", "list", "-o", "json"),
    ("auth-type", "list", "-o", "json"),
)
"""The commands that read a damaged store."""


def pages(folder: Path, rng: Random, going: Going) -> Outcome:
    world, outcome = World(folder / "world", 12), Outcome()
    for name in world.people[:6]:
        world.run("key", "generate", "--user", name, "--app", APP)
    with closing(sqlite3.connect(world.store)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    whole = world.store.read_bytes()
    truth = _answers(world.store)
    if any(code for code, _ in truth):
        raise LostError("a whole store is not read")
    damaged = folder / "damaged"
    while going():
        for page in range(0, len(whole), PAGE):
            data = _damaged(whole, page, rng)
            shutil.rmtree(damaged, ignore_errors=True)
            damaged.mkdir(mode=0o700)
            path = damaged / "store.db"
            path.touch(mode=0o600)
            path.write_bytes(data)
            outcome = outcome.plus(1, int(_is_reported(path, truth)))
    return outcome


def _damaged(whole: bytes, page: int, rng: Random) -> bytes:
    size = rng.choice((PAGE, PAGE, SECTOR))
    start = page + rng.randrange(0, PAGE, size)
    other = rng.randrange(0, len(whole), size)
    rubbish = rng.choice((bytes(size), rng.randbytes(size), b"\xff" * size, whole[other : other + size]))
    return whole[:start] + rubbish + whole[start + size :]


def _is_reported(path: Path, truth: list[tuple[int, str]]) -> bool:
    code, _ = _ran(path, "store", "check")
    if code not in (0, 8):
        raise LostError(f"store check of a damaged store is {code}")
    answers = _answers(path)
    return code == 8 or answers == truth


def _answers(path: Path) -> list[tuple[int, str]]:
    return [_ran(path, *words) for words in ASKED]


def _ran(path: Path, *words: str) -> tuple[int, str]:
    out = StringIO()
    with redirect_stdout(out), redirect_stderr(StringIO()):
        try:
            code = main(["--store", str(path), *words])
        except Exception:  # noqa: BLE001 - a damaged record: no result to compare
            return CRASHED, ""
    return code, out.getvalue()
