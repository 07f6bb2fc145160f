"""`gamcli key verify`, `explain` and `inspect`: answers, whose data is on stdout whatever they say."""

import json
from collections.abc import Callable
from typing import Any

Run = Callable[..., Any]

GENERATE = ["key", "generate", "--user", "ana", "--app", "portal"]
FROM_STDIN = ["--api-key-file", "-"]


def test_verify_says_yes_with_the_record(world: Run, program: Run) -> None:
    """Valid, no rule, a message, the key."""
    secret = world(*GENERATE).out
    ran = program("key", "verify", *FROM_STDIN, "-o", "json", stdin=secret.encode())
    found = json.loads(ran.out)
    assert (ran.code, ran.err) == (0, "")
    assert list(found) == ["valid", "rule", "message", "key"]
    assert (found["valid"], found["rule"], found["key"]["user"]) == (True, None, "ana")
    assert secret.strip() not in ran.out


def test_verify_says_no_with_4_and_the_rule(world: Run, program: Run) -> None:
    """An answer, not an error."""
    secret = world(*GENERATE).out
    world("app", "disable", "portal")
    ran = program("key", "verify", *FROM_STDIN, "--field", "rule", stdin=secret.encode())
    assert (ran.code, ran.out, ran.err) == (4, "app_disabled\n", "")


def test_verify_of_a_key_that_is_none_is_4(world: Run, program: Run) -> None:
    """It is not proven, and no record is shown."""
    assert world("key", "list").code == 0
    ran = program("key", "verify", *FROM_STDIN, "-o", "json", stdin=b"gamkey_nonsense\n")
    found = json.loads(ran.out)
    assert (ran.code, found["valid"], found["rule"], found["key"]) == (4, False, "key_unproven", None)


def test_explain_marks_each_rule_and_names_what_mends_it(world: Run, program: Run) -> None:
    """In the order of the protocol; 4 when one is broken."""
    key_id = world(*GENERATE).out[7:15]
    assert world("key", "explain", key_id).code == 0
    world("user", "block", "ana")
    ran = program("key", "explain", key_id)
    assert ran.code == 4
    broken = [line for line in ran.out.splitlines() if line.startswith("✗")]
    assert len(broken) == 1
    assert "gamcli user unblock ana" in broken[0]
    assert ran.out.splitlines()[4].startswith("✓  6 ")


def test_explain_names_each_rule_for_programs(world: Run, program: Run) -> None:
    """Whether it holds is true, false or null."""
    secret = world(*GENERATE).out
    ran = program("key", "explain", *FROM_STDIN, "-o", "json", stdin=secret.encode())
    found = json.loads(ran.out)
    assert list(found[0]) == ["number", "rule", "holds", "message", "mend"]
    assert {each["rule"]: each["holds"] for each in found}["key_unproven"] is True
    assert {each["rule"]: each["holds"] for each in found}["client_secret_wrong"] is None


def test_explain_of_an_unknown_key_is_3(world: Run) -> None:
    """By id and by the key itself, which it takes one of."""
    assert world("key", "explain", "zzzz").code == 3
    assert world("key", "explain", *FROM_STDIN, stdin="gamkey_nonsense\n").code == 3
    assert world("key", "explain", "zzzz", *FROM_STDIN, stdin="x").code == 2


def test_inspect_needs_no_store(program: Run) -> None:
    """A sound key is 0, a damaged one 4."""
    sound = b"gamkey_00000000_00000000000000000000000000000000"
    ran = program("key", "inspect", *FROM_STDIN, "-o", "json", stdin=sound)
    found = json.loads(ran.out)
    assert (ran.code, list(found)) == (4, ["type", "id", "checksum", "damage"])
    assert found["damage"] == ["cut short: 48 of 54 characters"]


def test_inspect_looks_through_common_damage(world: Run, program: Run) -> None:
    """Blanks and quotes around a sound key."""
    secret = world(*GENERATE).out.strip()
    ran = program("key", "inspect", *FROM_STDIN, "-o", "json", stdin=f" “{secret}” \n".encode())
    found = json.loads(ran.out)
    assert (found["type"], found["id"], found["checksum"]) == ("API key", secret[7:15], True)
    assert found["damage"] == ["quotes around or in it", "blanks or line ends around or in it"]
    assert program("key", "inspect", *FROM_STDIN, stdin=secret.encode()).code == 0
