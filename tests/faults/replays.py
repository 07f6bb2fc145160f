"""
Power failures at any moment: the writes of programs, traced with `strace`, are replayed until something leaves them.

What left is acknowledged: the names of files with secrets, and tokens that were sent to a client. It must be there.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from random import Random
from threading import Thread

from tests.faults.disk import STRACE, Disk, Sent
from tests.faults.kills import Client, Going, Served
from tests.faults.world import APP, SECONDS, LostError, Outcome, World, require_well

COMMANDS = """
import os, sys
from gamcli.commands import main

folder = sys.argv[1]
os.chdir(folder)

def run(acknowledged, *words):
    if main(["--store", f"{folder}/new/deep/store.db", "--quiet", *words]):
        sys.exit(1)
    if acknowledged:
        os.write(1, f"done {acknowledged}\\n".encode())

run("new/deep/store.db", "init")
run("app", "app", "create", "portal", "--remote-rest", "--api-keys", "--api-key-timeout", "9", "--out", "app")
for name in ("ana", "eva", "leo"):
    run("", "user", "create", name)
run("key", "key", "generate", "--user", "ana", "--app", "portal", "--out", "key")
with open("in.csv", "w") as file:
    file.write("user,app\\neva,portal\\nleo,portal\\n")
run("keys.csv", "key", "generate", "--from", "in.csv", "--out", "keys.csv")
with open("m.toml", "w") as file:
    file.write('[user.max]\\n[[key]]\\nuser = "max"\\napp = "portal"\\n')
run("secrets.env", "apply", "m.toml", "--secrets-out", "secrets.env")
run("copy.db", "store", "backup", "copy.db")
"""
"""Commands that create files; each name is printed when the command has ended."""

SECRET = re.compile(r"gam(?:key|sec)_[0-9A-Za-z_]+")
TOKEN = re.compile(rb'"access_token": ?"([^"]+)"')

DONE = re.compile(rb"done (.*)\n")

MOMENTS = 3
"""How many disks are rebuilt for each acknowledgement."""


def commands(folder: Path, rng: Random, going: Going) -> Outcome:
    if shutil.which("strace") is None:
        return Outcome(skipped="strace is not installed")
    outcome = Outcome()
    while going():
        root, trace = folder / f"world{outcome.rounds}", folder / "trace"
        root.mkdir(mode=0o700)
        disk = Disk(root)
        line = [*STRACE, str(trace), sys.executable, "-c", COMMANDS, str(root)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode:
            return Outcome(skipped=f"strace: {done.stderr.strip()}")
        outcome = _judge_commands(disk, trace, folder, rng, outcome)
    return outcome


def _judge_commands(disk: Disk, trace: Path, folder: Path, rng: Random, outcome: Outcome) -> Outcome:
    names, acknowledged, found = list[str](), 0, 0
    for sent in disk.replay(trace):
        if not (done := DONE.fullmatch(sent.data)):
            continue
        names.append(done[1].decode())
        for _ in range(MOMENTS):
            world = _after(sent, folder, rng, "new/deep/store.db")
            acknowledged += len(names)
            found += sum(_is_kept(world, name) for name in names)
    if len(names) != COMMANDS.count('\nrun("') - COMMANDS.count('run("",') + 1:
        raise LostError(f"the trace has the acknowledgements {names}")
    return outcome.plus(acknowledged, found)


def _is_kept(world: World, name: str) -> bool:
    path = world.folder / name
    if not path.exists():
        return False
    if path.suffix == ".db":
        require_well(path)
        return True
    secrets = SECRET.findall(path.read_text(encoding="utf-8"))
    kinds = {"gamkey": "key", "gamsec": "app"}
    return bool(secrets) and all(world.count_rows(kinds[secret[:6]], [secret]) for secret in secrets)


def _after(sent: Sent, folder: Path, rng: Random, store: str) -> World:
    """Return the world after a power failure at the moment when something was sent."""
    target = folder / "after"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(mode=0o700)
    sent.disk.survive(target, rng)
    world = World.__new__(World)
    world.folder, world.location = target, target / store
    if not world.store.exists():
        raise LostError("the store is lost")
    world.require_well()
    return world


class TracedWorld(World):
    """A world whose server is traced."""

    trace: Path

    def line(self, *words: str) -> list[str]:
        line = super().line(*words)
        return [*STRACE, str(self.trace), *line] if "serve" in words else line


CLIENTS = 4


def server(folder: Path, rng: Random, going: Going) -> Outcome:
    if shutil.which("strace") is None:
        return Outcome(skipped="strace is not installed")
    outcome = Outcome()
    while going():
        world = TracedWorld(folder / f"world{outcome.rounds}")
        world.trace = folder / "trace"
        key = world.run("key", "generate", "--user", "user0", "--app", APP).stdout.strip()
        disk = Disk(world.folder)
        got = _grant(world, key)
        tokens, acknowledged, found = list[str](), 0, 0
        for sent in disk.replay(world.trace):
            new = [token.decode() for token in TOKEN.findall(sent.data)]
            tokens += new
            if new:
                kept = _after(sent, folder, rng, "store.db")
                acknowledged, found = acknowledged + len(tokens), found + kept.count_rows("token", tokens)
        if not got <= set(tokens):
            raise LostError(f"the trace has {len(tokens)} of {len(got)} tokens")
        outcome = outcome.plus(acknowledged, found)
    return outcome


def _grant(world: World, key: str) -> set[str]:
    """Let some clients exchange a key for tokens at the same time, then stop the server."""
    served = Served(world)
    clients = [Client(served, key) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    stopping = Thread(target=_stop, args=(served, clients))
    stopping.start()
    stopping.join()
    return {token for client in clients for token in client.tokens}


def _stop(served: Served, clients: list[Client]) -> None:
    for client in clients:
        client.join(0.2)
        client.ends = True
    for client in clients:
        client.join()
    os.killpg(served.process.pid, signal.SIGTERM)
    served.process.wait(timeout=SECONDS)
    served.kill()
