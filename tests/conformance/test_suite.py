"""All rows, checked with every kind of server and both error formats."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Thread
from time import sleep

import uvicorn

from gamcli.conformance import suite, table
from gamcli.conformance.exchange import ReceivedResponse, TargetServer
from gamcli.conformance.local import SERVER_VARIANTS
from gamcli.conformance.suite import DIFFERS, SAME, SKIPPED, Verdict
from gamcli.conformance.table import ExpectedResponse, RequestSpec, Row
from gamcli.conformance.worlds import World, parse_world
from gamcli.server import asgi
from gamcli.server.endpoints import context
from gamcli.server.endpoints.failure_limit import FailureLimiter
from gamcli.server.endpoints.refusals import ResponseFormat
from gamcli.store.postgres.url import parse_url
from tests.conformance.conftest import create_world

Serving = Callable[[World], AbstractContextManager[TargetServer]]

PER_PROCESS_OPTION = "max_failures"
"""Each worker process counts failures separately, so the number of requests until a refusal varies."""


def check(
    serving: Serving, world: World, rows: list[Row], variants: Iterable[dict[str, object]] = SERVER_VARIANTS
) -> None:
    left = rows
    for variant in variants:
        configured = world.with_server(variant)
        base_path = str(configured.server["base_path"])
        suitable = [row for row in left if not suite.skip_reason(row, configured, base_path)]
        left = [row for row in left if row not in suitable]
        with serving(configured) as server:
            verdicts = list(suite.check_rows(server, configured, suitable))
        assert [(verdict.row, verdict.why) for verdict in verdicts if verdict.verdict != SAME] == []
    assert [row.name for row in left] == []


def test_the_server_meets_the_contract_in_the_form_of_rfc_6749(serve: Serving, world: World) -> None:
    check(serve, world.with_server({"format": "rfc6749"}), list(table.load_rows()))


def test_several_workers_meet_the_contract(
    serve: Callable[..., AbstractContextManager[TargetServer]], world: World
) -> None:
    rows = [row for row in table.load_rows() if PER_PROCESS_OPTION not in row.server]
    variants = [variant for variant in SERVER_VARIANTS if PER_PROCESS_OPTION not in variant]
    check(lambda configured: serve(configured, ["--workers=2"]), world, rows, variants)


def test_a_node_on_postgresql_meets_the_contract(
    serve: Callable[..., AbstractContextManager[TargetServer]], postgres_url: str
) -> None:
    world = create_world(parse_url(postgres_url))
    check(lambda configured: serve(configured, store=postgres_url), world, list(table.load_rows()))


@contextmanager
def in_asgi(path: Path, world: World) -> Iterator[TargetServer]:
    settings = world.server
    endpoint_config = context.ServerConfig(
        base_path=settings["base_path"],
        response_format=ResponseFormat(settings["format"], settings["expired_status"]),
        failure_limiter=FailureLimiter(settings["max_failures"]),
        origins=frozenset(filter(None, (settings["cors_origin"],))),
        extras=settings["extras"],
    )
    config = uvicorn.Config(
        asgi.Application(path, endpoint_config, lambda _: None), port=0, log_level="error", lifespan="on", http="h11"
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield TargetServer.from_url(f"http://127.0.0.1:{port}{settings['base_path']}")
    finally:
        server.should_exit = True
        thread.join(20)


def test_the_asgi_application_meets_the_contract(place: Path, world: World) -> None:
    rows = [row for row in table.load_rows() if not row.request.packets and not row.expected.closes]
    check(lambda configured: in_asgi(place / "store.db", configured), world, rows)


ROW = Row("routes", "a name", RequestSpec(path="/{portal.client_id}"), ExpectedResponse())


class FakeServer(TargetServer):
    """Returns prepared responses."""

    def __init__(self, *responses: ReceivedResponse) -> None:
        super().__init__("http", "127.0.0.1", 1, "")
        object.__setattr__(self, "responses", list(responses))

    def send(self, packets: list[bytes], method: str, *, wait_for_close: bool = False) -> ReceivedResponse:
        del packets, method, wait_for_close
        responses: list[ReceivedResponse] = self.__dict__["responses"]
        return responses.pop(0)


def check_row(row: Row, world: World, *responses: ReceivedResponse) -> Verdict:
    return suite.check_row(FakeServer(*responses), world, row)


def test_a_row_without_its_credentials_is_skipped() -> None:
    verdict = check_row(ROW, parse_world({}))
    assert (verdict.verdict, verdict.why) == (SKIPPED, "the world file has no portal.client_id")


def test_a_row_of_an_unsupported_grant_is_skipped() -> None:
    row = Row("password", "a name", RequestSpec(), ExpectedResponse(), grant="password")
    verdict = check_row(row, parse_world({"server": {"grants": ["api_key"]}}))
    assert (verdict.verdict, verdict.why) == (SKIPPED, "the server does not support the grant password")


def test_a_row_for_other_server_options_is_skipped() -> None:
    row = Row("userinfo", "a name", RequestSpec(), ExpectedResponse(), server={"expired_status": 403})
    assert check_row(row, parse_world({})).why == "needs a server with expired_status = 403"


def test_a_difference_shows_the_expected_and_the_received_response() -> None:
    row = Row("routes", "a name", RequestSpec(), ExpectedResponse(gam="404 404"))
    verdict = check_row(row, parse_world({}), ReceivedResponse(404, {}, b'{"error":{"code":"1","message":"a"}}'))
    assert (verdict.verdict, verdict.expected, verdict.found) == (DIFFERS, "404", "404 1")
    assert verdict.why.startswith('code 404, not "1"; content-type: application/json, not no such header')


def test_a_failed_setup_request_is_a_difference(world: World) -> None:
    row = Row("userinfo", "a name", RequestSpec(), ExpectedResponse(), after=("grant",))
    failures = (ReceivedResponse(500), "500"), (ReceivedResponse(problem="TimeoutError"), "0: TimeoutError")
    for response, message in failures:
        verdict = check_row(row, world, response)
        assert (verdict.verdict, verdict.found) == (DIFFERS, "")
        assert verdict.why == f"the request 'grant' before it returned {message}"


def test_repeated_setup_requests_may_fail(world: World) -> None:
    row = Row("refusals", "a name", RequestSpec(), ExpectedResponse(status=204), after=("wrong_secret*2",))
    assert check_row(row, world, ReceivedResponse(401), ReceivedResponse(401), ReceivedResponse(204)).verdict == SAME


def test_a_setup_response_provides_values(world: World) -> None:
    expected = ExpectedResponse(json={"a": "{grant.b}"}, status=204)
    row = Row("userinfo", "a name", RequestSpec(), expected, after=("grant",))
    assert (
        check_row(
            row, world, ReceivedResponse(200, {}, b'{"b":"c","n":1}'), ReceivedResponse(204, {}, b'{"a":"c"}')
        ).verdict
        == SAME
    )
    assert (
        check_row(
            row, world, ReceivedResponse(200, {}, b'{"b":"d","n":1}'), ReceivedResponse(204, {}, b'{"a":"c"}')
        ).verdict
        == DIFFERS
    )


def test_a_response_may_be_expected_to_equal_another(world: World) -> None:
    row = Row("refusals", "a name", RequestSpec(), ExpectedResponse(status=204, like="wrong_key"))
    assert check_row(row, world, ReceivedResponse(204, {}, b"a"), ReceivedResponse(204, {}, b"a")).verdict == SAME
    verdict = check_row(row, world, ReceivedResponse(204, {}, b"a"), ReceivedResponse(204, {}, b"b"))
    assert verdict.why == "the same body as for the request 'wrong_key', not a different one"


def test_a_server_that_does_not_respond_differs() -> None:
    unreachable = TargetServer.from_url("http://127.0.0.1:1")
    verdict = suite.check_row(
        unreachable, parse_world({}), Row("routes", "a name", RequestSpec(path="/"), ExpectedResponse())
    )
    assert verdict.verdict == DIFFERS
    assert verdict.found.startswith("no response: ConnectionRefusedError")
