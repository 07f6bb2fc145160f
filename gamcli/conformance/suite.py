"""All rows, asked one after another: which are as the contract, which differ, and which could not be asked."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from gamcli.conformance import comparison, exchange, table
from gamcli.conformance.comparison import Difference
from gamcli.conformance.exchange import ReceivedResponse, TargetServer
from gamcli.conformance.table import RequestSpec, Row
from gamcli.conformance.worlds import UnknownValueError, World

SAME, DIFFERS, SKIPPED = "same", "differs", "skipped"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a row; `expected` and `found` in a few words, `why` where they differ or why it was skipped."""

    section: str
    row: str
    rule: str
    decided: bool = field(metadata={"about": "by this project, not by a page of GAM's"})
    verdict: str
    expected: str
    found: str
    why: str


class _SetupError(Exception):
    """What a row needs did not go well."""


def check_rows(server: TargetServer, world: World, rows: Iterable[Row]) -> Iterator[Verdict]:
    """Ask the rows and yield what becomes of each."""
    return (check_row(server, world, row) for row in rows)


def check_row(server: TargetServer, world: World, row: Row) -> Verdict:
    """Ask one row."""
    error_format = str(world.server["error_format"])
    expected = comparison.describe_expected(row.expected, error_format)

    def told(came: str, found: str = "", why: str = "") -> Verdict:
        return Verdict(row.section, row.name, row.rule, row.decided, came, expected, found, why)

    if missing := skip_reason(row, world, server.base_path):
        return told(SKIPPED, why=missing)
    try:
        world = _run_setup(server, world, row)
        answer = _send_request(server, world, row, row.request)
        filled = partial(world.fill, holder=row.holder)
        differing = [
            *comparison.find_differences(row.expected, answer, error_format, filled),
            *_compare_with_other(server, world, row, answer),
        ]
    except UnknownValueError as lacking:
        return told(SKIPPED, why=f"the world has no {lacking}")
    except _SetupError as failed:
        return told(DIFFERS, why=str(failed))
    why = "; ".join(f"{each.expected}, not {each.found}" for each in differing)
    return told(DIFFERS if differing else SAME, comparison.describe_response(answer, error_format), why)


def skip_reason(row: Row, world: World, base_path: str) -> str:
    """Return what the server is not, or does not serve, that the row is about; empty when it can be asked."""
    there = {**world.server, "base_path": base_path}
    for name, value in {"max_failures": 0, **row.server}.items():
        if there[name] != value:
            return f"for a server with {name} = {json.dumps(value)}"
    return f"the server does not serve the grant {row.grant}" if row.grant not in ("", *world.server["grants"]) else ""


def _compare_with_other(
    server: TargetServer, world: World, row: Row, response: ReceivedResponse
) -> Iterator[Difference]:
    """Yield a difference when the answer tells more, or less, than that to a request that it is to be like."""
    name = row.expected.like
    if name and _send_request(server, world, row, table.load_requests()[name]).body != response.body:
        yield Difference(f"the body that answers the request '{name}'", "another one")


def _run_setup(server: TargetServer, world: World, row: Row) -> World:
    """Ask what the row comes after, and return the world with what was answered, by the names of the requests."""
    for name in row.after:
        asked, _, number = name.partition("*")
        for _ in range(int(number or 1)):
            answer = _send_request(server, world, row, table.load_requests()[asked])
        if not number:
            world = world.with_values(asked, _response_values(asked, answer))
    return world


def _response_values(name: str, response: ReceivedResponse) -> dict[str, str]:
    try:
        document = json.loads(response.body)
    except ValueError:
        document = None
    if response.status >= 300 or not isinstance(document, dict):  # noqa: PLR2004 - beyond success
        error = f": {response.problem}" if response.problem else ""
        raise _SetupError(f"the request '{name}' before it was answered {response.status}{error}")
    return {each: value for each, value in document.items() if isinstance(value, str)}


def _send_request(server: TargetServer, world: World, row: Row, request: RequestSpec) -> ReceivedResponse:
    sent = exchange.encode_request(request, world, row.holder, server)
    return server.send(sent, request.method, wait_for_close=row.expected.closes and request is row.request)
