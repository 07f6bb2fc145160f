"""`gamcli conformance`: against our own server, against others, and what it prints to begin with."""

import os
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gamcli.actions import Gam, repository
from gamcli.conformance import table
from gamcli.provision import seed
from gamcli.server.server import Server, ServerOptions
from gamcli.server.transport.listener import run_in_background
from gamcli.store import Store

Run = Callable[..., Any]
ROWS = list(table.load_rows())


@pytest.fixture
def url(gamcli: Run, place: Path) -> Iterator[str]:
    (place / "world.toml").write_text(gamcli("conformance", "--print-world").out, encoding="utf-8")
    printed = gamcli("conformance", "--print-seed", "--world", "world.toml").out
    (place / "seed.toml").write_text(printed, encoding="utf-8")
    with Store.in_memory() as store:
        gam = Gam(store, lambda: datetime.now(UTC), os.urandom, "test")
        repository.initialise(gam)
        seed.apply_seed(gam, [place / "seed.toml"], {})
        server = Server(gam, ServerOptions(log=lambda _: None, max_failures=0))
        with run_in_background(server):
            yield server.url


def test_the_local_server_meets_the_contract(gamcli: Run) -> None:
    ran = gamcli("conformance", "-o", "json")
    assert [(each["section"], each["row"]) for each in ran.json] == [(row.section, row.name) for row in ROWS]
    assert [*ran.json[0]] == ["section", "row", "rule", "decided", "verdict", "expected", "found", "why"]
    assert [each for each in ran.json if each["verdict"] != "same"] == []


def test_the_other_error_format_can_be_checked(gamcli: Run) -> None:
    ran = gamcli("conformance", "--format", "rfc6749", "--section", "order", "-o", "json")
    assert {each["verdict"] for each in ran.json} == {"same"}
    assert "401 invalid_client" in {each["found"] for each in ran.json}


def test_the_table_is_followed_by_a_summary(gamcli: Run) -> None:
    ran = gamcli("conformance", "--section", "order")
    rows = sum(row.section == "order" for row in ROWS)
    assert len(ran.out.splitlines()) == rows + 1
    assert ran.err == f"gamcli: {rows} rows checked: {rows} as expected, 0 differ, 0 skipped\n"


def test_another_server_is_checked_with_a_world_file(gamcli: Run, url: str) -> None:
    found = gamcli("conformance", url, "--world", "world.toml", "-o", "json").json
    assert sum(each["verdict"] == "same" for each in found) > 250
    skipped = {each["why"].partition(".")[0] for each in found if each["verdict"] == "skipped"}
    assert skipped > {
        "the world file has no revoked",
        "the world file has no repository",
        "the world file has no spent",
    }


def test_without_a_world_file_rows_with_credentials_are_skipped(gamcli: Run, url: str) -> None:
    found = gamcli("conformance", url, "--section", "requests_to_access_token", "-o", "json").json
    assert {each["verdict"] for each in found} <= {"same", "skipped"}
    assert "the world file has no portal.client_id" in {each["why"] for each in found}


def test_exit_code_7_if_a_row_differs(gamcli: Run, url: str) -> None:
    ran = gamcli("conformance", url, "--error-format", "rfc6749", "--section", "routes", "--differing", "-o", "csv")
    assert ran.code == 7
    lines = ran.out.splitlines()
    assert lines[0] == "section,row,rule,decided,verdict,expected,found,why"
    assert len(lines) >= 10
    assert all(",differs," in line for line in lines[1:])
    assert "differ, " in ran.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ("http://127.0.0.1:1",),
            1,
            "cannot connect to http://127.0.0.1:1: GET /oauth/gam/v2.0/access_token: ConnectionRefusedError",
        ),
        (("localhost",), 2, "invalid URL 'localhost'"),
        (("--section", "route"), 2, "unknown section 'route'"),
        (("--world", "world.toml"), 2, "--world requires the URL of a server"),
        (("http://127.0.0.1:1", "--world", "nowhere.toml"), 2, "cannot read the world file nowhere.toml: No such file"),
        (("--print-seed",), 2, "the world file has no portal.client_id"),
        (("--field", "nothing"), 2, "unknown field 'nothing'"),
    ],
)
def test_invalid_usage_is_an_error_with_a_hint(gamcli: Run, words: tuple[str, ...], code: int, message: str) -> None:
    ran = gamcli("conformance", *words)
    assert ran.code == code
    assert message in ran.err
    assert ran.hint


def test_each_printed_world_file_has_new_credentials(gamcli: Run) -> None:
    first, second = (tomllib.loads(gamcli("conformance", "--print-world").out) for _ in range(2))
    assert [*first] == [*second]
    assert first["portal"]["client_secret"] != second["portal"]["client_secret"]
    assert first["portal"]["api_key"] != first["other"]["api_key"]
