"""Worlds: what a file tells, and the values that it puts into texts."""

import tomllib
from pathlib import Path

import pytest

from gamcli.conformance import worlds
from gamcli.conformance.worlds import SERVER_DEFAULTS, UnknownValueError
from gamcli.errors import UsageError

MAKE = {kind: iter(f"{kind}-{number}" for number in range(99)).__next__ for kind in ("client_id", "client_secret")}
MAKE |= {kind: lambda kind=kind: kind for kind in ("api_key", "password")}  # type: ignore[misc]
TOLD = {"portal": {"client_id": "a", "api_key": "b"}, "narrow": {"api_key": "c"}}


@pytest.mark.parametrize(
    ("text", "holder", "filled"),
    [
        ("x", "portal", "x"),
        ("{portal.api_key}{narrow.api_key}", "portal", "bc"),
        ("{who.api_key}", "narrow", "c"),
        ("{who.client_id}", "narrow", "a"),
        ("{a*5}{\r*2}", "portal", "aaaaa\r\r"),
        ('{"Id":"x"}', "portal", '{"Id":"x"}'),
        ("~[0-9]{8}", "portal", "~[0-9]{8}"),
    ],
)
def test_a_text_is_filled_with_values(text: str, holder: str, filled: str) -> None:
    assert worlds.parse_world(TOLD).fill(text, holder) == filled


@pytest.mark.parametrize("text", ["{portal.password}", "{nobody.client_id}", "{narrow.access_token}"])
def test_a_value_that_is_not_there_is_named(text: str) -> None:
    with pytest.raises(UnknownValueError, match=text.strip("{}")):
        worlds.parse_world(TOLD).fill(text, "portal")


def test_the_repr_of_a_world_shows_no_credential() -> None:
    assert "narrow" not in repr(worlds.parse_world(TOLD))


def test_a_file_says_how_the_server_was_started(tmp_path: Path) -> None:
    (tmp_path / "world.toml").write_text('[server]\nmax_failures = 3\ngrants = ["api_key"]\n', encoding="utf-8")
    assert worlds.load_world(str(tmp_path / "world.toml")).server == {
        **SERVER_DEFAULTS,
        "max_failures": 3,
        "grants": ["api_key"],
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"[server]\nport = 1\n", "the world says what cannot be: server.port"),
        (b'[server]\nmax_failures = "3"\n', "the world says what cannot be: server.max_failures"),
        (b'[server]\ngrants = "api_key"\n', "the world says what cannot be: server.grants"),
        (b"[portal]\nclient_id = 1\n", r"the world says what cannot be: \[portal\] holds texts"),
        (b"portal = 1\n", r"the world says what cannot be: \[portal\] holds texts"),
        (b"[portal", r"the world .* is no TOML: .*"),
        (b"\xff", r"cannot read the world .*: it is not UTF-8"),
    ],
)
def test_a_file_that_is_not_a_world_is_explained(tmp_path: Path, text: bytes, told: str) -> None:
    (tmp_path / "world.toml").write_bytes(text)
    with pytest.raises(UsageError, match=f"^{told}$") as caught:
        worlds.load_world(str(tmp_path / "world.toml"))
    assert caught.value.hint


def test_a_file_that_is_not_there_is_explained(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        worlds.load_world(str(tmp_path / "world.toml"))


def test_the_template_is_a_world_whose_manifest_can_be_made() -> None:
    world = worlds.parse_world(tomllib.loads(worlds.render_template(MAKE)))
    ids = [values["client_id"] for values in world.values.values() if "client_id" in values]
    assert len({*ids}) == len(ids) > 10
    manifest = tomllib.loads(worlds.render_seed(world))
    assert {app["client_id"] for app in manifest["app"].values()} == {*ids}


def test_a_manifest_needs_every_value() -> None:
    with pytest.raises(UsageError, match=r"^the world lacks portal\.client_secret$"):
        worlds.render_seed(worlds.parse_world(TOLD))
