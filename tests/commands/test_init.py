"""`gamcli init`."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]


def test_init_makes_a_private_store_with_its_first_types(gamcli: Run, place: Path) -> None:
    file = place / "new" / "gam.db"
    ran = gamcli("--store", str(file), "init")
    assert (ran.code, ran.out) == (0, "")
    assert f"gamcli: created the store {file}, repository " in ran.err
    assert [stat.S_IMODE(each.stat().st_mode) for each in (file, file.parent)] == [0o600, 0o700]
    found = gamcli("--store", str(file), "auth-type", "list", "-o", "json").json
    assert [(each["name"], each["type"], each["enabled"], each["default"]) for each in found] == [
        ("apikey", "APIkey", True, False),
        ("local", "GAMLocal", False, True),
    ]


def test_a_second_init_is_0_and_says_what_is_there(gamcli: Run, sql: Run) -> None:
    first = gamcli("init", "-o", "json").json
    assert list(first) == ["guid", "default_auth_type", "created_at"]
    ran = gamcli("init")
    assert (ran.code, ran.out) == (0, "")
    assert "the store already exists" in ran.err
    assert first["guid"] in ran.err
    assert gamcli("init", "-o", "json").json == first
    assert sql("SELECT seq, action, target FROM audit") == [(1, "repository.init", first["guid"])]


def test_quiet_init_says_nothing(gamcli: Run) -> None:
    assert gamcli("--quiet", "init") == (0, "", "")


def test_an_invalid_store_made_is_8(gamcli: Run, place: Path) -> None:
    (place / "file").write_text("", encoding="utf-8")
    ran = gamcli("--store", str(place / "file" / "gam.db"), "init")
    assert ran.code == 8
    assert "cannot create the store" in ran.err or "cannot reach the store" in ran.err


def test_what_is_not_a_store_is_8_and_untouched(gamcli: Run, place: Path) -> None:
    (place / "notes.txt").write_text("not a database, but long enough to look like one\n" * 100, encoding="utf-8")
    before = (place / "notes.txt").read_bytes()
    for words in (["init"], ["app", "list"]):
        ran = gamcli("--store", "notes.txt", *words)
        assert ran.code == 8
        assert "not a gamcli store" in ran.err
    assert (place / "notes.txt").read_bytes() == before
