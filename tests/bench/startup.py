"""
How long one command takes, against a Python that does nothing, in the same run: `python tests/bench/startup.py`.

The command lines take turns within each round, so that whatever else the machine does meets all of them; medians are
shown, and the ratio within rounds. `key generate` is a change: its time holds a commit that waits for the disk.
"""

import os
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

GAMCLI = str(Path(sys.executable).with_name("gamcli"))
NOTHING = "python -c pass"
LINES = {
    NOTHING: ([sys.executable, "-c", "pass"], 1.0),
    "gamcli --version": ([GAMCLI, "--version"], 3.0),
    "gamcli __complete key": ([GAMCLI, "__complete", "key", ""], 2.0),
    "gamcli __complete key list --user a": ([GAMCLI, "__complete", "key", "list", "--user", "a"], 3.0),
    "gamcli key show": ([GAMCLI, "key", "show", "ID"], 8.0),
    "gamcli key generate": ([GAMCLI, "key", "generate", "--user", "ana", "--app", "portal", "--replace"], 8.0),
    "gamcli help keys": ([GAMCLI, "help", "keys"], 12.0),
}
"""The command lines, each with the ratio that it should stay below."""

STORY = (
    ("init",),
    ("app", "create", "portal", "--scope", "gam_user_data", "--remote-rest", "--api-keys"),
    ("user", "create", "ana", "--email", "ana@example.org"),
    ("key", "generate", "--user", "ana", "--app", "portal"),
)
"""What the store is made with."""


def gamcli(*arguments: str, store: Path) -> str:
    command = [GAMCLI, "--store", str(store), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True).stdout


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """Return how long a command takes; with a timeout, Python would look for its end only after 1, 3, 7, 15, 31 ms."""
    began = perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return perf_counter() - began


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21, help="how often each is measured; the medians are shown")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        store = Path(folder) / "gamcli" / "store.db"  # the default, so that a command finds it as users' commands do
        for arguments in STORY:
            gamcli(*arguments, store=store)
        key = gamcli("key", "list", "--field", "id", store=store).strip()
        environment = {**os.environ, "XDG_DATA_HOME": folder}
        environment.pop("GAMCLI_STORE", None)
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or every start would compile gamcli again
        commands = {name: [key if word == "ID" else word for word in line] for name, (line, _) in LINES.items()}
        for command in commands.values():
            seconds(command, environment)  # byte code is written, files are read once
        taken = {name: list[float]() for name in LINES}
        for _ in range(asked.rounds):
            for name, command in commands.items():
                taken[name].append(seconds(command, environment))
    sys.stdout.write(f"{'':38}      ms   ratio    goal\n")
    for name, (_, goal) in LINES.items():
        ratio = median(one / nothing for one, nothing in zip(taken[name], taken[NOTHING], strict=True))
        verdict = "" if name == NOTHING else f"{goal:6.1f}x {'met' if ratio <= goal else 'MISSED'}"
        sys.stdout.write(f"{name:38} {1000 * median(taken[name]):7.1f} {ratio:6.2f}x {verdict}\n")


if __name__ == "__main__":
    main()
