"""
Sends random requests, generated from the OpenAPI document, to a real server.

Run `tests/conformance/generated.py --requests 10000`. Each response must have a status that the document lists for the
route, with the headers and the body that it describes, and never 500. Hypothesis shrinks a failing request.
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
from functools import cache
from time import monotonic
from typing import Any
from unittest.mock import patch
from urllib.parse import quote_plus

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gamcli.actions import Gam
from gamcli.conformance import exchange, local, table
from gamcli.conformance.exchange import ReceivedResponse, TargetServer
from gamcli.conformance.worlds import World
from gamcli.rules import passwords
from gamcli.server.endpoints import openapi
from gamcli.server.endpoints.refusals import FORMATS, TABLE, ResponseFormat
from gamcli.server.server import Server, ServerOptions
from gamcli.server.transport.listener import run_in_background
from gamcli.store import Store

DOCUMENT = openapi.build_document()
FORM = "application/x-www-form-urlencoded"
ANYWHERE = {TABLE[rule].status for rule in openapi.HTTP_REFUSALS if TABLE[rule].status < 500}
"""The allowed statuses for paths and methods that the document does not describe."""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW")
CONTENT_TYPES = (FORM, FORM, FORM, FORM, f"{FORM};charset=utf-8", f"{FORM}; charset=latin-1", "application/json", "")
HEADER_TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=40)


class Large(bytes):
    """A large body with a short repr."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Large({len(self)})"


VALID_TOKENS = 20
"""The number of valid tokens of each kind."""


@dataclass
class GeneratedRequest:
    """A request; `route` is the documented path that it was generated for."""

    route: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: bytes

    def packet(self) -> bytes:
        fields = {"Host": "a", "Content-Length": str(len(self.body)), **self.headers}
        target = f"{self.path}?{self.query.decode()}" if self.query else self.path
        lines = [f"{self.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value)]
        return "\r\n".join((*lines, "", "")).encode("latin-1") + self.body


class Requests:
    """Strategies for requests to a server with the credentials of a world; built once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._known: dict[str, list[str]] = {}
        for values in world.values.values():
            for name, value in values.items():
                self._known.setdefault(name, []).append(value)
        self._known["grant_type"] = ["password", "refresh_token", "PASSWORD", "client_credentials"]
        self._known["scope"] = ["gam_user_data+gam_user_roles", "user_email user_team", "fullcontrol"]
        self._known["authentication_type_name"] = ["apikey", "local", "closed", "second"]
        self._known["repository"] = self._known["guid"]
        self._trades = [self._client(profile) for profile in world.values]
        self._renewals = [
            {**self._client("renewing"), "grant_type": "refresh_token", "refresh_token": token}
            for token in self._known["refresh_token"]
        ]

    def _client(self, profile: str) -> dict[str, str]:
        values = {**self._world.values["portal"], **self._world.values[profile]}
        return {
            "grant_type": "password",
            "authentication_type_name": "apikey",
            **{name: values[name] for name in ("client_id", "client_secret", "api_key")},
        }

    def parameters(self, operation: Mapping[str, Any]) -> st.SearchStrategy[bytes]:
        names = _parameter_names(operation)
        change = st.one_of([st.tuples(st.just(name), self._value(name)) for name in names])
        dropped = st.lists(st.sampled_from(names), max_size=1)
        repeats = st.sampled_from([False] * 9 + [True])
        right = st.sampled_from([*self._trades, *self._renewals] if "requestBody" in operation else self._renewals)
        return st.builds(_apply_changes, right, st.lists(change, max_size=2), dropped, repeats=repeats).map(_encode)

    def _value(self, name: str) -> st.SearchStrategy[str]:
        known = self._known.get(name, ["x"])
        return st.sampled_from([*known, "", f"{known[0]}0"]) | st.text(max_size=20)

    def authorization(self) -> st.SearchStrategy[str]:
        scheme = st.sampled_from(["", "Bearer ", "OAuth ", "bearer  ", "Basic ", "Token "])
        token = st.builds(str.__add__, scheme, st.sampled_from(self._known["access_token"]))
        return token | st.sampled_from(["Basic YTpi", "Basic x", "Basic", "Basic OjpK"]) | HEADER_TEXT

    def requests(self) -> st.SearchStrategy[GeneratedRequest]:
        routes = [(path, verb) for path, item in DOCUMENT["paths"].items() for verb in item]
        kinds = [self._requests_to(path, verb) for path, verb in routes]
        often = [kind for kind, (path, _) in zip(kinds, routes, strict=True) if path.endswith("access_token")]
        return st.sampled_from([*kinds, *often * 4]).flatmap(lambda kind: kind)

    def _requests_to(self, path: str, verb: str) -> st.SearchStrategy[GeneratedRequest]:
        targets = st.sampled_from([path] * 20 + [path.upper(), f"{path}/", f"{path}%00", f"/{path}"])
        headers = st.fixed_dictionaries(
            {"Content-Type": st.sampled_from(CONTENT_TYPES)},
            optional={"Authorization": self.authorization(), "X-Any": HEADER_TEXT},
        )
        encoded = self.parameters(DOCUMENT["paths"][path][verb])
        rare = st.binary(max_size=100) | st.just(Large(b"x=" + b"x" * 17_000))
        return st.builds(
            GeneratedRequest,
            st.just(path),
            st.sampled_from([verb.upper()] * 40 + [*METHODS]),
            targets,
            headers,
            st.sampled_from([encoded] * 19 + [rare]).flatmap(lambda kind: kind),
            st.sampled_from([encoded, encoded, st.just(b"")]).flatmap(lambda kind: kind),
        )


def _parameter_names(operation: Mapping[str, Any]) -> list[str]:
    if "requestBody" in operation:
        return [*operation["requestBody"]["content"][FORM]["schema"]["properties"]]
    return [each["name"] for each in operation.get("parameters", ())] or ["access_token"]


def _apply_changes(
    valid: dict[str, str], changes: list[tuple[str, str]], dropped: list[str], *, repeats: bool
) -> list[tuple[str, str]]:
    kept = {name: value for name, value in {**valid, **dict(changes)}.items() if name not in dropped}
    return [*kept.items(), *(changes[:1] if repeats else [])]


def _encode(parameters: list[tuple[str, str]]) -> bytes:
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in parameters).encode()


@cache
def _validator(reference: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": reference, "components": DOCUMENT["components"]})


def undocumented(request: GeneratedRequest, response: ReceivedResponse) -> str:
    if response.problem:
        return response.problem
    operation = DOCUMENT["paths"][request.route].get(request.method.lower())
    if operation is None or request.path.lower() != request.route:
        return "" if response.status in ANYWHERE else f"the status {response.status} of an undocumented request"
    documented = operation["responses"].get(str(response.status))
    if documented is None or response.status >= 500:
        return f"the status {response.status}"
    return _difference(documented, response)


def _difference(documented: Mapping[str, Any], response: ReceivedResponse) -> str:
    for name, header in documented["headers"].items():
        if not Draft202012Validator(header["schema"]).is_valid(response.headers.get(name.lower())):
            return f"the header {name}: {response.headers.get(name.lower())}"
    if "content" not in documented:
        return "a body" if response.body else ""
    validator = _validator(documented["content"]["application/json"]["schema"]["$ref"])
    errors = [error.message for error in validator.iter_errors(json.loads(response.body))]
    return f"the body: {errors[0]}" if errors else ""


def with_valid_tokens(server: TargetServer, world: World) -> World:
    for profile, kind in (("portal", "access_token"), ("renewing", "refresh_token")):
        for number in range(VALID_TOKENS):
            (packet,) = exchange.encode_request(table.load_requests()["grant"], world, profile, server)
            token = json.loads(server.send([packet], "POST").body)[kind]
            world = world.with_values(f"{kind}_{number}", {kind: token})
    return world


@contextmanager
def serving(response_format: str) -> Iterator[tuple[TargetServer, World, list[str]]]:
    log: list[str] = []
    with Store.in_memory() as store, patch.object(passwords, "CURRENT_COST", passwords.TEST_COST):
        gam = Gam(store, lambda: datetime.now(UTC), os.urandom, "test")
        world = local.create_world(gam, {"format": response_format})
        server = Server(
            gam,
            ServerOptions(log=log.append, max_failures=0, response_format=ResponseFormat(response_format), extras=True),
        )
        with run_in_background(server):
            target = TargetServer.from_url(server.url)
            yield target, with_valid_tokens(target, world), log


def drive(count: int, response_format: str) -> Counter[tuple[str, int]]:
    statuses: Counter[tuple[str, int]] = Counter()
    with serving(response_format) as (server, world, log):

        @settings(max_examples=count, deadline=None, database=None, suppress_health_check=[*HealthCheck])
        @given(Requests(world).requests())
        def send(request: GeneratedRequest) -> None:
            response = server.send([request.packet()], request.method)
            assert not undocumented(request, response), (undocumented(request, response), request, response)
            statuses[f"{request.method} {request.route}", response.status] += 1

        send()
    assert not [line for line in log if "rule=bug" in line]
    return statuses


def summary(counts: Counter[tuple[str, int]], seconds: float) -> Iterator[str]:
    statuses = sorted({status for _, status in counts})
    routes = sorted({route for route, _ in counts})
    width = max(map(len, routes))
    yield f"{'':{width}} {''.join(f'{status:>7}' for status in statuses)}"
    for route in routes:
        cells = (str(counts[route, status] or "").rjust(7) for status in statuses)
        yield f"{route:{width}} {''.join(cells)}"
    yield f"{counts.total()} requests in {seconds:.1f} s, every response as documented, no 500"


def run() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000, help="number of requests in each error format")
    count = parser.parse_args().requests
    for response_format in FORMATS:
        began = monotonic()
        counts = drive(count, response_format)
        sys.stdout.write(f"{response_format}\n" + "".join(f"{line}\n" for line in summary(counts, monotonic() - began)))


if __name__ == "__main__":
    run()
