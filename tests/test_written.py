"""What the program writes into the repository is there as it writes it, and the README names only what there is."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

import gamcli
from gamcli.commands.complete import read_table
from gamcli.commands.settings import SETTINGS
from gamcli.conformance import table as conformance
from gamcli.rules import diagnosis

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
WIDTH = 120


@pytest.fixture(scope="module")
def written() -> ModuleType:
    spec = spec_from_file_location("written", Path(__file__).with_name("written.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copy(tmp_path: Path, written: ModuleType) -> Path:
    for name in written.files(ROOT):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def prose() -> list[str]:
    lines, inside = [], False
    for line in README.splitlines():
        inside ^= line.startswith("```")
        if not inside and not line.startswith(("```", "|")):
            lines.append(line)
    return lines


def test_nothing_that_is_written_differs() -> None:
    command = [sys.executable, str(Path(__file__).with_name("written.py")), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("README.md", lambda text: text.replace("| 3 | not found |", "| 3 | lost |")),
        ("gamcli/commands/completion_table.tsv", lambda text: text.replace("--label", "--lable")),
        ("completions/_gamcli", lambda _: ""),
    ],
)
def test_what_differs_is_named_and_rewritten(
    name: str, change: Callable[[str], str], copy: Path, written: ModuleType
) -> None:
    before = (copy / name).read_text(encoding="utf-8")
    (copy / name).write_text(change(before), encoding="utf-8")
    assert written.differing(copy) == [name]
    written.write(copy)
    assert written.differing(copy) == []
    assert (copy / name).read_text(encoding="utf-8") == before


def test_every_block_that_can_be_written_is_in_the_readme(written: ModuleType) -> None:
    assert sorted(re.findall(r"<!-- written: (\S+) -->", README)) == sorted(written.BLOCKS)


def test_the_refusals_have_the_numbers_of_key_explain_and_of_conformance(written: ModuleType) -> None:
    number = written.numbers()
    for rule, (shown, _) in diagnosis.RULE_DESCRIPTIONS.items():
        assert number[rule] == str(shown)
    assert {row.rule for row in conformance.load_rows() if row.rule.isdigit()} == {*number.values()} - {""}


def test_the_first_two_blocks_are_the_two_lines() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert [block.count("\n") for block in blocks] == [1, 1]
    assert blocks[0].endswith(".venv/bin/gamcli quickstart\n")
    assert blocks[1].endswith(".venv/bin/pytest -n auto\n")
    assert README.index("```") == README.index(f"```sh\n{blocks[0]}")


def test_the_readme_names_only_options_that_there_are() -> None:
    known = {row.text for row in read_table()} | {"--help", "--check"}
    of_others = {"--fail-with-body", "--config", "--data-urlencode", "--body-file", "--all", "--message"}
    of_uvicorn = {"--no-proxy-headers", "--no-access-log"}
    of_faults = {"--only", "--rounds", "--seconds"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)) <= known | of_others | of_uvicorn | of_faults


def test_the_readme_names_only_commands_that_there_are() -> None:
    known = {f"{row.path} {row.text}".strip() for row in read_table()} | {"NOUN", "NOUN VERB", "--help"}
    shown = re.findall(r"\bgamcli ((?:--store \S+ )?[a-zN-][\w-]*(?: [a-zV-][\w-]*)?)", "\n".join(_command_lines()))
    for line in shown:
        words = re.sub(r"^--store \S+ ", "", line).split()
        assert " ".join(words) in known or (words[0] in known and _takes_no_verb(words[0])), line


def _command_lines() -> list[str]:
    code = re.findall(r"^```(?:sh|bash|console)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    lines = [line for block in code for line in block.splitlines() if not line.startswith("gamcli: ")]
    return [*lines, *re.findall(r"`(gamcli [^`]+)`", README)]


def _takes_no_verb(noun: str) -> bool:
    return not any(row.path == noun and row.text.isalpha() for row in read_table())


def test_the_readme_names_every_setting() -> None:
    assert [each.variable for each in SETTINGS.values() if each.variable not in README] == []


def test_the_prose_of_the_readme_is_wrapped() -> None:
    assert [line for line in prose() if len(line) > WIDTH] == []


def test_the_map_names_only_what_there_is() -> None:
    places = re.findall(r"`((?:actions|commands|render|rules|server|store)\.[\w.]+)`", gamcli.__doc__ or "")
    assert len(places) > 20
    for place in places:
        assert _resolved(place) is not None, place


def _resolved(place: str) -> object:
    module, _, name = f"gamcli.{place}".rpartition(".")
    try:
        return getattr(import_module(module), name, None) or import_module(f"{module}.{name}")
    except ImportError:
        owner, _, inner = module.rpartition(".")
        return getattr(getattr(import_module(owner), inner, None), name, None)
