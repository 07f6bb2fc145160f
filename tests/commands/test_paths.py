"""Every option and argument that is a path, given unusable paths: a clear error, and never a traceback."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gamcli.commands import complete

Run = Callable[..., Any]

CASES = {
    "--store": "--store {} app list",
    "--config": "--config {} app list",
    "--store-url-file": "--store-url-file {} app list",
    "app create --client-secret-file": "app create new --client-secret-file {}",
    "app create --out": "app create new --out {}",
    "app rotate-secret --out": "app rotate-secret portal --overlap 1d --out {}",
    "user create --from": "user create --from {}",
    "user set-password --password-file": "user set-password ana --password-file {}",
    "key generate --from": "key generate --from {} --out keys.csv",
    "key generate --out": "key generate --user ana --app portal --overlap 1d --out {}",
    "key generate --out-dir": "key generate --from in.csv --out-dir {}",
    "key rotate --out-dir": "key rotate --due 14d --overlap 7d --out-dir {}",
    "key rotate --out": "key rotate {key} --overlap 1d --out {}",
    "key import --api-key-file": "key import --user ana --app portal --api-key-file {}",
    "key revoke --api-key-file": "key revoke --api-key-file {}",
    "key verify --api-key-file": "key verify --api-key-file {}",
    "key explain --api-key-file": "key explain --api-key-file {}",
    "key inspect --api-key-file": "key inspect --api-key-file {}",
    "audit verify --from": "audit verify --from {}",
    "plan <0...>": "plan {}",
    "plan --var-file": "plan gam.toml --var-file {}",
    "plan --out": "plan gam.toml --out {}",
    "apply <0...>": "apply {}",
    "apply --var-file": "apply gam.toml --var-file {}",
    "apply --secrets-out": "apply gam.toml --secrets-out {}",
    "drift <0...>": "drift {}",
    "drift --var-file": "drift gam.toml --var-file {}",
    "export --update": "export --update {}",
    "export --var-file": "export --update gam.toml --var-file {}",
    "serve --base-path": "serve --ephemeral --port 0 --base-path {} -- true",
    "serve --log-file": "serve --ephemeral --port 0 --log-file {} -- true",
    "serve --ready-file": "serve --ephemeral --port 0 --ready-file {} -- true",
    "serve --tls-cert": "serve --ephemeral --port 0 --tls-cert {} --tls-key gam.toml -- true",
    "serve --tls-key": "serve --ephemeral --port 0 --tls-cert gam.toml --tls-key {} -- true",
    "serve --seed": "serve --ephemeral --port 0 --seed {} -- true",
    "serve --journal": "serve --ephemeral --port 0 --journal {} -- true",
    "run --api-key-file": "run --app portal --api-key-file {} -- true",
    "run --client-secret-file": "run --app a --url http://127.0.0.1:9 --api-key-file k --client-secret-file {} -- true",
    "try --api-key-file": "try --app portal --api-key-file {}",
    "try --client-secret-file": "try --app portal --api-key-file k --client-secret-file {}",
    "try --password-file": "try --app portal --user ana --password-file {}",
    "doctor --tls-cert": "doctor --tls-cert {}",
    "doctor --tls-key": "doctor --tls-key {}",
    "store backup <0>": "store backup {}",
    "doctor": "--store {} doctor",
    "store restore": "--store {} store restore gam.toml",
    "store restore <0>": "store restore {} --replace",
    "store migrate --to-url-file": "store migrate --to-url-file {}",
    "conformance --world": "conformance --world {} http://127.0.0.1:9",
    "scan <0...>": "scan {}",
}
"""For each option and argument a command line in which everything else is right."""

PATHS = ("", ".", "/", "folder", "fifo", "missing/folder/x", "loop")


def test_every_path_has_a_case() -> None:
    rows = complete.read_table()
    is_path = {"FILE", "DIR", "PATH", "FOLDER"}
    found = {f"{row.path} {row.text}".strip() for row in rows if row.metavar.removesuffix("...") in is_path}
    assert found - set(CASES) == set()


@pytest.fixture
def fifo(place: Path) -> Iterator[None]:
    """Create `fifo`, which is empty for each reader."""
    (place / "folder").mkdir()
    (place / "gam.toml").write_text("[app.new]\n", encoding="utf-8")
    (place / "in.csv").write_text("user,app\nana,portal\n", encoding="utf-8")
    (place / "loop").symlink_to("loop")
    path, done = place / "fifo", threading.Event()
    os.mkfifo(path)

    def end_input() -> None:
        while not done.wait(0.01):
            with suppress(OSError):  # nobody reads yet, or another file has taken its place
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
                (place / "fifo was read").touch()

    thread = threading.Thread(target=end_input)
    thread.start()
    yield
    done.set()
    thread.join()


@pytest.mark.usefixtures("fifo")
@pytest.mark.parametrize("case", CASES)
def test_no_path_is_a_traceback(world: Run, api_key: str, place: Path, case: str) -> None:
    (place / "k").write_text(api_key, encoding="ascii")
    for path in PATHS:
        if (case, path) == ("scan <0...>", "/"):  # it would search the whole system
            continue
        words = [path if word == "{}" else word.replace("{key}", api_key[7:15]) for word in CASES[case].split()]
        found = world(*words)
        if found.code:
            assert found.out or len(found.err.splitlines()) >= 2, (path, found)
        if path in (".", "/", "folder", "fifo") and case == "--config":
            assert found.code == 2, (path, found)
        if not path and case != "serve --base-path":
            assert (found.code, " is empty\n" in found.err) == (2, True), (path, found)


CREATING = {
    case: words
    for case, words in CASES.items()
    if case.endswith(("--out", "--out-dir", "--secrets-out", "--log-file", "--ready-file", "--journal", "backup <0>"))
}


@pytest.mark.usefixtures("fifo")
@pytest.mark.parametrize("case", CREATING)
def test_no_file_is_created_through_a_symbolic_link(world: Run, api_key: str, place: Path, case: str) -> None:
    (place / "link").symlink_to(place / "target")
    words = ["link" if word == "{}" else word.replace("{key}", api_key[7:15]) for word in CREATING[case].split()]
    found = world(*words)
    assert not (place / "target").exists()
    if case in ("serve --log-file", "serve --journal"):
        assert (found.code, ": it is a symbolic link to a missing file\n" in found.err) == (1, True), found
    else:
        assert found.code in (1, 5), found


@pytest.mark.usefixtures("fifo")
@pytest.mark.parametrize("case", [case for case in ("--store", *CREATING, "plan <0...>") if case != "store backup <0>"])
def test_a_dash_is_not_the_name_of_a_file(world: Run, api_key: str, place: Path, case: str) -> None:
    words = ["-" if word == "{}" else word.replace("{key}", api_key[7:15]) for word in CASES[case].split()]
    found = world(*words)
    assert (found.code, " cannot be '-'\n" in found.err) == (2, True), found
    assert not (place / "-").exists()


@pytest.mark.usefixtures("fifo")
@pytest.mark.parametrize("case", ["plan --out", "apply --secrets-out"])
def test_an_existing_pipe_is_refused_without_waiting_for_its_writer(world: Run, place: Path, case: str) -> None:
    assert world(*CASES[case].format("fifo").split()).code == 5
    assert not (place / "fifo was read").exists()


@pytest.mark.usefixtures("fifo")
def test_a_manifest_is_read_from_a_pipe_once(shell: Run, world: Run) -> None:
    assert world("app", "list").code == 0
    found = shell("cat gam.toml | gamcli plan /dev/stdin")
    assert found.out.startswith("+ app new\n"), found


@pytest.mark.usefixtures("fifo")
@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("store backup {} --replace", 5),
        ("export --update {}", 2),
        ("serve --ephemeral --port 0 --ready-file {} -- true", 1),
    ],
)
def test_only_regular_files_are_replaced(world: Run, place: Path, case: str, code: int) -> None:
    (place / "link").symlink_to("gam.toml" if "--update" not in case else "fifo")
    before = {name: (place / name).lstat().st_ino for name in ("fifo", "link", "gam.toml")}
    for name in ("fifo", "link"):
        found = world(*case.format(name).split())
        assert found.code == code, (name, found)
        assert {name: (place / name).lstat().st_ino for name in before} == before
    assert not list(place.glob(".fifo.*"))
    assert not list(place.glob(".link.*"))


@pytest.mark.parametrize("option", ["--log-file", "--journal"])
def test_a_log_or_journal_may_be_an_existing_file_behind_a_link(world: Run, place: Path, option: str) -> None:
    (place / "log").touch()
    (place / "link").symlink_to("log")
    assert world("serve", "--ephemeral", "--port", "0", option, "link", "--", "true").code == 0
