"""Fill the disk, limit file sizes, mount read-only: commands exit with 8 and nothing is lost."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from shutil import which

from tests.faults.kills import Client, Going, Served
from tests.faults.world import APP, LostError, Outcome, World

UNUSABLE = 8
FAILED = 1
"""The exit codes when a file other than the store cannot be written."""

MIB = 1 << 20


def limited(folder: Path, rng: Random, going: Going) -> Outcome:
    world, outcome, said = World(folder), Outcome(), list[str]()
    table = folder / "keys.csv"
    while going():
        size = rng.choice((0, 40_000, 2 * world.store.stat().st_size))
        size = rng.randrange(size // 2, size + 1)
        user = world.people[outcome.rounds % len(world.people)]
        ran = world.run("key", "generate", "--replace", "--user", user, "--app", APP, file_size=size)
        now = _said(ran, (UNUSABLE,))
        out, words = _bulk(world, table, outcome.rounds)
        ran = world.run(*words, file_size=size)
        _said(ran, (UNUSABLE, FAILED))
        world.require_well()
        ran = world.run(*words)
        if ran.returncode:
            raise LostError(f"with room again: {ran.stderr}")
        rows = [line.split(",")[4] for line in out.read_text(encoding="utf-8").splitlines()[1:]]
        said += [*now, *rows]
        outcome = outcome.plus(len(now) + 2, world.count_rows("key", [*now, *rows]))
        world.run("key", "revoke", "--app", APP, "--accept-invalidating", str(_live(world)))
    return _all_there(world, outcome, said)


def _bulk(world: World, table: Path, number: int) -> tuple[Path, list[str]]:
    some = [world.people[(number + each) % len(world.people)] for each in (1, 2)]
    table.write_text("user,app\n" + "".join(f"{name},{APP}\n" for name in some), encoding="utf-8")
    out = world.folder / f"issued{number}.csv"
    return out, ["key", "generate", "--from", str(table), "--out", str(out)]


def _live(world: World) -> int:
    return len(world.run("key", "list", "--status", "active", "--field", "id").stdout.splitlines())


def _said(ran: "subprocess.CompletedProcess[str]", codes: tuple[int, ...]) -> list[str]:
    if ran.returncode == 0:
        return ran.stdout.split()
    errors = [line for line in ran.stderr.splitlines() if line.startswith("gamcli: error: ")]
    if ran.returncode not in codes or len(errors) != 1 or "gamcli: hint: " not in ran.stderr:
        raise LostError(f"{ran.args} ended with {ran.returncode}: {ran.stderr}")
    if ran.stdout:
        raise LostError(f"{ran.args} failed, and stdout has {len(ran.stdout)} characters")
    return []


def _all_there(world: World, outcome: Outcome, said: list[str]) -> Outcome:
    world.checked()
    return outcome._replace(found=outcome.found - (len(said) - world.count_rows("key", said)))


class CannotMountError(Exception):
    """No file system can be mounted here; only root may."""


@contextmanager
def mounted(folder: Path, size: int) -> Iterator[Path]:
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _mount(*words: str) -> None:
    if which("mount") is None:
        raise CannotMountError("there is no mount here")
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotMountError(f"mount: {done.stderr.strip()}")


def full(folder: Path, rng: Random, going: Going) -> Outcome:
    try:
        with mounted(folder / "small", 64 * MIB) as small:
            return _filled(World(small), rng, going)
    except CannotMountError as error:
        return Outcome(skipped=str(error))


def _filled(world: World, rng: Random, going: Going) -> Outcome:
    outcome, keys, tokens = Outcome(), list[str](), list[str]()
    ballast = world.folder / "ballast"
    while going():
        (key,) = _said(world.run("key", "generate", "--replace", "--user", "user0", "--app", APP), ())
        served = Served(world)
        _fill(ballast, rng.choice((0, 100, 500)) * rng.randrange(1024))
        now = []
        for name in world.people[1:5]:
            now += _said(world.run("key", "generate", "--replace", "--user", name, "--app", APP), (UNUSABLE,))
        got = _traded(served, key, 0.5)
        ballast.unlink()
        if not _traded(served, key, 0.1):
            raise LostError("with room again, serve grants nothing")
        served.kill()
        world.require_well()
        outcome = outcome.plus(len(now) + len(got), world.count_rows("key", now) + world.count_rows("token", got))
        keys, tokens = keys + now, tokens + got
    missing = len(tokens) - world.count_rows("token", tokens)
    return _all_there(world, outcome._replace(found=outcome.found - missing), keys)


def _fill(ballast: Path, left: int) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(16384))
        except OSError:
            file.truncate(max(0, file.tell() - left))


def _traded(served: Served, key: str, seconds: float) -> list[str]:
    client = Client(served, key)
    client.start()
    client.join(seconds)
    client.ends = True
    client.join()
    if wrong := [status for status, _ in client.others if status != 503]:
        raise LostError(f"a full disk is {wrong[0]} over HTTP")
    return client.tokens


def read_only(folder: Path, rng: Random, going: Going) -> Outcome:
    try:
        with mounted(folder / "fixed", 8 * MIB) as fixed:
            return _fixed(World(fixed), rng, going)
    except CannotMountError as error:
        return Outcome(skipped=str(error))


def _fixed(world: World, rng: Random, going: Going) -> Outcome:
    outcome, said = Outcome(), list[str]()
    while going():
        words = ["key", "generate", "--replace", "--user", rng.choice(world.people), "--app", APP]
        said += _said(world.run(*words), ())
        _mount("-o", "remount,ro", str(world.folder))
        try:
            ran = [world.run(*words), world.run("user", "create", "nobody")]
            if world.run("init").returncode or world.run("user", "list").returncode:
                raise LostError("a store that may only be read cannot be listed")
        finally:
            _mount("-o", "remount,rw", str(world.folder))
        for each in ran:
            if each.returncode == 0 or _said(each, (UNUSABLE,)):
                raise LostError(f"{each.args} wrote to a file system that is read only")
        world.require_well()
        outcome = outcome.plus(1, world.count_rows("key", said[-1:]))
    return _all_there(world, outcome, said)
