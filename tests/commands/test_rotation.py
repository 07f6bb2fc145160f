"""`gamcli key rotate` and `key due`: which keys are due, and what their successors are valid for."""

import csv
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gamcli.actions import Gam, keys
from gamcli.actions.keys import KeySpec
from gamcli.bulk import rotation_results
from gamcli.rules.credentials import Secret

Run = Callable[..., Any]
Ago = Callable[[timedelta], Gam]
DAY = timedelta(days=1)


@pytest.fixture
def issue(world: Run, ago: Ago) -> Callable[..., str]:
    def issue(user: str, age: int, lifetime: int, app: str = "portal") -> str:
        if world("user", "show", user).code:
            world("user", "create", user)
        return keys.generate(ago(age * DAY), KeySpec(user, app, expires_in=lifetime * DAY)).record.id

    return issue


def due_ids(world: Run, *words: str) -> tuple[int, list[str]]:
    ran = world("key", "due", *words, "--field", "id")
    return ran.code, ran.out.split()


def test_an_expired_key_without_a_successor_is_due(world: Run, issue: Callable[..., str]) -> None:
    expired, soon, _ = issue("ana", 40, 30), issue("bea", 0, 3), issue("cleo", 0, 90)
    assert due_ids(world) == (7, [expired, soon])
    assert world("key", "due", "-o", "json").out.count('"status": "expired"') == 1
    overview = world().out
    assert "1 key without a successor" in overview
    assert "gamcli key due" in overview
    assert "1 key has expired without a successor" in world("doctor").out
    world("key", "generate", "--user", "ana", "--app", "portal")
    assert due_ids(world) == (7, [soon])
    assert "without a successor" not in world().out


def test_keys_of_blocked_users_and_disabled_applications_are_counted_apart(
    world: Run, issue: Callable[..., str]
) -> None:
    issue("ana", 0, 3)
    world("user", "block", "ana")
    issue("bea", 40, 30)
    world("user", "disable", "bea")
    ran = world("key", "due")
    assert (ran.code, ran.out) == (0, "")
    assert "1 key that is due cannot be rotated now: user 'ana' is blocked" in ran.err
    issue("dan", 0, 4)
    world("user", "block", "dan")
    two = "2 keys that are due cannot be rotated now; the first: user 'ana' is blocked"
    assert two in world("key", "due").err
    world("user", "unblock", "ana")
    key = issue("cleo", 0, 2)
    world("key", "disable", key)
    assert key not in world("key", "due").out


def test_a_successor_that_would_be_due_at_once_is_refused(world: Run, issue: Callable[..., str]) -> None:
    key = issue("ana", 0, 10)
    ran = world("key", "rotate", key, "--overlap", "1d", "--if-due", "14d")
    assert (ran.code, ran.hint) == (2, "use a window of at most 9d")
    assert len(world("key", "list", "-o", "json").json) == 1
    assert world("key", "rotate", key, "--overlap", "1d", "--if-due", "9d").code == 0


def test_an_overlap_ends_when_the_old_key_expires(world: Run, issue: Callable[..., str]) -> None:
    old = issue("ana", 28, 30)
    ran = world("key", "rotate", old, "--overlap", "7d", "-o", "json")
    shown = world("key", "show", old, "-o", "json").json
    assert shown["retires_at"] == shown["expires_at"]
    assert f"warning: key {old} expires before the overlap of 7d ends" in ran.err
    assert ran.json["replaces"] == old
    assert world("key", "show", ran.json["id"], "--field", "replaces").out == f"{old}\n"


def test_the_new_key_has_the_lifetime_of_the_old_one_or_of_the_application(
    world: Run, issue: Callable[..., str]
) -> None:
    old = issue("ana", 28, 30)
    ran = world("key", "rotate", old, "--overlap", "1d")
    assert "the new key has the same lifetime as the old one" in ran.err
    world("app", "update", "portal", "--api-key-timeout", "24")
    ran = world("key", "rotate", "--user", "ana", "--app", "portal", "--overlap", "1h")
    assert "the new key has the maximum lifetime of application 'portal'" in ran.err


def test_a_key_is_rotated_by_user_and_application(world: Run, issue: Callable[..., str]) -> None:
    old = issue("ana", 0, 30)
    assert world("key", "rotate", "--user", "ana", "--overlap", "0").code == 2
    assert world("key", "rotate", old, "--user", "ana", "--app", "portal", "--overlap", "0").code == 2
    assert (
        world("key", "rotate", "--user", "ana", "--app", "portal", "--overlap", "0", "-o", "json").json["replaces"]
        == old
    )
    world("user", "create", "bea")
    ran = world("key", "rotate", "--user", "bea", "--app", "portal", "--overlap", "0")
    assert (ran.code, ran.hint) == (3, "gamcli key generate --user bea --app portal")


def test_a_repeated_rotation_with_a_request_id_returns_the_same_key(world: Run, issue: Callable[..., str]) -> None:
    words = ("key", "rotate", issue("ana", 0, 30), "--overlap", "7d", "--request-id", "night-1")
    first, again = world(*words, "-o", "json").json, world(*words, "-o", "json").json
    assert first["id"] == again["id"]
    assert first["api_key"] != again["api_key"]
    assert len(world("key", "list", "-o", "json").json) == 2
    assert world(*words[:-3], "1d", *words[-2:]).code == 5


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ALL = ("key", "rotate", "--due", "14d", "--overlap", "7d")


def test_all_keys_that_are_due_are_rotated_into_a_file(world: Run, issue: Callable[..., str], place: Path) -> None:
    old = {issue(user, 25, 30) for user in ("ana", "bea", "cleo")}
    issue("dan", 0, 90)
    ran = world(*ALL, "--out", "new.csv")
    assert (ran.code, ran.out, ran.err) == (0, "", "gamcli: rotated 3 keys; written to new.csv\n")
    rows = read_rows(place / "new.csv")
    assert {row["replaces"] for row in rows} == old
    assert (place / "new.csv").stat().st_mode & 0o777 == 0o600
    for row in rows:
        assert world("key", "verify", "--api-key-file", "-", stdin=row["api_key"]).code == 0
    assert world(*ALL, "--out", "new.csv").err == "gamcli: rotated 0 keys; written to new.csv\n"
    assert read_rows(place / "new.csv") == rows


def test_an_interrupted_rotation_of_many_is_continued(world: Run, issue: Callable[..., str], place: Path) -> None:
    issue("ana", 25, 30)
    world(*ALL, "--out", "new.csv")
    with (place / "new.csv").open("a", encoding="utf-8") as file:
        file.write("unsaved1,bea,portal,c,gamkey_x,gam_user_data,,old\nK")
    issue("bea", 25, 30)
    assert world(*ALL, "--out", "new.csv").code == 0
    assert [row["user"] for row in read_rows(place / "new.csv")] == ["ana", "bea"]


def test_what_cannot_be_rotated_is_named_and_is_7(world: Run, issue: Callable[..., str], place: Path) -> None:
    issue("ana", 25, 30)
    blocked = issue("bea", 25, 30)
    short = issue("cleo", 0, 10)
    world("user", "block", "bea")
    ran = world(*ALL, "--out-dir", "new")
    assert ran.code == 7
    assert f"warning: not rotated: key {blocked} of bea for portal: user 'bea' is blocked" in ran.err
    assert f"warning: not rotated: key {short} of cleo for portal: the new key would be due" in ran.err
    assert ran.err.endswith("gamcli: rotated 1 key; written to new\n")
    (path,) = (place / "new").iterdir()
    assert world("key", "verify", "--api-key-file", str(path)).code == 0


def test_rotation_of_many_says_how_to_replace_an_expired_key(world: Run, issue: Callable[..., str]) -> None:
    expired = issue("ana", 31, 30)
    ran = world(*ALL, "--out", "new.csv")
    assert ran.code == 7
    reason = f"key {expired} is expired; gamcli key generate --user ana --app portal"
    assert f"warning: not rotated: key {expired} of ana for portal: {reason}\n" in ran.err


def test_rotation_of_many_can_be_limited_and_previewed(world: Run, issue: Callable[..., str], place: Path) -> None:
    issue("ana", 25, 30)
    issue("bea", 25, 30)
    assert world(*ALL, "--dry-run").err == "gamcli: would rotate 2 keys\n"
    assert world(*ALL, "--user", "bea", "--out", "new.csv").err.startswith("gamcli: rotated 1 key;")
    assert world(*ALL).code == 2
    (place / "other.csv").write_text("something\n")
    (place / "other.csv").chmod(0o600)
    assert world(*ALL, "--out", "other.csv").code == 5


def test_a_rename_keeps_keys_and_client_id(world: Run, api_key: str) -> None:
    client_id = world("app", "show", "portal", "--field", "client_id").out
    assert world("app", "rename", "portal", "gateway").err == "gamcli: renamed application 'portal' to 'gateway'\n"
    assert world("user", "rename", "ana", "anna").err == "gamcli: renamed user 'ana' to 'anna'\n"
    assert world("app", "show", "gateway", "--field", "client_id").out == client_id
    assert world("key", "verify", "--api-key-file", "-", "--app", "gateway", stdin=api_key).code == 0
    assert world("user", "show", "ana").code == 3
    assert "is unchanged" in world("user", "rename", "anna", "anna").err


def test_due_runs_a_command_for_each_key_with_its_record(world: Run, issue: Callable[..., str], place: Path) -> None:
    ids = [issue("ana", 25, 30), issue("bea", 26, 30)]
    due = world("key", "due", "--exec", "cat >>seen")
    assert due.code == 7
    assert all(key_id in due.out for key_id in ids)
    seen = [json.loads(line)["id"] for line in (place / "seen").read_text(encoding="utf-8").splitlines()]
    assert sorted(seen) == sorted(ids)
    empty = world("key", "due", "--exec", "")
    assert (empty.code, empty.out) == (7, due.out)
    ran = world("key", "due", "--exec", "exit 3")
    assert ran.code == 1
    assert ran.out == ""
    assert "exit code 3" in ran.err


def test_due_lists_the_keys_and_counts_those_that_cannot_be_rotated_in_every_format(
    world: Run, issue: Callable[..., str]
) -> None:
    ids = [issue("ana", 25, 30), issue("bea", 26, 30)]
    for output in ("json", "jsonl", "csv", "table"):
        listed = world("key", "due", "-o", output)
        assert listed.code == 7
        assert all(key_id in listed.out for key_id in ids)
    world("user", "block", "bea")
    rest = world("key", "due", "-o", "jsonl")
    assert (rest.code, len(rest.out.splitlines())) == (7, 1)
    assert "1 key that is due cannot be rotated now: user 'bea' is blocked" in rest.err


def test_a_key_expires_at_a_date(world: Run) -> None:
    words = ("key", "generate", "--user", "ana", "--app", "portal", "--expires-at")
    assert world(*words, "2090-06-30", "-o", "json").json["expires_at"] == "2090-06-30T00:00:00Z"
    again = world(*words, "2090-06-30T14:00:00+02:00", "--replace", "-o", "json").json
    assert again["expires_at"] == "2090-06-30T12:00:00Z"
    assert world(*words, "2001-01-01", "--replace").code == 2
    assert world(*words, "soon", "--replace").hint == "use a date such as 2027-06-30, or 2027-06-30T12:00:00Z"
    assert world(*words, "2090-06-30", "--expires-in", "1d").code == 2


def test_a_key_is_issued_only_if_it_is_missing(world: Run) -> None:
    words = ("key", "generate", "--user", "ana", "--app", "portal", "--label", "ci", "--if-missing")
    assert world(*words).out.startswith("gamkey_")
    again = world(*words)
    assert (again.code, again.out) == (0, "")
    assert again.err.startswith("gamcli: already exists: key ")
    assert world(*words[:-2], "other", "--if-missing").code == 5
    assert len(world("key", "list", "-o", "json").json) == 1


@pytest.mark.parametrize(("text", "hours"), [("90d", 2160), ("2160", 2160), ("36h", 36), ("2w", 336), ("0", 0)])
def test_the_timeout_of_keys_takes_hours_and_durations(world: Run, text: str, hours: int) -> None:
    assert world("app", "update", "portal", "--api-key-timeout", text).code == 0
    assert world("app", "show", "portal", "--field", "api_keys.timeout_hours").out == f"{hours}\n"


@pytest.mark.parametrize("text", ["90m", "soon", "-1", "1.5"])
def test_another_timeout_is_2(world: Run, text: str) -> None:
    assert world("app", "update", "portal", "--api-key-timeout", text).code == 2


def test_users_are_found_by_a_part_of_a_name_or_email(world: Run) -> None:
    world("user", "create", "bea", "--email", "bea@example.org", "--last-name", "Anaya")

    def find(text: str) -> list[str]:
        names: str = world("user", "list", "--search", text, "--field", "name").out
        return names.split()

    assert [find(text) for text in ("ana", "EXAMPLE.ORG", "b_a", "%", "nothing")] == [
        ["ana", "bea"],
        ["bea"],
        [],
        [],
        [],
    ]


def test_an_interrupted_rotation_leaves_no_file_for_a_key_that_was_never_saved(
    issue: Callable[..., str], ago: Ago, place: Path
) -> None:
    saved, unsaved, earlier = (keys.show(ago(0 * DAY), issue(user, 25, 30)) for user in ("ana", "bea", "cleo"))

    def rotate() -> None:
        with rotation_results.open_folder("new", {saved.id}.__contains__) as save:
            save(saved, Secret("one"))
            save(unsaved, Secret("two"))
            raise KeyboardInterrupt

    (place / "new").mkdir()
    (place / "new" / f".cleo-portal-{earlier.id}.key.part").write_text("a run that was killed")
    with pytest.raises(KeyboardInterrupt):
        rotate()
    (path,) = (place / "new").iterdir()
    assert (path.name, path.read_text(), path.stat().st_mode & 0o777) == (f"ana-portal-{saved.id}.key", "one\n", 0o600)
