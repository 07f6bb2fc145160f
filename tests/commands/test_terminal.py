"""At a real pseudo terminal: questions, tables, colours."""

import re
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]
ESCAPE = "\x1b["


def test_delete_asks_and_a_yes_does_it(world: Run, terminal: Run) -> None:
    ran = terminal("app", "delete", "portal", answers=[("[y/N]: ", "y")])
    assert ran.code == 0
    assert "this permanently deletes application 'portal'; continue? [y/N]: y" in ran.out
    assert "gamcli: deleted application 'portal'" in ran.out
    assert world("app", "list", "-o", "json").json == []


@pytest.mark.parametrize("answer", ["n", ""])
def test_delete_asks_and_a_no_does_not(world: Run, terminal: Run, answer: str) -> None:
    ran = terminal("user", "delete", "ana", answers=[("[y/N]: ", answer)])
    assert ran.code == 1
    assert "gamcli: nothing was changed" in ran.out
    assert world("user", "list", "--field", "name").out == "ana\n"


def test_ctrl_c_at_a_question_ends_with_130(world: Run, terminal: Run) -> None:
    ran = terminal("user", "delete", "ana", answers=[("[y/N]: ", "\x03")])
    assert ran.code == 130
    assert re.search(r"\[y/N\]: (\^C)+\ngamcli: nothing was changed\n$", ran.out)  # `type_answers` may repeat it
    assert world("user", "list", "--field", "name").out == "ana\n"


def test_the_keys_that_would_end_are_shown_before_the_question(world: Run, terminal: Run, key_id: str) -> None:
    ran = terminal("app", "delete", "portal", answers=[("continue? [y/N]: ", "n")])
    assert ran.code == 1
    assert world("key", "show", key_id, "--field", "status").out == "active\n"
    ran = terminal("app", "delete", "portal", answers=[("continue? [y/N]: ", "y")])
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert f"gamcli:   {key_id}  ana for portal, never used: deletion of application 'portal'" in lines
    assert any("this permanently invalidates 1 active key; continue? [y/N]: y" in line for line in lines)
    assert ran.out.count("[y/N]") == 1


@pytest.mark.parametrize(
    "words", [["key", "revoke", "--user", "ana"], ["app", "update", "portal", "--scope", "user_email"]], ids=str
)
@pytest.mark.usefixtures("key_id")
def test_what_ends_keys_asks(world: Run, terminal: Run, words: list[str]) -> None:
    assert terminal(*words, answers=[("continue? [y/N]: ", "n")]).code == 1
    assert world("key", "list", "--field", "status").out == "active\n"
    assert terminal(*words, answers=[("continue? [y/N]: ", "y")]).code == 0
    assert world("key", "list", "--field", "status").out in ("revoked\n", "invalidated\n")


def test_nobody_is_asked_who_has_answered_already(world: Run, terminal: Run, key_id: str) -> None:
    assert key_id
    assert terminal("app", "delete", "portal", "--accept-invalidating", "7").code == 5
    assert "[y/N]" not in terminal("app", "delete", "portal", "--accept-invalidating", "1").out
    assert terminal("user", "delete", "ana", "--yes").code == 0
    assert world("user", "list", "-o", "json").json == []


def test_a_password_is_asked_twice_without_echo(world: Run, terminal: Run, sql: Run) -> None:
    answers = [
        ("New password of ana: ", "first try"), ("Repeat for confirmation: ", "second try"),
        ("New password of ana: ", "correct horse"), ("Repeat for confirmation: ", "correct horse"),
    ]  # fmt: skip
    assert world("user", "list").code == 0
    ran = terminal("user", "set-password", "ana", answers=answers)
    assert ran.code == 0, ran.out
    assert "horse" not in ran.out
    assert "gamcli: user 'ana' has a new password" in ran.out
    assert sql("SELECT password_hash IS NOT NULL FROM user") == [(1,)]


@pytest.mark.parametrize(("columns", "hidden"), [(80, "description"), (120, "")])
def test_a_table_fits_the_terminal(world: Run, terminal: Run, columns: int, hidden: str) -> None:
    world("app", "update", "portal", "--description", "word " * 30 + "end")
    ran = terminal("app", "list", columns=columns, NO_COLOR="1")
    assert ran.code == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", ran.out).splitlines()
    assert max(map(len, lines)) <= columns
    assert lines[1].endswith("…")
    note = f"gamcli: not shown: {hidden}; to see all columns: --wide"
    assert (lines[-1] == note) == bool(hidden)
    wide = terminal("app", "list", "--wide", columns=columns, NO_COLOR="1").out
    assert ("word " * 30 + "end" in wide, "…" in wide, "not shown" in wide) == (True, False, False)


def test_messages_wrap_at_words_and_commands_stay_commands(world: Run, terminal: Run) -> None:
    name = "a name of many words that goes on"
    world("user", "create", name)
    ran = terminal("user", "create", name, columns=50)
    lines = ran.out.splitlines()
    assert max(map(len, lines)) <= 50
    assert " ".join(line.strip() for line in lines[:2]).endswith("goes on' already exists")
    assert [line for line in lines if line.endswith(" \\")] == ["gamcli: hint: gamcli user show 'a name of many \\"]
    assert lines[-1] == "  words that goes on'"


def test_an_answer_that_is_neither_yes_nor_no_is_asked_again(world: Run, terminal: Run) -> None:
    ran = terminal("user", "delete", "ana", answers=[("[y/N]: ", "maybe"), ("[y/N]: ", "YES")])
    assert (ran.code, "gamcli: answer y or n\n" in ran.out, "Error" in ran.out) == (0, True, False)
    assert world("user", "list", "-o", "json").json == []


def test_help_uses_the_width_of_the_terminal(terminal: Run) -> None:
    for columns, shortest in ((80, 60), (140, 101)):
        lines = terminal("key", "generate", "--help", columns=columns).out.splitlines()
        assert shortest <= max(map(len, lines)) <= columns


def test_colours_are_for_terminals_that_want_them(world: Run, terminal: Run) -> None:
    world("user", "block", "ana")
    assert ESCAPE in terminal("user", "list").out
    for words, environment in (
        ([], {"NO_COLOR": "1"}),
        ([], {"TERM": "dumb"}),
        (["--no-color"], {}),
        ([], {"GAMCLI_NO_COLOR": "true"}),
    ):
        ran = terminal(*words, "user", "list", **environment)
        assert "blocked" in ran.out
        assert ESCAPE not in ran.out, environment
    assert ESCAPE not in world("user", "list").out


def test_markup_and_control_characters_are_text_on_a_terminal(world: Run, terminal: Run, sql: Run) -> None:
    world("app", "create", "[red]x[/red] :smile: \\[")
    sql("UPDATE user SET first_name = ?", "\x1b]0;owned\x07")
    assert "[red]x[/red] :smile: \\[" in terminal("app", "list", columns=200, NO_COLOR="1").out
    assert "[red]x[/red] :smile: \\[" in terminal("app", "show", "[red]x[/red] :smile: \\[").out
    ran = terminal("user", "show", "ana", NO_COLOR="1")
    assert "?]0;owned?" in ran.out
    assert "\x1b]" not in ran.out


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_terminal_changes_no_content(world: Run, terminal: Run, form: str) -> None:
    assert terminal("app", "list", "-o", form, columns=40).out == world("app", "list", "-o", form).out.replace("\r", "")


@pytest.mark.usefixtures("many_keys")
def test_a_long_list_is_plain_on_a_terminal_too(terminal: Run) -> None:
    ran = terminal("--no-pager", "key", "list", columns=80)
    assert len(ran.out.splitlines()) == 2002
    assert ESCAPE not in ran.out
