"""`gamcli key`."""

import json
import re
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gamcli import model
from gamcli.actions import keys
from gamcli.commands import key_options
from gamcli.commands import tokens as tokens_at_the_command_line

Run = Callable[..., Any]

SECRET = re.compile(r"gamkey_([0-9A-Za-z]{8})_[0-9A-Za-z]{38}\n")
GENERATE = ["key", "generate", "--user", "ana", "--app", "portal"]


def ids(ran: Any) -> list[str]:  # noqa: ANN401 - Ran
    return [each["id"] for each in ran.json]


NEVER = (
    "gamcli: warning: keys of application '{0}' never expire; to limit them: "
    "gamcli app update {0} --api-key-timeout HOURS"
)
"""The warning about an application whose keys have no limit."""


def test_generate_prints_the_key_alone(world: Run) -> None:
    ran = world(*GENERATE)
    found = SECRET.fullmatch(ran.out)
    assert found
    message = f"key {found[1]} of ana for portal, never expires; save the secret now; it is not shown again"
    assert ran.err == f"gamcli: {message}\n{NEVER.format('portal')}\n"


def test_generate_takes_names_of_every_kind(world: Run) -> None:
    client_id = world("app", "show", "portal", "--field", "client_id").out.strip()
    found = world("key", "generate", "--user", "ana@example.com", "--app", client_id, "-o", "json").json
    assert (found["user"], found["app"], found["client_id"]) == ("ana", "portal", client_id)
    assert SECRET.fullmatch(found["api_key"] + "\n")
    assert [*found][-1] == "api_key"
    assert found["scopes"] == ["gam_user_data", "gam_user_roles"]


def test_generate_takes_every_option(world: Run) -> None:
    world("app", "update", "portal", "--api-key-scope-choice")
    words = ["--scope", "user_email+user_phone", "--scope", "gam_user_roles"]
    found = world(*GENERATE, *words, "--expires-in", "90d", "--label", "my [red]laptop", "-o", "json").json
    assert (found["auth_type"], found["label"], found["status"]) == (None, "my [red]laptop", "active")
    assert found["scopes"] == ["gam_user_roles", "user_email", "user_phone"]
    created, expires = (datetime.fromisoformat(found[name]) for name in ("created_at", "expires_at"))
    assert expires - created == timedelta(days=90)


def test_a_key_never_is_valid_longer_than_the_application_lets_it(world: Run) -> None:
    world("app", "update", "portal", "--api-key-timeout", "24")
    ran = world(*GENERATE, "--expires-in", "2d")
    assert ran.code == 0
    assert "warning: application 'portal' limits the lifetime of keys: this one expires " in ran.err
    assert "warning" not in world(*GENERATE, "--expires-in", "2h", "--replace").err
    found = world(*GENERATE, "--replace", "-o", "json").json
    left = datetime.fromisoformat(found["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(hours=24)


def test_a_key_with_an_end_is_not_warned_of(world: Run) -> None:
    ran = world(*GENERATE, "--expires-in", "90d")
    assert "warning" not in ran.err
    world("app", "update", "portal", "--api-key-timeout", "24")
    assert "warning" not in world(*GENERATE, "--replace").err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--user", "ana"], "missing option '--app'"),
        (["--app", "portal"], "missing option '--user'"),
        ([], "missing option '--user' and '--app'"),
    ],
    ids=str,
)
def test_what_a_key_needs_is_named(world: Run, words: list[str], message: str) -> None:
    ran = world("key", "generate", *words)
    assert (ran.code, ran.err.splitlines()[0]) == (2, f"gamcli: error: {message}")
    assert ran.hint == "--user USER --app APP, or --from FILE.csv"


def test_a_key_that_reveals_nothing_is_warned_of(world: Run) -> None:
    world("app", "create", "mute", "--remote-rest", "--api-keys")
    ran = world("--quiet", "key", "generate", "--user", "ana", "--app", "mute")
    assert SECRET.fullmatch(ran.out)
    message = "gamcli: warning: application 'mute' publishes no scopes: the key gives access to no data\n"
    assert ran.err == f"{NEVER.format('mute')}\n{message}"


REFUSED = {
    "no choice of scopes": ([], ["--scope", "user_email"], "let users choose scopes"),
    "a scope that is not published": (
        [["app", "update", "portal", "--api-key-scope-choice"]],
        ["--scope", "session_initial_prop"],
        "does not publish session_initial_prop",
    ),
    "a disabled application": ([["app", "disable", "portal"]], [], "disabled"),
    "remote REST off": ([["app", "update", "portal", "--no-remote-rest"]], [], "remote REST"),
    "API keys off": ([["app", "update", "portal", "--no-api-keys"]], [], "API keys"),
    "a disabled type": ([["auth-type", "update", "apikey", "--disable"]], [], "apikey"),
    "an inactive user": ([["user", "disable", "ana"]], [], "ana"),
    "a blocked user": ([["user", "block", "ana"]], [], "ana"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_generate_is_4_when_a_rule_says_no(world: Run, name: str) -> None:
    before, words, message = REFUSED[name]
    for each in before:
        assert world(*each).code == 0
    ran = world(*GENERATE, *words)
    assert ran.code == 4
    assert message in ran.err
    assert ran.hint
    assert world("key", "list", "-o", "json").json == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["key", "generate", "--user", "nope", "--app", "portal"], 3),
        (["key", "generate", "--user", "ana", "--app", "nope"], 3),
        (["key", "generate", "--user", "ana"], 2),
        (["key", "generate", "--app", "portal"], 2),
        ([*GENERATE, "--expires-in", "soon"], 2),
        ([*GENERATE, "--expires-in", "0d"], 2),
        ([*GENERATE, "--expires-in", "101y"], 2),
        ([*GENERATE, "--label", "a\x1bb"], 2),
        ([*GENERATE, "--label", "x" * 255], 2),
        ([*GENERATE, "--scope", "nope"], 2),
    ],
    ids=str,
)
def test_generate_refuses_what_cannot_be(world: Run, words: list[str], code: int) -> None:
    assert world(*words).code == code
    assert world("key", "list", "-o", "json").json == []


def test_an_earlier_option_for_the_authentication_type_is_ignored_with_a_warning(world: Run) -> None:
    ran = world(*GENERATE, "--auth-type", "apikey")
    assert (ran.code, len(ran.out)) == (0, 55)
    assert "gamcli: warning: --auth-type is ignored: a key is not bound to an authentication type\n" in ran.err
    assert "--auth-type" not in world("key", "generate", "--help").out
    again = world(*GENERATE, "--auth-type", "apikey", "-o", "json")
    assert (again.code, json.loads(again.err)["error"]["code"]) == (5, "conflict")


def test_an_active_key_stays_unless_it_is_replaced(world: Run, key_id: str) -> None:
    ran = world(*GENERATE)
    assert ran.code == 5
    assert f"an active key for application 'portal': {key_id}" in ran.err
    assert ran.hint == "add --replace to replace it now, or --overlap 7d to keep it valid for 7 days"
    new = world(*GENERATE, "--replace", "-o", "json").json["id"]
    found = {each["id"]: each for each in world("key", "list", "-o", "json").json}
    assert (found[key_id]["status"], found[key_id]["reason"]) == ("replaced", f"replaced by {new}")
    assert found[new]["status"] == "active"


def test_a_key_can_go_to_a_new_private_file(world: Run, place: Path) -> None:
    ran = world(*GENERATE, "--out", "key")
    assert (ran.code, ran.out) == (0, "")
    assert "; secret written to key\n" in ran.err
    assert SECRET.fullmatch((place / "key").read_text(encoding="utf-8"))
    assert stat.S_IMODE((place / "key").stat().st_mode) == 0o600


def test_a_file_that_is_there_stays_as_it_is_and_no_key_is_made(world: Run, place: Path) -> None:
    (place / "key").write_text("precious", encoding="utf-8")
    assert world(*GENERATE, "--out", "key").code == 5
    assert world(*GENERATE, "--out", "nowhere/key").code == 1
    assert world(*GENERATE, "--expires-in", "soon", "--out", "other").code == 2
    assert world("key", "generate", "--user", "nope", "--app", "portal", "--out", "other").code == 3
    assert (place / "key").read_text(encoding="utf-8") == "precious"
    assert [each.name for each in place.iterdir()] == ["key"]
    assert world("key", "list", "-o", "json").json == []


@pytest.fixture
def shelf(world: Run, ago: Run) -> dict[str, str]:
    for name in ("soon", "expired", "revoked", "replaced", "invalidated"):
        world("app", "create", name, "--remote-rest", "--api-keys", "--scope", "user_email")
    world("user", "create", "bob")
    yesterday = ago(timedelta(days=1))

    def made(user: str, app: str, length: timedelta | None = None) -> str:
        return keys.generate(yesterday, keys.KeySpec(user, app, expires_in=length)).record.id

    found = {
        "active": made("bob", "portal"),
        "soon": made("ana", "soon", timedelta(days=8)),
        "expired": made("ana", "expired", timedelta(hours=1)),
        "revoked": made("ana", "revoked"),
        "replaced": made("ana", "replaced"),
        "invalidated": made("ana", "invalidated"),
    }
    world("key", "revoke", found["revoked"], "--reason", "lost")
    world("key", "generate", "--user", "ana", "--app", "replaced", "--replace")
    world("app", "update", "invalidated", "--remove-scope", "user_email", "--accept-invalidating", "1")
    return found


def test_list_filters_by_every_status(world: Run, shelf: dict[str, str]) -> None:
    for status in ("expired", "revoked", "replaced", "invalidated"):
        assert ids(world("key", "list", "--status", status, "-o", "json")) == [shelf[status]]
    several = ids(world("key", "list", "--status", "revoked", "--status", "expired", "-o", "json"))
    assert sorted(several) == sorted([shelf["revoked"], shelf["expired"]])
    assert len(world("key", "list", "-o", "json").json) == 7
    assert len(world("key", "list", "--status", "active", "-o", "json").json) == 3
    assert world("key", "list", "--status", "retiring", "-o", "json").json == []


def test_list_filters_by_owner_application_and_expiry(world: Run, shelf: dict[str, str]) -> None:
    assert ids(world("key", "list", "--user", "bob", "-o", "json")) == [shelf["active"]]
    assert ids(world("key", "list", "--app", "SOON", "-o", "json")) == [shelf["soon"]]
    assert ids(world("key", "list", "--expiring-within", "14d", "-o", "json")) == [shelf["soon"]]
    assert ids(world("key", "list", "--expiring-within", "1d", "-o", "json")) == []
    assert world("key", "list", "--user", "nope").code == 3
    assert world("key", "list", "--app", "nope").code == 3
    assert world("key", "list", "--expiring-within", "soon").code == 2


def test_people_see_when_a_retiring_key_ends(world: Run, key_id: str) -> None:
    world("key", "rotate", key_id, "--overlap", "7d")
    (key,) = world("key", "list", "--expiring-within", "14d", "-o", "json").json
    assert (key["id"], key["status"], key["expires_at"]) == (key_id, "retiring", None)
    rows = {line.split()[0]: line.split()[4] for line in world("key", "list").out.splitlines()}
    assert rows.pop("ID") == "EXPIRES_AT"
    assert rows.pop(key_id) == key["retires_at"][:10]
    assert [*rows.values()] == ["never"]
    assert re.search(rf"{key_id} +portal +retiring +in [67] days", world("user", "show", "ana").out)
    assert re.search(rf"next to retire +{key_id} of ana in [67] days", world("app", "show", "portal").out)
    for status, found in (("active", []), ("retiring", [key_id])):
        assert ids(world("key", "list", "--status", status, "--expiring-within", "14d", "-o", "json")) == found
    assert world("key", "due", "--within", "14d").code == 0


def test_list_sorts_and_limits(world: Run, shelf: dict[str, str]) -> None:
    assert ids(world("key", "list", "--limit", "1", "-o", "json")) == [min(shelf.values(), key=[*shelf.values()].index)]
    by_id = ids(world("key", "list", "--sort", "id", "-o", "json"))
    assert by_id == sorted(by_id)
    assert ids(world("key", "list", "--sort", "-id", "-o", "json")) == by_id[::-1]


def test_the_record_says_when_and_why_a_key_ended(world: Run, shelf: dict[str, str]) -> None:
    found = world("key", "show", shelf["revoked"], "-o", "json").json
    assert (found["status"], found["reason"]) == ("revoked", "lost")
    assert found["ended_at"] is not None
    screen = world("key", "show", shelf["revoked"]).out
    assert screen.startswith(f"key  {shelf['revoked']}  revoked\n")
    assert "  reason              lost\n" in screen
    assert world("key", "show", shelf["expired"], "-o", "json").json["ended_at"] is None


def test_available_lists_the_applications_that_a_user_can_hold_a_key_for(world: Run, key_id: str) -> None:
    world("app", "create", "closed")
    world("app", "create", "open", "--remote-rest", "--api-keys")
    found = world("key", "list", "--user", "ana", "--available", "-o", "json").json
    assert [*found[0]] == ["app", "client_id", "status", "key"]
    assert [(each["app"], each["status"], each["key"]) for each in found] == [
        ("open", "none", None),
        ("portal", "active", key_id),
    ]
    assert len(world("key", "list", "--user", "ana", "--available", "--limit", "1", "-o", "json").json) == 1
    ran = world("key", "list", "--available")
    assert (ran.code, ran.hint) == (2, "gamcli key list --available --user USER")


def test_revoke_ends_keys_by_id_and_says_so_when_they_have_ended(world: Run, key_id: str) -> None:
    ran = world("key", "revoke", key_id, "--reason", "lost")
    assert ran == (0, "", f"gamcli: revoked key {key_id} of ana for portal\n")
    again = world("key", "revoke", key_id)
    assert again.code == 0
    assert again.err == f"gamcli: not revoked, because it is already revoked: key {key_id} of ana for portal\n"
    found = world("key", "revoke", key_id, "-o", "json").json
    assert (found["id"], found["status"], found["reason"]) == (key_id, "revoked", "lost")


def test_revoke_takes_several_ids_or_none(world: Run, key_id: str) -> None:
    world("user", "create", "bob")
    other = world("key", "generate", "--user", "bob", "--app", "portal", "--field", "id").out.strip()
    assert world("key", "revoke", key_id, "nope").code == 3
    assert world("key", "list", "--status", "revoked", "-o", "json").json == []
    ran = world("key", "revoke", key_id, other)
    assert ran.err.splitlines()[-1] == "gamcli: revoked 2 keys"
    assert [each["status"] for each in world("key", "revoke", key_id, other, "-o", "json").json] == ["revoked"] * 2


def test_revoke_takes_the_key_itself_from_stdin_or_a_file(world: Run, api_key: str, place: Path) -> None:
    (place / "key").write_text(api_key, encoding="utf-8")
    ran = world("key", "revoke", "--api-key-file", "-", "--reason", "found in a log", stdin=f"{api_key}\n")
    assert ran == (0, "", f"gamcli: revoked key {api_key[7:15]} of ana for portal\n")
    assert world("key", "revoke", "--api-key-file", "key", "-o", "json").json["reason"] == "found in a log"


def test_revoke_refuses_a_secret_that_is_not_a_key_of_this_store(world: Run, api_key: str) -> None:
    world(*GENERATE, "--replace")
    damaged = world("key", "revoke", "--api-key-file", "-", stdin=api_key[:-1])
    assert damaged.code == 2
    assert "wrong format or checksum" in damaged.err
    assert world("key", "revoke", "--api-key-file", "-", stdin="").code == 2
    world("app", "delete", "portal", "--accept-invalidating", "1")
    assert world("key", "revoke", "--api-key-file", "-", stdin=api_key).code == 3


@pytest.mark.parametrize("words", [["--user", "ana"], ["--app", "portal"], ["--user", "ana", "--app", "portal"]])
def test_revoke_of_all_keys_needs_their_number(world: Run, key_id: str, words: list[str]) -> None:
    ran = world("key", "revoke", *words)
    assert (ran.code, ran.hint) == (5, "add --accept-invalidating 1 to confirm")
    assert key_id in ran.err
    assert world("key", "revoke", *words, "--accept-invalidating", "2").code == 5
    assert world("key", "show", key_id, "--field", "status").out == "active\n"
    done = world("key", "revoke", *words, "--accept-invalidating", "1", "--reason", "gone")
    assert done.err == f"gamcli: revoked key {key_id} of ana for portal\ngamcli: revoked 1 key\n"
    assert world("key", "revoke", *words) == (0, "", "gamcli: revoked 0 keys\n")
    assert world("key", "revoke", *words, "-o", "json").json == []


@pytest.mark.parametrize("words", [[], ["x", "--user", "ana"], ["x", "--api-key-file", "-"]], ids=str)
def test_revoke_takes_one_way_of_naming_keys(world: Run, words: list[str]) -> None:
    ran = world("key", "revoke", *words)
    assert (ran.code, ran.hint) == (2, "gamcli key revoke KEY")


def test_rotate_prints_the_next_key_alone_and_says_when_the_old_one_retires(world: Run) -> None:
    old = world(*GENERATE).out[7:15]
    ran = world("key", "rotate", old, "--overlap", "7d")
    found = SECRET.fullmatch(ran.out)
    assert found
    assert f"{old} stays valid for 7d" in ran.err
    assert [each["status"] for each in world("key", "list", "-o", "json").json] == ["retiring", "active"]


def test_rotate_does_nothing_before_a_key_is_due(world: Run) -> None:
    old = world(*GENERATE, "--expires-in", "90d").out[7:15]
    ran = world("key", "rotate", old, "--overlap", "0", "--if-due", "14d")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith("gamcli: not due for rotation yet")
    assert len(world("key", "list", "-o", "json").json) == 1


def test_rotate_needs_an_overlap_and_an_active_key(world: Run) -> None:
    old = world(*GENERATE).out[7:15]
    assert world("key", "rotate", old).code == 2
    assert world("key", "rotate", old, "--overlap", "soon").code == 2
    world("key", "revoke", old)
    ran = world("key", "rotate", old, "--overlap", "0")
    assert (ran.code, ran.hint) == (4, "gamcli key generate --user ana --app portal")


def test_generate_can_let_the_active_key_retire(world: Run) -> None:
    world(*GENERATE)
    assert world(*GENERATE, "--overlap", "1h", "--replace").code == 2
    assert world(*GENERATE, "--overlap", "1h").code == 0
    assert [each["status"] for each in world("key", "list", "-o", "json").json] == ["retiring", "active"]


def test_due_lists_active_keys_that_expire_soon_and_says_so_with_7(world: Run, program: Run) -> None:
    world("user", "create", "ben")
    world("user", "create", "eva")
    world("key", "generate", "--user", "eva", "--app", "portal")
    later = world(*GENERATE, "--expires-in", "10d").out[7:15]
    sooner = world("key", "generate", "--user", "ben", "--app", "portal", "--expires-in", "2d").out[7:15]
    ran = program("key", "due", "--within", "14d", "--field", "id")
    assert (ran.code, ran.out) == (7, f"{sooner}\n{later}\n")
    world("key", "rotate", sooner, "--overlap", "1d")
    world("key", "revoke", later)
    assert program("key", "due", "--within", "1d").code == 0
    assert world("key", "due", "--within", "1d", "-o", "json").json == []


def test_the_statuses_that_lists_take_are_those_of_the_records() -> None:
    assert tuple(key_options.KeyStatus) == model.KEY_STATUSES
    assert tuple(tokens_at_the_command_line.TokenStatus) == model.TOKEN_STATUSES


def test_a_key_is_disabled_shown_and_enabled_again(world: Run) -> None:
    key = world(*GENERATE).out[7:15]
    ran = world("key", "disable", key, "--reason", "leaving")
    assert ran.err.splitlines() == [
        f"gamcli: disabled key {key}",
        f"gamcli: warning: this suspends 1 active key; to undo it: gamcli key enable {key}",
    ]
    shown = world("key", "show", key, "-o", "json").json
    assert (shown["status"], shown["enabled"], shown["reason"]) == ("active", False, "leaving")
    assert shown["disabled_at"]
    assert "disabled" in world("key", "list").out
    assert "no: the API key is suspended: it was disabled" in world("key", "show", key).out
    assert "disabled" in world().out
    assert f"{key}\n" == world("key", "list", "--disabled", "--field", "id").out
    assert "1 key is disabled" in world("doctor").out
    assert world("key", "enable", key).err == f"gamcli: enabled key {key}\n"
    assert world("key", "list", "--disabled", "-o", "json").json == []


def test_the_label_of_a_key_can_be_changed(world: Run) -> None:
    key = world(*GENERATE).out[7:15]
    assert world("key", "update", key, "--label", "ci-eu").err == f"gamcli: updated key {key}\n"
    assert world("key", "list", "--label", "ci-*", "--field", "id").out == f"{key}\n"
    assert world("key", "list", "--label", "cd-*", "--field", "id").out == ""


def test_a_key_that_ended_is_not_disabled(world: Run) -> None:
    key = world(*GENERATE).out[7:15]
    world("key", "revoke", key)
    ran = world("key", "disable", key)
    assert (ran.code, ran.err) == (0, f"gamcli: not disabled, because it is already revoked: key {key}\n")
    assert world("key", "enable", key).code == 4


def test_an_incomplete_id_revokes_only_with_yes(world: Run) -> None:
    key = world(*GENERATE).out[7:15]
    short = world("key", "revoke", key[:3])
    assert (short.code, short.hint) == (2, f"use at least 4 characters of the ID, such as {key}")
    ran = world("key", "revoke", key[:4])
    assert (ran.code, ran.hint) == (2, f"gamcli key revoke {key}, or add --yes")
    assert f"selects key {key} of ana for portal, never used" in ran.err
    assert world("key", "show", key, "--field", "status").out == "active\n"
    assert world("key", "revoke", key[:4], "--yes").err == f"gamcli: revoked key {key} of ana for portal\n"


def test_a_terminal_asks_before_an_incomplete_id_revokes(world: Run, terminal: Run) -> None:
    key = world(*GENERATE).out[7:15]
    kept = terminal("key", "revoke", key[:4], answers=[("revoke?", "n")])
    assert (kept.code, kept.out.splitlines()[-1].strip()) == (1, "gamcli: nothing was changed")
    assert f"key {key} of ana for portal, never used; revoke? [y/N]" in kept.out
    assert "error" not in kept.out
    assert terminal("key", "revoke", key[:4], answers=[("revoke?", "y")]).code == 0
    assert world("key", "show", key, "--field", "status").out == "revoked\n"


def test_a_third_retiring_key_of_a_pair_is_refused(world: Run) -> None:
    ids = [world(*GENERATE).out[7:15]]
    for _ in range(2):
        ids.append(world("key", "rotate", ids[-1], "--overlap", "7d").out[7:15])
    ran = world("key", "rotate", ids[-1], "--overlap", "7d")
    assert ran.code == 5
    assert f"already has 2 retiring keys for application 'portal': {ids[0]} and {ids[1]}" in ran.err
    assert ran.hint.startswith(f"gamcli key revoke {ids[0]}, or wait until it retires at ")
    assert world(*GENERATE, "--overlap", "7d").code == 5
    assert world("key", "rotate", ids[-1], "--overlap", "0").code == 0
    assert world("key", "revoke", ids[0]).code == 0
    assert world(*GENERATE, "--overlap", "7d").code == 0


def test_a_change_that_ends_many_keys_shows_ten_of_them(world: Run, many_keys: int) -> None:
    ran = world("key", "revoke", "--app", "portal")
    lines = ran.err.splitlines()
    assert (ran.code, len(lines)) == (5, 13)
    assert lines[-2] == f"gamcli:   … and {many_keys - 10:,} more; --show-all lists all"
    assert len(world("key", "revoke", "--app", "portal", "--show-all").err.splitlines()) == many_keys + 2
    done = world("key", "revoke", "--app", "portal", "--accept-invalidating", str(many_keys))
    assert done.err == f"gamcli: revoked {many_keys:,} keys\n"


def test_a_terminal_asks_for_the_number_of_many_keys(world: Run, terminal: Run, many_keys: int) -> None:
    words = ("key", "revoke", "--app", "portal")
    kept = terminal(*words, answers=[(f"type {many_keys} to continue", "y")])
    assert (kept.code, kept.out.splitlines()[-1].strip()) == (1, "gamcli: nothing was changed")
    assert "… and 1,990 more" in kept.out
    assert terminal(*words, answers=[(f"type {many_keys} to continue", str(many_keys))]).code == 0
    assert world("key", "list", "--status", "active", "-o", "json").json == []
