"""A test suite in JavaScript: vitest, against `gamcli serve --ephemeral --control`, and the page in a browser."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "vitest"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not here")
    folder = tmp_path_factory.mktemp("vitest") / "suite"
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("node_modules"))
    command = ["npm", "ci", "--prefer-offline"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=180)
    except subprocess.TimeoutExpired:
        pytest.skip("npm ci does not end: no packages are reached from here")
    if done.returncode != 0:
        pytest.skip(f"npm ci failed: {done.stderr.decode(errors='replace').strip().splitlines()[-1:]}")
    return folder


def run_vitest(folder: Path, name: str) -> dict[str, object]:
    serve = [sys.executable, "-m", "gamcli", "--quiet", "serve", "--ephemeral", "--control", "--port", "0", "--"]
    vitest = ["node", "node_modules/vitest/vitest.mjs", "run", name, "--reporter=json"]
    done = subprocess.run([*serve, *vitest], cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    report = json.loads(done.stdout[done.stdout.index("{") :])
    assert done.returncode == 0, [
        (each["fullName"], each["failureMessages"])
        for file in report["testResults"]
        for each in file["assertionResults"]
        if each["status"] == "failed"
    ]
    return dict(report)


def test_twelve_tests_of_a_client_pass(packages: Path) -> None:
    assert run_vitest(packages, "client.test.js")["numPassedTests"] == 12


def test_the_page_works_in_a_browser(packages: Path) -> None:
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not here")
    assert run_vitest(packages, "page.test.js")["numPassedTests"] == 2
