"""The manual page `gam` lists every decision of gamcli (†) that the OpenAPI document and the conformance rows mark."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gamcli
from gamcli.conformance import table
from gamcli.server.endpoints import openapi
from gamcli.server.endpoints.refusals import TABLE

PAGE = (Path(str(gamcli.__file__)).parent / "manual" / "gam.md").read_text(encoding="utf-8")
MARKED_TEXTS = ("description", "summary")


def questions(title: str) -> set[str]:
    section = PAGE.split(f"### {title}\n")[1].split("\n#")[0]
    cells = [line.split(" | ")[0].removeprefix("| ") for line in section.splitlines() if line.startswith("| ")]
    return {cell.replace("`", "") for cell in cells} - {"question"}


ON_THE_WIRE = questions("Requests and responses")


def objects(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - JSON
    """Yield the objects of the OpenAPI document, without values in the form of a response."""
    if isinstance(value, list):
        for each in value:
            yield from objects(each)
    if isinstance(value, dict):
        yield value
        for name, each in value.items():
            if name not in ("value", "scopes"):
                yield from objects(each)


OBJECTS = [*objects({name: each for name, each in openapi.build_document().items() if name != "info"})]
IN_OPENAPI = {each["x-decision"] for each in OBJECTS if "x-decision" in each}
IN_ROWS = {row.decided for row in table.load_rows() if row.decided}


def test_every_mark_is_a_decision_that_the_page_lists() -> None:
    assert IN_OPENAPI | IN_ROWS | {row.decided for row in TABLE.values() if row.decided} <= ON_THE_WIRE


def test_every_decision_on_the_wire_is_marked_in_a_row_or_in_the_openapi_document() -> None:
    assert IN_OPENAPI | IN_ROWS == ON_THE_WIRE
    assert not ON_THE_WIRE & questions("Everything else")


def test_an_object_of_the_openapi_document_has_a_dagger_exactly_if_it_names_its_decision() -> None:
    for each in OBJECTS:
        has_dagger = any(str(each.get(name, "")).endswith(" †") for name in MARKED_TEXTS)
        assert has_dagger == ("x-decision" in each and "flows" not in each), each
        assert not any("†" in str(each.get(name, "")).removesuffix("†") for name in MARKED_TEXTS), each


def test_the_scopes_that_no_gam_page_names_are_the_marked_ones() -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith("| scopes of other fields")]
    (flows,) = [each["flows"] for each in OBJECTS if "flows" in each]
    scopes = flows["password"]["scopes"]
    named = {
        name for name in scopes if name.startswith("user_") and f"`{name}`" in row.partition("GAM's pages name")[2]
    }
    assert {name for name, text in scopes.items() if text.endswith(" †")} == {
        name for name in scopes if name.startswith("user_")
    } - named


def test_a_row_whose_refusal_is_a_decision_is_marked() -> None:
    decided: dict[str, set[bool]] = {}
    for refusal in TABLE.values():
        decided.setdefault(f"{refusal.code} {refusal.status}", set()).add(bool(refusal.decided))
    always = {code for code, found in decided.items() if found == {True}}
    assert {"404 404", "292 400"} <= always
    assert [
        (row.section, row.name) for row in table.load_rows() if row.expected.gam in always and not row.decided
    ] == []
