"""What people see: one thing with its surroundings, the store as a whole, and what to type next."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_without_arguments_and_store_it_says_how_to_begin(gamcli: Run) -> None:
    ran = gamcli()
    assert (ran.code, ran.err) == (0, "")
    assert "does not exist" in ran.out
    assert "gamcli init" in ran.out
    assert "gamcli quickstart" in ran.out


def test_without_arguments_an_unusable_store_is_an_error(gamcli: Run, file: Path) -> None:
    file.write_bytes(b"no database")
    ran = gamcli()
    assert ran.code == 8
    assert "gamcli: error: " in ran.err


@pytest.mark.parametrize(
    ("words", "step"),
    [
        ((), "create an application  gamcli app create NAME"),
        (("app", "create", "x"), "gamcli user create NAME"),
        (("user", "create", "u"), "gamcli key generate --user USER --app APP"),
    ],
)
def test_the_store_says_what_to_make_next(gamcli: Run, words: tuple[str, ...], step: str) -> None:
    gamcli("init")
    if words[:1] == ("user",):
        gamcli("app", "create", "x")
    if words:
        assert gamcli(*words).code == 0
    assert step in gamcli().out


def test_the_store_says_what_is_in_it_and_what_needs_attention(world: Run, file: object) -> None:
    world("key", "generate", "--user", "ana", "--app", "portal", "--expires-in", "3d")
    world("app", "disable", "portal")
    world("user", "block", "ana")
    lines = [" ".join(line.split()) for line in world("--store", str(file)).out.splitlines()]
    assert lines[0] == f"store {file}"
    for line in (
        "applications 1", "users 1", "keys 1 active", "expiring 1 active key expires within 14 days",
        "applications disabled 1: portal", "users blocked or disabled 1: ana", "never used 1 active key",
        f"list keys that expire soon gamcli --store {file} key due",
    ):  # fmt: skip
        assert line in lines


def test_an_application_is_shown_with_its_keys(world: Run, key_id: str) -> None:
    screen = world("app", "show", "portal").out
    assert "by status               1 active\n" in screen
    assert "gamcli key list --app portal\n" in screen
    world("key", "generate", "--user", "ana", "--app", "portal", "--replace", "--expires-in", "5d")
    screen = world("app", "show", "portal").out
    assert "1 active, 1 replaced\n" in screen
    assert re.search(r"next to expire +\w{8} of ana in 5 days \(", screen)
    assert "gamcli key rotate " in screen
    assert key_id not in screen


@pytest.mark.parametrize(
    ("words", "step"),
    [
        (("app", "disable", "portal"), "gamcli app enable portal"),
        (("app", "update", "portal", "--no-api-keys"), "gamcli app update portal --remote-rest --api-keys"),
        (
            ("app", "update", "portal", "--remove-scope", "gam_user_data+gam_user_roles"),
            "gamcli app update portal --add-scope gam_user_data",
        ),
        (("app", "enable", "portal"), "gamcli key generate --app portal --user USER"),
    ],
)
def test_an_application_that_nobody_can_use_says_what_to_do(world: Run, words: tuple[str, ...], step: str) -> None:
    world(*words)
    assert f"{step}\n" in world("app", "show", "portal").out


def test_a_user_is_shown_with_the_keys_held_and_those_to_be_had(world: Run, key_id: str) -> None:
    world("app", "create", "intranet", "--remote-rest", "--api-keys")
    screen = world("user", "show", "ana").out
    assert screen.startswith("user  ana  active\n")
    assert "phone" not in screen
    assert re.search(rf"{key_id}  portal  active  never    never\n", screen)
    assert re.search(r"can get keys for +intranet\n", screen)
    world("user", "block", "ana")
    screen = world("user", "show", "ana").out
    assert screen.startswith("user  ana  blocked\n")
    assert "gamcli user unblock ana\n" in screen


def test_a_key_says_whether_it_can_be_used_now_and_what_fixes_it(world: Run, key_id: str) -> None:
    assert re.search(r"can be used now +yes\n", world("key", "show", key_id).out)
    world("app", "disable", "portal")
    screen = world("key", "show", key_id).out
    assert screen.startswith(f"key  {key_id}  active\n")
    assert re.search(r"can be used now +no: application 'portal' is disabled\n", screen)
    assert "gamcli app enable portal\n" in screen


@pytest.mark.parametrize("columns", [80, 120])
def test_screens_fit_a_terminal_and_hold_no_control_characters(
    world: Run, terminal: Run, sql: Run, key_id: str, columns: int
) -> None:
    world("app", "create", "n" * 200, "--remote-rest", "--api-keys")
    sql("UPDATE user SET first_name = ?, city = ?", "\x1b]0;owned\x07", "[red]x[/red]")
    for words in (
        (),
        ("app", "show", "portal"),
        ("app", "show", "n" * 200),
        ("user", "show", "ana"),
        ("key", "show", key_id),
    ):
        ran = terminal(*words, columns=columns, NO_COLOR="1")
        assert ran.code == 0
        plain = re.sub(r"\x1b\[[0-9;]*m", "", ran.out)
        assert "\x1b" not in plain
        assert max(map(len, plain.splitlines())) <= columns, words
        assert "\x1b" not in terminal(*words, columns=columns, TERM="dumb").out
    shown = terminal("user", "show", "ana", columns=columns).out
    assert "[red]x[/red]" in shown
    assert "?]0;owned?" in shown
    assert "\x1b[32m" in shown
