"""The edge to the shell: exit codes, streams, what a failure looks like."""

import json
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gamcli import __version__, errors
from gamcli.commands import EXIT_CODE_BY_ERROR, EXIT_CODES, exit_code
from tests.cases import for_each

Run = Callable[..., Any]


def leaves(kind: type[errors.GamcliError]) -> Iterator[type[errors.GamcliError]]:
    if kind not in (errors.GamcliError, errors.StoreError):
        yield kind
    for each in kind.__subclasses__():
        yield from leaves(each)


def raised(kind: type[errors.GamcliError]) -> errors.GamcliError:
    more: dict[type, tuple[Any, ...]] = {
        errors.RefusedError: ("rule", "m", "h"), errors.InvalidatesKeysError: ("m", "h", ()),
        errors.DeclinedError: (), errors.ReactivatesError: (1, ("m",)),
        errors.DeliveredKeysError: (1, ()),
    }  # fmt: skip
    return kind(*more.get(kind, ("m", "h")))


@for_each("kind", list(leaves(errors.GamcliError)))
def test_every_error_has_an_exit_code_of_the_table(kind: type[errors.GamcliError]) -> None:
    assert exit_code(raised(kind)) in EXIT_CODES


def test_the_table_of_exit_codes_is_the_promised_one() -> None:
    assert list(EXIT_CODES) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 127, 130]
    assert {kind.__name__: code for kind, code in EXIT_CODE_BY_ERROR.items()} == {
        "UsageError": 2,
        "NotFoundError": 3,
        "RefusedError": 4,
        "ConflictError": 5,
        "StoreError": 8,
        "FailedError": 1,
        "ProgramNotFoundError": 127,
    }


FAILURES = {
    "a value that cannot be": (2, ["app", "create", " portal"], "usage"),
    "an unknown option": (2, ["app", "list", "--nope"], "usage"),
    "an unknown noun": (2, ["nope"], "usage"),
    "an unknown verb": (2, ["app", "nope"], "usage"),
    "a missing argument": (2, ["app", "show"], "usage"),
    "an unknown sort": (2, ["key", "list", "--sort", "nope"], "usage"),
    "an unknown scope": (2, ["app", "update", "portal", "--add-scope", "gam_user_dat"], "usage"),
    "API keys without remote REST": (2, ["app", "create", "x", "--api-keys"], "usage"),
    "a delete that nobody confirmed": (2, ["user", "delete", "bob"], "unconfirmed"),
    "an unknown application": (3, ["app", "show", "nope"], "not_found"),
    "an unknown user": (3, ["user", "show", "nope"], "not_found"),
    "an unknown key": (3, ["key", "show", "nope"], "not_found"),
    "an unknown token": (3, ["token", "show", "nope"], "not_found"),
    "an unknown type": (3, ["auth-type", "show", "nope"], "not_found"),
    "a scope that may not be chosen": (
        4, ["key", "generate", "--user", "bob", "--app", "portal", "--scope", "user_email"], "refused",
    ),
    "an application that is there": (5, ["app", "create", "Portal"], "conflict"),
    "a second live key": (5, ["key", "generate", "--user", "ana", "--app", "portal"], "conflict"),
    "keys that would end": (5, ["user", "delete", "ana"], "ends_keys"),
    "a store that is not there": (8, ["--store", "nowhere.db", "app", "list"], "store_missing"),
}  # fmt: skip


@pytest.mark.usefixtures("api_key")
@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_has_its_code_and_speaks_as_it_must(gamcli: Run, name: str) -> None:
    code, words, word = FAILURES[name]
    gamcli("user", "create", "bob")
    for_people = gamcli(*words)
    for_programs = gamcli(*words, "-o", "json")
    assert (for_people.code, for_programs.code) == (code, code)
    found = json.loads(for_programs.err)["error"]
    assert found["code"] == word
    assert f"gamcli: error: {found['message']}\n" in for_people.err
    assert f"gamcli: hint: {found['hint']}\n" in for_people.err


def test_keys_that_would_end_come_with_the_json_error(gamcli: Run, api_key: str) -> None:
    found = json.loads(gamcli("app", "delete", "portal", "-o", "json").err)["error"]
    assert found["message"] == "this permanently invalidates 1 active key"
    assert found["hint"] == "add --accept-invalidating 1 to confirm"
    (key,) = found["keys"]
    assert (key["id"], key["user"], key["last_used_at"]) == (api_key[7:15], "ana", None)
    assert key["reason"] == "deletion of application 'portal'"


@pytest.mark.parametrize("form", [["-o", "json"], ["-ojson"], ["--output", "json"], ["--output=json"], ["-o", "jsonl"]])
def test_a_usage_error_is_json_however_it_is_asked_for(program: Run, form: list[str]) -> None:
    ran = program("key", "list", "--nope", *form)
    assert (ran.code, ran.out) == (2, "")
    assert json.loads(ran.err) == {
        "error": {"code": "usage", "message": "no such option: --nope", "hint": "gamcli key list --help"}
    }


def test_the_environment_can_ask_for_json_errors(gamcli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAMCLI_OUTPUT", "json")
    assert main_error(gamcli("app", "show", "--nope", "-o", "json"))["code"] == "usage"


def test_a_config_file_can_ask_for_json_errors(gamcli: Run, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[gamcli]\noutput = "json"\n')
    assert main_error(gamcli("--config", str(file), "app", "show", "--nope"))["code"] == "usage"
    assert gamcli("--config", str(file), "app", "show", "--nope", "-o", "table").err.startswith("gamcli: error: ")
    file.write_text("[gamcli]\noutput = 1\n")
    assert gamcli("--config", str(file), "app", "show", "x").err.startswith(f"gamcli: error: {file}: ")


def test_the_options_of_a_program_are_its_own(gamcli: Run) -> None:
    ran = gamcli("run", "--app", "portal", "--", "kubectl", "get", "pods", "-o", "json")
    assert ran.err.startswith("gamcli: error: missing option '--api-key-file'")


def main_error(ran: Any) -> dict[str, str]:  # noqa: ANN401 - Ran
    found: dict[str, str] = json.loads(ran.err)["error"]
    return found


def test_version_says_the_version_in_either_place(gamcli: Run) -> None:
    assert gamcli("--version") == (0, f"gamcli {__version__}\n", "")
    assert gamcli("--quiet", "--version") == (0, f"gamcli {__version__}\n", "")


@pytest.mark.parametrize("words", [["--help"], ["-h"]])
def test_help_shows_every_noun_and_the_first_step(gamcli: Run, words: list[str]) -> None:
    ran = gamcli(*words)
    assert ran.code == 0
    assert "gamcli quickstart" in ran.out
    for noun in ("init", "auth-type", "app", "user", "key", "token", "scope", "serve", "config", "completion", "help"):
        assert f"\n  {noun} " in ran.out


def test_a_full_disk_is_a_failure(shell: Run, world: Run) -> None:
    world("user", "update", "ana", "--attribute", f"long={'x' * 2000}")
    for words in ("--version", "app list", "user show ana", "scope list -o csv", "user list -o csv"):
        ran = shell(f"gamcli {words} >/dev/full")
        assert (ran.code, ran.out) == (1, "")
        assert ran.err == (
            "gamcli: error: cannot write to stdout: no space left on device\n"
            "gamcli: hint: write the output to another file or disk\n"
        )


def test_a_stdout_that_is_closed_is_a_failure(shell: Run, world: Run) -> None:
    assert world("app", "list").code == 0
    ran = shell("gamcli app list >&-")
    assert ran.code == 1
    assert ran.err.startswith("gamcli: error: cannot write to stdout: bad file descriptor\n")
    assert world("app", "list").code == 0


def test_a_stderr_that_is_closed_takes_nothing_away(shell: Run, world: Run) -> None:
    assert shell("gamcli app show nope 2>&-") == (3, "", "")
    assert shell("gamcli app list --field name 2>&- <&-") == (0, "portal\n", "")
    assert world("app", "list").code == 0


@pytest.mark.usefixtures("many_keys")
def test_a_pipe_that_is_closed_is_quiet(shell: Run) -> None:
    ran = shell("gamcli key list | head -1; echo ${PIPESTATUS[0]}")
    assert ran.out.splitlines()[0].startswith("ID ")
    assert (ran.out.splitlines()[1], ran.err) == ("0", "")


@pytest.mark.usefixtures("world")
def test_ctrl_c_ends_with_130_and_says_nothing(line: list[str], place: Path) -> None:
    os.mkfifo(place / "pipe")
    words = [*line, "user", "set-password", "ana", "--password-file", "pipe"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with (place / "pipe").open("w", encoding="ascii"):  # opens once gamcli reads
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=2)
        except subprocess.TimeoutExpired:  # Python misses a signal that comes right before it begins to read
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"")


def test_the_locale_changes_nothing(new_program: Run, world: Run) -> None:
    world("user", "create", "añá 漢字")
    for encoding in ("ascii", "latin-1"):
        ran = new_program("user", "list", "--field", "name", env={**os.environ, "PYTHONIOENCODING": encoding})
        assert (ran.code, ran.out) == (0, "ana\nañá 漢字\n")


def test_bytes_that_are_no_text_are_refused_as_a_name(program: Run, world: Run) -> None:
    assert world("user", "list").code == 0
    ran = program("user", "create", b"a\xff".decode("utf-8", "surrogateescape"))
    assert (ran.code, ran.out) == (2, "")
    assert "contains an unprintable character: 'a\\udcff'" in ran.err
    assert program("user", "create", b"a\xff".decode("utf-8", "surrogateescape"), "-o", "json").code == 2


@pytest.mark.parametrize("room", [32, 64])
def test_a_store_on_a_full_disk_is_8_and_unharmed(new_program: Run, world: Run, room: int) -> None:
    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room * 1024, room * 1024))

    words = ["user", "create", "bob", *(f"--attribute=a{number}={'x' * 2000}" for number in range(40))]
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}  # Python 3.11 keeps compiled modules that are cut short
    ran = new_program(*words, preexec_fn=full, env=environ)
    assert (ran.code, ran.out) == (8, ""), ran.err
    assert world("user", "list", "--field", "name").out == "ana\n"


def test_a_missing_option_is_named_with_its_value_and_its_help(world: Run) -> None:
    overlap = "--overlap DURATION: keep the old secret valid for this long; 0 revokes it now"
    assert world("app", "rotate-secret", "portal").hint == overlap
    assert world("app", "show").hint == "gamcli app show APP"
