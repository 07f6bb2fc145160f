"""
Compare plan and apply of a manifest with tomllib and bare inserts: `python tests/bench/provision.py`.

The baseline is one program that parses the manifest with tomllib and inserts the rows, each secret as its SHA-256, in
one transaction on the same schema; only its work counts, not its start-up. Compared with it are whole runs of `gamcli`,
start-up and output included: plan, the first apply, and a second apply.
"""

import shutil
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

GAMCLI = str(Path(sys.executable).with_name("gamcli"))
GOAL = 3.0

APP = """[app.app{0}]
description = "Application {0}"
scopes = ["gam_user_data", "gam_user_roles"]
remote_rest = true
api_keys = {{ enabled = true, timeout_hours = 2160, auth_type = "apikey", scope_choice = true }}
token = {{ timeout_minutes = 60, renewals = 0 }}

"""
USER = """[user.user{0}]
email = "user{0}@example.com"
first_name = "User"
roles = ["operator"]

"""
KEY = """[[key]]
user = "user{0}"
app = "app{1}"
scopes = ["user_email", "user_first_name"]

"""

BARE = """
import hashlib, os, sqlite3, sys, time, tomllib
began = time.perf_counter()
with open(sys.argv[1], "rb") as file:
    wanted = tomllib.load(file)
store = sqlite3.connect(sys.argv[2], isolation_level=None)
store.execute("PRAGMA synchronous = FULL")
store.execute("PRAGMA foreign_keys = ON")
store.execute("BEGIN IMMEDIATE")
owner, now = "m.toml", 1
def digest(): return hashlib.sha256(os.urandom(32).hex().encode()).digest()
ids = {name: os.urandom(16).hex() for name in wanted["app"]}
numbers = {name: number for number, name in enumerate(wanted["app"], 1)}
store.executemany(
    "INSERT INTO app (client_id, fold, name, secret_digest, created_at, updated_at, description, enabled, scopes,"
    " remote_rest, api_keys_enabled, api_key_timeout_hours, api_key_auth_type, api_key_scope_choice,"
    " token_timeout_minutes, token_renewals, require_scope, share_user_ids, one_token_per_user, managed_by, number)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, 0, 1, 0, ?, ?)",
    ((ids[name], name, name, digest(), now, now, app["description"], "+".join(app["scopes"]), app["remote_rest"],
      app["api_keys"]["enabled"], app["api_keys"]["timeout_hours"], app["api_keys"]["auth_type"],
      app["api_keys"]["scope_choice"], app["token"]["timeout_minutes"], app["token"]["renewals"], owner, numbers[name])
     for name, app in wanted["app"].items()))
store.executemany("INSERT INTO app_use (client_id, grants) VALUES (?, 0)", ((each,) for each in ids.values()))
people = {name: number for number, name in enumerate(wanted["user"], 1)}
store.executemany(
    "INSERT INTO user (guid, fold, name, created_at, updated_at, email, email_fold, verified_email, first_name,"
    " last_name, external_id, birthday, gender, url_image, url_profile, phone, address, city, state, post_code,"
    " language, timezone, roles, attributes, enabled, blocked, managed_by, number)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, '', '', '', 'N', '', '', '', '', '', '', '', '', '', ?, '{}', 1, 0, ?, ?)",
    ((os.urandom(18).hex(), name, name, now, now, user["email"], user["email"], user["first_name"],
      "+".join(user["roles"]), owner, people[name]) for name, user in wanted["user"].items()))
store.executemany(
    "INSERT INTO key (id, user_number, app_number, scopes, digest, created_at, expires_at, label,"
    " managed_by, current) VALUES (?, ?, ?, ?, ?, ?, ?, '', ?, 1)",
    ((os.urandom(8).hex(), people[key["user"]], numbers[key["app"]], "+".join(key["scopes"]), digest(), now, 2, owner)
     for key in wanted["key"]))
store.execute("COMMIT")
print(time.perf_counter() - began)
"""
"""The baseline, as a program that prints how long it took."""


def manifest(objects: int) -> str:
    apps = max(objects // 31, 2)
    users = 10 * apps
    parts = [APP.format(number) for number in range(apps)]
    parts += [USER.format(number) for number in range(users)]
    parts += [KEY.format(number % users, (number // users + number) % apps) for number in range(2 * users)]
    return "".join(parts)


def seconds(folder: Path, *words: str) -> float:
    with (folder / "output").open("wb") as output:
        began = perf_counter()
        command = [GAMCLI, "--quiet", "--store", "store.db", *words]
        subprocess.run(command, check=True, cwd=folder, stdout=output)
        return perf_counter() - began


def measured(folder: Path) -> Iterator[float]:
    subprocess.run([GAMCLI, "--quiet", "--store", "store.db", "init"], check=True, cwd=folder)
    shutil.copy(folder / "store.db", folder / "bare.db")
    bare = [sys.executable, "-c", BARE, "m.toml", "bare.db"]
    yield float(subprocess.run(bare, check=True, cwd=folder, stdout=subprocess.PIPE, text=True).stdout)
    yield seconds(folder, "plan", "m.toml")
    yield seconds(folder, "plan", "m.toml", "-o", "json")
    yield seconds(folder, "apply", "m.toml", "--secrets-out", "secrets.env")
    yield seconds(folder, "apply", "m.toml")


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, nargs="*", default=[1_000, 10_000, 31_000, 100_000])
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured; the medians are shown")
    asked = parser.parse_args()
    heads = ("plan", "plan -o json", "apply", "apply again")
    sys.stdout.write(f"{'objects':>9} {'bare':>9}{''.join(f'{head:>19}' for head in heads)}\n")
    for objects in asked.objects:
        text, runs = manifest(objects), []
        for _ in range(asked.rounds):
            with TemporaryDirectory() as folder:
                Path(folder, "m.toml").write_text(text, encoding="utf-8")
                runs.append([*measured(Path(folder))])
        bare, *others = (median(column) for column in zip(*runs, strict=True))
        shown = "".join(f"{each:10.3f} s {each / bare:5.2f}x" for each in others)
        sys.stdout.write(f"{objects:9,} {bare:7.3f} s{shown}\n")
    sys.stdout.write(f"goal: plan and apply of 31,000 objects at most {GOAL}x; apply again no more than plan\n")


if __name__ == "__main__":
    main()
