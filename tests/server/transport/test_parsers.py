"""
Our parser against h11 and the parser of node: whatever ours accepts, they accept and frame alike.

The bytes are those of the conformance rows, ten thousand mutations of them, and every prefix. The differences:

- h11 refuses an empty line before a request, which RFC 9112 §2.2 asks servers to ignore. Old clients send one after a
  body. So these lines are removed before h11 gets the bytes.
- node knows the registered methods only, and refuses a request with any other. Ours answers 405 or 404, which says
  more. So requests are compared up to the first method that node does not know.
- node refuses PRI, the method with which HTTP/2 begins, and a minor version above 1, which RFC 9110 §2.5 asks servers
  to treat as 1. So these versions are replaced before node gets the bytes.
- node reads no request after one that asks for an upgrade, or has the old field `Proxy-Connection: close`, which no RFC
  defines. Ours ignores both, as RFC 9110 §7.8 allows. So nothing after such a request is compared.
- node refuses a tab after the value of Content-Length and Transfer-Encoding, which RFC 9110 §5.5 allows. So it is
  removed.

Malformed or repeated parameters of Content-Type and Content-Disposition do not change where a request ends, and no
parser looks at them: a seed has some, and all three read it alike. The endpoint refuses them
(`tests/server/endpoints/test_forms.py`). A repeated field Content-Type is refused by our parser.

Three things are the same after normalization: names of fields in any case, a target with and without its authority, and
the field Expect, which ours drops in HTTP/1.0.
"""

import json
import random
import re
import shutil
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import h11
import pytest

from gamcli.conformance import exchange, table, worlds
from gamcli.conformance.exchange import TargetServer
from gamcli.conformance.worlds import World
from gamcli.errors import RefusedError
from gamcli.server.transport.request_parser import RequestParser

_TAB_AFTER_VALUE = re.compile(
    rb"(content-length:[ \t]*[0-9]+|transfer-encoding:[ \t]*chunked)[ \t]+\r\n", re.IGNORECASE
)

_LATER_VERSION = re.compile(rb"(?<= HTTP/1\.)[2-9](?=\r\n)")

NODE = shutil.which("node")
MUTATIONS = 10_000
LONGEST = 2000
"""Longer requests are not cut and changed: every prefix of a large body takes long and shows nothing new."""

PIECES = (
    b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b";", b"=", b",", b"\0", b"\xff", b"0", b"1", b"a", b"+", b'"',
    b"\r\n\r\n",
    b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"0\r\n\r\n",
    b"1;a=b\r\nx\r\n", b"HTTP/1.0", b"Connection: close\r\n", b"Host: a\r\n", b"Content-Type: a/b;c=d;c\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.2",
    b"Upgrade: h2c\r\nConnection: upgrade\r\n", b"Proxy-Connection: close\r\n",
)  # fmt: skip


POST = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
PARAMETERS = b"""POST /x HTTP/1.1\r
Host: a\r
Content-Type: multipart/form-data; boundary=a; boundary="b; charset\r
Content-Disposition: form-data; name=x; name\r
Content-Length: 3\r
\r
abc"""
CHUNKED = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
MORE_SEEDS = (
    POST + POST,
    POST.replace(b"POST", b"CONNECT") + POST,
    POST.replace(b"POST", b"PRI") + POST,
    POST.replace(b"1.1", b"1.2") + POST,
    POST.replace(b"Host", b"Upgrade: h2c\r\nConnection: upgrade\r\nHost") + POST,
    POST.replace(b"Host", b"Proxy-Connection: close\r\nHost") + POST,
    PARAMETERS + POST,
    CHUNKED + b"3\r\nabc\r\n0\r\n\r\n" + POST,
    CHUNKED + b'a;b;c=d;e="f"\r\n0123456789\r\n00\r\nX: y\r\n\r\n' + CHUNKED + b"1\r\n\n\r\n0\r\n\r\n",
)
"""Several requests, parameters that endpoints refuse, and chunks in every form."""


class Parsed(NamedTuple):
    """What a parser found in the bytes of a request."""

    method: str
    target: str
    fields: dict[str, str]
    body: bytes


class AnyWorld(World):
    """A world that has every credential."""

    def fill(self, text: str, profile: str) -> str:
        known = re.sub(r"\{server\.(?:base|upper_base)\}", "", text)
        return super().fill(re.sub(r"\{[a-z_0-9]+\.[a-z_0-9]+\}", "value", known), profile)


@cache
def seeds() -> list[bytes]:
    world, server = AnyWorld({}, dict(worlds.SERVER_DEFAULTS)), TargetServer("http", "a", 80, "")
    rows = [exchange.encode_request(row.request, world, row.profile, server) for row in table.load_rows()]
    return list(dict.fromkeys((*MORE_SEEDS, *(b"".join(packets) for packets in rows))))


def mutations() -> Iterator[bytes]:
    dice, short = random.Random(9112), [seed for seed in seeds() if len(seed) <= LONGEST]
    for _ in range(MUTATIONS):
        data = dice.choice(short) if dice.random() < 0.6 else dice.choice(MORE_SEEDS)
        for _ in range(dice.randint(1, 3)):
            place, length = dice.randrange(len(data) + 1), dice.choice((0, 0, 1, 1, 2, 20))
            again = data[place : place + length] if dice.random() < 0.1 else b""
            data = data[:place] + dice.choice((b"", *PIECES)) + again + data[place + length * (not again) :]
        yield data


def prefixes() -> Iterator[bytes]:
    for seed in seeds():
        if len(seed) <= LONGEST:
            yield from (seed[:length] for length in range(1, len(seed)))


def normalize_fields(pairs: list[tuple[str, str]]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in pairs:
        key, text = name.lower(), value.strip(" \t")
        text = text.lower() if key == "transfer-encoding" else text  # h11 does
        fields[key] = f"{fields[key]}, {text}" if key in fields else text
    fields.pop("expect", None)  # ours drops it in HTTP/1.0
    return {key: text.strip(" \t") for key, text in fields.items()}


def normalize_target(target: str) -> str:
    """Return a target without what carries no meaning for us: the authority of a URL, a `?` before nothing."""
    path = re.sub(r"^https?://[^/?]+", "", target, flags=re.IGNORECASE)
    return (path if path.startswith(("/", "*")) else f"/{path}").removesuffix("?")


def parse_ours(data: bytes) -> list[Parsed]:
    parser, found = RequestParser("peer"), list[Parsed]()
    try:
        parser.feed(data)
        while (request := parser.next_request()) is not None:
            target = f"{request.path}?{request.query}" if request.query else request.path
            fields = normalize_fields(list(request.fields.items()))
            found.append(Parsed(request.method, target.removesuffix("?"), fields, request.body))
            if not request.keeps_alive:  # the connection reads no further
                break
    except RefusedError:
        pass
    return found


def parse_h11(data: bytes, count: int) -> list[Parsed]:
    found = list[Parsed]()
    while len(found) < count:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        connection.receive_data(_without_empty_lines(data))
        head, body = None, b""
        try:
            while not isinstance(event := connection.next_event(), h11.EndOfMessage):
                if isinstance(event, h11.Request):
                    head = event
                elif isinstance(event, h11.Data):
                    body += event.data
                else:
                    return found
        except h11.RemoteProtocolError:
            return found
        assert head is not None
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers]
        target = normalize_target(head.target.decode("latin-1"))
        found.append(Parsed(head.method.decode(), target, normalize_fields(pairs), body))
        data = connection.trailing_data[0]
    return found


def _without_empty_lines(data: bytes) -> bytes:
    while data.startswith(b"\r\n"):
        data = data[2:]
    return data


def parse_node(inputs: list[bytes]) -> tuple[frozenset[str], list[list[Parsed]]]:
    """Return the methods that node knows, and the requests that it finds in each of the inputs."""
    assert NODE is not None
    script = Path(__file__).with_name("parse.cjs")
    known = (_TAB_AFTER_VALUE.sub(rb"\1\r\n", _LATER_VERSION.sub(b"1", data)) for data in inputs)
    lines = b"\n".join(map(b64encode, known))
    done = subprocess.run([NODE, str(script)], input=lines, capture_output=True, check=True, timeout=100)
    methods, *found = map(json.loads, done.stdout.splitlines())
    return frozenset(methods) - {"PRI"}, [[_read_request(each) for each in requests] for requests in found]


def _until_node_stops(requests: list[Parsed], methods: frozenset[str]) -> Iterator[Parsed]:
    for request in takewhile(lambda request: request.method in methods, requests):
        yield request
        fields = request.fields
        if fields.get("proxy-connection", "").lower() == "close" or {"upgrade", "connection"} <= fields.keys():
            return


def _read_request(request: dict[str, object]) -> Parsed:
    fields = request["fields"]
    assert isinstance(fields, list)
    pairs = list(zip(fields[::2], fields[1::2], strict=True))
    target = normalize_target(str(request["target"]))
    return Parsed(str(request["method"]), target, normalize_fields(pairs), b64decode(str(request["body"])))


@cache
def accepted() -> dict[bytes, list[Parsed]]:
    """Return the inputs in which our parser finds a request; every other input is refused, or incomplete."""
    return {
        data: found for source in (seeds(), mutations(), prefixes()) for data in source if (found := parse_ours(data))
    }


def test_much_of_the_input_is_accepted() -> None:
    assert len(accepted()) > MUTATIONS // 10
    assert sum(len(found) > 1 for found in accepted().values()) > 100
    assert sum(b"ransfer-" in data for data in accepted()) > 50


def test_connect_is_refused_since_what_follows_it_would_not_be_a_request() -> None:
    assert parse_ours(b"CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n" + POST) == []


def test_parameters_that_an_endpoint_refuses_do_not_change_where_a_request_ends() -> None:
    found = parse_ours(PARAMETERS + POST)
    assert [each.body for each in found] == [b"abc", b"abc"]
    assert parse_ours(PARAMETERS.replace(b"Content-Disposition", b"Content-Type") + POST) == []


def test_what_we_accept_h11_accepts_and_frames_alike() -> None:
    different = [data for data, found in accepted().items() if parse_h11(data, len(found)) != found]
    assert different == []


@pytest.mark.skipif(NODE is None, reason="needs node")
def test_what_we_accept_node_accepts_and_frames_alike() -> None:
    methods, theirs = parse_node(list(accepted()))
    known = [
        [each._replace(body=_LATER_VERSION.sub(b"1", each.body)) for each in _until_node_stops(found, methods)]
        for found in accepted().values()
    ]
    pairs = zip(accepted(), known, theirs, strict=True)
    assert [data for data, ours, node in pairs if node[: len(ours)] != ours] == []
