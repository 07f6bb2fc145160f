"""The clients and workflows of the manual: each runs as it is printed."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MANUAL = Path(__file__).parent.parent / "gamcli" / "manual"
INSTALL = 'pip install "$GAMCLI"'
BESIDE = ["serve", "--ephemeral", "--port", "0"]


def blocks(page: str, language: str) -> list[str]:
    text = (MANUAL / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GAM", "XDG_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "HOME": str(tmp_path), "PATH": path, "GITHUB_ENV": str(tmp_path / "github.env")}


def served(words: list[str], folder: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "gamcli", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("language", "name", "interpreter"), [("python", "ask.py", sys.executable), ("js", "ask.mjs", "node")]
)
def test_a_client_of_the_manual_reads_the_name_of_the_user(
    tmp_path: Path, environment: dict[str, str], language: str, name: str, interpreter: str
) -> None:
    if not shutil.which(interpreter):
        pytest.skip(f"no {interpreter} on this machine")
    (tmp_path / name).write_text(blocks("clients", language)[0], encoding="utf-8")
    ran = served([*BESIDE, "--", interpreter, name], tmp_path, environment)
    assert (ran.returncode, ran.stdout) == (0, "ana\n"), ran.stderr
    ran = served([*BESIDE, "--fault", "token=key_expired", "--", interpreter, name], tmp_path, environment)
    assert ran.returncode == 1
    assert "401: The API key has expired." in ran.stderr


def steps(job: str) -> list[str]:
    (workflow,) = (each for each in blocks("testing", "yaml") if "--ephemeral" in each)
    (text,) = re.findall(rf"^  {job}:\n(.*?)(?=^  \w|\Z)", workflow, re.MULTILINE | re.DOTALL)
    found = re.findall(r"^ {6}- run: (?:\|\n((?: {10}.*\n)+)|(.*)\n)(?! +if: failure)", text, re.MULTILINE)
    install, *others = (many or one for many, one in found)
    assert install == INSTALL
    assert re.search(r"^  GAMCLI: git\+", workflow, re.MULTILINE)
    return others


@pytest.mark.parametrize("job", ["program", "background"])
def test_the_workflow_of_the_manual_tests_against_a_server(
    tmp_path: Path, environment: dict[str, str], job: str
) -> None:
    (tmp_path / "gam.toml").write_text(blocks("testing", "toml")[0], encoding="utf-8")
    (tmp_path / "ask.py").write_text(blocks("clients", "python")[0], encoding="utf-8")
    (tmp_path / "test.sh").write_text("#!/bin/sh\nexec python3 ask.py >told\n", encoding="utf-8")
    (tmp_path / "test.sh").chmod(0o755)
    (tmp_path / "github.env").touch()
    try:
        for step in steps(job):
            given = (tmp_path / "github.env").read_text(encoding="utf-8").splitlines()
            known = environment | {name: value for name, _, value in (line.partition("=") for line in given)}
            subprocess.run(["bash", "-e", "-c", step], cwd=tmp_path, env=known, check=True, timeout=60)
    finally:
        if (tmp_path / "ready.json").exists():
            os.kill(json.loads((tmp_path / "ready.json").read_bytes())["pid"], 15)
    assert (tmp_path / "told").read_text(encoding="utf-8") == "ana\n"
    assert len(steps(job)) == {"program": 1, "background": 2}[job]


GH = """#!/bin/sh
case "$*" in
*--jq*) cat id ;;
*PATCH*) echo "edit $*" | grep -o 'edit\\|comments/.*' >>calls ;;
*) echo create >>calls; echo 17 >id ;;
esac
"""


def test_the_workflow_of_the_manual_replaces_its_comment(tmp_path: Path, environment: dict[str, str]) -> None:
    (workflow,) = (each for each in blocks("ci", "yaml") if "gh api" in each)
    (step,) = re.findall(r"run: \|\n((?: {10}.*\n)+)", workflow)
    (tmp_path / "id").touch()
    (tmp_path / "gh").write_text(GH, encoding="utf-8")
    (tmp_path / "gh").chmod(0o755)
    environment |= {"PATH": f"{tmp_path}{os.pathsep}{environment['PATH']}", "NUMBER": "7", "GITHUB_REPOSITORY": "o/r"}
    for _ in range(3):
        subprocess.run(["bash", "-e", "-c", step], cwd=tmp_path, env=environment, check=True, timeout=60)
    edit = ["edit", "comments/17 --field body=@plan.md"]
    assert (tmp_path / "calls").read_text(encoding="utf-8").splitlines() == ["create", *edit, *edit]
