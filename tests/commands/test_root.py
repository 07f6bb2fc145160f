"""The root of the command line: nouns, options in the wrong place, what was probably meant."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

TOKENS, ACTIVE = "gamcli token list", "--status active --field id"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["app", "list", "--store", "x"], "--store comes before the command: gamcli --store FILE app list"),
        (["app", "list", "--store=x"], "--store comes before the command: gamcli --store FILE app list"),
        (["key", "--config", "x", "list"], "--config comes before the command: gamcli --config FILE key list"),
        (["user", "list", "--quiet"], "--quiet comes before the command: gamcli --quiet user list"),
        (["user", "list", "--no-color"], "--no-color comes before the command: gamcli --no-color user list"),
        (["user", "--version"], "--version comes before the command: gamcli --version user"),
        (["-o", "json", "app", "list"], "-o comes after the command: gamcli app list -o"),
        (["--output", "csv", "app", "list"], "--output comes after the command: gamcli app list --output"),
        (["app", "--yes", "delete", "x"], "--yes comes after the command: gamcli app delete --yes"),
        (["--user", "ana", "key"], "--user comes after the command: gamcli key --user"),
    ],
    ids=str,
)
def test_an_option_in_the_wrong_place_is_reported_where_it_goes(gamcli: Run, words: list[str], hint: str) -> None:
    ran = gamcli(*words)
    assert ran.code == 2
    assert hint in ran.err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["aps"], "did you mean app?"),
        (["user-s", "list"], "did you mean user?"),
        (["xyzzy"], "gamcli --help"),
        (["app", "lst"], "did you mean 'list'?"),
        (["key", "gen"], "did you mean 'generate'?"),
        (["quick"], "did you mean quickstart?"),
        (["--store", "", "key", "list"], "--store FILE"),
        (["app", "xyzzy"], "gamcli app --help"),
        (["app", "list", "--sortt", "name"], "possible options: --output, --sort"),
        (["key", "create"], "gamcli key generate"),
        (["key", "delete", "3GqWOffF"], "gamcli key revoke"),
        (["key", "rm", "3GqWOffF"], "gamcli key revoke"),
        (["user", "rm", "ana"], "gamcli user delete"),
        (["user", "ls"], "gamcli user list"),
        (["key", "verify", "3GqWOffF"], "gamcli key verify --api-key-file FILE"),
        (["key", "import", "--user", "ana", "old-key"], "gamcli key import --api-key-file FILE"),
        (["app", "show"], "gamcli app show APP"),
        (["app", "show", "a", "b"], "gamcli app show APP"),
        (["user", "block", "--user", "ana"], "gamcli user block USER"),
        (["key", "generate", "ana", "portal"], "gamcli key generate --user USER --app APP"),
        (["doctor", "x"], "gamcli doctor --help"),
        (["help", "key", "generate"], "gamcli key generate --help"),
        (["help", "rotate", "keys"], "gamcli help TOPIC"),
        (["key", "generate", "-u", "ana"], "possible options: --user"),
        (["key", "generate", "-x"], "gamcli key generate --help"),
        (["user", "delete", "ana", "--force"], "use --yes"),
        (["apply", "x.toml", "--yes"], "use --accept-invalidating N"),
        (["doctor", "--yes"], "gamcli doctor --help"),
        (["audit", "list", "--last", "5"], "use --limit N"),
        (["audit", "list", "--from", "2026-01-01"], "use --since TIME"),
        (["audit", "export", "--out", "audit.jsonl"], "use > FILE"),
        (["key", "rotate", "--due", "--overlap", "7d"], "gamcli key rotate --due DURATION"),
        (["plan", "--owner", "--prune", "x.toml"], "gamcli plan --owner NAME"),
        (["plan", "x.toml", "--owner"], "gamcli plan --owner NAME"),
        (["plan", "--owner", "x.toml"], "gamcli plan --owner NAME FILE"),
        (["export", "--update", "--app", "portal"], "gamcli export --update FILE"),
        (["key", "list", "-o", "--user", "ana"], "gamcli key list --help"),
        (["run", "--app", "--", "true"], "gamcli run --app APP"),
        (["--store", "--quiet", "key", "list"], "gamcli --store FILE"),
        (["key", "list", "--json"], "use --output json"),
        (["key", "generate", "--ttl", "90d"], "use --expires-in DURATION"),
        (["key", "list", "--status", "disabled"], "gamcli key list --disabled"),
        (["key", "list", "--status", "dead"], "gamcli key list --help"),
        (["app", "secret", "portal"], "gamcli app rotate-secret"),
        (["key", "rotate", "x"], "--overlap DURATION: keep the old key valid for this long; 0 revokes it now"),
        (["list", "keys"], "gamcli key list"),
        (["delete", "key", "x"], "gamcli key revoke"),
        (["backup"], "gamcli store backup"),
        (["revoke"], "gamcli key revoke, or gamcli token revoke"),
        (["list"], "gamcli --help"),
        (["version"], "gamcli --version"),
        (["token", "revoke", "--user", "ana"], f"{TOKENS} --user USER {ACTIVE} | xargs -n 1 gamcli token revoke"),
        (["token", "revoke", "--all"], "gamcli token revoke --help"),
        (["app", "list", "--limit"], "gamcli app list --limit N"),
        (["app", "list", "--output"], "gamcli app list --help"),
    ],
    ids=str,
)
def test_what_was_probably_meant_is_suggested(gamcli: Run, words: list[str], hint: str) -> None:
    ran = gamcli(*words)
    assert (ran.code, ran.hint) == (2, hint)


def test_both_commands_of_a_hint_name_the_store(gamcli: Run) -> None:
    hint = gamcli("--store", "x.db", "token", "revoke", "--app", "portal").hint
    assert hint.count("gamcli --store x.db token ") == 2


def test_a_choice_that_there_is_not_names_those_that_there_are(gamcli: Run) -> None:
    ran = gamcli("auth-type", "create", "x")
    assert (ran.code, ran.hint) == (2, "choose from: APIkey, GAMLocal")
    assert "'APIkey', 'GAMLocal'" in gamcli("auth-type", "create", "x", "--type", "nope").err


def test_a_hint_names_the_store_that_the_run_worked_on(world: Run, file: Path) -> None:
    ran = world("--store", str(file), "user", "show", "nobody")
    assert ran.hint == f"gamcli --store {file} user list"
    ran = world("--store", str(file), "key", "generate", "--user", "ana", "--app", "portal")
    assert ran.code == 0
    ran = world("--store", str(file), "user", "block", "ana")
    assert ran.err.splitlines()[-1].endswith(f"to undo it: gamcli --store {file} user unblock ana")


def test_a_hint_with_a_name_that_begins_with_a_dash_can_be_typed(world: Run) -> None:
    assert world("user", "create", "--", "-dash").code == 0
    assert world("user", "create", "--", "-dash").hint == "gamcli user show -- -dash"
    assert world("user", "show", "--", "-dash").code == 0


def test_a_limit_beyond_all_measure_is_refused(world: Run) -> None:
    assert world("key", "list", "--limit", "99999999999999999999").code == 2


def test_a_number_out_of_range_is_refused_with_the_valid_ones(gamcli: Run) -> None:
    for words, problem in (
        ("serve --port 99999", "'--port': 99999 is not between 0 and 65535"),
        ("serve --port -1", "'--port': -1 is not between 0 and 65535"),
        ("serve --port 8x", "'--port': '8x' is not a whole number"),
        ("audit show 0", "'SEQ': 0 is not 1 or more"),
        ("app update x --token-timeout 1h", "'--token-timeout': '1h' is not a whole number"),
        ("key revoke K1234567 --accept-invalidating -3", "'--accept-invalidating': -3 is not 0 or more"),
    ):
        ran = gamcli(*words.split())
        assert (ran.code, ran.err.splitlines()[0]) == (2, f"gamcli: error: invalid value for {problem}")


def test_too_many_arguments_are_not_quoted_since_they_may_be_secrets(gamcli: Run) -> None:
    ran = gamcli("app", "show", "portal", "hunter2")
    assert (ran.code, ran.err.splitlines()[0]) == (2, "gamcli: error: too many arguments")


def test_what_a_list_of_available_applications_does_not_look_at_is_refused(world: Run) -> None:
    assert world("key", "list", "--available", "--user", "ana", "--app", "portal").code == 2
    assert world("key", "list", "--available", "--user", "ana", "--sort", "app").code == 2


@pytest.mark.parametrize("noun", ["app", "user", "key", "token", "audit", "store", "config", "scope", "auth-type"])
def test_a_noun_alone_shows_its_help(gamcli: Run, noun: str) -> None:
    ran = gamcli(noun)
    assert (ran.code, ran.out, ran.err) == (0, gamcli(noun, "--help").out, "")
    assert ran.out.startswith(f"Usage: gamcli {noun} ")


def test_an_unknown_name_suggests_the_nearest(world: Run) -> None:
    for words, hint in (
        (("user", "show", "anna"), "did you mean ana? To list all: gamcli user list"),
        (("app", "show", "PORTA"), "did you mean portal? To list all: gamcli app list"),
        (("auth-type", "show", "apikeys"), "did you mean apikey? To list all: gamcli auth-type list"),
        (("user", "show", "zoe"), "gamcli user list"),
    ):
        ran = world(*words)
        assert (ran.code, ran.hint) == (3, hint)


def test_an_enabled_user_who_is_blocked_is_reported(world: Run) -> None:
    world("user", "disable", "ana")
    world("user", "block", "ana")
    blocked = "gamcli: warning: user 'ana' is still blocked: gamcli user unblock ana\n"
    assert blocked in world("user", "enable", "ana").err
    world("user", "disable", "ana")
    disabled = "gamcli: warning: user 'ana' is still disabled: gamcli user enable ana\n"
    assert disabled in world("user", "unblock", "ana").err
    assert "still" not in world("user", "enable", "ana").err
