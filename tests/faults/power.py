"""
Power failures: what was being written reaches the disk in part or not at all; what was synced is there.

Two methods: the files are cut at every frame of the write-ahead log, and the writes of a program, traced with `strace`,
are replayed up to each sync. Directory entries are assumed to appear in the order in which they were created.
"""

import re
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
from tests.faults.kills import ONE_PROCESS, Going
from tests.faults.world import APP, SECONDS, LostError, Outcome, World, require_well

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


CALLS = "trace=openat,pwrite64,write,ftruncate,fsync,fdatasync,unlink"
CALL = re.compile(
    r"(?:\d+ +)?(pwrite64|write|ftruncate|fsync|fdatasync)\(\d+<((?:\\x..|[^>])*)>(?:, (\"[^\"]*\"|\d+))?"
    r"(?:, \d+(?:, (\d+))?)?\) += (-?\d+)"
)
UNLINK = re.compile(r"(?:\d+ +)?unlink\(\"([^\"]*)\"\) += 0")
KEYS = 8
TRACED = ONE_PROCESS.replace("1_000_000", str(KEYS))


def replay(folder: Path, rng: Random, going: Going) -> Outcome:
    if shutil.which("strace") is None:
        return Outcome(skipped="there is no strace here")
    outcome = Outcome()
    world = World(folder / "world")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(world.store)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        _checkpoint(holder)  # keeps the store open from here on: otherwise each command would checkpoint as it exits
        while going():
            outcome = _replayed(world, folder, rng, outcome)
            if outcome.skipped:
                break
        holder.communicate()
    return outcome


def _replayed(world: World, folder: Path, rng: Random, outcome: Outcome) -> Outcome:
    before = {str(path): path.read_bytes() for path in (world.store, Path(f"{world.store}-wal")) if path.exists()}
    trace = folder / "trace"
    words = ["strace", "-f", "-y", "-xx", "-s", "1000000", "-e", CALLS, "-o", str(trace)]
    line = [*words, sys.executable, "-c", TRACED, "--store", str(world.store)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        return Outcome(skipped=f"strace: {done.stderr.strip()}")
    disk = Disk(before, rng)
    told = done.stdout.split()
    heard = 0
    for moment in disk.moments(trace):
        heard = moment.count("\n")
        outcome = outcome.plus(heard, disk.kept(folder / "after").count_rows("key", told[:heard]))
    if heard != KEYS:
        raise LostError(f"the trace has {heard} of {KEYS} acknowledgements")
    return outcome


class Disk:
    """The content of files as programs see it, and the part of it that is certainly on disk."""

    def __init__(self, files: dict[str, bytes], rng: Random) -> None:
        self._synced = {name: bytearray(data) for name, data in files.items()}
        self._waiting: dict[str, list[tuple[int, bytes]]] = {}
        self._store = next(iter(files))
        self._dice = rng

    def moments(self, trace: Path) -> Iterator[str]:
        told = ""
        for line in trace.read_text(encoding="ascii").splitlines():
            if gone := UNLINK.match(line):
                self._synced.pop(_text(gone[1]), None)
                self._waiting.pop(_text(gone[1]), None)
            elif (call := CALL.match(line)) and int(call[5]) >= 0:
                name = _text(call[2])
                if call[1] == "write" and name.startswith("pipe:"):
                    told += _text(call[3].strip('"'))
                    yield told
                elif name.startswith(self._store) and not name.endswith("-shm"):
                    yield told  # just before the sync: pending writes may be there in part
                    self._do(call, name)

    def _do(self, call: "re.Match[str]", name: str) -> None:
        data = self._synced.setdefault(name, bytearray())
        waiting = self._waiting.setdefault(name, [])
        if call[1] == "pwrite64":
            waiting.append((int(call[4]), _bytes(call[3].strip('"'))))
        elif call[1] == "ftruncate":
            del data[int(call[3]) :]
        else:
            for write in waiting:
                _write(data, *write)
            waiting.clear()

    def kept(self, folder: Path) -> World:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        world = World.__new__(World)
        world.folder, world.store = folder, folder / "store.db"
        for name, data in self._synced.items():
            found, path = bytearray(data), folder / Path(name).name
            for write in self._waiting.get(name, []):
                if self._dice.random() < 0.5:
                    _write(found, *write)
            path.touch(mode=0o600)
            path.write_bytes(found)
        world.require_well()
        return world


def _write(data: bytearray, start: int, new: bytes) -> None:
    data.extend(bytes(max(0, start - len(data))))
    data[start : start + len(new)] = new


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _text(text: str) -> str:
    return _bytes(text).decode() if text.startswith("\\x") else text
