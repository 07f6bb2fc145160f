"""
Compare `gamcli scan` with `grep -rE` over the same tree in the same run: `python tests/bench/scan.py`.

The tree has files of the size of source code, and large logs; both contain a few keys. The programs run in turn within
each round, so that other load on the machine affects both. Shown are medians of the seconds, of the processor time and
of the ratios of both within rounds, start-up included, and peak memory. The tree is in the page cache. With `--tree` an
existing folder is searched, such as /usr/include.
"""

import os
import subprocess
import sys
from argparse import SUPPRESS, ArgumentParser
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

from gamcli.rules.credentials import mint_api_key

GAMCLI = str(Path(sys.executable).with_name("gamcli"))
KEY = "gamkey_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}"
SECRET = "gamsec_[0-9A-Za-z]{46}"
TEXT = """
import return class self def None for while if else raise yield key token user name request response value index path
() [] {} := == != -> # "text" 'text' 0 1 42 0x7f gateway
"""
LEAKS = 50
LARGE = 4


class Cost(NamedTuple):
    """What a run of a program took: seconds, seconds of processor time, and mebibytes at most."""

    seconds: float
    processor: float
    memory: float


def line(rng: Random) -> str:
    return "    " * rng.randrange(4) + " ".join(rng.choices(TEXT.split(), k=rng.randint(1, 12)))


def make(root: Path, megabytes: int) -> None:
    rng = Random(1)
    text = "\n".join(line(rng) for _ in range(400_000)).encode()
    small = left = megabytes * 500_000
    files = 0
    while left > 0:
        folder = root / f"{files // 400}" / f"{files // 40 % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        size = min(int(rng.lognormvariate(8.6, 1)), len(text) // 2)
        at = rng.randrange(len(text) - size)
        (folder / f"{files}.py").write_bytes(text[at : at + size])
        files, left = files + 1, left - size
    for number in range(LARGE):
        with (root / f"{number}.log").open("wb") as file:
            for _ in range(small // LARGE // len(text) + 1):
                file.write(text[: small // LARGE])
    for path in rng.sample(sorted(root.rglob("*.py")), LEAKS):
        path.write_bytes(path.read_bytes() + f"\nkey = '{mint_api_key(rng.randbytes)[1].reveal()}'\n".encode())


def run(command: list[str], environment: dict[str, str], expected: int | None) -> Cost:
    with TemporaryDirectory() as folder, (Path(folder) / "out").open("w+b") as out:
        began = perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, env=environment)
        _, _, usage = os.wait4(process.pid, 0)
        seconds = perf_counter() - began
        process.returncode = 0  # wait4 has taken it
        out.seek(0)
        found = len(out.read().splitlines())
    assert expected is None or found == expected, f"{command[0]} found {found} of {expected}"
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=300, help="how large the tree is")
    parser.add_argument("--tree", type=Path, help="search this folder instead of a tree that is made")
    parser.add_argument("--make", type=Path, help=SUPPRESS)
    parser.add_argument("--rounds", type=int, default=9, help="how often each is run; the medians are shown")
    asked = parser.parse_args()
    if asked.make:
        make(asked.make, asked.megabytes)
        return
    with TemporaryDirectory() as folder:
        root = asked.tree or Path(folder) / "tree"
        if not asked.tree:
            # Made by another process: what this one holds would be counted as memory of those that it starts.
            again = [sys.executable, __file__, "--make", str(root), "--megabytes", str(asked.megabytes)]
            subprocess.run(again, check=True)
        files = sum(path.is_file() for path in root.rglob("*"))
        size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
        sys.stdout.write(f"{files} files, {size / 1e6:.0f} MB\n")
        environment = {**os.environ, "HOME": folder, "LC_ALL": "C.UTF-8"}
        environment |= {"PYTHONPYCACHEPREFIX": str(Path(folder) / "cache")}  # as installed: compiled once
        for name in ("GAMCLI_STORE", "PYTHONDONTWRITEBYTECODE"):
            environment.pop(name, None)
        programs = {
            "grep -rE gamkey": ["grep", "-rE", KEY, str(root)],
            "grep -rE gamkey|gamsec": ["grep", "-rE", f"{KEY}|{SECRET}", str(root)],
            "gamcli scan": [GAMCLI, "scan", str(root), "-o", "jsonl", "--allow-partial"],
        }
        costs: dict[str, list[Cost]] = {name: [] for name in programs}
        for _ in range(asked.rounds + 1):  # the first fills the cache
            for name, command in programs.items():
                costs[name].append(run(command, environment, None if asked.tree else LEAKS))
    tell({name: found[1:] for name, found in costs.items()}, size)


def tell(costs: dict[str, list[Cost]], size: int) -> None:
    for name, kept in costs.items():
        seconds = median(cost.seconds for cost in kept)
        processor = median(cost.processor for cost in kept)
        pairs = [*zip(costs["gamcli scan"], kept, strict=True)]
        ratio = median(ours.seconds / cost.seconds for ours, cost in pairs)
        processor_ratio = median(ours.processor / cost.processor for ours, cost in pairs)
        memory = max(cost.memory for cost in kept)
        sys.stdout.write(
            f"{name:24} {seconds:6.3f} s  {size / 1e6 / seconds:6.0f} MB/s  {processor:6.3f} s of processor time"
            f"  {memory:5.0f} MiB  gamcli takes {ratio:.2f} times as long, {processor_ratio:.2f} times the processor\n"
        )


if __name__ == "__main__":
    main()
