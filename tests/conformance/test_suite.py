"""The whole table, asked of every kind of server, in both formats of refusals."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Thread
from time import sleep

import pytest
import uvicorn

from gamcli.commands.conformance import SERVER_VARIANTS
from gamcli.conformance import exchange, suite, table
from gamcli.conformance.exchange import ReceivedResponse, TargetServer
from gamcli.conformance.suite import DIFFERS, SAME, SKIPPED, Verdict
from gamcli.conformance.table import ExpectedResponse, RequestSpec, Row
from gamcli.conformance.worlds import World, parse_world
from gamcli.rules import passwords
from gamcli.server import asgi
from gamcli.server.endpoints import routes
from gamcli.server.endpoints.failure_limit import FailureLimiter
from gamcli.server.endpoints.refusals import ErrorFormat

Serving = Callable[[World], AbstractContextManager[TargetServer]]

OF_EACH_PROCESS = "max_failures"
"""What several processes count each for itself: nobody can say how many requests it takes."""


def holds(
    serving: Serving, world: World, rows: list[Row], variants: Iterable[dict[str, object]] = SERVER_VARIANTS
) -> None:
    left = rows
    for variant in variants:
        told = world.with_server(variant)
        base = str(told.server["base_path"])
        fitting = [row for row in left if not suite.skip_reason(row, told, base)]
        left = [row for row in left if row not in fitting]
        with serving(told) as server:
            found = list(suite.check_rows(server, told, fitting))
        assert [(each.row, each.why) for each in found if each.verdict != SAME] == []
    assert [row.name for row in left if "error_format" not in row.server] == []


def test_a_server_is_as_the_contract(serve: Serving, world: World) -> None:
    holds(serve, world, list(table.load_rows()))


def test_a_server_refuses_in_the_words_of_rfc_6749_where_it_is_reported_to(serve: Serving, world: World) -> None:
    rows = [row for row in table.load_rows() if row.expected.gam]
    holds(serve, world.with_server({"error_format": "rfc6749"}), rows)


def test_several_workers_are_as_the_contract(
    serve: Callable[..., AbstractContextManager[TargetServer]], world: World
) -> None:
    rows = [row for row in table.load_rows() if OF_EACH_PROCESS not in row.server]
    variants = [each for each in SERVER_VARIANTS if OF_EACH_PROCESS not in each]
    holds(lambda told: serve(told, ["--workers=2"]), world, rows, variants)


@contextmanager
def in_asgi(path: Path, world: World) -> Iterator[TargetServer]:
    told = world.server
    conduct = routes.ServerConfig(
        base_path=told["base_path"],
        error_format=ErrorFormat(told["error_format"], told["expired_status"]),
        failure_limiter=FailureLimiter(told["max_failures"]),
        origins=frozenset(filter(None, (told["cors_origin"],))),
    )
    config = uvicorn.Config(
        asgi.Application(path, conduct, lambda _: None), port=0, log_level="error", lifespan="on", http="h11"
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield exchange.parse_url(f"http://127.0.0.1:{port}{told['base_path']}")
    finally:
        server.should_exit = True
        thread.join(20)


def test_the_asgi_form_is_as_the_contract(place: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "CURRENT_COST", passwords.TEST_COST)
    rows = [row for row in table.load_rows() if not row.request.packets and not row.expected.closes]
    holds(lambda told: in_asgi(place / "store.db", told), world, rows)


ROW = Row("routes", "a name", RequestSpec(path="/{portal.client_id}"), ExpectedResponse())


class Deaf(TargetServer):
    """A server that is asked and gives the answers that it was made with."""

    def __init__(self, *answers: ReceivedResponse) -> None:
        super().__init__("http", "127.0.0.1", 1, "")
        object.__setattr__(self, "answers", list(answers))

    def ask(self, packets: list[bytes], method: str, *, to_the_end: bool = False) -> ReceivedResponse:
        del packets, method, to_the_end
        answers: list[ReceivedResponse] = self.__dict__["answers"]
        return answers.pop(0)


def of_row(row: Row, world: World, *answers: ReceivedResponse) -> Verdict:
    return suite.check_row(Deaf(*answers), world, row)


def test_what_the_world_lacks_is_reported_as_skipped() -> None:
    verdict = of_row(ROW, parse_world({}))
    assert (verdict.verdict, verdict.why) == (SKIPPED, "the world has no portal.client_id")


def test_a_grant_that_is_not_served_is_reported_as_skipped() -> None:
    row = Row("password", "a name", RequestSpec(), ExpectedResponse(), grant="password")
    verdict = of_row(row, parse_world({"server": {"grants": ["api_key"]}}))
    assert (verdict.verdict, verdict.why) == (SKIPPED, "the server does not serve the grant password")


def test_a_row_for_another_server_is_reported_as_skipped() -> None:
    row = Row("userinfo", "a name", RequestSpec(), ExpectedResponse(), server={"expired_status": 403})
    assert of_row(row, parse_world({})).why == "for a server with expired_status = 403"


def test_an_answer_that_differs_is_reported_with_both() -> None:
    row = Row("routes", "a name", RequestSpec(), ExpectedResponse(gam="404 404"))
    verdict = of_row(row, parse_world({}), ReceivedResponse(404, {}, b'{"error":{"code":"1","message":"a"}}'))
    assert (verdict.verdict, verdict.expected, verdict.found) == (DIFFERS, "404", "404 1")
    assert verdict.why.startswith('code 404, not "1"; content-type: application/json, not no such header')


def test_what_goes_wrong_before_a_row_is_reported_as_a_difference(world: World) -> None:
    row = Row("userinfo", "a name", RequestSpec(), ExpectedResponse(), after=("grant",))
    for answer, told in ((ReceivedResponse(500), "500"), (ReceivedResponse(problem="TimeoutError"), "0: TimeoutError")):
        verdict = of_row(row, world, answer)
        assert (verdict.verdict, verdict.found) == (DIFFERS, "")
        assert verdict.why == f"the request 'grant' before it was answered {told}"


def test_what_comes_so_many_times_before_a_row_may_fail(world: World) -> None:
    row = Row("refusals", "a name", RequestSpec(), ExpectedResponse(status=204), after=("wrong_secret*2",))
    assert of_row(row, world, ReceivedResponse(401), ReceivedResponse(401), ReceivedResponse(204)).verdict == SAME


def test_an_answer_before_a_row_gives_it_values(world: World) -> None:
    promise = ExpectedResponse(json={"a": "{grant.b}"}, status=204)
    row = Row("userinfo", "a name", RequestSpec(), promise, after=("grant",))
    assert (
        of_row(
            row, world, ReceivedResponse(200, {}, b'{"b":"c","n":1}'), ReceivedResponse(204, {}, b'{"a":"c"}')
        ).verdict
        == SAME
    )
    assert (
        of_row(
            row, world, ReceivedResponse(200, {}, b'{"b":"d","n":1}'), ReceivedResponse(204, {}, b'{"a":"c"}')
        ).verdict
        == DIFFERS
    )


def test_an_answer_may_be_promised_to_be_like_another(world: World) -> None:
    row = Row("refusals", "a name", RequestSpec(), ExpectedResponse(status=204, like="wrong_key"))
    assert of_row(row, world, ReceivedResponse(204, {}, b"a"), ReceivedResponse(204, {}, b"a")).verdict == SAME
    verdict = of_row(row, world, ReceivedResponse(204, {}, b"a"), ReceivedResponse(204, {}, b"b"))
    assert verdict.why == "the body that answers the request 'wrong_key', not another one"


def test_a_server_that_does_not_answer_differs() -> None:
    silent = exchange.parse_url("http://127.0.0.1:1")
    verdict = suite.check_row(
        silent, parse_world({}), Row("routes", "a name", RequestSpec(path="/"), ExpectedResponse())
    )
    assert verdict.verdict == DIFFERS
    assert verdict.found.startswith("no answer: ConnectionRefusedError")
