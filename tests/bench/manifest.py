"""
Compare reading a manifest with `tomllib.loads` of the same text, for growing numbers of objects.

    python tests/bench/manifest.py
"""

import sys
import tomllib
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from gamcli.errors import ProblemsError
from gamcli.provision import manifest
from gamcli.provision.toml_scan import Lines

SHAPE = {"app": 1, "user": 10, "key": 20}
"""Relative numbers of objects: 1,000 applications have 10,000 users and 20,000 keys."""

GOAL = 1.6
"""The goal, as a multiple of the time of tomllib alone."""

APP = """[app.app{at}]
description = "Application number {at}"
scopes = ["gam_user_data", "gam_user_roles"]
remote_rest = true
api_keys = {{ enabled = true, timeout_hours = 2160, auth_type = "apikey", scope_choice = true }}
token = {{ timeout_minutes = 60, renewals = 0 }}
"""
USER = """[user.user{at}]
email = "user{at}@example.com"
first_name = "First{at}"
last_name = "Last{at}"
roles = ["operator"]
"""
KEY = """[[key]]
user = "user{user}"
app = "app{app}"
scopes = ["user_email", "user_first_name"]
"""


def text(objects: int) -> str:
    apps = max(1, objects // sum(SHAPE.values()))
    users, keys = apps * SHAPE["user"], apps * SHAPE["key"]
    return "\n".join((*_tables(APP, apps), *_tables(USER, users), *_keys(keys, users, apps)))


def _tables(form: str, number: int) -> Iterator[str]:
    return (form.format(at=at) for at in range(number))


def _keys(number: int, users: int, apps: int) -> Iterator[str]:
    return (KEY.format(user=at % users, app=(at + at // users) % apps) for at in range(number if apps > 1 else users))


def seconds(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def measure(path: Path, objects: int, rounds: int) -> None:
    written = text(objects)
    path.write_text(written, encoding="utf-8")
    found = manifest.read([path], {})
    count = len(found.apps) + len(found.users) + len(found.keys)
    bare, ours, faulty, lines = zip(
        *(
            (
                seconds(lambda: tomllib.loads(written)),
                seconds(lambda: manifest.read([path], {})),
                seconds(lambda: _faulty(path, written)),
                seconds(lambda: Lines(written)),
            )
            for _ in range(rounds)
        ),
        strict=True,
    )
    ratio = median(one / other for one, other in zip(ours, bare, strict=True))
    met = "met   " if ratio <= GOAL else "MISSED"
    verdict = f"{1000 * median(bare):11.1f} {1000 * median(ours):11.1f} {ratio:8.2f}x {met}"
    rest = f"{1e6 * median(ours) / count:10.1f} {1000 * median(faulty):11.1f} {1000 * median(lines):9.1f}"
    sys.stdout.write(f"{count:9,} {verdict} {rest}\n")


def _faulty(path: Path, written: str) -> None:
    path.write_text(f"{written}colour = 1\n", encoding="utf-8")
    try:
        manifest.read([path], {})
    except ProblemsError:
        path.write_text(written, encoding="utf-8")


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured; the medians are shown")
    parser.add_argument("--sizes", type=int, nargs="*", default=[1_000, 10_000, 31_000, 100_000], metavar="N")
    asked = parser.parse_args()
    sys.stdout.write("  objects  tomllib ms     read ms  against  goal 1.6  us each  with a fault  lines ms\n")
    with TemporaryDirectory() as folder:
        for size in asked.sizes:
            measure(Path(folder) / "m.toml", size, asked.rounds)


if __name__ == "__main__":
    main()
