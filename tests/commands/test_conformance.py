"""`gamcli conformance`: against our own server, against others, and what it prints to begin with."""

import os
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from gamcli.actions import Gam, repository
from gamcli.conformance import table
from gamcli.provision import seed
from gamcli.rules import passwords
from gamcli.server.transport.event_loop import Server, ServerOptions
from gamcli.store import Store

Run = Callable[..., Any]
ROWS = list(table.load_rows())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "CURRENT_COST", passwords.TEST_COST)


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
        thread = Thread(target=server.run)
        thread.start()
        yield server.url
        server.stop()
        thread.join()


def test_our_own_server_is_as_the_contract(gamcli: Run) -> None:
    ran = gamcli("conformance", "-o", "json")
    assert [(each["section"], each["row"]) for each in ran.json] == [(row.section, row.name) for row in ROWS]
    assert [*ran.json[0]] == ["section", "row", "rule", "decided", "verdict", "expected", "found", "why"]
    assert [each for each in ran.json if each["verdict"] != "same"] == []


def test_the_other_format_of_refusals_is_asked_for_too(gamcli: Run) -> None:
    ran = gamcli("conformance", "--error-format", "rfc6749", "--section", "order", "-o", "json")
    assert {each["verdict"] for each in ran.json} == {"same"}
    assert "401 invalid_client" in {each["found"] for each in ran.json}


def test_a_table_for_people_ends_with_a_summary(gamcli: Run) -> None:
    ran = gamcli("conformance", "--section", "order")
    rows = sum(row.section == "order" for row in ROWS)
    assert len(ran.out.splitlines()) == rows + 1
    assert ran.err == f"gamcli: {rows} rows: {rows} as the contract, 0 differ, 0 skipped\n"


def test_another_server_is_held_against_the_contract_with_a_world(gamcli: Run, url: str) -> None:
    found = gamcli("conformance", url, "--world", "world.toml", "-o", "json").json
    assert sum(each["verdict"] == "same" for each in found) > 250
    skipped = {each["why"].partition(".")[0] for each in found if each["verdict"] == "skipped"}
    assert skipped > {"the world has no revoked", "the world has no repository", "the world has no spent"}


def test_without_a_world_only_what_needs_no_credentials_is_asked(gamcli: Run, url: str) -> None:
    found = gamcli("conformance", url, "--section", "requests_to_access_token", "-o", "json").json
    assert {each["verdict"] for each in found} <= {"same", "skipped"}
    assert "the world has no portal.client_id" in {each["why"] for each in found}


def test_a_server_that_differs_is_an_answer_separate(gamcli: Run, url: str) -> None:
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
        (("http://127.0.0.1:1",), 1, "the server http://127.0.0.1:1 cannot be asked: ConnectionRefusedError"),
        (("localhost",), 2, "that is no address of a server"),
        (("--section", "route"), 2, "no section 'route'"),
        (("--world", "world.toml"), 2, "--world goes with the URL of a server"),
        (("http://127.0.0.1:1", "--world", "nowhere.toml"), 2, "cannot read the world nowhere.toml: No such file"),
        (("--print-seed",), 2, "the world lacks portal.client_id"),
        (("--field", "nothing"), 2, "no field named 'nothing'"),
    ],
)
def test_what_cannot_be_asked_is_explained(gamcli: Run, words: tuple[str, ...], code: int, message: str) -> None:
    ran = gamcli("conformance", *words)
    assert ran.code == code
    assert message in ran.err
    assert ran.hint


def test_each_printed_world_has_credentials_separate(gamcli: Run) -> None:
    first, second = (tomllib.loads(gamcli("conformance", "--print-world").out) for _ in range(2))
    assert [*first] == [*second]
    assert first["portal"]["client_secret"] != second["portal"]["client_secret"]
    assert first["portal"]["api_key"] != first["other"]["api_key"]
