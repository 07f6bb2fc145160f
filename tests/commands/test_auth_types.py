"""`gamcli auth-type`."""

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]


def named(ran: Any) -> list[str]:  # noqa: ANN401 - Ran
    return [each["name"] for each in ran.json]


def test_create_makes_an_authentication_type(world: Run) -> None:
    ran = world("auth-type", "create", "partners", "--type", "APIkey", "--description", "For partners")
    assert ran == (0, "", "gamcli: created authentication type 'partners'\n")
    found = world("auth-type", "show", "partners", "-o", "json").json
    assert (found["type"], found["description"], found["enabled"]) == ("APIkey", "For partners", True)
    off = world("auth-type", "create", "later", "--type", "GAMLocal", "--disable", "-o", "json").json
    assert (off["type"], off["enabled"], off["default"]) == ("GAMLocal", False, False)


def test_create_of_what_is_there_is_5_unless_it_may_be(world: Run) -> None:
    words = ["auth-type", "create", "apikey", "--type", "APIkey"]
    assert world(*words).code == 5
    assert (
        world(*words, "--if-missing").err
        == "gamcli: already exists with these settings: authentication type 'apikey'\n"
    )
    assert world(*words, "--if-missing", "--description", "other").code == 5
    assert world("auth-type", "create", "fresh", "--type", "APIkey", "--if-missing").code == 0


@pytest.mark.parametrize("words", [["--type", "nope"], [], ["--type", "APIkey", "--description", "x" * 121]], ids=str)
def test_create_refuses_what_cannot_be(world: Run, words: list[str]) -> None:
    assert world("auth-type", "create", "new", *words).code == 2


def test_list_filters_sorts_and_limits(world: Run) -> None:
    world("auth-type", "create", "zeta", "--type", "APIkey", "--disable")
    assert named(world("auth-type", "list", "-o", "json")) == ["apikey", "local", "zeta"]
    assert named(world("auth-type", "list", "--type", "APIkey", "-o", "json")) == ["apikey", "zeta"]
    assert named(world("auth-type", "list", "--enabled", "-o", "json")) == ["apikey"]
    assert named(world("auth-type", "list", "--disabled", "-o", "json")) == ["local", "zeta"]
    assert named(world("auth-type", "list", "--sort", "-name", "-o", "json")) == ["zeta", "local", "apikey"]
    assert named(world("auth-type", "list", "--limit", "1", "-o", "json")) == ["apikey"]


def test_update_changes_what_is_named(world: Run) -> None:
    assert world("auth-type", "update", "local", "--enable").err == "gamcli: updated authentication type 'local'\n"
    again = world("auth-type", "update", "LOCAL", "--enable")
    assert again == (0, "", "gamcli: authentication type 'local' is unchanged: it already has these settings\n")
    assert world("auth-type", "update", "local", "--description", "", "-o", "json").json["description"] == ""
    assert world("auth-type", "update", "local", "--disable", "-o", "json").json["enabled"] is False


@pytest.mark.usefixtures("api_key")
def test_disabling_a_type_suspends_its_keys_and_says_how_to_undo_it(world: Run) -> None:
    ran = world("auth-type", "update", "apikey", "--disable")
    assert (ran.code, ran.out) == (0, "")
    undo = "gamcli auth-type update apikey --enable"
    assert f"gamcli: warning: this suspends 1 active key; to undo it: {undo}\n" in ran.err
    assert world(*undo.split()[1:]).code == 0


def test_set_default_names_the_default_of_the_repository(world: Run) -> None:
    world("auth-type", "create", "partners", "--type", "APIkey")
    assert "is now the default" in world("auth-type", "set-default", "Partners").err
    assert "is already the default" in world("auth-type", "set-default", "partners").err
    found = world("auth-type", "list", "-o", "json").json
    assert [each["name"] for each in found if each["default"]] == ["partners"]
    assert world("auth-type", "set-default", "apikey", "-o", "json").json["default"] is True


def test_delete_needs_a_yes_and_no_need(world: Run) -> None:
    assert world("auth-type", "delete", "apikey").code == 2
    assert world("auth-type", "delete", "apikey", "--yes").err == "gamcli: deleted authentication type 'apikey'\n"
    assert world("auth-type", "delete", "local", "--yes").code == 5
    world("auth-type", "create", "one", "--type", "APIkey")
    world("app", "update", "portal", "--api-key-auth-type", "one")
    ran = world("auth-type", "delete", "one", "--yes")
    assert (ran.code, ran.hint) == (5, "gamcli app update portal --api-key-auth-type any")
