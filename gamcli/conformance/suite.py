"""All rows, asked one after another: which are as the contract, which differ, and which could not be asked."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from gamcli.conformance import comparison, exchange, table
from gamcli.conformance.comparison import Difference
from gamcli.conformance.exchange import Answer, Server
from gamcli.conformance.table import Question, Row
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


class _PreludeError(Exception):
    """What a row needs did not go well."""


def run(server: Server, world: World, rows: Iterable[Row]) -> Iterator[Verdict]:
    """Ask the rows and yield what becomes of each."""
    return (verdict(server, world, row) for row in rows)


def verdict(server: Server, world: World, row: Row) -> Verdict:
    """Ask one row."""
    error_format = str(world.server["error_format"])
    expected = comparison.promised(row.promise, error_format)

    def told(came: str, found: str = "", why: str = "") -> Verdict:
        return Verdict(row.section, row.name, row.rule, row.decided, came, expected, found, why)

    if missing := unfit(row, world, server.base):
        return told(SKIPPED, why=missing)
    try:
        world = _prepared(server, world, row)
        answer = _asked(server, world, row, row.question)
        filled = partial(world.filled, holder=row.holder)
        differing = [
            *comparison.differences(row.promise, answer, error_format, filled),
            *_unlike(server, world, row, answer),
        ]
    except UnknownValueError as lacking:
        return told(SKIPPED, why=f"the world has no {lacking}")
    except _PreludeError as failed:
        return told(DIFFERS, why=str(failed))
    why = "; ".join(f"{each.promised}, not {each.found}" for each in differing)
    return told(DIFFERS if differing else SAME, comparison.found(answer, error_format), why)


def unfit(row: Row, world: World, base_path: str) -> str:
    """Return what the server is not, or does not serve, that the row is about; empty when it can be asked."""
    there = {**world.server, "base_path": base_path}
    for name, value in {"max_failures": 0, **row.server}.items():
        if there[name] != value:
            return f"for a server with {name} = {json.dumps(value)}"
    return f"the server does not serve the grant {row.grant}" if row.grant not in ("", *world.server["grants"]) else ""


def _unlike(server: Server, world: World, row: Row, answer: Answer) -> Iterator[Difference]:
    """Yield a difference when the answer tells more, or less, than that to a request that it is to be like."""
    name = row.promise.like
    if name and _asked(server, world, row, table.requests()[name]).body != answer.body:
        yield Difference(f"the body that answers the request '{name}'", "another one")


def _prepared(server: Server, world: World, row: Row) -> World:
    """Ask what the row comes after, and return the world with what was answered, by the names of the requests."""
    for name in row.after:
        asked, _, number = name.partition("*")
        for _ in range(int(number or 1)):
            answer = _asked(server, world, row, table.requests()[asked])
        if not number:
            world = world.having(asked, _values(asked, answer))
    return world


def _values(name: str, answer: Answer) -> dict[str, str]:
    try:
        document = json.loads(answer.body)
    except ValueError:
        document = None
    if answer.status >= 300 or not isinstance(document, dict):  # noqa: PLR2004 - beyond success
        error = f": {answer.trouble}" if answer.trouble else ""
        raise _PreludeError(f"the request '{name}' before it was answered {answer.status}{error}")
    return {each: value for each, value in document.items() if isinstance(value, str)}


def _asked(server: Server, world: World, row: Row, question: Question) -> Answer:
    sent = exchange.packets(question, world, row.holder, server)
    return server.ask(sent, question.method, to_the_end=row.promise.closes and question is row.question)
