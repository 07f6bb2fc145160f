"""
The transcripts in `scripts/`, and what the README shows: each runs in a real bash, and must print what it says.

Lines that begin with `$ ` are commands, `> ` goes on with one, all in one bash session; what follows is the output,
stdout and stderr together. `[..]` matches anything within a line, `...` alone on a line any lines, `? N` is the exit
code when it is not 0. What stands before the first command, and lines that begin with `# `, are for the reader.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import ndiff
from pathlib import Path

import pytest

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
SCRIPTS = sorted((HERE / "scripts").glob("*.txt"))
SECONDS = 60
MARK = "\x1e"
"""Ends the output of a command; no program here prints it."""

SHAPES = {
    r"gam(key|sec)_\w+": r"gam\1_SECRET",
    r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b": "GUID",
    r"\b[0-9a-f]{32}\b": "CLIENT_ID",
    r"\b[0-9a-f]{10}(?=:)": "COMMIT",
    r"\b\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?Z)?": "TIME",
    r"(?m)(^|  |key |: )[0-9A-Za-z]{8}(?=$|  | of | retires)": r"\1ID",
}
"""What differs from run to run in the README, and what stands for it in both."""


@dataclass
class Step:
    """A command, what it must print, and its exit code."""

    command: str
    output: list[str] = field(default_factory=list)
    code: int = 0


def steps(text: str) -> list[Step]:
    found: list[Step] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(Step(line[2:]))
        elif not found or line.startswith("# "):
            continue
        elif line.startswith("> ") and not found[-1].output:
            found[-1].command += f"\n{line[2:]}"
        elif re.fullmatch(r"\? \d+", line):
            found[-1].code = int(line[2:])
        else:
            found[-1].output.append(line)
    return found


def program(told: list[Step]) -> str:
    return "".join(f"{step.command}\n{_MARKED}\n" for step in told)


_MARKED = f"_code=$?; printf '{MARK}%s{MARK}' $_code; (exit $_code)"


def environment(home: Path) -> dict[str, str]:
    return {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",  # stdout and stderr in the order in which a terminal shows them
        **{f"XDG_{name}_HOME": str(home / ".local" / name.lower()) for name in ("CONFIG", "STATE", "CACHE")},
    }


def run(text: str, home: Path) -> str:
    with (home.parent / "output").open("w+b") as output, (home.parent / "program").open("w+b") as source:
        source.write(text.encode())
        source.seek(0)
        command = ["bash", "--norc", "--noprofile", source.name]
        with subprocess.Popen(
            command,
            cwd=home,
            env=environment(home),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as session:
            source.flush()
            try:
                session.wait(SECONDS)
            except subprocess.TimeoutExpired:
                output.write(f"\n[still running after {SECONDS} seconds]".encode())
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(session.pid, signal.SIGKILL)
        output.seek(0)
        return output.read().decode()


def outcomes(printed: str) -> list[Step]:
    *parts, rest = re.split(f"{MARK}(\\d+){MARK}", printed)
    found = [Step("", parts[at].splitlines(), int(parts[at + 1])) for at in range(0, len(parts), 2)]
    return [*found, Step("", rest.splitlines(), -1)] if rest.strip() else found


def fits(expected: list[str], printed: list[str]) -> bool:
    return re.fullmatch("".join(map(_pattern, expected)), "".join(f"{line}\n" for line in printed)) is not None


def _pattern(line: str) -> str:
    if line == "...":
        return r"(?:.*\n)*?"
    return ".*".join(map(re.escape, line.split("[..]"))) + r"\n"


def _without_blanks_behind(lines: list[str]) -> list[str]:
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    return lines[:end]


def faults(told: list[Step], found: list[Step]) -> Iterator[str]:
    for step, came in zip(told, [*found, *[Step("", ["[not reached]"], -1)] * (len(told) - len(found))], strict=False):
        expected, printed = _without_blanks_behind(step.output), _without_blanks_behind(came.output)
        if came.code != step.code or not fits(expected, printed):
            shown = [next((want for want in expected if fits([want], [line])), line) for line in printed]
            lines = ndiff([*expected, f"? {step.code}"], [*shown, f"? {came.code}"])
            yield "\n".join([f"$ {step.command}", *(line for line in lines if not line.startswith("?"))])


def act(told: list[Step], home: Path) -> list[Step]:
    home.mkdir()
    return outcomes(run(program(told), home))


def shaped(lines: list[str], home: Path) -> list[str]:
    text = "\n".join(lines).replace(str(home), "/home/you")
    for shape, word in SHAPES.items():
        text = re.sub(shape, word, text)
    return text.splitlines()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_transcript_reports_what_happens(script: Path, tmp_path: Path) -> None:
    told = steps(script.read_text(encoding="utf-8"))
    assert told
    problems = list(faults(told, act(told, tmp_path / "home")))
    assert not problems, f"{script.name} tells otherwise:\n\n" + "\n\n".join(problems)


def test_the_readme_shows_what_happens(tmp_path: Path) -> None:
    told, home = steps("".join(blocks("console"))), tmp_path / "home"
    found = act(told, home)
    for step, came in zip(told, found, strict=True):
        step.output, came.output = shaped(step.output, home), shaped(came.output, home)
        step.code = came.code  # the page shows codes with `echo $?`
    problems = list(faults(told, found))
    assert not problems, "README.md tells otherwise:\n\n" + "\n\n".join(problems)


def test_the_script_in_the_readme_works_as_printed(tmp_path: Path) -> None:
    (script,) = blocks("bash")
    home = tmp_path / "home"
    home.mkdir()
    printed = run(f"bash -eu -c {shlex.quote(script)}\n{_MARKED}\n", home)
    (came,) = outcomes(printed)
    assert came.code == 0, printed
    assert '"username":"ana"' in re.sub(r"\s", "", came.output[-1])
    assert not re.search(r"gam(key|sec)_", printed)


def test_the_script_in_the_readme_ends_when_the_server_does_not_start(tmp_path: Path) -> None:
    (script,) = blocks("bash")
    home = tmp_path / "home"
    home.mkdir()
    (came,) = outcomes(run(f"GAMCLI_SERVE_HOST=nowhere bash -eu -c {shlex.quote(script)}\n{_MARKED}\n", home))
    assert came.code == 1


def test_the_pipeline_script_in_the_readme_works_as_printed(tmp_path: Path) -> None:
    (script,) = blocks("shell")
    home = tmp_path / "home"
    (home / "gam").mkdir(parents=True)
    (home / "gam" / "ci.toml").write_text("[app.ci]\n", encoding="utf-8")
    (home / "pipeline").write_text(script, encoding="utf-8")
    lines = ("gamcli init", "sh pipeline plan", "sh pipeline apply", "sh pipeline drift", "sh pipeline apply")
    found = outcomes(
        run(program([Step(each) for each in (*lines, "gamcli app disable ci", "sh pipeline drift")]), home)
    )
    assert [each.code for each in found] == [0, 0, 0, 0, 0, 0, 0]
    assert found[1].output[0] == "### gamcli plan: 1 to create"
    (home / "gam" / "ci.toml").write_text("[app.ci]\nenabled = true\n", encoding="utf-8")
    (drifted,) = outcomes(run(program([Step("sh pipeline drift")]), home))
    assert (drifted.code, drifted.output[0]) == (6, "~ app ci")


def test_the_commands_of_the_pipelines_in_the_readme_are_those_that_there_are(tmp_path: Path) -> None:
    found = re.findall(
        r"gamcli .*", "".join(each for each in blocks("yaml") if "gamcli plan" in each or "tags:" in each)
    )
    home = tmp_path / "home"
    (home / "gam").mkdir(parents=True)
    (home / "gam" / "ci.toml").write_text("[app.ci]\n", encoding="utf-8")
    told = [
        Step("gamcli init; export GITHUB_OUTPUT=$PWD/outputs CI_BUILDS_DIR=$PWD CI_JOB_ID=1"),
        *map(Step, found),
    ]
    assert len(told) == 7
    assert {each.code for each in outcomes(run(program(told), home))} == {0}


@pytest.mark.parametrize(
    ("expected", "printed", "agrees"),
    [
        (["a"], ["a"], True),
        (["a"], ["b"], False),
        (["a"], ["a", "b"], False),
        (["key [..] of ana"], ["key 12345678 of ana"], True),
        (["key [..] of ana"], ["key 12345678 of eva"], False),
        (["a", "...", "z"], ["a", "m", "n", "z"], True),
        (["a", "...", "z"], ["a", "z"], True),
        (["a", "...", "z"], ["a", "m"], False),
        ([], [], True),
        ([], ["a"], False),
    ],
)
def test_wildcards_stand_for_parts_of_lines_and_for_lines(
    expected: list[str], printed: list[str], *, agrees: bool
) -> None:
    assert fits(expected, printed) is agrees


@pytest.mark.parametrize("text", ["$ echo b\na\n", "$ false\n", "$ exit 3\n$ echo a\na\n", "$ 'unclosed\n"])
def test_a_transcript_that_reports_otherwise_is_noticed(text: str, tmp_path: Path) -> None:
    told = steps(text)
    assert list(faults(told, act(told, tmp_path / "home")))
