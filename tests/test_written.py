"""Generated files are up to date, and README and manual name only what exists."""

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
from gamcli import manual
from gamcli.commands.complete import read_table
from gamcli.commands.settings import SETTINGS
from gamcli.conformance import table as conformance
from gamcli.rules import diagnosis
from tests.cases import for_each

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "gamcli" / "manual").glob("*.md")))
}
EVERYTHING = "\n".join(DOCUMENTS.values())
WIDTH = 120
MAX_README_LINES = 300

OPTIONS_OF_OTHERS = {
    "--jq", "--method", "--paginate", "--silent",  # gh
    "--all", "--body-file", "--config", "--data-urlencode", "--fail-with-body", "--message",  # curl, gh, git
    "--forwarded-allow-ips", "--no-access-log", "--no-proxy-headers", "--timeout-keep-alive",  # uvicorn
    "--command", "--dbname", "--file", "--set", "--single-transaction",  # psql and pg_dump
    "--no-cache-dir", "--rm", "--system", "--uid",  # pip, docker, useradd
    "--no-file-parallelism",  # vitest
    "--asgi", "--only", "--postgres", "--rounds", "--seconds",  # tests/bench/serve.py and tests/faults/run.py
}  # fmt: skip


@pytest.fixture(scope="module")
def written() -> ModuleType:
    spec = spec_from_file_location("written", Path(__file__).with_name("written.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def prose(text: str) -> list[str]:
    """Return the lines of a document outside of code blocks, tables and comments."""
    lines, inside = [], False
    for line in text.splitlines():
        inside ^= line.startswith("```")
        if not inside and not line.startswith(("```", "|", "<!--")):
            lines.append(line)
    return lines


def test_generated_files_are_up_to_date() -> None:
    command = [sys.executable, str(Path(__file__).with_name("written.py")), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


CHANGES: dict[str, Callable[[str], str]] = {
    "README.md": lambda text: text.replace("| `gamcli init` |", "| `gamcli start` |"),
    "gamcli/manual/exit-codes.md": lambda text: text.replace("| 3 | not found |", "| 3 | lost |"),
    "gamcli/commands/completion_table.tsv": lambda text: text.replace("--label", "--lable"),
    "completions/_gamcli": lambda _: "",
    "completions/man/gamcli-key.1": lambda text: text.replace("label", "lable"),
}


def test_outdated_files_are_named_and_updated(tmp_path: Path, written: ModuleType) -> None:
    before = {name: (ROOT / name).read_text(encoding="utf-8") for name in written.files(ROOT)}
    written.write(tmp_path, {name: CHANGES.get(name, str)(text) for name, text in before.items()})
    outdated = written.outdated(tmp_path)
    assert outdated == {name: before[name] for name in CHANGES}
    written.write(tmp_path, outdated)
    assert written.outdated(tmp_path) == {}


def test_every_generated_block_is_in_one_document(written: ModuleType) -> None:
    assert sorted(re.findall(r"<!-- written: (\S+) -->", EVERYTHING)) == sorted(written.BLOCKS)


def test_the_refusals_have_the_numbers_of_key_explain_and_of_conformance(written: ModuleType) -> None:
    number = written.numbers()
    for rule, (shown, _) in diagnosis.RULE_DESCRIPTIONS.items():
        assert number[rule] == str(shown)
    assert {row.rule for row in conformance.load_rows() if row.rule.isdigit()} == {*number.values()} - {""}


def test_the_readme_begins_with_the_two_commands() -> None:
    """CI runs them as they are printed."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert [block.count("\n") for block in blocks] == [1, 1]
    assert blocks[0].endswith(".venv/bin/gamcli quickstart\n")
    assert blocks[1].endswith(".venv/bin/pytest -n auto\n")
    assert README.index("```") == README.index(f"```sh\n{blocks[0]}")


def test_the_readme_is_short_and_names_every_page() -> None:
    assert len(README.splitlines()) <= MAX_README_LINES
    assert {*re.findall(r"\(gamcli/manual/([\w-]+)\.md\)", README)} == {*manual.PAGES}


def test_the_manual_has_the_pages_that_help_lists() -> None:
    """Each begins with a title of one line, which `gamcli help` lists, and a paragraph on its use."""
    assert {f"gamcli/manual/{name}.md" for name in manual.PAGES} == {*DOCUMENTS} - {"README.md"}
    for name in manual.PAGES:
        title, empty, paragraph, *_ = manual.read_page(name).splitlines()
        assert re.fullmatch(r"# [A-Z].{3,70}", title), name
        assert (empty, paragraph[:10]) == ("", "This page "), name


@for_each("name", DOCUMENTS)
def test_every_link_leads_to_a_file_and_a_heading(name: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", DOCUMENTS[name]):
        path, _, heading = target.partition("#")
        if path.startswith("https://"):
            continue
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}, target


def test_documents_name_only_options_that_exist() -> None:
    known = {row.text for row in read_table()} | {"--help", "--check", "--schema"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", EVERYTHING)) <= known | OPTIONS_OF_OTHERS


def test_documents_name_only_commands_that_exist() -> None:
    known = {f"{row.path} {row.text}".strip() for row in read_table()} | {"COMMAND", "COMMAND --help"}
    pattern = r"\bgamcli ((?:--\w+ (?:\S+\.db )?)*[a-zC-][\w-]*(?: [a-z-][\w-]*)?)"
    for shown in re.findall(pattern, "\n".join(_command_lines())):
        words = re.sub(r"--\w+ (?:\S+\.db )?", "", shown).split()
        assert not words or " ".join(words) in known or (words[0] in known and not _has_verbs(words[0])), shown


def _command_lines() -> list[str]:
    code = re.findall(r"^```(?:sh|bash|console)\n(.*?)^```$", EVERYTHING, re.MULTILINE | re.DOTALL)
    lines = [line for block in code for line in block.splitlines() if line.startswith(("$ ", "> ", "gamcli "))]
    return [*lines, *re.findall(r"`(gamcli [^`]+)`", EVERYTHING)]


def _has_verbs(noun: str) -> bool:
    return any(row.path == noun and row.text.isalpha() for row in read_table())


def test_the_manual_names_every_setting() -> None:
    assert [setting.name for setting in SETTINGS.values() if setting.variable not in EVERYTHING] == []


def test_prose_is_wrapped() -> None:
    long = {name: [line for line in prose(text) if len(line) > WIDTH] for name, text in DOCUMENTS.items()}
    assert {name: lines for name, lines in long.items() if lines} == {}


@pytest.mark.skipif(not shutil.which("groff"), reason="needs groff")
def test_the_man_pages_are_valid(written: ModuleType) -> None:
    for name in filter(re.compile(r".*\.1").fullmatch, written.files(ROOT)):
        command = ["groff", "-man", "-Tutf8", "-P-cbou", "-ww", "-k", str(ROOT / name)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert (done.stderr, "SYNOPSIS" in done.stdout) == ("", True), name


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
