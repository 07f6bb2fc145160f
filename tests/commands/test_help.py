"""`gamcli help TOPIC`, `gamcli scope list`, and the help of every command."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gamcli.commands import EXIT_CODES, complete, completion_table
from gamcli.commands.settings import SETTINGS
from gamcli.provision import schema
from gamcli.provision.fields import SECTIONS
from gamcli.render.output import FORMATS
from gamcli.rules import scopes
from gamcli.server.endpoints import openapi

Run = Callable[..., Any]


def test_help_reports_the_exit_codes(gamcli: Run) -> None:
    lines = gamcli("help", "exit-codes").out.splitlines()
    assert [int(line.split(maxsplit=1)[0]) for line in lines] == list(EXIT_CODES)
    assert "   3  not found" in lines


def test_help_reports_every_environment_variable(gamcli: Run) -> None:
    lines = gamcli("help", "environment").out.splitlines()
    variables = [line.split(maxsplit=1)[0] for line in lines]
    assert {setting.variable for setting in SETTINGS.values()} | {"GAMCLI_CONFIG", "NO_COLOR", "TERM"} == {*variables}


def test_help_reports_every_format(gamcli: Run) -> None:
    lines = gamcli("help", "formats").out.splitlines()
    assert {line.split(maxsplit=1)[0] for line in lines} >= {*FORMATS, "toml"}


def test_an_unknown_topic_is_2_and_names_those_that_there_are(gamcli: Run) -> None:
    assert "exit-codes" in gamcli("help", "nope").err
    assert gamcli("help", "nope").code == 2
    assert gamcli("help") == (0, "exit-codes\nenvironment\nformats\nmanifest\nopenapi\n", "")


def test_help_reports_every_field_of_a_manifest(gamcli: Run) -> None:
    lines = gamcli("help", "manifest").out.splitlines()
    fields = {section.name: [field.name for field in section.taken()] for section in SECTIONS.values()}
    for section in SECTIONS.values():
        begin = next(at for at, line in enumerate(lines) if line.startswith(f"{section.header}  "))
        told = lines[begin + 1 : begin + 1 + len(fields[section.name])]
        assert [line.split()[0] for line in told] == fields[section.name]
    assert any("api_key" in field for field in fields["app"])
    assert "api_key" not in fields["key"]
    seeds = lines[next(at for at, line in enumerate(lines) if line.startswith("in a seed alone  ")) :]
    assert "a client_secret may stand there as it is" in seeds[0]
    assert [line.split("  ")[1] for line in seeds[1:]] == ["[user.NAME] password", "[[key]] api_key"]
    assert any(line.endswith('N (not specified), F or M (default "N")') for line in lines)


def test_help_prints_the_schema_of_a_manifest(gamcli: Run) -> None:
    assert gamcli("help", "manifest", "--schema").json == schema.document()
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


@pytest.mark.parametrize("command", [*commands()])
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
    assert complete.TABLE_FILE.read_text(encoding="utf-8") == completion_table.render_table()
