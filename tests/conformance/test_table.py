"""The table: complete, unambiguous, and with rows for every refusal and route."""

import re
from collections import Counter
from dataclasses import fields

from gamcli.conformance import table
from gamcli.conformance.table import Row
from gamcli.conformance.worlds import SERVER_DEFAULTS, World
from gamcli.rules import scopes
from gamcli.server.endpoints import routes
from gamcli.server.endpoints.refusals import TABLE
from tests.cases import for_each

ROWS = list(table.load_rows())
NOT_REPRODUCIBLE = {
    "store_busy", "store_gone", "store_version", "draining", "bug", "connections_full", "request_slow",
}  # fmt: skip
"""Refusals that no request can cause by itself."""


def refusal_codes(row: Row) -> tuple[str, str]:
    return row.expected.gam, row.expected.rfc


def test_there_is_a_file_for_each_section_and_a_row_in_each() -> None:
    files = {path.stem for path in table.FOLDER.glob("*.toml")} - {"requests", "world", "seed"}
    assert files == {*table.SECTIONS} == {row.section for row in ROWS}


def test_no_two_rows_of_a_section_have_one_name() -> None:
    assert [name for name, number in Counter((row.section, row.name) for row in ROWS).items() if number > 1] == []


@for_each("row", ROWS)
def test_a_row_is_complete_and_valid(row: Row) -> None:
    assert row.rule
    assert isinstance(row.decided, str)
    assert bool(row.expected.gam) == bool(row.expected.rfc)
    for refusal in filter(None, refusal_codes(row)):
        assert re.fullmatch(r"[a-z_0-9]* [45][0-9]{2}", refusal)
    assert {*(name.partition("*")[0] for name in row.after), *filter(None, [row.expected.like])} <= {
        *table.load_requests()
    }
    assert {*row.server} <= {*SERVER_DEFAULTS}
    assert row.expected.challenge in ("Bearer", "Basic")


def test_every_reproducible_refusal_has_a_row() -> None:
    covered = {refusal_codes(row) for row in ROWS}
    expected = {
        rule: (f"{refusal.code} {refusal.status}", f"{refusal.error} {refusal.rfc_status}")
        for rule, refusal in TABLE.items()
        if rule not in NOT_REPRODUCIBLE
    }
    assert {rule for rule, codes in expected.items() if codes not in covered} == set()


def test_every_route_has_a_row_for_its_methods_and_one_for_others() -> None:
    covered = {(row.request.path.removeprefix("{server.base}"), row.request.method, row.expected.gam) for row in ROWS}
    for path, methods in (routes.ROUTES | routes.EXTRA_ROUTES).items():
        assert {method for route, method, refusal in covered if route == path and not refusal} >= {*methods} - {"GET"}
        assert any(route == path and refusal == "405 405" for route, _, refusal in covered)


def test_every_scope_has_a_row_that_requests_only_it() -> None:
    templates = table.load_requests().items()
    requested = {template.form.get("scope") for name, template in templates if name.startswith("only_")}
    assert requested == {*scopes.TABLE} - {"fullcontrol"} | {"user_team", "user_offices"}


def test_every_placeholder_of_a_row_has_a_value(world: World) -> None:
    known = {*world.values, *table.load_requests(), "server", "profile"}
    requests = [*table.load_requests().values(), *(row.request for row in ROWS)]
    texts = "".join(str(getattr(request, field.name)) for request in requests for field in fields(request))
    assert {name for name, _ in re.findall(r"\{([a-z_0-9]+)\.([a-z_]+)\}", texts)} <= known
