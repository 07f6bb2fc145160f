"""The whole table, asked of every kind of server, in both formats of refusals."""

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from gamcli.commands import serve as serving
from gamcli.commands.conformance import VARIANTS
from gamcli.conformance import asking, suite, table
from gamcli.conformance.asking import Answer, Server
from gamcli.conformance.suite import DIFFERS, SAME, SKIPPED, Verdict
from gamcli.conformance.table import Promise, Question, Row
from gamcli.conformance.worlds import World, of

Serve = Callable[..., AbstractContextManager[Server]]

FORMS = {"serve": [], "two workers": ["--workers=2"]}
"""The forms of the server, by what `serve` is told."""

THERE = {
    "serve": True,
    "two workers": "workers" in inspect.signature(serving.serve).parameters,
}
"""Which of them there are."""

OF_EACH_PROCESS = "max_failures"
"""What several processes count each for itself: nobody can say how many requests it takes."""


@pytest.mark.parametrize(("form", "error_format"), [("serve", "gam"), ("serve", "rfc6749"), ("two workers", "gam")])
def test_a_server_is_as_the_contract(serve: Serve, world: World, form: str, error_format: str) -> None:
    """Each row by the first variant of the server that it fits; in the other format, the refusals alone."""
    if not THERE[form]:
        pytest.skip(f"serve has no {form}")
    left = [row for row in table.rows() if error_format == "gam" or row.promise.gam]
    for variant in VARIANTS:
        told = world.served({"error_format": error_format, **variant})
        base = str(told.server["base_path"])
        fitting = [row for row in left if not suite.unfit(row, told, base)]
        left = [row for row in left if row not in fitting]
        if form == "serve" or OF_EACH_PROCESS not in variant:
            with serve(told, FORMS[form]) as server:
                found = list(suite.run(server, told, fitting))
            assert [(each.row, each.why) for each in found if each.verdict != SAME] == []
    assert [row.name for row in left if "error_format" not in row.server] == []


ROW = Row("routes", "a name", Question(path="/{portal.client_id}"), Promise())


class Deaf(Server):
    """A server that is asked and gives the answers that it was made with."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__("http", "127.0.0.1", 1, "")
        object.__setattr__(self, "answers", list(answers))

    def ask(self, packets: list[bytes], method: str, *, to_the_end: bool = False) -> Answer:
        """Give the next answer."""
        del packets, method, to_the_end
        answers: list[Answer] = self.__dict__["answers"]
        return answers.pop(0)


def of_row(row: Row, world: World, *answers: Answer) -> Verdict:
    """Return what becomes of the row when the server answers so."""
    return suite.verdict(Deaf(*answers), world, row)


def test_what_the_world_lacks_is_told_as_skipped() -> None:
    """With the name of the value."""
    verdict = of_row(ROW, of({}))
    assert (verdict.verdict, verdict.why) == (SKIPPED, "the world has no portal.client_id")


def test_a_grant_that_is_not_served_is_told_as_skipped() -> None:
    """Nothing is asked."""
    row = Row("password", "a name", Question(), Promise(), grant="password")
    verdict = of_row(row, of({"server": {"grants": ["api_key"]}}))
    assert (verdict.verdict, verdict.why) == (SKIPPED, "the server does not serve the grant password")


def test_a_row_for_another_server_is_told_as_skipped() -> None:
    """With what that server would have to be."""
    row = Row("userinfo", "a name", Question(), Promise(), server={"expired_status": 403})
    assert of_row(row, of({})).why == "for a server with expired_status = 403"


def test_an_answer_that_differs_is_told_with_both() -> None:
    """What was promised in few words, what was found, and where they differ."""
    row = Row("routes", "a name", Question(), Promise(gam="404 404"))
    verdict = of_row(row, of({}), Answer(404, {}, b'{"error":{"code":"1","message":"a"}}'))
    assert (verdict.verdict, verdict.expected, verdict.found) == (DIFFERS, "404", "404 1")
    assert verdict.why.startswith('code 404, not "1"; content-type: application/json, not no such header')


def test_what_goes_wrong_before_a_row_is_told_as_a_difference(world: World) -> None:
    """The row itself is not asked."""
    row = Row("userinfo", "a name", Question(), Promise(), after=("grant",))
    for answer, told in ((Answer(500), "500"), (Answer(trouble="TimeoutError"), "0: TimeoutError")):
        verdict = of_row(row, world, answer)
        assert (verdict.verdict, verdict.found) == (DIFFERS, "")
        assert verdict.why == f"the request 'grant' before it was answered {told}"


def test_what_comes_so_many_times_before_a_row_may_fail(world: World) -> None:
    """It is there to fail."""
    row = Row("refusals", "a name", Question(), Promise(status=204), after=("wrong_secret*2",))
    assert of_row(row, world, Answer(401), Answer(401), Answer(204)).verdict == SAME


def test_an_answer_before_a_row_gives_it_values(world: World) -> None:
    """By the name of the request that was answered."""
    promise = Promise(json={"a": "{grant.b}"}, status=204)
    row = Row("userinfo", "a name", Question(), promise, after=("grant",))
    assert of_row(row, world, Answer(200, {}, b'{"b":"c","n":1}'), Answer(204, {}, b'{"a":"c"}')).verdict == SAME
    assert of_row(row, world, Answer(200, {}, b'{"b":"d","n":1}'), Answer(204, {}, b'{"a":"c"}')).verdict == DIFFERS


def test_a_server_that_does_not_answer_differs() -> None:
    """The whole run goes on."""
    silent = asking.server("http://127.0.0.1:1")
    verdict = suite.verdict(silent, of({}), Row("routes", "a name", Question(path="/"), Promise()))
    assert verdict.verdict == DIFFERS
    assert verdict.found.startswith("no answer: ConnectionRefusedError")
