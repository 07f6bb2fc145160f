"""
Run every fault and report what is left: `python tests/faults/run.py [--rounds N] [--seconds S]`.

The table shows how much was acknowledged before each fault and how much of it was found afterwards. Exits with 1 when
anything is lost.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests.faults import changes, crowds, databases, disks, kills, pages, power, replays
from tests.faults.world import LostError, Outcome, Rounds

Fault = Callable[[Path, Random, Rounds], Outcome]

FAULTS: dict[str, Fault] = {
    "kill -9: key generate, a process each": kills.each_key,
    "kill -9: key generate, one process": kills.one_after_another,
    "kill -9: key generate --from": kills.bulk,
    "kill -9: apply": kills.apply,
    "kill -9: serve under load": kills.serve,
    "kill -9: serve under load, and changes": changes.changes,
    "a limit on the size of files": disks.limited,
    "a full disk, with a server on it": disks.full,
    "a read-only file system": disks.read_only,
    "50 processes at once, and a server": crowds.crowd,
    "power loss: a log cut anywhere": power.cuts,
    "power loss: writes of commands replayed": replays.commands,
    "power loss: writes of a server replayed": replays.server,
    "a damaged page or sector": pages.pages,
    **databases.FAULTS,
}


def made(fault: Fault, seed: int, rounds: int, seconds: float) -> Outcome:
    with TemporaryDirectory(prefix="gamcli-faults-") as folder:
        return fault(Path(folder), Random(seed), Rounds(rounds, seconds))


def main() -> int:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="how often each fault is made")
    parser.add_argument("--seconds", type=float, default=60.0, help="no round of a fault begins later")
    parser.add_argument("--seed", type=int, default=None, help="of chance; default: another one each time")
    parser.add_argument("--only", default="", help="faults with this in their name")
    parser.add_argument("--postgres", action="store_const", dest="only", const="PostgreSQL", help="those of PostgreSQL")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else Random().randrange(2**32)
    sys.stdout.write(f"seed {seed}\n{'fault':<44} {'rounds':>7} {'acknowledged':>13} {'found again':>12} {'lost':>6}\n")
    broken = 0
    for name, fault in FAULTS.items():
        if asked.only in name:
            broken += shown(name, fault, seed, (asked.rounds, asked.seconds))
    return 1 if broken else 0


def shown(name: str, fault: Fault, seed: int, most: tuple[int, float]) -> bool:
    try:
        outcome = made(fault, seed, *most)
    except LostError as error:
        sys.stdout.write(f"{name:<44} BROKEN: {error}\n")
        return True
    if outcome.skipped:
        sys.stdout.write(f"{name:<44} SKIPPED: {outcome.skipped}\n")
        return False
    rounds, acknowledged, found = outcome[:3]
    sys.stdout.write(f"{name:<44} {rounds:>7} {acknowledged:>13} {found:>12} {outcome.lost:>6}\n")
    sys.stdout.flush()
    return outcome.lost != 0


if __name__ == "__main__":
    sys.exit(main())
