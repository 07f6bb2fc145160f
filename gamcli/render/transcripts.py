"""Format transcripts for people: requests after `>`, responses after `<`, and the command that repeats each request."""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from gamcli.model.transcripts import Exchange, Transcript
from gamcli.render.text import clean


def render_lines(transcript: Transcript) -> Iterator[str]:
    for number, exchange in enumerate(transcript.exchanges):
        if number:
            yield ""
        yield from _exchange_lines(exchange)


def _exchange_lines(exchange: Exchange) -> Iterator[str]:
    request, response = exchange.request, exchange.response
    first, *rest = exchange.curl.splitlines()
    yield clean(f"$ {first}")
    yield from (clean(f"  {line}") for line in rest)
    yield from _message_lines(
        ">", f"{request.method} {urlsplit(request.url).path} HTTP/1.1", request.headers, request.body
    )
    head = f"HTTP/1.1 {response.status} {response.reason}".rstrip()
    yield from _message_lines("<", head, response.headers, response.body)


def _message_lines(mark: str, head: str, headers: Mapping[str, str], body: str) -> Iterator[str]:
    yield clean(f"{mark} {head}")
    yield from (clean(f"{mark} {name}: {value}") for name, value in headers.items())
    if body:
        yield mark
        yield from (clean(f"{mark} {line}") for line in body.splitlines())
