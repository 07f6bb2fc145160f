"""Output: data goes to stdout, messages to stderr."""

import io
import json
from datetime import UTC, datetime

import pytest

from gamcli import model
from gamcli.errors import GamcliError, InvalidatesKeysError, NotFoundError, Problem, ProblemsError
from gamcli.render import errors, output
from gamcli.render.output import FORMATS, Output

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TYPE = model.AuthType("apikey", "APIkey", "", enabled=True, default=True, created_at=NOW, updated_at=NOW)
KEY = model.Key("AbCdEfGh", "ana", "guid", "portal", "id", (), bytes(32), NOW, last_used_at=NOW)


RECORDS = [name for name in FORMATS if name not in ("env", "github", "toml")]
"""The forms that every record has; the others are of some alone."""


def voice(name: str = "table", *, quiet: bool = False) -> Output:
    return Output(name, "name" if name == "value" else None, lambda: NOW, quiet=quiet)


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_goes_to_stdout_in_every_format(capsys: pytest.CaptureFixture[str], name: str) -> None:
    voice(name).print_record(TYPE)
    voice(name).print_records(model.AuthType, [TYPE])
    out, err = capsys.readouterr()
    assert out.count("apikey") == 2
    assert out.endswith("\n")
    assert err == ""


@pytest.mark.parametrize("name", RECORDS)
def test_a_change_is_asked_to_people_and_shown_to_programs(capsys: pytest.CaptureFixture[str], name: str) -> None:
    voice(name).print_change(TYPE, "made it")
    out, err = capsys.readouterr()
    assert (out == "", err) == ((True, "gamcli: made it\n") if name == "table" else (False, ""))


def test_a_secret_is_alone_for_people_and_a_field_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    voice().print_secret(TYPE, "api_key", "the secret", "keep it")
    assert capsys.readouterr() == ("the secret\n", "gamcli: keep it\n")
    voice("jsonl").print_secret(TYPE, "api_key", "the secret", "keep it")
    out, err = capsys.readouterr()
    assert out.endswith('"api_key": "the secret"}\n')
    assert err == ""


def test_quiet_leaves_talk_out_and_warnings_in(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = voice(quiet=True)
    quiet.print_note("made it")
    quiet.print_to_stderr("once upon a time")
    quiet.print_line("data")
    quiet.print_warning("look")
    assert capsys.readouterr() == ("data\n", "gamcli: warning: look\n")


def test_talk_is_one_line_whatever_it_repeats(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_message("a\nb\x1b[31m")
    assert capsys.readouterr().err == "gamcli: a?b?[31m\n"


def test_an_error_is_a_line_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    errors.print_error(NotFoundError("no user named 'x'", "gamcli user list"), NOW)
    errors.print_error(NotFoundError("nothing"), NOW)
    impact = model.KeyImpact(KEY, is_permanent=True, reason="gone")
    errors.print_error(InvalidatesKeysError("this ends 1 live key", "add it", [impact]), NOW)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "gamcli: error: no user named 'x'",
        "gamcli: hint: gamcli user list",
        "gamcli: error: nothing",
        "gamcli: error: this ends 1 live key",
        "gamcli:   AbCdEfGh  ana for portal, last used 2026-03-01: gone",
        "gamcli: hint: add it",
    ]


def test_an_error_as_json_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    errors.print_error(GamcliError("odd\n"), NOW, as_json=True)
    assert capsys.readouterr() == ("", '{"error": {"code": "failed", "message": "odd\\n", "hint": null}}\n')


@pytest.mark.parametrize(
    ("variables", "no_color", "plain"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"NO_COLOR": "1"}, False, True),
        ({"NO_COLOR": ""}, False, False),
        ({"TERM": "dumb"}, False, True),
    ],
    ids=str,
)
def test_colours_are_left_out_when_asked(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], *, no_color: bool, plain: bool
) -> None:
    for name, value in {"NO_COLOR": "", "TERM": "xterm", **variables}.items():
        monkeypatch.setenv(name, value)
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    output.make_console(terminal, no_color=no_color).print("text", style="bold red")
    assert ("\x1b" not in terminal.getvalue()) is plain


def test_problems_are_printed_with_file_and_line_first(capsys: pytest.CaptureFixture[str]) -> None:
    found = ProblemsError([Problem("users.csv", 3, "no user named 'x\x1b'"), Problem("users.csv", 9, "no such column")])
    errors.print_error(found, NOW)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "gamcli: error: found 2 problems; nothing was changed"
    assert lines[1:3] == ["users.csv:3: no user named 'x?'", "users.csv:9: no such column"]
    assert lines[3].startswith("gamcli: hint: ")
    errors.print_error(found, NOW, as_json=True)
    told = json.loads(capsys.readouterr().err)["error"]
    assert told["faults"][1] == {"file": "users.csv", "line": 9, "message": "no such column"}
