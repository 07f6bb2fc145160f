"""
The endpoints as an ASGI 3 application.

Run `uvicorn --no-proxy-headers --no-access-log gamcli.server.asgi:app`: failures are then counted for the real address
of the client, and queries are not logged. `app` serves the store of GAMCLI_STORE; use `Application` for another store
or other options. The ASGI server is responsible for connections, timeouts and the size of heads. Each process opens the
store for itself.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from time import monotonic
from typing import Any

from gamcli.actions import Gam
from gamcli.errors import GamcliError, RefusedError, UsageError
from gamcli.server.dispatcher import Dispatcher
from gamcli.server.endpoints.context import ServerConfig
from gamcli.server.endpoints.failure_limit import FailureLimiter
from gamcli.server.log_writer import LogWriter
from gamcli.server.request_log import RequestLog
from gamcli.server.transport.connection import NO_CONTENT, PendingRequest
from gamcli.server.transport.heads import MAX_BODY, RequestHead, body_too_large, build_head
from gamcli.server.transport.messages import Request, Response, partial_request, unreadable_request
from gamcli.store import Location, Store

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_SECONDS = 10.0
"""How long a client may take to send the body."""


@dataclass(slots=True)
class AsgiRequest(PendingRequest):
    """A request whose response a coroutine awaits."""

    future: "asyncio.Future[Response]"


class LoopDispatcher(Dispatcher[AsgiRequest]):
    """The dispatcher of one event loop: requests that arrive in the same iteration share a group commit."""

    def __init__(self, gam: Gam, config: ServerConfig, log: RequestLog) -> None:
        self._loop = asyncio.get_running_loop()
        self._turn_scheduled = False
        super().__init__(gam, config, log, self._notify)

    async def respond(self, request: Request) -> Response:
        """Return the response, after the commit of what it reports."""
        pending = AsgiRequest(request, monotonic(), self._loop.create_future())
        response = self.submit(pending)
        if response is None:
            if not self._turn_scheduled:
                self._turn_scheduled = True
                self._loop.call_soon(self._run_turn)
            response = await pending.future
        return response

    def _notify(self) -> None:
        with suppress(RuntimeError):  # the loop was closed without a shutdown event
            self._loop.call_soon_threadsafe(self._run_turn)

    def _run_turn(self) -> None:
        self._turn_scheduled = False
        self._send_responses()
        self.end_turn()
        self._send_responses()

    def _send_responses(self) -> None:
        for pending, response in self.pop_responses():
            if not pending.future.done():  # the client has left
                pending.future.set_result(response)


class Application:
    """The endpoints with the store at `path`, opened when the server starts; `log` writes lines."""

    def __init__(
        self,
        path: Location | None = None,
        config: ServerConfig | None = None,
        log: Callable[[str], None] | None = None,
    ) -> None:
        self._path = path
        self._config = config or ServerConfig(failure_limiter=FailureLimiter())
        self._write = log or _to_stderr
        self._exit_stack = ExitStack()
        self._dispatcher: LoopDispatcher | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle one request, or the start and stop of the server (ASGI 3.0, lifespan 2.0)."""
        if scope["type"] == "lifespan":
            await self._handle_lifespan(receive, send)
        elif scope["type"] == "http":
            await self._handle_request(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1003})

    async def _handle_lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.startup":
                try:
                    self._open()
                except GamcliError as error:
                    await send({"type": "lifespan.startup.failed", "message": f"{error.message}; {error.hint}"})
                    return
            else:
                self._exit_stack.close()
                self._dispatcher = None
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return

    def _open(self) -> LoopDispatcher:
        """Open the store once: when the server starts, or with the first request if it has no lifespan events."""
        if self._dispatcher is None:
            with ExitStack() as opened:
                store = opened.enter_context(Store.open(self._path or _store_path_from_environment()))
                gam = Gam(store, store.corrected_clock(lambda: datetime.now(UTC)), os.urandom, "asgi")
                log_writer = opened.enter_context(closing(LogWriter(self._write)))
                log = RequestLog(log_writer.write, "text", gam.now, gam.entropy(4).hex())
                self._dispatcher = opened.enter_context(closing(LoopDispatcher(gam, self._config, log)))
                self._exit_stack = opened.pop_all()
        return self._dispatcher

    async def _handle_request(self, scope: Message, receive: Receive, send: Send) -> None:
        dispatcher = self._open()
        peer = _client_address(str((scope.get("client") or ("",))[0]))
        partial = partial_request(peer)
        try:
            head = _build_head(scope)
            partial = partial_request(peer, head.fields)
            body = await asyncio.wait_for(_read_body(head, receive), BODY_SECONDS) if head.has_body else b""
        except RefusedError as refused:
            response = dispatcher.refuse(refused, partial)
        except TimeoutError:
            response = dispatcher.refuse(RefusedError("request_slow", "the body took too long"), partial)
        else:
            if body is None:  # the client has gone
                return
            request = Request(head.method, head.path, head.query, head.fields, body, peer, head.keeps_alive)
            response = await dispatcher.respond(request)
        await _send_response(response, send, without_body=scope["method"] == "HEAD")


def _client_address(host: str) -> str:
    """Return the address of the client, "" if it is not an IP address."""
    try:
        return str(ip_address(host))
    except ValueError:
        return ""


def _build_head(scope: Message) -> RequestHead:
    path = scope.get("raw_path") or scope["path"].encode()
    pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    target = path.decode("latin-1"), scope["query_string"].decode("latin-1")
    return build_head(scope["method"], target, pairs, 0 if scope.get("http_version") == "1.0" else 1)


async def _read_body(head: RequestHead, receive: Receive) -> bytes | None:
    """Return the whole body, decoded by the server, None when the client leaves; raises RefusedError."""
    body = b""
    if head.length > MAX_BODY:
        raise body_too_large()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += bytes(message.get("body", b""))
        if len(body) > MAX_BODY:
            raise body_too_large()
        if not message.get("more_body", False):
            break
    if not head.is_chunked and len(body) != head.length:
        raise unreadable_request("the body does not match Content-Length")
    return body


async def _send_response(response: Response, send: Send, *, without_body: bool) -> None:
    fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.fields]
    if response.status != NO_CONTENT:
        fields.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": fields})
    await send({"type": "http.response.body", "body": b"" if without_body else response.body})


def _store_path_from_environment() -> Location:
    path = os.environ.get("GAMCLI_STORE")
    if not path:
        raise UsageError("GAMCLI_STORE is not set for gamcli.server.asgi:app", "GAMCLI_STORE=FILE")
    from gamcli.store.postgres import url  # noqa: PLC0415 - few stores are databases

    return url.parse_url(path) if url.is_url(path) else Path(path)


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


app = Application()
"""Serves the store of GAMCLI_STORE, with the failure limit and log of `gamcli serve`."""
