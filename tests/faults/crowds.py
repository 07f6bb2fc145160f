"""Run many processes at once: each gets its turn, and none fails because the store is busy."""

from pathlib import Path
from random import Random

from tests.faults.kills import Client, Going, Served
from tests.faults.world import APP, SECONDS, LostError, Outcome, World

PROCESSES = 50


def crowd(folder: Path, rng: Random, going: Going) -> Outcome:
    world, outcome = World(folder, PROCESSES + 1), Outcome()
    key = world.run("key", "generate", "--user", "user0", "--app", APP).stdout.strip()
    served = Served(world)
    keys, tokens = list[str](), list[str]()
    while going():
        clients = [Client(served, key) for _ in range(8)]
        for client in clients:
            client.start()
        names = rng.sample(world.people[1:], PROCESSES)
        made = [world.start("key", "generate", "--replace", "--user", name, "--app", APP) for name in names]
        told = [process.communicate(timeout=SECONDS) for process in made]
        for client in clients:
            client.ends = True
            client.join()
        if failed := [err for process, (_, err) in zip(made, told, strict=True) if process.returncode]:
            raise LostError(f"{len(failed)} of {PROCESSES} commands failed: {failed[0]}")
        if refused := [other for client in clients for other in client.others]:
            raise LostError(f"{len(refused)} grants were refused: {refused[0]}")
        now, got = [out.strip() for out, _ in told], [token for client in clients for token in client.tokens]
        keys, tokens = keys + now, tokens + got
        outcome = outcome.plus(len(now) + len(got), world.count_rows("key", now) + world.count_rows("token", got))
    served.kill()
    world.checked()
    missing = len(keys) + len(tokens) - world.count_rows("key", keys) - world.count_rows("token", tokens)
    return outcome._replace(found=outcome.found - missing)
