"""The table itself: whole, unambiguous, and about every refusal and every route that there is."""

import re
from collections import Counter
from dataclasses import fields

import pytest

from gamcli.conformance import table
from gamcli.conformance.table import Row
from gamcli.conformance.worlds import SERVER_DEFAULTS, World
from gamcli.rules import scopes
from gamcli.server.endpoints import routes
from gamcli.server.endpoints.refusals import TABLE

ROWS = list(table.load_rows())
NOT_TO_BE_ASKED_FOR = {
    "store_busy", "store_gone", "bug", "connections_full", "request_slow",
}  # fmt: skip
"""Refusals that no request brings about by itself."""


def told(row: Row) -> tuple[str, str]:
    return row.expected.gam, row.expected.rfc


def test_there_is_a_file_for_each_section_and_a_row_in_each() -> None:
    files = {path.stem for path in table.FOLDER.glob("*.toml")} - {"requests", "world", "seed"}
    assert files == {*table.SECTIONS} == {row.section for row in ROWS}


def test_no_two_rows_of_a_section_have_one_name() -> None:
    assert [name for name, number in Counter((row.section, row.name) for row in ROWS).items() if number > 1] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.section}: {row.name}")
def test_a_row_is_whole(row: Row) -> None:
    assert row.rule
    assert bool(row.expected.gam) == bool(row.expected.rfc)
    for refusal in filter(None, told(row)):
        assert re.fullmatch(r"[a-z_0-9]* [45][0-9]{2}", refusal)
    assert {*(name.partition("*")[0] for name in row.after), *filter(None, [row.expected.like])} <= {
        *table.load_requests()
    }
    assert {*row.server} <= {*SERVER_DEFAULTS}
    assert row.expected.challenge in ("Bearer", "Basic")


def test_every_refusal_that_can_be_asked_for_has_a_row() -> None:
    asked = {told(row) for row in ROWS}
    wanted = {
        rule: (f"{each.code} {each.status}", f"{each.error} {each.rfc_status}")
        for rule, each in TABLE.items()
        if rule not in NOT_TO_BE_ASKED_FOR
    }
    assert {rule for rule, both in wanted.items() if both not in asked} == set()


def test_every_route_has_a_row_for_its_methods_and_one_for_others() -> None:
    asked = {(row.request.path.removeprefix("{server.base}"), row.request.method, row.expected.gam) for row in ROWS}
    for path, methods in routes.ROUTES.items():
        assert {method for each, method, refusal in asked if each == path and not refusal} >= {*methods} - {"GET"}
        assert any(each == path and refusal == "405 405" for each, _, refusal in asked)


def test_every_scope_has_a_row_that_asks_for_it_alone() -> None:
    asked = {each.form.get("scope") for name, each in table.load_requests().items() if name.startswith("only_")}
    assert asked == {*scopes.TABLE} - {"fullcontrol"} | {"user_team", "user_desks"}


def test_every_value_that_a_row_names_is_of_the_world_or_of_a_request(world: World) -> None:
    held = {f"{name}.{field}" for name, values in world.values.items() for field in values}
    known = {name.partition(".")[0] for name in held} | {*table.load_requests(), "server", "who"}
    questions = [*table.load_requests().values(), *(row.request for row in ROWS)]
    texts = "".join(str(getattr(each, field.name)) for each in questions for field in fields(each))
    assert {name for name, _ in re.findall(r"\{([a-z_0-9]+)\.([a-z_]+)\}", texts)} <= known
