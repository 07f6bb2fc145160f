"""
The transcripts in `scripts/`, in README and in the manual: each runs in a real bash and has to print what it shows.

Lines that begin with `$ ` are commands, `> ` continues one, all in one bash session. What follows is the output, stdout
and stderr together. In `scripts/`, `[..]` matches anything within a line, `...` alone on a line any lines, and `? N` is
the exit code when it is not 0. Text before the first command and lines that begin with `# ` are comments.

The console blocks of README, and of each page of the manual, are one session. Pages begin with the application and the
user that their first page introduces (`PREPARATION`).
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import ndiff
from pathlib import Path

import pytest

from tests.cases import for_each
from tests.warm_gamcli import WarmGamcli

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
PAGES = sorted((HERE.parent / "gamcli" / "manual").glob("*.md"))
SCRIPTS = sorted((HERE / "scripts").glob("*.txt"))
SECONDS = 100
"""How long a session may take, less than a test."""

MARK = "\x1e"
"""Ends the output of a command; no program here prints it."""

PREPARATION = r"""
$ gamcli --quiet init
$ gamcli --quiet app create portal --scope gam_user_data+gam_user_roles --remote-rest --api-keys \
>     --api-key-timeout 2160 --out portal_secret
$ gamcli --quiet user create ana --email ana@example.com --first-name Ana --role operator
"""
"""The commands before the first one of a page."""

PLACEHOLDERS = {
    r"gam(key|sec)_\w+": r"gam\1_SECRET",
    r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b": "GUID",
    r"(?<=GUID!)\w+": "TOKEN",
    r"\b[0-9a-f]{64}\b": "HASH",
    r"\b[0-9a-f]{32}\b": "CLIENT_ID",
    r"\b[0-9a-f]{12}(?= |$)": "HEAD",
    r"\b[0-9a-f]{10}(?=:)": "COMMIT",
    r"127\.0\.0\.1:\d+": "ADDRESS",
    r"\b\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?Z)?": "TIME",
    r"(?m)(^|  |key |: |revoke |rotate |enable |disable )[0-9A-Za-z]{8}(?=$|  | of | stays valid| --)": r"\1ID",
}
"""What differs from run to run in README and manual, each with its placeholder."""


@dataclass
class Step:
    """A command, the output that it must print, and its exit code."""

    command: str
    output: list[str] = field(default_factory=list)
    code: int = 0


def parse_steps(text: str) -> list[Step]:
    steps: list[Step] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            steps.append(Step(line[2:]))
        elif not steps or line.startswith("# "):
            continue
        elif line.startswith("> ") and not steps[-1].output:
            steps[-1].command += f"\n{line[2:]}"
        elif re.fullmatch(r"\? \d+", line):
            steps[-1].code = int(line[2:])
        else:
            steps[-1].output.append(line)
    return steps


def bash_program(steps: list[Step]) -> str:
    """Return the bash program that runs the steps and marks the end of each with its exit code, which `$?` keeps."""
    return "".join(f"{step.command}\n{_END_OF_STEP}\n" for step in steps)


_END_OF_STEP = f"_code=$?; printf '{MARK}%s{MARK}' $_code; (exit $_code)"


def session_environment(home: Path, *programs: Path) -> dict[str, str]:
    """Return the environment of the session: its own home, and this gamcli first in the path, or one of `programs`."""
    return {
        "HOME": str(home),
        "PATH": os.pathsep.join(map(str, (*programs, Path(sys.executable).parent, os.environ["PATH"]))),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",  # stdout and stderr in the order in which a terminal shows them
        **{f"XDG_{name}_HOME": str(home / ".local" / name.lower()) for name in ("CONFIG", "STATE", "CACHE")},
    }


def run_bash(text: str, home: Path, *programs: Path, seconds: int = SECONDS) -> str:
    """Run a bash program in `home`, return what it printed, and kill what it left running."""
    with (home.parent / "output").open("w+b") as output, (home.parent / "program").open("w+b") as source:
        source.write(text.encode())
        source.flush()
        with subprocess.Popen(
            ["bash", "--norc", "--noprofile", source.name],
            cwd=home,
            env=session_environment(home, *programs),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as session:
            try:
                session.wait(seconds)
            except subprocess.TimeoutExpired:
                output.write(f"\n[still running after {seconds} seconds]".encode())
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(session.pid, signal.SIGKILL)
        output.seek(0)
        return output.read().decode()


def parse_output(printed: str) -> list[Step]:
    *parts, rest = re.split(f"{MARK}(\\d+){MARK}", printed)
    steps = [Step("", parts[at].splitlines(), int(parts[at + 1])) for at in range(0, len(parts), 2)]
    return [*steps, Step("", rest.splitlines(), -1)] if rest.strip() else steps


def matches(expected: list[str], printed: list[str]) -> bool:
    return re.fullmatch("".join(map(_pattern, expected)), "".join(f"{line}\n" for line in printed)) is not None


def _pattern(line: str) -> str:
    if line == "...":
        return r"(?:.*\n)*?"
    return ".*".join(map(re.escape, line.split("[..]"))) + r"\n"


def _strip_empty_lines(lines: list[str]) -> list[str]:
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    return lines[:end]


def find_differences(expected_steps: list[Step], actual_steps: list[Step]) -> Iterator[str]:
    """Yield the difference, line by line, of each step that went differently."""
    missing = [Step("", ["[not reached]"], -1)] * (len(expected_steps) - len(actual_steps))
    for step, actual in zip(expected_steps, [*actual_steps, *missing], strict=False):
        expected, printed = _strip_empty_lines(step.output), _strip_empty_lines(actual.output)
        if actual.code != step.code or not matches(expected, printed):
            shown = [next((want for want in expected if matches([want], [line])), line) for line in printed]
            lines = ndiff([*expected, f"? {step.code}"], [*shown, f"? {actual.code}"])
            yield "\n".join([f"$ {step.command}", *(line for line in lines if not line.startswith("?"))])


def run_steps(steps: list[Step], home: Path, *programs: Path, seconds: int = SECONDS) -> list[Step]:
    home.mkdir(exist_ok=True)
    return parse_output(run_bash(bash_program(steps), home, *programs, seconds=seconds))


def replace_placeholders(lines: list[str], home: Path) -> list[str]:
    text = "\n".join(lines).replace(str(home), "/home/you")
    for pattern, placeholder in PLACEHOLDERS.items():
        text = re.sub(pattern, placeholder, text)
    return [line.rstrip() for line in text.splitlines()]


def blocks(language: str, *pages: Path) -> list[str]:
    """Return the code blocks in that language, of README and manual or of `pages`."""
    pattern = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [block for page in pages or (README, *PAGES) for block in pattern.findall(page.read_text(encoding="utf-8"))]


@pytest.fixture(scope="session")
def prepared_home(tmp_path_factory: pytest.TempPathFactory, warm_gamcli: WarmGamcli) -> Path:
    """Return a home in which `PREPARATION` has run."""
    home = tmp_path_factory.mktemp("prepared") / "home"
    assert [step.code for step in run_steps(parse_steps(PREPARATION), home, warm_gamcli.folder)] == [0, 0, 0]
    return home


REAL_PROCESSES = {"README", "main-job", "many-keys-cut-short"}
"""The transcripts in which each command starts Python, as it does for users."""


@pytest.fixture
def programs(request: pytest.FixtureRequest) -> tuple[Path, ...]:
    """Return where the session of a transcript finds another gamcli first."""
    path: Path = next(request.node.callspec.params[name] for name in ("script", "page") if name in request.fixturenames)
    return () if path.stem in REAL_PROCESSES else (request.getfixturevalue("warm_gamcli").folder,)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_transcript_shows_what_happens(script: Path, tmp_path: Path, programs: tuple[Path, ...]) -> None:
    steps = parse_steps(script.read_text(encoding="utf-8"))
    assert steps
    differences = list(find_differences(steps, run_steps(steps, tmp_path / "home", *programs)))
    assert not differences, f"{script.name} differs:\n\n" + "\n\n".join(differences)


@pytest.mark.parametrize(
    "page", [page for page in (README, *PAGES) if blocks("console", page)], ids=lambda path: path.stem
)
def test_readme_and_manual_show_what_happens(
    page: Path, tmp_path: Path, prepared_home: Path, programs: tuple[Path, ...]
) -> None:
    """Except for keys, IDs, times and addresses."""
    steps, home = parse_steps("".join(blocks("console", page))), tmp_path / "home"
    if page != README:
        shutil.copytree(prepared_home, home)
    actual_steps = run_steps(steps, home, *programs)
    for step, actual in zip(steps, actual_steps, strict=True):
        step.output, actual.output = replace_placeholders(step.output, home), replace_placeholders(actual.output, home)
        step.code = actual.code  # pages show exit codes with `echo $?`
    differences = list(find_differences(steps, actual_steps))
    assert not differences, f"{page.name} differs:\n\n" + "\n\n".join(differences)


def test_the_complete_script_reads_the_claims_and_shows_no_secret(tmp_path: Path, warm_gamcli: WarmGamcli) -> None:
    (script,) = blocks("bash", README.parent / "gamcli/manual/clients.md")
    home = tmp_path / "home"
    home.mkdir()
    printed = run_bash(f"bash -eu -c {shlex.quote(script)}\n{_END_OF_STEP}\n", home, warm_gamcli.folder)
    (step,) = parse_output(printed)
    assert step.code == 0, printed
    assert '"username":"ana"' in re.sub(r"\s", "", step.output[-1])
    assert not re.search(r"gam(key|sec)_", printed)


def test_the_complete_script_fails_when_the_server_does_not_start(tmp_path: Path, warm_gamcli: WarmGamcli) -> None:
    """It does not wait forever for the ready file."""
    (script,) = blocks("bash", README.parent / "gamcli/manual/clients.md")
    home = tmp_path / "home"
    home.mkdir()
    (step,) = parse_output(
        run_bash(
            f"GAMCLI_SERVE_HOST=nowhere bash -eu -c {shlex.quote(script)}\n{_END_OF_STEP}\n", home, warm_gamcli.folder
        )
    )
    assert step.code == 1


def test_the_pipeline_script_plans_applies_and_finds_drift(tmp_path: Path, warm_gamcli: WarmGamcli) -> None:
    (script,) = blocks("shell")
    home = tmp_path / "home"
    (home / "gam").mkdir(parents=True)
    (home / "gam" / "ci.toml").write_text("[app.ci]\n", encoding="utf-8")
    (home / "pipeline").write_text(script, encoding="utf-8")
    lines = ("gamcli init", "sh pipeline plan", "sh pipeline apply", "sh pipeline drift", "sh pipeline apply")
    steps = parse_output(
        run_bash(
            bash_program([Step(line) for line in (*lines, "gamcli app disable ci", "sh pipeline drift")]),
            home,
            warm_gamcli.folder,
        )
    )
    assert [step.code for step in steps] == [0, 0, 0, 0, 0, 0, 0]
    assert steps[1].output[0] == "### gamcli plan: 1 to create"
    (home / "gam" / "ci.toml").write_text("[app.ci]\nenabled = true\n", encoding="utf-8")
    (drift,) = parse_output(run_bash(bash_program([Step("sh pipeline drift")]), home, warm_gamcli.folder))
    assert (drift.code, drift.output[0]) == (6, "~ app ci")


def test_the_commands_of_the_pipelines_work(tmp_path: Path, warm_gamcli: WarmGamcli) -> None:
    workflows = [block for block in blocks("yaml") if "gamcli plan" in block or "tags:" in block]
    commands = re.findall(r"gamcli .*", "".join(workflows))
    home = tmp_path / "home"
    (home / "gam").mkdir(parents=True)
    (home / "gam" / "ci.toml").write_text("[app.ci]\n", encoding="utf-8")
    steps = [
        Step("gamcli init; export GITHUB_OUTPUT=$PWD/outputs CI_BUILDS_DIR=$PWD CI_JOB_ID=1"),
        *map(Step, commands),
    ]
    assert len(steps) == 8
    assert {step.code for step in parse_output(run_bash(bash_program(steps), home, warm_gamcli.folder))} == {0}


@for_each(
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
def test_wildcards_match_parts_of_lines_and_lines(expected: list[str], printed: list[str], *, agrees: bool) -> None:
    assert matches(expected, printed) is agrees


@pytest.mark.parametrize("text", ["$ echo b\na\n", "$ false\n", "$ exit 3\n$ echo a\na\n", "$ 'unclosed\n"])
def test_a_transcript_that_differs_is_noticed(text: str, tmp_path: Path) -> None:
    """By its output, its exit code, or a session that ends early."""
    steps = parse_steps(text)
    assert list(find_differences(steps, run_steps(steps, tmp_path / "home")))
