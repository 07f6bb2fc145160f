"""`gamcli config`: settings, which source wins, and files that cannot be."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def user_file(gamcli: Run) -> Path:
    return Path(gamcli("config", "path").out.strip())


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_deproblems_come_from_nowhere(gamcli: Run, monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    monkeypatch.delenv("GAMCLI_STORE")
    found = gamcli("config", "list", "--origin", "-o", "json").json
    assert [*found[0]] == ["name", "value", "origin"]
    assert {each["origin"] for each in found} == {"default"}
    home = place.parent / "home"
    assert {each["name"]: each["value"] for each in found} == {
        "store": str(home / ".local/share/gamcli/store.db"),
        "output": "table",
        "no_color": False,
        "no_pager": False,
        "quiet": False,
        "serve.host": "127.0.0.1",
        "serve.port": 8080,
        "serve.base_path": "",
        "serve.format": "gam",
        "serve.issuer": "",
        "serve.log_format": "text",
    }
    assert gamcli("config", "path").out == f"{home / '.config/gamcli/config.toml'}\n"


def test_flag_beats_environment_beats_project_beats_user_beats_default(
    gamcli: Run, monkeypatch: pytest.MonkeyPatch, place: Path, user_file: Path
) -> None:
    def stands() -> tuple[str, str]:
        found = gamcli("config", "get", "store", "-o", "json").json
        return found["value"], found["origin"]

    monkeypatch.delenv("GAMCLI_STORE")
    assert stands()[1] == "default"
    write(user_file, '[gamcli]\nstore = "user.db"\n')
    assert stands() == (str(user_file.parent / "user.db"), str(user_file))
    project = write(place / "gamcli.toml", '[gamcli]\nstore = "project.db"\n')
    assert stands() == (str(place / "project.db"), str(project))
    monkeypatch.setenv("GAMCLI_STORE", "environment.db")
    assert stands() == ("environment.db", "GAMCLI_STORE")
    found = gamcli("--store", "flag.db", "config", "get", "store", "-o", "json").json
    assert found == {"name": "store", "value": "flag.db", "origin": "flag"}


def test_the_project_file_is_found_upward_from_here(gamcli: Run, monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    monkeypatch.delenv("GAMCLI_STORE")
    write(place / "gamcli.toml", '[gamcli]\nstore = "sub/gam.db"\nquiet = true\n')
    deep = place / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert gamcli("config", "get", "store").out == f"{place}/sub/gam.db\n"
    write(place / "a" / "gamcli.toml", "[gamcli]\n")
    assert gamcli("config", "get", "quiet").out == "false\n"


def test_a_setting_counts_where_it_is_used(gamcli: Run, place: Path) -> None:
    write(place / "gamcli.toml", '[gamcli]\noutput = "csv"\nquiet = true\n')
    assert gamcli("init").out.startswith("guid,default_auth_type,created_at\n")
    assert gamcli("user", "create", "ana", "-o", "table") == (0, "", "")
    assert gamcli("user", "list", "--field", "name").out == "ana\n"


def test_the_user_file_can_be_named_by_flag_and_environment(
    gamcli: Run, monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    other = write(place / "other.toml", '[gamcli]\noutput = "json"\n')
    third = write(place / "third.toml", '[gamcli]\noutput = "csv"\n')
    monkeypatch.setenv("GAMCLI_CONFIG", str(other))
    assert gamcli("config", "get", "output", "-o", "table").out == "json\n"
    assert gamcli("--config", str(third), "config", "get", "output", "-o", "table").out == "csv\n"
    ran = gamcli("--config", "nowhere.toml", "config", "get", "output")
    assert (ran.code, ran.hint) == (2, "to create it: gamcli --config nowhere.toml config set store PATH")
    assert gamcli("--config", "nowhere.toml", "config", "set", "output", "json").code == 0
    assert gamcli("--config", "nowhere.toml", "config", "get", "output", "-o", "table").out == "json\n"


def test_set_and_unset_keep_comments_and_everything_else(gamcli: Run, user_file: Path) -> None:
    text = '# mine\ntitle = "x"\n\n[gamcli]\n# why csv\noutput = "csv"  # here too\n\n[gamcli.serve]\nport = 1 # one\n'
    write(user_file, text)
    assert gamcli("config", "set", "output", "json").err == f"gamcli: set output in {user_file}\n"
    assert gamcli("config", "set", "serve.port", "9000").code == 0
    changed = text.replace('"csv"', '"json"').replace("port = 1", "port = 9000")
    assert user_file.read_text(encoding="utf-8") == changed
    assert gamcli("config", "unset", "serve.port").err == f"gamcli: removed serve.port from {user_file}\n"
    assert gamcli("config", "unset", "serve.port").err == f"gamcli: serve.port is not set in {user_file}\n"
    left = user_file.read_text(encoding="utf-8")
    for kept in ("# mine", 'title = "x"', "# why csv", "# here too"):
        assert kept in left
    assert "port" not in left


def test_set_makes_the_file_and_its_folder(gamcli: Run, user_file: Path) -> None:
    for name, value in (("quiet", "YES"), ("serve.port", "0"), ("serve.base_path", "/myapp"), ("store", "~/gam.db")):
        assert gamcli("config", "set", name, value).code == 0
    text = user_file.read_text(encoding="utf-8")
    assert "quiet = true\n" in text
    assert "port = 0\n" in text
    assert [each.name for each in user_file.parent.iterdir()] == ["config.toml"]


def test_unset_of_what_was_never_set_makes_no_file(gamcli: Run, user_file: Path) -> None:
    assert gamcli("config", "unset", "quiet").err == f"gamcli: quiet is not set in {user_file}\n"
    assert not user_file.exists()


def test_the_project_file_is_written_when_asked(gamcli: Run, place: Path) -> None:
    assert gamcli("config", "path", "--project").out == f"{place / 'gamcli.toml'}\n"
    gamcli("config", "set", "--project", "quiet", "true")
    assert (place / "gamcli.toml").read_text(encoding="utf-8") == "[gamcli]\nquiet = true\n"
    gamcli("config", "unset", "quiet", "--project")
    assert (place / "gamcli.toml").read_text(encoding="utf-8") == "[gamcli]\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nope", "1"),
        ("output", "value"),
        ("output", "xml"),
        ("quiet", "perhaps"),
        ("serve.port", "65536"),
        ("serve.port", "-1"),
        ("serve.port", "٣"),
        ("serve.format", "xml"),
        ("serve.log_format", "xml"),
        ("store", ""),
        ("store", "a\nb"),
    ],
)
def test_set_refuses_what_cannot_be_and_writes_nothing(gamcli: Run, user_file: Path, name: str, value: str) -> None:
    assert gamcli("config", "set", "--", name, value).code == 2
    assert not user_file.exists()


def test_an_unknown_setting_suggests_the_nearest(gamcli: Run) -> None:
    for words in (["get", "outptu"], ["set", "outptu", "json"], ["unset", "outptu"]):
        ran = gamcli("config", *words)
        assert (ran.code, ran.hint) == (2, "did you mean output?")
    assert gamcli("config", "set", "port", "8081").hint == "did you mean serve.port?"


MALFORMED = {
    "no TOML": ("[gamcli\n", "cannot read the config file"),
    "no text": ("\udcff", "cannot read the config file"),
    "an unknown setting": ("[gamcli]\noutptu = 'json'\n", "gamcli.outptu: unknown setting"),
    "an unknown group": ("[gamcli.srve]\nport = 1\n", "gamcli.srve.port: unknown setting"),
    "a value that cannot be": ("[gamcli]\noutput = 'xml'\n", "gamcli.output: invalid value 'xml'"),
    "a value of another kind": ("[gamcli]\nquiet = [1]\n", "gamcli.quiet: invalid value '[1]'"),
    "no table": ("gamcli = 1\n", "gamcli"),
}


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("which", ["project", "user"])
def test_an_invalid_file_is_2_and_is_named(gamcli: Run, place: Path, user_file: Path, name: str, which: str) -> None:
    text, told = MALFORMED[name]
    file = place / "gamcli.toml" if which == "project" else user_file
    write(file, "").write_text(text, encoding="utf-8", errors="surrogateescape")
    ran = gamcli("config", "list", "-o", "table")
    assert ran.code == 2
    assert str(file) in ran.err
    assert told in ran.err


STRAY = {
    "no table at all": ('store = "x.db"\n', "'store'", "write [gamcli] on a line above it"),
    "above the table": ('store = "x.db"\n[gamcli]\nquiet = true\n', "'store'", "write [gamcli] on a line above it"),
    "a setting that is misspelt": (
        'stor = "x.db"\n',
        "'stor'",
        "did you mean store? write [gamcli] on a line above it",
    ),
    "a table that is misspelt": ('[gamcl]\nstore = "x.db"\n', "'gamcl'", "did you mean [gamcli]?"),
    "a misspelt table beside it": ("[gamcli]\n[gamclis]\nquiet = true\n", "'gamclis'", "did you mean [gamcli]?"),
    "a group of its own": ("[serve]\nport = 1\n", "'serve'", "did you mean [gamcli.serve]?"),
    "nothing that we know": ("[tool.other]\nline = 1\n", "'tool'", "write [gamcli] on a line above it"),
}


@pytest.mark.parametrize("name", STRAY)
@pytest.mark.parametrize("which", ["project", "user"])
def test_settings_outside_of_their_table_are_2_and_not_left_out(
    gamcli: Run, place: Path, user_file: Path, name: str, which: str
) -> None:
    text, told, hint = STRAY[name]
    file = write(place / "gamcli.toml" if which == "project" else user_file, text)
    for words in (("config", "get", "store"), ("scope", "list")):
        ran = gamcli(*words)
        assert (ran.code, ran.hint) == (2, hint)
        assert f"{file}: {told} is ignored: settings belong in the table [gamcli]" in ran.err
    assert told in gamcli("doctor").out


@pytest.mark.parametrize("text", ["", "\n", "# store = 1\n", "[gamcli]\n", "[gamcli]\n[tool.other]\nline = 1\n"])
def test_a_file_without_settings_is_as_none(gamcli: Run, user_file: Path, text: str) -> None:
    write(user_file, text)
    assert gamcli("config", "get", "quiet").out == "false\n"


def test_set_and_unset_fix_a_setting_outside_of_its_table(gamcli: Run, user_file: Path) -> None:
    write(user_file, "# mine\nquiet = true\n")
    assert gamcli("config", "set", "quiet", "true").code == 0
    assert user_file.read_text(encoding="utf-8") == "# mine\n\n[gamcli]\nquiet = true\n"
    write(user_file, "quiet = true\n[gamcli]\n")
    assert gamcli("config", "unset", "quiet").err == f"gamcli: removed quiet from {user_file}\n"
    assert user_file.read_text(encoding="utf-8") == "[gamcli]\n"


def test_an_invalid_variable_is_2_and_is_named(gamcli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAMCLI_QUIET", "perhaps")
    ran = gamcli("scope", "list")
    assert ran.code == 2
    assert "the environment variable GAMCLI_QUIET: invalid value 'perhaps'" in ran.err
    monkeypatch.setenv("GAMCLI_QUIET", "")
    assert gamcli("scope", "list").code == 0


def test_a_file_that_cannot_be_written_is_1(gamcli: Run, place: Path) -> None:
    (place / "folder").mkdir()
    ran = gamcli("--config", "folder/../folder", "config", "set", "quiet", "true")
    assert ran.code == 1
    assert "cannot write folder" in ran.err
    assert not [*(place / "folder").iterdir()]
    assert os.listdir(place) == ["folder"]  # noqa: PTH208 - names alone


def test_a_file_that_cannot_be_read_is_not_overwritten(gamcli: Run, user_file: Path) -> None:
    write(user_file, "[gamcli\n")
    assert gamcli("config", "set", "quiet", "true").code == 2
    assert gamcli("config", "unset", "quiet").code == 2
    assert user_file.read_text(encoding="utf-8") == "[gamcli\n"


def test_set_fixes_a_value_that_is_invalid(gamcli: Run, user_file: Path) -> None:
    write(user_file, '[gamcli]\noutput = "xml"\n')
    assert gamcli("scope", "list").code == 2
    assert gamcli("config", "set", "output", "json").code == 0
    assert gamcli("scope", "list").code == 0


def test_unset_takes_a_setting_out_that_there_is_not(gamcli: Run, user_file: Path) -> None:
    write(user_file, '[gamcli]\noutput = "xml"\n')
    assert gamcli("config", "unset", "output").code == 0
    assert gamcli("scope", "list").code == 0


def test_a_group_that_is_not_a_table_is_2(gamcli: Run, user_file: Path) -> None:
    write(user_file, "gamcli = 1\n")
    assert gamcli("config", "set", "quiet", "true").code == 2
    assert gamcli("config", "unset", "quiet").code == 2
    write(user_file, "[gamcli]\nserve = 1\n")
    assert gamcli("config", "set", "serve.port", "1").code == 2
    assert gamcli("config", "unset", "serve.port").code == 2
    assert user_file.read_text(encoding="utf-8") == "[gamcli]\nserve = 1\n"


def test_set_keeps_a_link_and_the_mode_of_the_file(gamcli: Run, user_file: Path, place: Path) -> None:
    real = write(place / "dotfiles" / "config.toml", "[gamcli]\n")
    real.chmod(0o640)
    user_file.parent.mkdir(parents=True)
    user_file.symlink_to(real)
    assert gamcli("config", "set", "quiet", "true").code == 0
    assert user_file.is_symlink()
    assert real.read_text(encoding="utf-8") == "[gamcli]\nquiet = true\n"
    assert real.stat().st_mode & 0o777 == 0o640


def test_in_a_folder_that_is_closed_there_is_no_project_file(
    gamcli: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "gamcli.toml").write_text("[gamcli]\nquiet = true\n", encoding="utf-8")
    real = Path.is_file

    def closed(path: Path) -> bool:
        if path.is_relative_to(place):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "is_file", closed)
    assert gamcli("config", "get", "quiet").out == "false\n"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("postgresql://ana:geheim@host/db", "contains a password"),
        ("postgresql://ana@host/db?password=geheim", "contains a password"),
        ("SQLITE:///store.db", "a store is a file"),
        (" file://x", "a store is a file"),
        ("sqlite:/store.db", "a store is a file"),
        ("postgresql:/ana:geheim@host/db", "a store is a file"),
        ("postgres:geheim", "a store is a file"),
    ],
)
@pytest.mark.parametrize("source", ["option", "variable", "file"])
def test_a_store_that_is_a_url_is_refused_and_becomes_no_file(
    gamcli: Run, place: Path, monkeypatch: pytest.MonkeyPatch, url: str, problem: str, source: str
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.delenv("GAMCLI_STORE")
    if source == "variable":
        monkeypatch.setenv("GAMCLI_STORE", url)
    if source == "file":
        (place / "gamcli.toml").write_text(f"[gamcli]\nstore = '{url}'\n", encoding="utf-8")
    before = [*place.rglob("*")]
    for words in (["init"], ["app", "list"], ["store", "check"]):
        ran = gamcli(*(["--store", url] if source == "option" else []), *words)
        assert (ran.code, ran.out) == (2, "")
        assert problem in ran.err
        assert "geheim" not in ran.err
    assert [*place.rglob("*")] == before


def test_the_earlier_name_of_a_setting_still_works(world: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place / "gamcli.toml"
    path.write_text('[gamcli.serve]\nerror_format = "rfc6749"\n', encoding="utf-8")
    monkeypatch.chdir(place)
    assert world("config", "get", "serve.format").out == "rfc6749\n"
    assert world("config", "get", "serve.error_format").out == "rfc6749\n"
    assert world("config", "set", "--project", "serve.error_format", "gam").code == 0
    assert path.read_text(encoding="utf-8") == '[gamcli.serve]\nformat = "gam"\n'
    monkeypatch.setenv("GAMCLI_SERVE_ERROR_FORMAT", "rfc6749")
    assert world("config", "get", "serve.format", "-o", "json").json["origin"] == "GAMCLI_SERVE_ERROR_FORMAT"
    monkeypatch.setenv("GAMCLI_SERVE_FORMAT", "gam")
    assert world("config", "get", "serve.format", "-o", "json").json["origin"] == "GAMCLI_SERVE_FORMAT"
    assert world("config", "unset", "--project", "serve.error_format").code == 0
    assert "format" not in path.read_text(encoding="utf-8")
