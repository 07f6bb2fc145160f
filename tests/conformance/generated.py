"""
Requests that nobody thought of, made from the OpenAPI document: `tests/conformance/generated.py --requests 10000`.

A real server on a real port answers them all. Each answer must have a status that the document names for that route,
the headers and the body that it describes for it, and never 500. What fails is made as small as it goes.
"""

import json
import os
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from threading import Thread
from time import monotonic
from typing import Any
from unittest.mock import patch
from urllib.parse import quote_plus

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gamcli.actions import Gam
from gamcli.commands import conformance_world
from gamcli.conformance import exchange, table
from gamcli.conformance.exchange import ReceivedResponse
from gamcli.conformance.worlds import World
from gamcli.rules import passwords
from gamcli.server.endpoints import openapi
from gamcli.server.endpoints.refusals import ERROR_WRITERS, TABLE, ErrorFormat
from gamcli.server.transport.event_loop import Server, ServerOptions
from gamcli.store import Store

DOCUMENT = openapi.build_document()
FORM = "application/x-www-form-urlencoded"
ANYWHERE = {TABLE[rule].status for rule in openapi.HTTP_REFUSALS if TABLE[rule].status < 500}
"""What may be answered at paths and to methods that are not described."""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW")
CONTENT_TYPES = (FORM, FORM, FORM, FORM, f"{FORM};charset=utf-8", f"{FORM}; charset=latin-1", "application/json", "")
HEADER_TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=40)


class Large(bytes):
    """A body that is larger than it is shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Large({len(self)})"


LIVING = 20
"""How many tokens of each kind are made that are good."""


@dataclass
class Sent:
    """One request: the route that it is meant for, and what is sent."""

    route: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: bytes

    def packet(self) -> bytes:
        told = {"Host": "a", "Content-Length": str(len(self.body)), **self.headers}
        target = f"{self.path}?{self.query.decode()}" if self.query else self.path
        lines = [f"{self.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items() if value)]
        return "\r\n".join((*lines, "", "")).encode("latin-1") + self.body


class Requests:
    """What can be asked of a server that holds that world; strategies are made once, for that is what takes long."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._known: dict[str, list[str]] = {}
        for holder in world.values.values():
            for name, value in holder.items():
                self._known.setdefault(name, []).append(value)
        self._known["grant_type"] = ["password", "refresh_token", "PASSWORD", "client_credentials"]
        self._known["scope"] = ["gam_user_data+gam_user_roles", "user_email user_team", "fullcontrol"]
        self._known["authentication_type_name"] = ["apikey", "local", "closed", "desk"]
        self._known["repository"] = self._known["guid"]
        self._trades = [self._client(holder) for holder in world.values]
        self._renewals = [
            {**self._client("renewing"), "grant_type": "refresh_token", "refresh_token": each}
            for each in self._known["refresh_token"]
        ]

    def _client(self, holder: str) -> dict[str, str]:
        held = {**self._world.values["portal"], **self._world.values[holder]}
        return {"grant_type": "password", **{name: held[name] for name in ("client_id", "client_secret", "api_key")}}

    def parameters(self, operation: Mapping[str, Any]) -> st.SearchStrategy[bytes]:
        names = _form_of(operation)
        change = st.one_of([st.tuples(st.just(name), self._value(name)) for name in names])
        dropped = st.lists(st.sampled_from(names), max_size=1)
        repeats = st.sampled_from([False] * 9 + [True])
        right = st.sampled_from([*self._trades, *self._renewals] if "requestBody" in operation else self._renewals)
        return st.builds(_changed, right, st.lists(change, max_size=2), dropped, repeats=repeats).map(_encoded)

    def _value(self, name: str) -> st.SearchStrategy[str]:
        known = self._known.get(name, ["x"])
        return st.sampled_from([*known, "", f"{known[0]}0"]) | st.text(max_size=20)

    def authorization(self) -> st.SearchStrategy[str]:
        scheme = st.sampled_from(["", "Bearer ", "OAuth ", "bearer  ", "Basic ", "Token "])
        token = st.builds(str.__add__, scheme, st.sampled_from(self._known["access_token"]))
        return token | st.sampled_from(["Basic YTpi", "Basic x", "Basic", "Basic OjpK"]) | HEADER_TEXT

    def sent(self) -> st.SearchStrategy[Sent]:
        routes = [(path, verb) for path, item in DOCUMENT["paths"].items() for verb in item]
        kinds = [self._of(path, verb) for path, verb in routes]
        often = [kind for kind, (path, _) in zip(kinds, routes, strict=True) if path.endswith("access_token")]
        return st.sampled_from([*kinds, *often * 4]).flatmap(lambda kind: kind)

    def _of(self, path: str, verb: str) -> st.SearchStrategy[Sent]:
        targets = st.sampled_from([path] * 20 + [path.upper(), f"{path}/", f"{path}%00", f"/{path}"])
        headers = st.fixed_dictionaries(
            {"Content-Type": st.sampled_from(CONTENT_TYPES)},
            optional={"Authorization": self.authorization(), "X-Any": HEADER_TEXT},
        )
        encoded = self.parameters(DOCUMENT["paths"][path][verb])
        rare = st.binary(max_size=100) | st.just(Large(b"x=" + b"x" * 17_000))
        return st.builds(
            Sent,
            st.just(path),
            st.sampled_from([verb.upper()] * 40 + [*METHODS]),
            targets,
            headers,
            st.sampled_from([encoded] * 19 + [rare]).flatmap(lambda kind: kind),
            st.sampled_from([encoded, encoded, st.just(b"")]).flatmap(lambda kind: kind),
        )


def _form_of(operation: Mapping[str, Any]) -> list[str]:
    if "requestBody" in operation:
        return [*operation["requestBody"]["content"][FORM]["schema"]["properties"]]
    return [each["name"] for each in operation.get("parameters", ())] or ["access_token"]


def _changed(
    right: dict[str, str], changes: list[tuple[str, str]], dropped: list[str], *, repeats: bool
) -> list[tuple[str, str]]:
    kept = {name: value for name, value in {**right, **dict(changes)}.items() if name not in dropped}
    return [*kept.items(), *(changes[:1] if repeats else [])]


def _encoded(parameters: list[tuple[str, str]]) -> bytes:
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in parameters).encode()


@lru_cache
def _validator(reference: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": reference, "components": DOCUMENT["components"]})


def undocumented(sent: Sent, answer: ReceivedResponse) -> str:
    if answer.problem:
        return answer.problem
    operation = DOCUMENT["paths"][sent.route].get(sent.method.lower())
    if operation is None or sent.path.lower() != sent.route:
        return "" if answer.status in ANYWHERE else f"the status {answer.status} where nothing is described"
    response = operation["responses"].get(str(answer.status))
    if response is None or answer.status >= 500:
        return f"the status {answer.status}"
    return _difference(response, answer)


def _difference(response: Mapping[str, Any], answer: ReceivedResponse) -> str:
    for name, header in response["headers"].items():
        if not Draft202012Validator(header["schema"]).is_valid(answer.headers.get(name.lower())):
            return f"the header {name}: {answer.headers.get(name.lower())}"
    found = _validator(response["content"]["application/json"]["schema"]["$ref"])
    errors = [error.message for error in found.iter_errors(json.loads(answer.body))]
    return f"the body: {errors[0]}" if errors else ""


def living(server: exchange.TargetServer, world: World) -> World:
    for holder, wanted in (("portal", "access_token"), ("renewing", "refresh_token")):
        for number in range(LIVING):
            (packet,) = exchange.encode_request(table.load_requests()["grant"], world, holder, server)
            token = json.loads(server.send([packet], "POST").body)[wanted]
            world = world.with_values(f"{wanted}_{number}", {wanted: token})
    return world


@contextmanager
def serving(error_format: str) -> Iterator[tuple[exchange.TargetServer, World, list[str]]]:
    log: list[str] = []
    with Store.in_memory() as store, patch.object(passwords, "CURRENT_COST", passwords.TEST_COST):
        gam = Gam(store, lambda: datetime.now(UTC), os.urandom, "test")
        world = conformance_world.create_world(gam, {"error_format": error_format})
        server = Server(gam, ServerOptions(log=log.append, max_failures=0, error_format=ErrorFormat(error_format)))
        thread = Thread(target=server.run)
        thread.start()
        try:
            yield exchange.parse_url(server.url), living(exchange.parse_url(server.url), world), log
        finally:
            server.stop()
            thread.join()


def drive(count: int, error_format: str) -> Counter[tuple[str, int]]:
    came: Counter[tuple[str, int]] = Counter()
    with serving(error_format) as (server, world, log):

        @settings(max_examples=count, deadline=None, database=None, suppress_health_check=[*HealthCheck])
        @given(Requests(world).sent())
        def ask(sent: Sent) -> None:
            answer = server.send([sent.packet()], sent.method)
            assert not undocumented(sent, answer), (undocumented(sent, answer), sent, answer)
            came[f"{sent.method} {sent.route}", answer.status] += 1

        ask()
    assert not [line for line in log if "rule=bug" in line]
    return came


def summary(came: Counter[tuple[str, int]], seconds: float) -> Iterator[str]:
    statuses = sorted({status for _, status in came})
    routes = sorted({route for route, _ in came})
    width = max(map(len, routes))
    yield f"{'':{width}} {''.join(f'{status:>7}' for status in statuses)}"
    for route in routes:
        cells = (str(came[route, status] or "").rjust(7) for status in statuses)
        yield f"{route:{width}} {''.join(cells)}"
    yield f"{came.total()} requests in {seconds:.1f} s, every answer as documented, no 500"


def run() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000, help="how many in each format of refusals")
    count = parser.parse_args().requests
    for error_format in ERROR_WRITERS:
        began = monotonic()
        came = drive(count, error_format)
        sys.stdout.write(f"{error_format}\n" + "".join(f"{line}\n" for line in summary(came, monotonic() - began)))


if __name__ == "__main__":
    run()
