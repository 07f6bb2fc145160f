"""No secret where it does not belong, and no control character on a terminal, whatever the command and the format."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
PASSWORD = "correct horse battery staple"
FORMATS = ("table", "json", "jsonl", "csv")


def test_secrets_are_shown_once_and_kept_nowhere(world: Run, place: Path, file: Path) -> None:
    secrets = [
        world("app", "rotate-secret", "portal", "--overlap", "0").out.strip(),
        world("key", "generate", "--user", "ana", "--app", "portal").out.strip(),
        world("key", "generate", "--user", "ana", "--app", "portal", "--replace", "-o", "json").json["api_key"],
        world("app", "create", "other", "--field", "client_secret").out.strip(),
        PASSWORD,
    ]
    said = [world("user", "set-password", "ana", "--password-file", "-", stdin=PASSWORD)]
    said += [world(noun, "list", "-o", form) for noun in ("app", "user", "key", "token") for form in FORMATS]
    said += [world("app", "create", "portal"), world("key", "generate", "--user", "ana", "--app", "portal")]
    said += [world("key", "revoke", "--api-key-file", "-", stdin=secret) for secret in secrets]
    kept = b"".join(each.read_bytes() for each in file.parent.glob("store.db*"))
    for secret in secrets:
        assert all(secret not in ran.out + ran.err for ran in said)
        assert secret.encode() not in kept
    assert [*place.iterdir()] == []


def test_a_shell_can_keep_the_secret(shell: Run, world: Run) -> None:
    assert world("key", "list").code == 0
    ran = shell('KEY=$(gamcli key generate --user ana --app portal 2>/dev/null) && echo "<$KEY>"')
    assert ran.out.startswith("<gamkey_")
    assert len(ran.out) == len("<gamkey_>\n") + 8 + 1 + 32 + 6


@pytest.mark.usefixtures("world")
def test_a_secret_in_a_file_reaches_no_process_list(line: list[str], api_key: str, place: Path) -> None:
    os.mkfifo(place / "pipe")
    with subprocess.Popen([*line, "key", "revoke", "--api-key-file", "pipe"], stderr=subprocess.DEVNULL) as process:
        with (place / "pipe").open("w", encoding="ascii") as pipe:  # opens once gamcli reads
            words = (
                Path(f"/proc/{process.pid}/cmdline").read_bytes() + Path(f"/proc/{process.pid}/environ").read_bytes()
            )
            pipe.write(api_key)
        assert process.wait(30) == 0
    assert api_key.encode() not in words


EVIL = "evil\x1b]0;owned\x07\x1b[31m\r\n\x9b1m\u202e[bold]"


@pytest.fixture
def evil(world: Run, sql: Run, key_id: str) -> Run:
    assert key_id
    sql("UPDATE user SET name = ?1, first_name = ?1, roles = ?1, attributes = json_object('a', ?1)", EVIL)
    sql("UPDATE app SET name = ?1, description = ?1", EVIL)
    sql("UPDATE key SET label = ?1, reason = ?1", EVIL)
    sql("UPDATE auth_type SET description = ?1", EVIL)
    return world


def control(text: str, *, allowed: str) -> set[str]:
    return {letter for letter in text if not letter.isprintable()} - set(allowed)


@pytest.mark.parametrize(
    ("noun", "name", "field"),
    [
        ("app", "portal", "description"),
        ("user", "ana", "first_name"),
        ("key", "", "label"),
        ("auth-type", "apikey", "description"),
    ],
)
def test_control_characters_of_the_store_never_reach_stdout(evil: Run, noun: str, name: str, field: str) -> None:
    name = name or evil("key", "list", "--field", "id").out.strip()
    for form in (["-o", "table"], ["-o", "json"], ["-o", "jsonl"], ["-o", "csv"], ["--field", field]):
        for words in ([noun, "list", *form], [noun, "show", name, *form]):
            ran = evil(*words)
            assert ran.code == 0
            assert control(ran.out, allowed="\n") == set(), words
    assert evil(noun, "show", name, "-o", "json").json[field] == EVIL
    assert evil(noun, "show", name, "--field", field).out == "evil?]0;owned??[31m???1m?[bold]\n"


def test_control_characters_of_the_store_never_reach_stderr(evil: Run) -> None:
    for words in (
        ["user", "update", "ana@example.com", "--city", "x"],
        ["user", "block", "ana@example.com"],
        ["user", "delete", "ana@example.com"],
        ["user", "delete", "ana@example.com", "-o", "json"],
        ["key", "generate", "--user", "ana@example.com", "--app", "nope"],
        ["user", "create", "new", "--email", "ana@example.com"],
    ):
        ran = evil(*words)
        assert control(ran.err, allowed="\n") == set()
        assert ran.err


def test_control_characters_of_the_command_line_never_reach_stderr(world: Run) -> None:
    for words in (
        [EVIL], ["app", EVIL], ["app", "show", EVIL], ["app", "create", EVIL], ["app", "list", f"--{EVIL}"],
        ["app", "list", "--limit", EVIL], ["app", "list", "--sort", EVIL], ["app", "list", "--field", EVIL],
        ["config", "get", EVIL], ["key", "show", EVIL], ["--store", EVIL, "app", "list"],
        ["app", "create", "x", "--out", f"no/{EVIL}"], ["app", "create", "x", "--client-secret-file", EVIL],
        ["app", "update", "portal", "--add-scope", EVIL], ["user", "update", "ana", "--attribute", EVIL],
    ):  # fmt: skip
        for form in ("table", "json"):
            ran = world(*words, "-o", form)
            assert ran.code != 0
            assert control(ran.err, allowed="\n") == set()


@pytest.mark.parametrize(
    "words", [["key", "show"], ["key", "revoke"], ["key", "explain"], ["user", "show"], ["token", "show"]]
)
def test_a_key_pasted_in_the_wrong_place_is_not_echoed(api_key: str, program: Run, words: list[str]) -> None:
    told = program(*words, api_key)
    assert "gamkey_..." in told.err
    if words[0] == "key":
        assert "is an API key, not a key ID, and is now in your shell history" in told.err
        assert f"gamcli key show {api_key[7:15]}; to pass an API key, use --api-key-file FILE" in told.err
    ran = program(*words, api_key, "-o", "json")
    assert ran.code == 3
    assert api_key[7:] not in ran.err


def test_a_key_where_no_argument_belongs_is_pointed_to_its_file(program: Run, api_key: str) -> None:
    ran = program("key", "verify", api_key)
    assert (ran.code, api_key[7:] in ran.err) == (2, False)
    assert "use --api-key-file FILE; the API key that you typed is now in your shell history" in ran.err


def test_an_argument_too_many_is_not_echoed(world: Run) -> None:
    ran = world("user", "set-password", "ana", "hunter2")
    assert ran.code == 2
    assert "hunter2" not in ran.err


def test_a_field_that_is_not_the_secret_says_that_it_is_lost(world: Run) -> None:
    ran = world("app", "create", "gate", "--field", "client_id")
    assert "the secret was not printed and is lost" in ran.err


def test_a_file_without_end_is_read_no_further_than_a_secret_goes(world: Run) -> None:
    assert world("app", "create", "gate", "--client-secret-file", "/dev/zero").code == 2
