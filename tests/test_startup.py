"""Start-up is a feature: which modules the fastest commands may import; `tests/bench/startup.py` measures them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from platformdirs import user_config_path, user_data_path

from gamcli.actions import Gam, apps, users
from gamcli.commands.settings import Settings

Loaded = Callable[..., set[str]]

HEAVY = {
    "asyncio", "click", "email", "http", "logging", "pydantic", "rich", "ssl", "tomlkit", "tomllib", "unittest",
    "xml",
}  # fmt: skip
"""What none of the quickest commands needs."""

LIGHT = HEAVY | {
    "csv", "dataclasses", "datetime", "hashlib", "inspect", "json", "platformdirs", "random", "socket", "sqlite3",
    "subprocess", "tempfile", "traceback", "typer",
}  # fmt: skip
"""What a command that says what it knows already needs not either."""

SLOW = {"enum", "pathlib", "re", "typing"}
"""Of the standard library: each takes as long to import as a command that needs none of them takes to run."""

PROBE = """
import sys
from gamcli.commands import main
code = main(sys.argv[1:])
sys.stderr.write("\\n" + " ".join(sys.modules))
sys.exit(code)
"""


@pytest.fixture
def environment(tmp_path: Path, store_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GAMCLI_", "XDG_"))}
    return {**kept, "HOME": str(tmp_path), "GAMCLI_STORE": str(store_path)}


@pytest.fixture
def loaded(environment: dict[str, str], tmp_path: Path) -> Loaded:
    def run(*words: str) -> set[str]:
        found = subprocess.run(
            [sys.executable, "-c", PROBE, *words],
            capture_output=True, text=True, check=True, env=environment, cwd=tmp_path, timeout=60,
        )  # fmt: skip
        assert found.stdout
        return {*found.stderr.splitlines()[-1].split()}

    return run


@pytest.fixture
def world(gam: Gam) -> Gam:
    apps.create(gam, apps.AppSpec("portal", {"remote_rest": True, "api_keys.enabled": True}, ("gam_user_data",)))
    users.create(gam, "ana", {})
    return gam


def test_version_imports_next_to_nothing(loaded: Loaded) -> None:
    found = loaded("--version")
    assert found & (LIGHT | SLOW) == set()
    assert {name for name in found if name.startswith("gamcli")} == {
        "gamcli", "gamcli.commands", "gamcli.errors", "gamcli.render", "gamcli.render.text",
    }  # fmt: skip


@pytest.mark.parametrize("words", [["app", ""], ["app", "list", "-o", ""], ["key", "generate", "--s"]], ids=str)
def test_completing_a_word_reads_the_table_alone(loaded: Loaded, words: list[str]) -> None:
    found = loaded("__complete", *words)
    assert found & (LIGHT | SLOW) == set()
    assert {name for name in found if name.startswith("gamcli.commands.")} == {"gamcli.commands.complete"}


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("words", [["app", "show", ""], ["key", "generate", "--user", ""]], ids=str)
def test_completing_a_name_reads_the_store_and_no_more(loaded: Loaded, words: list[str]) -> None:
    found = loaded("__complete", *words)
    assert "sqlite3" in found
    assert (
        found & (HEAVY | {"csv", "dataclasses", "inspect", "platformdirs", "shlex", "socket", "typer", "typing"})
        == set()
    )
    assert not any(name.startswith(("gamcli.actions", "gamcli.model", "gamcli.server")) for name in found)
    assert {"gamcli.render.output", "gamcli.store.engine"} & found == set()


@pytest.mark.usefixtures("world")
def test_generate_imports_what_it_does_and_no_more(loaded: Loaded) -> None:
    found = loaded("key", "generate", "--user", "ana", "--app", "portal")
    assert {"typer", "sqlite3", "json"} <= found
    assert found & (HEAVY | {"csv", "platformdirs"}) == set()
    assert not any(name.startswith("gamcli.server") for name in found)
    others = {"gamcli.model.doctor", "gamcli.model.tokens", "gamcli.render.human", "gamcli.render.machine"}
    assert others & found == set()
    nouns = {"apps", "auth_types", "config", "init", "quickstart", "scopes", "serve", "tokens", "topics", "users"}
    nouns |= {"diagnosis", "key_changes", "key_rotation"}
    assert {f"gamcli.commands.{noun}" for noun in nouns} & found == set()


@pytest.mark.usefixtures("world")
def test_a_list_for_programs_draws_nothing(loaded: Loaded) -> None:
    assert {"rich", "gamcli.render.human"} & loaded("user", "list", "-o", "json") == set()
    assert "rich" not in loaded("user", "list")


def test_a_page_of_the_manual_in_a_pipe_needs_no_other_command(loaded: Loaded) -> None:
    found = loaded("help", "keys")
    assert found & (HEAVY | {"csv", "sqlite3", "tempfile"}) == set()
    assert {"gamcli.render.manual_pages", "gamcli.commands.keys", "gamcli.store"} & found == set()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere platformdirs itself is asked")
@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("words", [["__complete", "app", "show", ""], ["app", "show", "portal", "-o", "json"]], ids=str)
def test_the_default_store_is_found_without_platformdirs(
    environment: dict[str, str], loaded: Loaded, tmp_path: Path, words: list[str]
) -> None:
    default = tmp_path / ".local/share/gamcli/store.db"
    default.parent.mkdir(parents=True)
    default.symlink_to(environment.pop("GAMCLI_STORE"))
    assert "platformdirs" not in loaded(*words)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere platformdirs itself is asked")
@pytest.mark.parametrize("home", [None, "/home/ana/", "relative"])
@pytest.mark.parametrize("named", [None, "", "/elsewhere", "relative"])
def test_the_folders_of_the_user_are_those_of_platformdirs(
    monkeypatch: pytest.MonkeyPatch, home: str | None, named: str | None
) -> None:
    for name, value in (("HOME", home), ("XDG_CONFIG_HOME", named), ("XDG_DATA_HOME", named)):
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    store = Settings(environment={}, reads_files=False).value("store")
    assert Settings().user_path == user_config_path("gamcli", appauthor=False) / "config.toml"
    assert store == str(user_data_path("gamcli", appauthor=False) / "store.db")
