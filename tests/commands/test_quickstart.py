"""`gamcli quickstart`."""

import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def temporary(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = place.parent / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def test_quickstart_prints_each_step_and_leaves_no_files(gamcli: Run, temporary: Path, file: Path) -> None:
    ran = gamcli("quickstart")
    assert ran.code == 0
    claims = json.loads(ran.out)
    assert (claims["username"], claims["email"]) == ("ana", "ana@example.com")
    steps = re.findall(r"^([0-9])\. ", ran.err, re.MULTILINE)
    assert steps == [str(number) for number in range(1, len(steps) + 1)]
    assert len(steps) == 7
    for command in ("init", "app create", "user create", "key generate", "serve --port 0"):
        assert f"$ gamcli {command}" in ran.err
    assert [*temporary.iterdir()] == []
    assert not file.exists()


def test_a_quiet_quickstart_prints_only_the_claims(gamcli: Run) -> None:
    ran = gamcli("--quiet", "quickstart")
    assert ran.err == ""
    assert json.loads(ran.out)["username"] == "ana"


def test_the_curl_commands_of_quickstart_work(line: list[str], shell: Run, temporary: Path) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([*line, "quickstart", "--serve"], stdout=pipe, stderr=pipe, bufsize=0) as process:
        assert process.stdout
        text = ""
        while '"Authorization: Bearer $TOKEN"' not in text:
            text += os.read(process.stdout.fileno(), 65536).decode()
        _, _, script = text.partition("\n}\n")
        ran = shell(script)
        (folder,) = temporary.iterdir()
        modes = {each.name: each.stat().st_mode & 0o777 for each in folder.iterdir()}
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert json.loads(ran.out)["email"] == "ana@example.com"
    assert set(modes.values()) == {0o600}
    assert [*temporary.iterdir()] == []
    assert "gamkey_" not in err.decode() + text
    assert "gamsec_" not in err.decode() + text
