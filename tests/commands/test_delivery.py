"""How secrets are delivered: on stdout, as shell variables, as outputs of a GitHub Actions step, and in files."""

import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from errno import ENOSPC
from pathlib import Path
from typing import Any, get_args

import pytest

from gamcli.commands import delivery, options, overview, scan
from gamcli.errors import FailedError
from gamcli.render import credentials
from gamcli.render.output import FORMATS, Output

Run = Callable[..., Any]
GENERATE = ("key", "generate", "--user", "ana", "--app", "portal")
ISSUING = {
    "app create": ("app", "create", "gate"),
    "app rotate-secret": ("app", "rotate-secret", "portal", "--overlap", "0"),
    "key generate": GENERATE,
    "key rotate": ("key", "rotate", "KEY", "--overlap", "7d"),
    "key generate again": (*GENERATE, "--request-id", "r1"),
}


@pytest.fixture(params=ISSUING)
def words(request: pytest.FixtureRequest, world: Run) -> list[str]:
    found = list(ISSUING[request.param])
    if "KEY" in found:
        found[found.index("KEY")] = world(*GENERATE).out[7:15]
    if "r1" in found:
        world(*found)
    return found


@pytest.fixture
def step(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = place / "outputs"
    path.write_text("EARLIER=1", encoding="utf-8")
    monkeypatch.setenv("GITHUB_OUTPUT", str(path))
    return path


def outputs(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text(encoding="utf-8").splitlines())


def log(lines: str) -> tuple[str, set[str]]:
    masks: set[str] = set()
    shown = []
    for line in lines.splitlines():
        if line.startswith("::add-mask::"):
            masks.add(line.removeprefix("::add-mask::"))
            continue
        for mask in masks:
            line = line.replace(mask, "***")  # noqa: PLW2901 - as the runner does
        shown.append(line)
    return "\n".join(shown), masks


def count(world: Run) -> int:
    return len(world("key", "list", "--field", "id").out.splitlines())


def test_env_prints_lines_that_a_shell_takes(world: Run, words: list[str]) -> None:
    ran = world(*words, "-o", "env")
    script = ran.out + 'printf %s "$GAM_CLIENT_ID ${GAM_CLIENT_SECRET-}${GAM_API_KEY-}"'
    told = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=True).stdout.split()
    assert [line.split("=")[0] for line in ran.out.splitlines()] == [
        "GAM_CLIENT_ID",
        "GAM_CLIENT_SECRET" if words[0] == "app" else "GAM_API_KEY",
    ]
    assert len(told[0]) == 32
    assert told[1].startswith("gamsec_" if words[0] == "app" else "gamkey_")


def test_env_quotes_what_a_shell_would_read() -> None:
    assert credentials.format_env([("A", "b c"), ("D", "$e")]) == "A='b c'\nD='$e'\n"
    for write in (credentials.format_env, credentials.format_github_outputs):
        with pytest.raises(FailedError, match="unprintable character"):
            write([("A", "b\nC=d")])


def test_a_client_id_that_somebody_wrote_into_the_store_adds_no_line(
    world: Run, sql: Callable[..., object], place: Path
) -> None:
    assert world("key", "list").code == 0
    for table in ("app", "app_use"):
        sql(f"UPDATE {table} SET client_id = ?", "c\nPATH=/tmp")
    for words in (["-o", "env"], ["-o", "env", "--out", "file"]):
        ran = world("key", "generate", "--user", "ana", "--app", "portal", "--replace", *words)
        assert (ran.code, ran.out) == (1, "")
    assert [*place.iterdir()] == []


def test_a_step_gets_its_outputs_and_its_log_shows_no_secret(world: Run, step: Path, words: list[str]) -> None:
    ran = world(*words, "-o", "github")
    found = outputs(step)
    secret = found["GAM_CLIENT_SECRET" if words[0] == "app" else "GAM_API_KEY"]
    shown, masks = log(ran.out)
    assert (shown, masks) == ("", {secret})
    assert found["EARLIER"] == "1"
    assert len(found["GAM_CLIENT_ID"]) == 32
    told, _ = log(ran.out + step.read_text(encoding="utf-8") + ran.err)
    assert secret not in told
    assert "written to $GITHUB_OUTPUT" in ran.err


def test_masks_leave_before_values_are_written(step: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(delivery, "_print_masks", lambda _: seen.append(step.read_text(encoding="utf-8")))
    with delivery.open_step_outputs() as append:
        append([], [("A", "b")])
    assert (seen, outputs(step)) == (["EARLIER=1"], {"EARLIER": "1", "A": "b"})


@pytest.mark.parametrize("named", [None, "", "no/such/folder", "."])
def test_without_outputs_to_append_to_nothing_is_issued(
    world: Run, words: list[str], monkeypatch: pytest.MonkeyPatch, named: str | None
) -> None:
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    if named is not None:
        monkeypatch.setenv("GITHUB_OUTPUT", named)
    before = (count(world), world("app", "list", "-o", "json").out)
    ran = world(*words, "-o", "github")
    assert (ran.code, "GITHUB_OUTPUT" in ran.err) == (2, True)
    assert before == (count(world), world("app", "list", "-o", "json").out)


def test_outputs_that_cannot_be_written_issue_nothing(
    words: list[str], monkeypatch: pytest.MonkeyPatch, sql: Run, program: Run
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", "/dev/full")
    before = sql("SELECT * FROM audit")
    ran = program(*words, "-o", "github")
    assert (ran.code, "error: cannot write /dev/full" in ran.err) == (1, True)
    assert log(ran.out)[0] == ""
    assert sql("SELECT * FROM audit") == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")  # noqa: PTH110 - a device
def test_masks_that_nobody_takes_issue_nothing(world: Run, words: list[str], step: Path, sql: Run, shell: Run) -> None:
    assert world("key", "list").code == 0
    before = sql("SELECT * FROM audit")
    assert shell('gamcli "$@" -o github >/dev/full', "sh", *words).code == 1
    assert (sql("SELECT * FROM audit"), step.read_text(encoding="utf-8")) == (before, "EARLIER=1")


@pytest.mark.parametrize("nowhere", ["/dev/full", "&-"])
def test_a_stdout_that_takes_nothing_issues_nothing(words: list[str], shell: Run, sql: Run, nowhere: str) -> None:
    before = sql("SELECT * FROM audit")
    for form in ("", "-o json"):
        ran = shell(f'gamcli "$@" {form} >{nowhere}', "sh", *words)
        assert ran.code == 1
        assert "cannot write to stdout, so nothing was changed: " in ran.err
        assert "use --out FILE to write the secret to a file" in ran.err
    assert sql("SELECT * FROM audit") == before


def test_where_no_secret_is_issued_nobody_need_take_it(world: Run, key_id: str, place: Path, shell: Run) -> None:
    (place / "secret").write_text("0123456789" * 4, encoding="utf-8")
    assert world("app", "list").code == 0
    for words in (f"key rotate {key_id} --overlap 7d --if-due 1d", "app create gate --client-secret-file secret"):
        assert shell(f"gamcli {words} >&-").code == 0


def test_a_secret_that_is_lost_on_stdout_after_all_names_what_replaces_it(
    world: Run, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OSError(ENOSPC, os.strerror(ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(sys, "stdout", io.StringIO())
        full.setattr(Output, "flush", staticmethod(fail))
        ran = world(*words)
    made = world("key", "list", "--status", "active", "--field", "id").out.strip()
    again = f"app rotate-secret {words[2]} --overlap 0" if words[0] == "app" else f"key revoke {made}"
    assert (ran.code, ran.hint) == (1, f"gamcli {again}")
    assert "but its secret could not be written: No space left" in ran.err
    assert "save the secret" not in ran.err


def test_what_was_appended_is_cut_off_when_it_never_came_to_be(step: Path) -> None:
    def fail() -> None:
        with delivery.open_step_outputs() as append:
            append([], [("A", "b")])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert step.read_text(encoding="utf-8") == "EARLIER=1"


@pytest.mark.usefixtures("step")
def test_out_and_github_contradict_each_other(world: Run, words: list[str], place: Path) -> None:
    ran = world(*words, "-o", "github", "--out", "secret")
    assert (ran.code, (place / "secret").exists()) == (2, False)


@pytest.mark.parametrize("format_name", ["env", "json", "jsonl", "csv"])
def test_a_file_gets_what_stdout_would_have_got(world: Run, words: list[str], place: Path, format_name: str) -> None:
    ran = world(*words, "-o", format_name, "--out", "secret")
    assert (ran.code, ran.out) == (0, "")
    text = (place / "secret").read_text(encoding="utf-8")
    assert stat.S_IMODE((place / "secret").stat().st_mode) == 0o600
    assert ("gamsec_" if words[0] == "app" else "gamkey_") in text
    if format_name == "env":
        assert text.splitlines()[0].startswith("GAM_CLIENT_ID=")
    if format_name.startswith("json"):
        assert ("client_secret" if words[0] == "app" else "api_key") in json.loads(text)
    assert world(*words, "-o", format_name, "--out", "secret").code == 5


def test_a_setting_changes_what_a_file_gets_and_never_names_one(
    world: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAMCLI_OUTPUT", "json")
    world(*GENERATE, "--out", "secret")
    assert json.loads((place / "secret").read_text(encoding="utf-8"))["api_key"]
    for format_name in ("env", "github"):
        monkeypatch.setenv("GAMCLI_OUTPUT", format_name)
        assert world(*GENERATE, "--replace").code == 2


def test_show_reports_what_is_known(world: Run, key_id: str, step: Path) -> None:
    client_id = world("app", "show", "portal", "--field", "client_id").out
    for words in (("app", "show", "portal"), ("key", "show", key_id)):
        assert world(*words, "-o", "env").out == f"GAM_CLIENT_ID={client_id}"
        assert world(*words, "-o", "github").out == ""
        assert outputs(step)["GAM_CLIENT_ID"] == client_id.strip()


def test_an_answer_without_a_secret_reports_the_client_id(world: Run, key_id: str, step: Path) -> None:
    for words in (
        ("app", "create", "portal", "--scope", "gam_user_data+gam_user_roles", "--if-missing"),
        ("key", "rotate", key_id, "--overlap", "7d", "--if-due", "1d"),
    ):
        assert world(*words, "-o", "env").out.startswith("GAM_CLIENT_ID=")
        assert world(*words, "-o", "github").out == ""
        assert set(outputs(step)) == {"EARLIER", "GAM_CLIENT_ID"}


@pytest.mark.parametrize("format_name", ["env", "github"])
def test_other_commands_say_which_ones_have_the_format(world: Run, format_name: str) -> None:
    for words in (("user", "list"), ("key", "list"), ("user", "show", "ana"), ("app", "update", "portal")):
        ran = world(*words, "-o", format_name)
        assert ran.code == 2
        having = "app create, app show, app rotate-secret, key generate, key rotate, key show"
        assert ran.hint.startswith(f"commands with -o {format_name}: ")
        assert {*having.split(", ")} <= {*ran.hint.partition(": ")[2].split(", ")}
    ran = world("key", "generate", "--from", "x.csv", "--out", "y.csv", "-o", format_name)
    assert (ran.code, "--from cannot be combined" in ran.err) == (2, True)
    assert world(*GENERATE, "--dry-run", "-o", format_name).code == 2


def test_the_formats_of_options_are_those_that_help_explains() -> None:
    runs = (
        options.PrintOptions,
        options.IssueOptions,
        overview.RecordPrintOptions,
        overview.ClientRecordPrintOptions,
        scan.ScanOptions,
    )
    taken = [{*get_args(get_args(get_args(run.parameters()["output"].annotation)[0])[0])} for run in runs]
    assert set.union(*taken) == set(FORMATS)


def test_a_request_in_use_is_reported_how_to_get_another_key(world: Run, sql: Run) -> None:
    made = world(*GENERATE, "--request-id", "r1").out
    assert made != world(*GENERATE, "--request-id", "r1").out
    sql("UPDATE key SET last_used_at = created_at")
    ran = world(*GENERATE, "--request-id", "r1")
    assert (ran.code, ran.out) == (0, "")
    assert f"key {made[7:15]} of ana" in ran.err
    assert f"for a new one: gamcli key rotate {made[7:15]} --overlap 7d" in ran.err
    assert world(*GENERATE, "--request-id", "r1", "-o", "json").json["id"] == made[7:15]
    assert world(*GENERATE, "--request-id", "r1", "--label", "x").code == 5
    world("key", "revoke", made[7:15])
    assert f"warning: key {made[7:15]} is revoked" in world("--quiet", *GENERATE, "--request-id", "r1").err


def test_a_request_takes_part_in_dry_runs_and_files(world: Run, place: Path) -> None:
    world(*GENERATE, "--request-id", "r1")
    before = world("key", "list", "-o", "json").out
    assert "1 to update" in world(*GENERATE, "--request-id", "r1", "--dry-run").err
    assert world("key", "list", "-o", "json").out == before
    assert world(*GENERATE, "--request-id", "r1", "--out", "secret").out == ""
    ran = world("key", "verify", "--api-key-file", "secret")
    assert ran.code == 0
    assert "1 to create" in world(*GENERATE, "--replace", "--request-id", "r2", "--dry-run").err
    assert world(*GENERATE, "--request-id", "r2").code == 5
    assert [path.name for path in place.iterdir()] == ["secret"]


def test_processes_with_the_same_request_get_the_same_key(world: Run, line: list[str]) -> None:
    argv = [*line, *GENERATE, "--request-id", "r1"]
    started = [subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in range(3)]
    made = [process.communicate(timeout=60)[0].strip() for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert len({secret[7:15] for secret in made}) == 1
    assert len({*made}) == 3
    living = [world("key", "verify", "--api-key-file", "-", stdin=secret).code for secret in made]
    assert sorted(living) == [0, 4, 4]
