"""World files, and placeholders replaced by their values."""

import tomllib
from pathlib import Path

import pytest

from gamcli.conformance import worlds
from gamcli.conformance.worlds import SERVER_DEFAULTS, UnknownValueError
from gamcli.errors import UsageError
from tests.cases import for_each

FACTORIES = {kind: iter(f"{kind}-{number}" for number in range(99)).__next__ for kind in ("client_id", "client_secret")}
FACTORIES |= {kind: lambda kind=kind: kind for kind in ("api_key", "password")}  # type: ignore[misc]
TABLES = {"portal": {"client_id": "a", "api_key": "b"}, "narrow": {"api_key": "c"}}


@for_each(
    ("text", "profile", "filled"),
    [
        ("x", "portal", "x"),
        ("{portal.api_key}{narrow.api_key}", "portal", "bc"),
        ("{profile.api_key}", "narrow", "c"),
        ("{profile.client_id}", "narrow", "a"),
        ("{a*5}{\r*2}", "portal", "aaaaa\r\r"),
        ('{"Id":"x"}', "portal", '{"Id":"x"}'),
        ("~[0-9]{8}", "portal", "~[0-9]{8}"),
    ],
)
def test_placeholders_are_replaced(text: str, profile: str, filled: str) -> None:
    assert worlds.parse_world(TABLES).fill(text, profile) == filled


@pytest.mark.parametrize("text", ["{portal.password}", "{nobody.client_id}", "{narrow.access_token}"])
def test_a_missing_value_is_reported_by_name(text: str) -> None:
    with pytest.raises(UnknownValueError, match=text.strip("{}")):
        worlds.parse_world(TABLES).fill(text, "portal")


def test_the_repr_of_a_world_has_no_credentials() -> None:
    assert "narrow" not in repr(worlds.parse_world(TABLES))


def test_a_world_file_may_set_server_options(tmp_path: Path) -> None:
    (tmp_path / "world.toml").write_text('[server]\nmax_failures = 3\ngrants = ["api_key"]\n', encoding="utf-8")
    assert worlds.load_world(str(tmp_path / "world.toml")).server == {
        **SERVER_DEFAULTS,
        "max_failures": 3,
        "grants": ["api_key"],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[server]\nport = 1\n", "unknown entry server.port in the world file"),
        (b'[server]\nmax_failures = "3"\n', "invalid value for server.max_failures in the world file: '3'"),
        (b'[server]\ngrants = "api_key"\n', "invalid value for server.grants in the world file: 'api_key'"),
        (b"[portal]\nclient_id = 1\n", r"invalid table \[portal\] in the world file: all values must be strings"),
        (b"portal = 1\n", r"invalid table \[portal\] in the world file: all values must be strings"),
        (b"[portal", r"the world file .* is not valid TOML: .*"),
        (b"\xff", r"cannot read the world file .*: the file is not UTF-8"),
    ],
)
def test_an_invalid_world_file_is_a_usage_error(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "world.toml").write_bytes(text)
    with pytest.raises(UsageError, match=f"^{message}$") as caught:
        worlds.load_world(str(tmp_path / "world.toml"))
    assert caught.value.hint


def test_a_missing_world_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        worlds.load_world(str(tmp_path / "world.toml"))


def test_the_template_has_everything_for_the_manifest() -> None:
    world = worlds.parse_world(tomllib.loads(worlds.render_template(FACTORIES)))
    ids = [values["client_id"] for values in world.values.values() if "client_id" in values]
    assert len({*ids}) == len(ids) > 10
    manifest = tomllib.loads(worlds.render_seed(world))
    assert {app["client_id"] for app in manifest["app"].values()} == {*ids}


def test_a_manifest_requires_every_value() -> None:
    with pytest.raises(UsageError, match=r"^the world file has no portal\.client_secret$"):
        worlds.render_seed(worlds.parse_world(TABLES))
