"""Power failures while the write-ahead log is written: it is cut at every frame, and within frames."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from random import Random

from gamcli.commands import main
from tests.faults.kills import Going
from tests.faults.world import APP, LostError, Outcome, World, require_well

HEADER, FRAME, SECTOR, PAGE = 32, 24 + 4096, 512, 4096
"""Bytes of a log (www.sqlite.org/fileformat2.html#walformat), of a disk, and of a store."""

HOLDER = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("SELECT count(*) FROM app").fetchone()
for line in sys.stdin:
    print(held.execute("PRAGMA wal_checkpoint(FULL)").fetchone(), flush=True)
"""
"""Keeps the store open as a server does, so that the log grows, and checkpoints on request."""

CHANGES = 6
"""The number of commands in one log."""


def cuts(folder: Path, rng: Random, going: Going) -> Outcome:
    world, outcome = World(folder / "world"), Outcome()
    words = [sys.executable, "-c", HOLDER, str(world.store)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        while going():
            _checkpoint(holder)
            log = Log(world, folder / "cut")
            for _ in range(CHANGES):
                log.note(_changed(world, rng))
            for cut in log.places(rng):
                outcome = _met(outcome, log.after(log.wal[:cut]), log.due(cut))
            outcome = _met(outcome, log.after(log.torn(rng)), *log.states[-2:])
            _checkpoint(holder)
            outcome = _checkpointed(world, log, rng, outcome)
        holder.communicate()
    world.checked()
    return outcome


def _checkpoint(holder: "subprocess.Popen[str]") -> None:
    assert holder.stdin is not None
    assert holder.stdout is not None
    print("now", file=holder.stdin, flush=True)
    holder.stdout.readline()


def _changed(world: World, rng: Random) -> Path:
    words = rng.choice(
        (
            ["key", "generate", "--replace", "--app", APP, "--user", rng.choice(world.people)],
            ["user", "create", f"late{rng.randrange(10**9)}"],
            ["user", "update", rng.choice(world.people), "--first-name", f"Ana{rng.randrange(10**9)}"],
            ["app", "create", f"app{rng.randrange(10**9)}"],
        )
    )
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["--store", str(world.store), *words])
    if code:
        raise LostError(f"{words} ended with {code}: {err.getvalue()}")
    return world.store


def contents(path: Path) -> int:
    require_well(path)
    with closing(sqlite3.connect(path)) as connection:
        return hash(tuple(connection.iterdump()))


class Log:
    """Copies of a store and its log after each of a series of changes."""

    def __init__(self, world: World, folder: Path) -> None:
        self.folder = folder
        self.file = world.store.read_bytes()
        self.wal = b""
        self.lengths = [0]
        self.states = [self.after(_wal(world.store))]

    def note(self, store: Path) -> None:
        self.wal = _wal(store)
        if store.read_bytes() != self.file:
            raise LostError("the store was written while only its log should be")
        self.lengths.append(_used(self.wal))
        self.states.append(self.after(self.wal))

    def after(self, wal: bytes, file: bytes | None = None) -> int:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700)
        store = self.folder / "store.db"
        for path, data in ((store, file or self.file), (Path(f"{store}-wal"), wal)):
            path.touch(mode=0o600)
            path.write_bytes(data)
        return contents(store)

    def places(self, rng: Random) -> Iterator[int]:
        for frame in range(HEADER, self.lengths[-1] + 1, FRAME):
            yield frame
            yield min(frame + rng.randrange(1, FRAME), self.lengths[-1])

    def due(self, cut: int) -> int:
        return next(state for length, state in zip(self.lengths[::-1], self.states[::-1], strict=True) if length <= cut)

    def torn(self, rng: Random) -> bytes:
        data = bytearray(self.wal)
        for start in range(self.lengths[-2], self.lengths[-1], SECTOR):
            if rng.random() < 0.5:
                data[start : start + SECTOR] = bytes(len(data[start : start + SECTOR]))
        return bytes(data)


def _wal(store: Path) -> bytes:
    return Path(f"{store}-wal").read_bytes()


def _used(wal: bytes) -> int:
    end = HEADER
    while wal[end + 8 : end + 16] == wal[16:24]:
        end += FRAME
    return end


def _met(outcome: Outcome, states: int, *due: int) -> Outcome:
    return outcome.plus(1, int(states in due))


def _checkpointed(world: World, log: Log, rng: Random, outcome: Outcome) -> Outcome:
    file = world.store.read_bytes()
    old = log.file.ljust(len(file), b"\0")
    for _ in range(4):
        pages = [rng.choice((old, file))[at : at + PAGE] for at in range(0, len(file), PAGE)]
        outcome = _met(outcome, log.after(log.wal, b"".join(pages)), log.states[-1])
    wal = _wal(_changed(world, rng))
    last, used = log.after(wal, file), _used(wal)
    for cut in (rng.randrange(used) for _ in range(4)):
        torn = wal[:cut] + log.wal[cut:]
        is_whole = torn[:used] == wal[:used]  # the content did not change: pages end alike
        outcome = _met(outcome, log.after(torn, file), last if is_whole else log.states[-1])
    return outcome.plus(1, int(last not in log.states))
