"""
What the pytest plugin costs: `python tests/bench/fixture.py`.

Every run of pytest imports the plugin where gamcli is installed; each import is measured in a new process that has
imported pytest already, in processor time. A reset happens before every test that uses `gam_server_session`; before
each one, the store gets a user, a key and a token. Medians are shown.
"""

import os
import subprocess
import sys
from argparse import ArgumentParser
from statistics import median
from time import perf_counter

from gamcli.actions import issuance, keys, users
from gamcli.ephemeral import EphemeralOptions, EphemeralServer
from gamcli.rules.credentials import Secret
from gamcli.server.server import ServerOptions

IMPORT = """
import pytest, time
began = time.process_time()
import gamcli.testing
print(time.process_time() - began)
"""

BOUNDS = {"importing the plugin": 10.0, "a reset": 50.0}
"""What each should stay below, in milliseconds."""


def import_seconds() -> float:
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, check=True, text=True, timeout=60)
    return float(done.stdout)


def reset_seconds(world: EphemeralServer, number: int) -> float:
    name = f"user{number}"
    users.create(world.gam, name, {})
    key = keys.generate(world.gam, keys.KeySpec(name, "portal")).secret
    issuance.exchange_locally(world.gam, "portal", Secret(key.reveal()))
    began = perf_counter()
    world.reset()
    return perf_counter() - began


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21, help="how often each is measured; the medians are shown")
    rounds = range(parser.parse_args().rounds)
    times = {"importing the plugin": [import_seconds() for _ in rounds]}
    options = ServerOptions(log=lambda _: None)
    with EphemeralServer(options, EphemeralOptions(actor="bench")) as world:
        times["a reset"] = [reset_seconds(world, number) for number in rounds]
        world.server.stop()
        world.server.run()
    sys.stdout.write(f"{os.cpu_count()} processors; {len(rounds)} rounds, medians in milliseconds\n")
    for name, seconds in times.items():
        sys.stdout.write(f"{name:<22} {median(seconds) * 1000:6.1f}   (should be below {BOUNDS[name]:.0f})\n")


if __name__ == "__main__":
    main()
