"""`gamcli audit`."""

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gamcli.actions import Gam, users

Run = Callable[..., Any]
HASH = re.compile(r"[0-9a-f]{64}")
FIELDS = "seq at actor action target details hash"


def numbers(ran: Any) -> list[int]:  # noqa: ANN401 - Ran
    return [each["seq"] for each in ran.json]


@pytest.fixture
def kept(world: Run) -> list[Any]:
    return [world, world("audit", "head").out.strip()]


def test_a_list_reports_who_did_what_oldest_first(world: Run) -> None:
    found = world("audit", "list", "-o", "json").json
    assert [" ".join(each) for each in found] == [FIELDS] * 3
    assert [(each["seq"], each["action"], each["target"]) for each in found[1:]] == [
        (2, "app.create", "portal"),
        (3, "user.create", "ana"),
    ]
    assert found[1]["details"]["scopes"] == ["gam_user_data", "gam_user_roles"]
    assert all(HASH.fullmatch(each["hash"]) for each in found)
    lines = world("audit", "list", "-o", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == found
    rows = list(csv.DictReader(io.StringIO(world("audit", "list", "-o", "csv").out)))
    assert [" ".join(row) for row in rows] == [FIELDS] * 3
    assert [json.loads(row["details"]) for row in rows] == [each["details"] for each in found]
    assert world("audit", "list", "--field", "hash").out.splitlines() == [each["hash"] for each in found]
    head, *_, last = world("audit", "list").out.splitlines()
    assert head.split() == ["SEQ", "AT", "ACTOR", "EVENT"]
    assert last.endswith("  created user ana")


def test_a_list_is_filtered_by_who_and_what_and_when(world: Run, ago: Callable[[timedelta], Gam]) -> None:
    users.create(ago(timedelta(days=8)), "old", {})

    def list_(*words: str) -> list[int]:
        return numbers(world("audit", "list", *words, "-o", "json"))

    assert list_() == [1, 2, 3, 4]
    assert list_("--actor", "tester") == [4]
    assert list_("--action", "user.create") == list_("--action", "user") == list_("--action", "user.*") == [3, 4]
    example = re.search(r"changes to this object, such as (\S+)\.", world("audit", "list", "--help").out)
    assert example
    assert list_("--target", example[1]) == [2]
    assert list_("--since", "7d") == [1, 2, 3]
    assert list_("--until", "7d") == [4]
    assert list_("--since", "9d", "--until", "7d", "--actor", "tester", "--action", "user") == [4]
    assert list_("--until", "2026-01-01") == list_("--since", "9998-01-01T00:00:00Z") == []
    assert list_("--sort", "-seq", "--limit", "2") == [4, 3]
    assert list_("--sort", "at", "--limit", "1") == [4]


@pytest.mark.parametrize("words", [["--since", "soon"], ["--until", "2026"], ["--sort", "hash"], ["--limit", "-1"]])
def test_an_invalid_filter_is_2(world: Run, words: list[str]) -> None:
    ran = world("audit", "list", *words)
    assert (ran.code, bool(ran.hint)) == (2, True)


def test_details_that_are_no_json_are_shown_as_they_are(world: Run, sql: Run) -> None:
    sql("UPDATE audit SET details = ?, actor = ?, hash = NULL WHERE seq = 2", "{ \x1b[31m", "\x1b]0;x\x07")
    entry = world("audit", "list", "-o", "json").json[1]
    assert (entry["details"], entry["hash"]) == ("{ \x1b[31m", None)
    for words in ((), ("-o", "csv"), ("--field", "actor")):
        assert "\x1b" not in world("audit", "list", *words).out


def test_verify_says_how_far_an_audit_log_is_whole(kept: list[Any]) -> None:
    run, head = kept
    ran = run("audit", "verify")
    assert (ran.code, ran.out) == (0, f"entries  3\nhead     {head}\n")
    assert ran.err == "gamcli: the audit log is intact, from entry 1 to entry 3\n"
    assert run("audit", "verify", "-o", "json").json == {"entries": 3, "head": head}
    assert run("audit", "verify", "--field", "head") == (0, f"{head}\n", "")


def test_head_prints_the_hash_alone(kept: list[Any]) -> None:
    run, head = kept
    assert run("audit", "head") == (0, f"{head}\n", "")
    assert run("audit", "head", "-o", "json").json == {"seq": 3, "hash": head}
    assert run("audit", "head", "--field", "seq").out == "3\n"
    run("user", "create", "eva")
    assert run("audit", "head").out.strip() != head
    for written in (head, head.upper(), f" {head}\n"):
        assert run("audit", "verify", "--head", written).code == 0


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE audit SET actor = 'eva' WHERE seq = 2", "entry 2 was changed, moved or inserted"),
        ("DELETE FROM audit WHERE seq = 2", "entry 2 was removed"),
        ("INSERT INTO audit SELECT 4, at, actor, action, target, details, hash FROM audit WHERE seq = 3", "entry 4"),
        ("INSERT INTO audit SELECT 4, at, actor, action, target, details, NULL FROM audit WHERE seq = 3", "entry 4"),
    ],
)
def test_an_audit_log_that_was_tampered_with_is_8_and_names_the_entry(
    world: Run, sql: Run, statement: str, expected: str
) -> None:
    sql(statement)
    ran = world("audit", "verify")
    assert ran.code == 8
    assert ran.err.startswith(f"gamcli: error: {expected}")
    found = json.loads(world("audit", "verify", "-o", "json").err)["error"]
    assert found["code"] == "store_trail"
    assert found["message"].startswith(expected)


def test_a_cut_tail_is_8_with_the_head_of_before(kept: list[Any], sql: Run) -> None:
    run, head = kept
    sql("DELETE FROM audit WHERE seq = 3")
    assert run("audit", "verify").code == 0
    ran = run("audit", "verify", "--head", head)
    assert ran.code == 8
    assert "the last entry is 2; later entries were removed or rewritten" in ran.err


@pytest.mark.parametrize("text", ["", "x", "0" * 63, "g" * 64, "0" * 65])
def test_a_head_that_is_not_a_hash_is_2(world: Run, text: str) -> None:
    assert world("audit", "verify", "--head", text).code == 2


def test_an_export_is_verified_without_a_store(world: Run, place: Path) -> None:
    assert world("user", "update", "ana", "--last-name", 'Ñandú "\\').code == 0
    exported = world("audit", "export")
    assert exported.out == world("audit", "list", "-o", "jsonl").out
    (place / "trail.jsonl").write_text(exported.out, encoding="utf-8")
    ours = world("audit", "verify", "-o", "json").json
    nowhere = ("--store", str(place / "none.db"), "audit", "verify")
    assert world(*nowhere, "--from", "trail.jsonl", "-o", "json").json == ours
    assert world(*nowhere, "--from", "trail.jsonl", "--head", ours["head"]).code == 0
    assert world(*nowhere, "--from", "trail.jsonl", "--head", "0" * 64).code == 8
    (place / "trail.jsonl").write_text(exported.out.replace('"ana"', '"eva"'), encoding="utf-8")
    changed = world("audit", "verify", "--from", "trail.jsonl")
    assert (changed.code, "entry 3 was changed" in changed.err) == (8, True)
    (place / "trail.jsonl").write_text("nothing\n", encoding="utf-8")
    assert world("audit", "verify", "--from", "trail.jsonl").err.splitlines()[1] == (
        "trail.jsonl:1: not an audit entry"
    )


def test_an_export_comes_through_a_pipe(world: Run, shell: Run) -> None:
    assert world("audit", "verify").code == 0
    ran = shell("gamcli audit export | gamcli audit verify --from -")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "entries  3")


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_an_export_that_cannot_be_read_is_2(gamcli: Run, name: str) -> None:
    ran = gamcli("audit", "verify", "--from", name)
    assert (ran.code, f"cannot read --from {name}" in ran.err) == (2, True)


@pytest.mark.parametrize(("name", "first"), [("json", "["), ("csv", "seq,at,actor,action,target,details,hash")])
def test_an_export_has_the_formats_of_whole_audit_logs(world: Run, name: str, first: str) -> None:
    assert world("audit", "export", "-o", name).out.splitlines()[0].startswith(first)
    assert world("audit", "export", "-o", "table").code == 2


@pytest.mark.parametrize("name", ["json", "csv"])
def test_an_export_that_is_not_verified_says_which_is(world: Run, place: Path, name: str) -> None:
    (place / "e").write_text(world("audit", "export", "-o", name).out, encoding="utf-8")
    found = world("audit", "verify", "--from", "e")
    assert (found.code, found.hint) == (2, "FILE must be the output of: gamcli audit export -o jsonl")


def test_reading_and_asking_in_vain_write_no_entry(kept: list[Any]) -> None:
    run, head = kept
    for words in (("key", "list"), ("user", "show", "ana"), ("user", "create", "ana"), ("audit", "verify")):
        run(*words)
    assert run("audit", "head").out.strip() == head


def test_an_entry_is_shown_with_all_its_details(world: Run, key_id: str) -> None:
    ran = world("audit", "show", "4")
    assert f"target   {key_id}\n" in ran.out
    assert "user=ana, app=portal" in ran.out
    assert world("audit", "show", "4", "-o", "json").json == world("audit", "list", "-o", "json").json[3]
    assert world("audit", "show", "5").err.startswith("gamcli: error: no audit entry 5: the last one is 4\n")
    assert world("audit", "show", "99999999999999999999").code == 3
    assert world("audit", "show", "0").code == 2


def test_a_terminal_lists_the_newest_first(world: Run, terminal: Run) -> None:
    world("user", "update", "ana", "--city", "Salto")
    lines = terminal("audit", "list", "--limit", "2", NO_COLOR="1").out.splitlines()
    assert [line.split()[0] for line in lines if line.split()[:1] in (["4"], ["3"])] == ["4", "3"]
    assert [line.split()[0] for line in world("audit", "list").out.splitlines()[1:]] == ["1", "2", "3", "4"]


def test_the_life_of_a_key_is_one_query(world: Run, key_id: str, place: Path) -> None:
    next_id = world("key", "rotate", key_id, "--overlap", "1d").out[7:15]
    world("key", "revoke", key_id, "--reason", "leaked")
    found = [line.split("  ")[-1] for line in world("audit", "list", "--key", key_id[:5]).out.splitlines()[1:]]
    assert found == [
        f"issued key {key_id} of ana for portal",
        f"rotated key {key_id} of ana for portal: the new key is {next_id}",
        f"revoked key {key_id} of ana for portal: leaked",
    ]
    (place / "k.csv").write_text("user,app\nana,gate\n", encoding="utf-8")
    world("app", "create", "gate", "--remote-rest", "--api-keys")
    assert world("key", "generate", "--from", "k.csv", "--out", "o.csv").code == 0
    bulk_id = (place / "o.csv").read_text().splitlines()[1][:8]
    world("user", "delete", "ana", "--accept-invalidating", "2")
    assert world("audit", "list", "--key", bulk_id, "--field", "action").out.split() == ["key.generate", "user.delete"]
    assert "user.create" in world("audit", "list", "--user", "ana", "--field", "action").out
    assert world("audit", "verify").code == 0


def test_revocation_counts_the_tokens_it_ends(world: Run, token: str, key_id: str) -> None:
    ran = world("key", "revoke", key_id, "--reason", "leaked")
    assert ran.err == f"gamcli: revoked key {key_id} of ana for portal; 1 access token invalidated\n"
    entry = world("audit", "list", "--action", "key.revoke", "-o", "json").json[0]
    assert entry["details"]["tokens"] == 1
    found = world("token", "show", token, "-o", "json").json
    assert (found["status"], found["reason"]) == ("revoked", "key revoked")
    assert found["ended_at"] == world("key", "show", key_id, "--field", "ended_at").out.strip()
