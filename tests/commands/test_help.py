"""`gamcli help TOPIC`, `gamcli scope list`, and the help of every command."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gamcli import manual
from gamcli.commands import EXIT_CODES, complete, completion_table
from gamcli.commands.settings import SETTINGS
from gamcli.provision import schema
from gamcli.provision.fields import SECTIONS
from gamcli.render.output import FORMATS
from gamcli.rules import scopes
from gamcli.server.endpoints import openapi
from tests.cases import for_each

Run = Callable[..., Any]


def test_help_lists_every_topic_with_its_title(gamcli: Run) -> None:
    lines = gamcli("help").out.splitlines()
    assert [line.split()[0] for line in lines] == [*manual.PAGES, *manual.REFERENCES]
    assert lines[0] == "keys         Issue, rotate and revoke API keys"
    assert all(len(line) <= 80 for line in lines)


@pytest.mark.parametrize("page", manual.PAGES)
def test_help_prints_a_page_as_it_is_in_a_pipe(gamcli: Run, page: str) -> None:
    """Without the comments that mark generated tables."""
    ran = gamcli("help", page)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == manual.read_page(page)
    assert "<!--" not in ran.out


def test_help_finds_the_pages_that_mention_a_word(gamcli: Run) -> None:
    """In any case, and with the command of that name."""
    assert gamcli("help", "power FAILURE").out.startswith("operations  Run the server")
    ran = gamcli("help", "rotate")
    assert ran.out.splitlines()[0].split()[0] == "keys"
    assert ran.err == ""
    assert gamcli("help", "key").err == "gamcli: for the options of the command: gamcli key --help\n"


def test_a_word_that_no_page_mentions_is_3_and_names_the_nearest_topic(gamcli: Run) -> None:
    ran = gamcli("help", "manifezts")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.splitlines() == [
        "gamcli: error: no page of the manual mentions 'manifezts'",
        "gamcli: hint: did you mean manifests? all topics: gamcli help",
    ]
    assert gamcli("help", "xyzzy").hint == "gamcli help"


def test_help_works_with_invalid_settings(gamcli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAMCLI_OUTPUT", "xml")
    assert gamcli("help", "settings").code == 0


def test_help_contains_the_exit_codes_the_formats_and_the_settings(gamcli: Run) -> None:
    exit_codes, formats, settings = (gamcli("help", name).out for name in ("exit-codes", "formats", "settings"))
    assert all(f"| {code} | {meaning} |" in exit_codes for code, meaning in EXIT_CODES.items())
    assert all(f"| `{name}` |" in formats for name in FORMATS)
    assert all(f"| `{setting.variable}` |" in settings for setting in SETTINGS.values())


def test_help_reports_every_environment_variable(gamcli: Run) -> None:
    variables = [line.split(maxsplit=1)[0] for line in gamcli("help", "environment").out.splitlines()]
    others = {"GAMCLI_CONFIG", "NO_COLOR", "TERM", "PAGER"}
    assert {setting.variable for setting in SETTINGS.values()} | others == {*variables}


def test_a_terminal_shows_a_page_formatted(terminal: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER", "")
    shown = terminal("help", "formats").out
    assert "# Output formats" not in shown
    assert "Output formats" in shown
    assert "```" not in shown
    assert "see gamcli help ci" in " ".join(re.sub(r"\x1b\[[0-9;]*m", "", shown).split())


def test_a_terminal_shows_a_reference_wrapped_at_words(terminal: Run) -> None:
    lines = terminal("--no-pager", "help", "environment", columns=80).out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1].startswith(" " * 25 + "terminal; default `less -FRX`")


def test_help_reports_every_field_of_a_manifest(gamcli: Run) -> None:
    lines = gamcli("help", "manifest").out.splitlines()
    fields = {section.name: [field.name for field in section.allowed_fields()] for section in SECTIONS.values()}
    for section in SECTIONS.values():
        begin = next(at for at, line in enumerate(lines) if line.startswith(f"{section.header}  "))
        told = lines[begin + 1 : begin + 1 + len(fields[section.name])]
        assert [line.split()[0] for line in told] == fields[section.name]
    assert any("api_key" in field for field in fields["app"])
    assert "api_key" in fields["key"]
    seeds = lines[next(at for at, line in enumerate(lines) if line.startswith("seeds only  ")) :]
    assert "secrets and IDs can be any text there" in seeds[0]
    assert [line.split("  ")[1] for line in seeds[1:]] == [
        "[repository] guid", "[user.NAME] password", "[user.NAME] password_status", "[user.NAME] guid",
        "[[key]] status",
    ]  # fmt: skip
    assert any(line.endswith('N (not specified), F or M (default "N")') for line in lines)


def test_help_prints_the_schema_of_a_manifest(gamcli: Run) -> None:
    assert gamcli("help", "manifest", "--schema").json == schema.build_schema()
    for topic in ((), ("formats",)):
        ran = gamcli("help", *topic, "--schema")
        assert (ran.code, ran.hint) == (2, "gamcli help manifest --schema")


def test_help_prints_the_openapi_document(gamcli: Run) -> None:
    assert gamcli("help", "openapi").json == openapi.build_document()


def test_the_scopes_need_no_store(gamcli: Run) -> None:
    found = gamcli("scope", "list", "-o", "json").json
    assert [each["name"] for each in found] == [*scopes.TABLE, "user_<AttributeID>"]
    assert found[0]["name"] == "gam_user_data"
    assert "email" in found[0]["claims"]
    assert len(gamcli("scope", "list", "--limit", "3", "-o", "json").json) == 3
    assert gamcli("scope", "list").out.splitlines()[0].split() == ["NAME", "REVEALS", "CLAIMS"]


def commands() -> Iterator[str]:
    yield from dict.fromkeys(word.path for word in complete.read_table() if word.path)


@for_each("command", commands())
def test_every_command_has_help_that_names_its_options(gamcli: Run, command: str) -> None:
    ran = gamcli(*command.split(), "--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: gamcli {command} ")
    for word in complete.read_table():
        if word.path == command and word.text.startswith("-"):
            assert word.text in ran.out
    assert max(map(len, ran.out.splitlines())) <= 100


def test_every_word_has_a_help_text() -> None:
    silent = ("<0>",)
    assert [word for word in completion_table.completion_rows() if not word.help and word.text not in silent] == []


def test_the_table_of_words_is_the_one_of_the_are_valid_commands() -> None:
    assert Path(complete.TABLE_FILE).read_text(encoding="utf-8") == completion_table.render_table()
