"""`gamcli key verify`, `explain` and `inspect`."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_verify_reports_whether_a_key_is_valid(world: Run, api_key: str) -> None:
    ran = world("key", "verify", "--api-key-file", "-", "-o", "json", stdin=api_key)
    found = ran.json
    assert [*found] == ["valid", "rule", "message", "key"]
    assert (found["valid"], found["rule"], found["key"]["id"]) == (True, None, api_key[7:15])
    assert "digest" not in found["key"]
    assert world("user", "block", "ana").code == 0
    ran = world("key", "verify", "--api-key-file", "-", "--field", "valid", stdin=api_key)
    assert (ran.code, ran.out) == (4, "false\n")
    (row,) = csv.DictReader(io.StringIO(world("key", "verify", "--api-key-file", "-", "-o", "csv", stdin=api_key).out))
    assert (row["valid"], row["key.user"]) == ("false", "ana")
    assert world("key", "verify", "--api-key-file", "-", "--field", "key.user", stdin=api_key).out == "ana\n"


def test_explain_checks_every_rule_in_order(world: Run, key_id: str) -> None:
    found = world("key", "explain", key_id, "-o", "json").json
    assert [*found[0]] == ["number", "rule", "holds", "message", "mend"]
    assert [each["number"] for each in found] == sorted(each["number"] for each in found)
    world("app", "disable", "portal")
    ran = world("key", "explain", key_id)
    assert ran.code == 4
    assert "✗" in ran.out
    assert "gamcli app enable portal" in ran.out


@pytest.mark.parametrize("damage", ["", " ", "-", "x"])
def test_inspect_needs_no_store(gamcli: Run, damage: str) -> None:
    key = "gamkey_AbCdEfGh_" + "0" * 32
    ran = gamcli("key", "inspect", "--api-key-file", "-", stdin=key + damage)
    assert ran.code == 4
    assert key not in ran.out + ran.err


def test_two_kinds_of_damage_are_distinguished(gamcli: Run, api_key: str) -> None:
    ran = gamcli("key", "inspect", "--api-key-file", "-", stdin=f'"{api_key}" \n\n')
    assert (ran.code, ran.out.splitlines()[-1].split(maxsplit=1)) == (
        4,
        ["damage", "quotes around or inside it, spaces or line breaks around or inside it"],
    )
    assert gamcli("app", "show", "portal", "--field", "scopes").out == "gam_user_data+gam_user_roles\n"


def test_a_truncated_key_gets_a_hint_to_inspect(world: Run, api_key: str) -> None:
    cut = world("key", "verify", "--api-key-file", "-", stdin=api_key[:30])
    assert (cut.code, cut.err) == (4, "gamcli: not a valid API key; to see why: gamcli key inspect\n")
    assert world("key", "revoke", api_key[7:15]).code == 0
    whole = world("key", "verify", "--api-key-file", "-", stdin=api_key)
    assert (whole.code, whole.err) == (4, "")


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["explain", "key.txt"], "explain"),
        (["revoke", "key.txt"], "revoke"),
        (["show", "key.txt"], "inspect"),
        (["rotate", "key.txt", "--overlap", "0"], "inspect"),
    ],
    ids=str,
)
def test_the_path_of_a_file_is_not_taken_for_a_key_that_is_missing(
    world: Run, api_key: str, place: Path, words: list[str], command: str
) -> None:
    ran = world("key", *words)
    assert (ran.code, ran.hint) == (3, "gamcli key list")
    (place / "key.txt").write_text(api_key, encoding="ascii")
    ran = world("key", *words)
    assert (ran.code, ran.hint) == (3, f"gamcli key {command} --api-key-file key.txt")
