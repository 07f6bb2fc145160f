"""Checks rows one after another: each is as expected, differs or is skipped."""

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
    """The result of a row: `expected` and `found` in a few words, `why` it differs or was skipped."""

    section: str
    row: str
    rule: str
    decided: bool = field(metadata={"about": "decided by this project, not by a GAM page"})
    verdict: str
    expected: str
    found: str
    why: str


class _SetupError(Exception):
    """A request that a row depends on failed."""


def check_rows(server: TargetServer, world: World, rows: Iterable[Row]) -> Iterator[Verdict]:
    return (check_row(server, world, row) for row in rows)


def check_row(server: TargetServer, world: World, row: Row) -> Verdict:
    response_format = str(world.server["format"])
    expected_response = row.expected if response_format == "gam" else row.rfc_expected
    expected = comparison.describe_expected(expected_response, response_format)

    def verdict(result: str, response: str = "", why: str = "") -> Verdict:
        return Verdict(row.section, row.name, row.rule, bool(row.decided), result, expected, response, why)

    if reason := skip_reason(row, world, server.base_path):
        return verdict(SKIPPED, why=reason)
    try:
        world = _run_setup(server, world, row)
        response = _send_request(server, world, row, row.request)
        fill = partial(world.fill, profile=row.profile)
        differences = [
            *comparison.find_differences(expected_response, response, response_format, fill),
            *_compare_with_other(server, world, row, response),
        ]
    except UnknownValueError as missing:
        return verdict(SKIPPED, why=f"the world file has no {missing}")
    except _SetupError as error:
        return verdict(DIFFERS, why=str(error))
    why = "; ".join(f"{difference.expected}, not {difference.found}" for difference in differences)
    return verdict(DIFFERS if differences else SAME, comparison.describe_response(response, response_format), why)


def skip_reason(row: Row, world: World, base_path: str) -> str:
    """Return why the row does not apply to the server, empty if it does."""
    options = {**world.server, "base_path": base_path}
    for name, value in {"max_failures": 0, **row.server}.items():
        if options[name] != value:
            return f"needs a server with {name} = {json.dumps(value)}"
    if row.grant and row.grant not in world.server["grants"]:
        return f"the server does not support the grant {row.grant}"
    return ""


def _compare_with_other(
    server: TargetServer, world: World, row: Row, response: ReceivedResponse
) -> Iterator[Difference]:
    name = row.expected.like
    if name and _send_request(server, world, row, table.load_requests()[name]).body != response.body:
        yield Difference(f"the same body as for the request '{name}'", "a different one")


def _run_setup(server: TargetServer, world: World, row: Row) -> World:
    """Send the requests of `after`, and add the values of their responses to the world."""
    for step in row.after:
        name, _, count = step.partition("*")
        for _ in range(int(count or 1)):
            response = _send_request(server, world, row, table.load_requests()[name])
        if not count:
            world = world.with_values(name, _response_values(name, response))
    return world


def _response_values(name: str, response: ReceivedResponse) -> dict[str, str]:
    try:
        document = json.loads(response.body)
    except (ValueError, RecursionError):
        document = None
    if response.status >= 300 or not isinstance(document, dict):  # noqa: PLR2004 - above the success statuses
        problem = f": {response.problem}" if response.problem else ""
        raise _SetupError(f"the request '{name}' before it returned {response.status}{problem}")
    return {key: value for key, value in document.items() if isinstance(value, str)}


def _send_request(server: TargetServer, world: World, row: Row, request: RequestSpec) -> ReceivedResponse:
    packets = exchange.encode_request(request, world, row.profile, server)
    return server.send(packets, request.method, wait_for_close=row.expected.closes and request is row.request)
