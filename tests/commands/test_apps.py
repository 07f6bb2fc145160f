"""`gamcli app`."""

import re
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gamcli.actions import Gam, apps
from tests.cases import for_each

Run = Callable[..., Any]

SECRET = re.compile(r"gamsec_[0-9A-Za-z]{46}\n")
EXISTING_SECRET = "a-secret-brought-along-of-40-characters."


def named(ran: Any) -> list[str]:  # noqa: ANN401 - Ran
    return [each["name"] for each in ran.json]


def test_create_prints_the_secret_alone(world: Run) -> None:
    ran = world("app", "create", "new")
    assert SECRET.fullmatch(ran.out)
    client_id = world("app", "show", "new", "--field", "client_id").out.strip()
    assert re.fullmatch("[0-9a-f]{32}", client_id)
    message = f"created application 'new', client ID {client_id}; save the secret now; it is not shown again"
    assert ran.err == f"gamcli: {message}\n"


def test_create_says_that_keys_never_expire(world: Run) -> None:
    words = ["--remote-rest", "--api-keys"]
    assert (
        "its API keys never expire; set a limit with --api-key-timeout HOURS" in world("app", "create", "a", *words).err
    )
    assert "never" not in world("app", "create", "b", *words, "--api-key-timeout", "2160").err
    assert "never" not in world("app", "create", "c").err


def test_create_takes_every_setting(world: Run) -> None:
    found = world(
        "app", "create", "full", "--description", "Everything", "--scope", "user_email+gam_user_roles", "--scope",
        "user_phone", "--remote-rest", "--api-keys", "--api-key-timeout", "24", "--api-key-auth-type", "APIKEY",
        "--api-key-scope-choice", "--token-timeout", "5", "--token-renewals", "3", "--require-scope",
        "--no-share-user-ids", "--one-token-per-user", "--client-id", "portal-0123456789-0123456789-0123",
        "-o", "json",
    ).json  # fmt: skip
    assert SECRET.fullmatch(found.pop("client_secret") + "\n")
    assert {name: value for name, value in found.items() if not name.endswith("_at")} == {
        "name": "full",
        "client_id": "portal-0123456789-0123456789-0123",
        "description": "Everything",
        "enabled": True,
        "scopes": ["gam_user_roles", "user_email", "user_phone"],
        "grants": 0,
        "remote_rest": True,
        "api_keys": {"enabled": True, "timeout_hours": 24, "auth_type": "apikey", "scope_choice": True},
        "token": {"timeout_minutes": 5, "renewals": 3},
        "require_scope": True,
        "share_user_ids": False,
        "one_token_per_user": True,
        "managed_by": None,
    }
    assert world("app", "show", "full", "-o", "json").json == found


def test_create_keeps_a_secret_that_was_provided(world: Run, place: Path) -> None:
    (place / "secret").write_text(f"{EXISTING_SECRET}\n", encoding="utf-8")
    ran = world("app", "create", "one", "--client-secret-file", "secret")
    assert (ran.code, ran.out) == (0, "")
    found = world(
        "app", "create", "two", "--client-secret-file", "-", "-o", "json", stdin=f"{EXISTING_SECRET}\r\n"
    ).json
    assert "client_secret" not in found
    again = ["app", "create", "one", "--if-missing", "--client-secret-file", "-"]
    assert world(*again, stdin=EXISTING_SECRET).code == 0
    assert world(*again, stdin=EXISTING_SECRET[::-1]).code == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("short", "invalid client secret"),
        ("blank in it" * 4, "invalid client secret"),
        (None, "no such file"),
    ],
)
def test_create_refuses_a_secret_that_is_invalid(world: Run, place: Path, text: str | None, message: str) -> None:
    if text is not None:
        (place / "secret").write_text(text, encoding="utf-8")
    ran = world("app", "create", "new", "--client-secret-file", "secret")
    assert ran.code == 2
    assert message in ran.err.lower()
    assert not text or text not in ran.err
    assert world("app", "show", "new").code == 3


def test_create_of_what_is_there_is_5_unless_it_may_be(world: Run) -> None:
    for name in ("portal", "PORTAL"):
        assert world("app", "create", name).code == 5
    same = ["--scope", "gam_user_data+gam_user_roles", "--remote-rest", "--api-keys"]
    ran = world("app", "create", "portal", *same, "--if-missing")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith("gamcli: already exists with these settings: application 'portal', client ID ")
    assert "client_secret" not in world("app", "create", "portal", *same, "--if-missing", "-o", "json").json
    assert world("app", "create", "portal", "--token-timeout", "1", "--if-missing").code == 5
    assert SECRET.fullmatch(world("app", "create", "fresh", "--if-missing").out)


@for_each(
    "words",
    [
        ["--api-keys"],
        ["--api-key-timeout", "-1"],
        ["--token-timeout", "x"],
        ["--scope", "nope"],
        ["--client-id", "ñ" * 32],
    ],
)
def test_create_refuses_what_cannot_be_and_makes_nothing(world: Run, words: list[str]) -> None:
    assert world("app", "create", "new", *words).code == 2
    assert world("app", "show", "new").code == 3


@pytest.mark.parametrize("name", ["two words", "[red]x", "añá 漢字 🦊", "a/b", "-dash", "it's", "x" * 254, "%s {0}"])
def test_a_name_is_shown_as_text(world: Run, name: str) -> None:
    assert world("app", "create", "--", name).code == 0
    for form in ("table", "json", "jsonl", "csv"):
        assert name in world("app", "show", "-o", form, "--", name).out
        assert name in world("app", "list", "-o", form).out
    assert world("app", "show", "--field", "name", "--", name).out == f"{name}\n"


def test_list_filters_sorts_and_limits(world: Run) -> None:
    world("app", "create", "plain")
    world("app", "create", "rest", "--remote-rest")
    world("app", "disable", "plain")
    assert named(world("app", "list", "-o", "json")) == ["plain", "portal", "rest"]
    assert named(world("app", "list", "--enabled", "-o", "json")) == ["portal", "rest"]
    assert named(world("app", "list", "--disabled", "-o", "json")) == ["plain"]
    assert named(world("app", "list", "--remote-rest", "-o", "json")) == ["portal", "rest"]
    assert named(world("app", "list", "--no-remote-rest", "-o", "json")) == ["plain"]
    assert named(world("app", "list", "--api-keys", "-o", "json")) == ["portal"]
    assert named(world("app", "list", "--no-api-keys", "-o", "json")) == ["plain", "rest"]
    assert named(world("app", "list", "--sort", "-name", "--limit", "2", "-o", "json")) == ["rest", "portal"]
    assert named(world("app", "list", "--limit", "0", "-o", "json")) == []
    assert world("app", "list", "--limit", "-1").code == 2


def test_update_changes_what_is_named(world: Run) -> None:
    before = world("app", "show", "portal", "-o", "json").json
    ran = world("app", "update", "portal", "--token-timeout", "5")
    assert ran == (0, "", "gamcli: updated application 'portal'\n")
    after = world("app", "show", "portal", "-o", "json").json
    assert after["token"] == {"timeout_minutes": 5, "renewals": 0}
    unchanged = before.keys() - {"token", "updated_at"}
    assert {name: after[name] for name in unchanged} == {name: before[name] for name in unchanged}
    for words in (["--token-timeout", "5"], []):
        again = world("app", "update", "portal", *words)
        assert again == (0, "", "gamcli: application 'portal' is unchanged: it already has these settings\n")


def test_update_edits_scopes(world: Run) -> None:
    words = ["app", "update", "portal", "-o", "json"]
    added = world(*words, "--add-scope", "session_initial_prop").json["scopes"]
    assert added == ["gam_user_data", "gam_user_roles", "session_initial_prop"]
    assert world(*words, "--remove-scope", "gam_user_roles").json["scopes"] == ["gam_user_data", "session_initial_prop"]
    assert world(*words, "--scope", "user_email+user_phone").json["scopes"] == ["user_email", "user_phone"]
    assert world("app", "update", "portal", "--add-scope", "user_city", "--remove-scope", "user_city").code == 2


@pytest.mark.usefixtures("api_key")
def test_withdrawing_a_scope_needs_the_number_of_keys_that_end(world: Run) -> None:
    words = ["app", "update", "portal", "--remove-scope", "gam_user_roles"]
    ran = world(*words)
    assert (ran.code, ran.hint) == (5, "add --accept-invalidating 1 to confirm")
    assert "ana for portal, never used: scope withdrawn: gam_user_roles" in ran.err
    assert world(*words, "--accept-invalidating", "3").code == 5
    assert world("key", "list", "--field", "status").out == "active\n"
    ended = world(*words, "--accept-invalidating", "1")
    assert ended == (0, "", "gamcli: updated application 'portal'; permanently invalidated 1 key\n")
    assert world("key", "list", "--field", "status").out == "invalidated\n"


SUSPENDING = {
    "disable": (["app", "disable", "portal"], "gamcli app enable portal"),
    "no remote REST": (["app", "update", "portal", "--no-remote-rest"], "gamcli app update portal --remote-rest"),
    "no API keys": (["app", "update", "portal", "--no-api-keys"], "gamcli app update portal --api-keys"),
    "another type": (
        ["app", "update", "portal", "--api-key-auth-type", "other"],
        "gamcli app update portal --api-key-auth-type any",
    ),
}


@pytest.mark.usefixtures("api_key")
@pytest.mark.parametrize("name", SUSPENDING)
def test_what_suspends_keys_is_done_at_once_and_says_how_to_undo_it(world: Run, name: str) -> None:
    words, undo = SUSPENDING[name]
    world("auth-type", "create", "other", "--type", "APIkey", "--disable")
    before = world("app", "show", "portal", "-o", "json").json
    ran = world(*words)
    assert (ran.code, ran.out) == (0, "")
    assert f"gamcli: warning: this suspends 1 active key; to undo it: {undo}\n" in ran.err
    assert world(*undo.split()[1:]).code == 0
    after = world("app", "show", "portal", "-o", "json").json
    assert {**after, "updated_at": ""} == {**before, "updated_at": ""}


def test_enable_and_disable_switch(world: Run) -> None:
    assert world("app", "disable", "portal", "-o", "json").json["enabled"] is False
    assert "it already has these settings" in world("app", "disable", "portal").err
    assert world("app", "enable", "portal").err == "gamcli: enabled application 'portal'\n"


def test_api_keys_stay_on_while_remote_rest_is_off(world: Run) -> None:
    assert world("app", "update", "portal", "--no-remote-rest", "-o", "json").json["api_keys"]["enabled"] is True
    ran = world("app", "update", "portal", "--api-keys")
    assert (ran.code, ran.hint) == (2, "add --remote-rest")


def test_rotate_secret_prints_the_new_secret_alone(world: Run, sql: Run) -> None:
    before = sql("SELECT secret_digest FROM app")
    ran = world("app", "rotate-secret", "portal", "--overlap", "0")
    assert SECRET.fullmatch(ran.out)
    assert ran.err.startswith("gamcli: application 'portal' has a new secret; the old one is revoked; save the secret")
    assert sql("SELECT secret_digest FROM app") != before
    assert SECRET.fullmatch(
        world("app", "rotate-secret", "portal", "--overlap", "0", "-o", "json").json["client_secret"] + "\n"
    )
    assert SECRET.fullmatch(world("app", "rotate-secret", "portal", "--overlap", "0", "--field", "client_secret").out)


def test_rotate_secret_lets_the_old_one_retire(world: Run, ago: Callable[[timedelta], Gam]) -> None:
    ran = world("app", "rotate-secret", "portal", "--overlap", "24h")
    assert SECRET.fullmatch(ran.out)
    assert ran.err.startswith(
        "gamcli: application 'portal' has a new secret; the old one stays valid for 24h; save the"
    )
    until = world("app", "show", "portal", "--field", "secret_retires_at").out.strip()
    assert timedelta(hours=23) < datetime.fromisoformat(until) - datetime.now(UTC) < timedelta(hours=25)
    assert f"secret_retires_at       in 24 hours ({until[:10]} {until[11:16]}Z)\n" in world("app", "show", "portal").out
    apps.rotate_secret(ago(timedelta(days=2)), "portal", overlap=timedelta(days=1))
    assert world("app", "show", "portal", "-o", "json").json["secret_retires_at"] is None
    assert world("app", "rotate-secret", "portal", "--overlap", "7d", "-o", "json").json["secret_retires_at"]
    ended = world("app", "rotate-secret", "portal", "--overlap", "0", "-o", "json")
    assert ended.json["secret_retires_at"] is None


def test_a_dry_run_reports_when_the_old_secret_would_retire(world: Run, sql: Run) -> None:
    before = sql("SELECT * FROM app")
    ran = world("app", "rotate-secret", "portal", "--overlap", "24h", "--dry-run", "-o", "json")
    (change,) = ran.json["changes"]
    assert [each["field"] for each in change["fields"]] == ["secret_retires_at", "client_secret"]
    assert world("app", "rotate-secret", "portal", "--overlap", "soon").code == 2
    assert sql("SELECT * FROM app") == before


@pytest.mark.parametrize("words", [["create", "new"], ["rotate-secret", "portal", "--overlap", "0"]], ids=str)
def test_a_secret_can_go_to_a_new_private_file(world: Run, place: Path, words: list[str]) -> None:
    ran = world("app", *words, "--out", "secret")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.endswith("; secret written to secret\n")
    assert SECRET.fullmatch((place / "secret").read_text(encoding="utf-8"))
    assert stat.S_IMODE((place / "secret").stat().st_mode) == 0o600


@pytest.mark.parametrize("words", [["create", "new"], ["rotate-secret", "portal", "--overlap", "0"]], ids=str)
def test_a_file_that_is_there_stays_as_it_is_and_nothing_is_done(
    world: Run, place: Path, sql: Run, words: list[str]
) -> None:
    (place / "secret").write_text("precious", encoding="utf-8")
    before = sql("SELECT * FROM audit"), sql("SELECT * FROM app")
    assert world("app", *words, "--out", "secret").code == 5
    assert world("app", *words, "--out", "nowhere/secret").code == 1
    assert (place / "secret").read_text(encoding="utf-8") == "precious"
    assert (sql("SELECT * FROM audit"), sql("SELECT * FROM app")) == before


def test_a_file_gets_no_secret_when_nothing_is_made(world: Run, place: Path) -> None:
    assert world("app", "create", "portal", "--out", "secret").code == 5
    assert world("app", "rotate-secret", "nope", "--overlap", "0", "--out", "secret").code == 3
    assert [*place.iterdir()] == []


def test_delete_needs_a_yes(world: Run) -> None:
    ran = world("app", "delete", "portal")
    assert (ran.code, ran.hint) == (2, "add --yes to confirm")
    assert world("app", "delete", "portal", "--yes") == (0, "", "gamcli: deleted application 'portal'\n")
    assert world("app", "delete", "portal", "--yes").code == 3


@pytest.mark.usefixtures("api_key")
def test_delete_needs_the_number_of_keys_that_end(world: Run) -> None:
    assert world("app", "delete", "portal", "--yes").code == 5
    assert world("app", "delete", "portal", "--accept-invalidating", "0").code == 5
    ran = world("app", "delete", "portal", "--accept-invalidating", "1", "-o", "json")
    assert ran.json["name"] == "portal"
    assert world("app", "list", "-o", "json").json == []


def test_no_name_is_another_applications_client_id_in_any_case(world: Run) -> None:
    client_id = world("app", "show", "portal", "--field", "client_id").out.strip()
    assert world("app", "create", client_id.upper()).code == 5
    assert world("app", "create", "other", "--client-id", client_id.upper()).code == 5


def test_all_scopes_and_some_scopes_are_not_named_together(world: Run) -> None:
    assert world("app", "update", "portal", "--scope", "user_email", "--add-scope", "user_city").code == 2
    assert world("app", "update", "portal", "--scope", "user_email", "--remove-scope", "user_email").code == 2


def test_a_wrong_count_is_refused_when_no_key_ends_too(world: Run) -> None:
    assert world("app", "create", "empty").code == 0
    assert world("app", "delete", "empty", "--accept-invalidating", "3").code == 5
    assert world("app", "delete", "empty", "--accept-invalidating", "0").code == 0


def test_switching_on_keys_that_never_expire_says_so(world: Run) -> None:
    world("app", "create", "gate")
    assert "never expire" in world("app", "update", "gate", "--remote-rest", "--api-keys").err
    assert "never expire" not in world("app", "update", "gate", "--api-key-timeout", "24").err


def test_a_secret_that_was_provided_is_not_written_out(world: Run, place: Path) -> None:
    (place / "secret").write_text("x" * 40, encoding="utf-8")
    assert world("app", "create", "old", "--client-secret-file", "secret", "--out", "out").code == 2
    assert not (place / "out").exists()


def test_rotate_secret_has_to_be_given_an_overlap(world: Run, sql: Run) -> None:
    before = sql("SELECT secret_digest FROM app")
    ran = world("app", "rotate-secret", "portal")
    assert ran.code == 2
    assert "--overlap" in ran.err
    assert sql("SELECT secret_digest FROM app") == before
