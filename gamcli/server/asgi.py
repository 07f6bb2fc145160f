"""
The same endpoints as an ASGI 3 application, for any server that speaks ASGI.

`uvicorn --no-proxy-headers --no-access-log gamcli.server.asgi:app` is one: told to trust no header for the address that
failures are counted for, and to log no query. `app` serves the store that GAMCLI_STORE names; `Application` any other,
and with other options. The server in front owns the connections, their time-outs and the limits of a head; what a
request may hold is judged here as everywhere. One process, one event loop: each process opens the store for itself.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from time import monotonic
from typing import Any

from gamcli.actions import Gam
from gamcli.errors import GamcliError, RefusedError, UsageError
from gamcli.server.dispatcher import Dispatcher
from gamcli.server.endpoints import routes
from gamcli.server.endpoints.failure_limit import FailureLimiter
from gamcli.server.log_writer import LogWriter
from gamcli.server.request_log import RequestLog
from gamcli.server.transport.connection import NO_CONTENT
from gamcli.server.transport.messages import MAX_BODY, Request, RequestHead, Response, build_head, unreadable_request
from gamcli.server.worker_pool import PendingRequest
from gamcli.store import Store

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_SECONDS = 10.0
"""How long a client may take to send its body."""


@dataclass(slots=True)
class AsgiRequest(PendingRequest):
    """A request whose answer somebody awaits."""

    future: "asyncio.Future[routes.TracedResponse]"


class LoopDispatcher:
    """The desk of one event loop: requests that arrive in one of its turns are written together."""

    def __init__(self, gam: Gam, config: routes.ServerConfig, log: RequestLog) -> None:
        self._loop = asyncio.get_running_loop()
        self._config = config
        self._log = log
        self._flush_scheduled = False
        self._dispatcher: Dispatcher[AsgiRequest] = Dispatcher(gam, config, self._notify)

    async def respond(self, request: Request) -> Response:
        """Return the response to `request`, once what it tells is on disk."""
        began = monotonic()
        awaiting = AsgiRequest(request, began, self._loop.create_future())
        self._dispatcher.check_version()
        answer = self._dispatcher.submit(awaiting)
        if answer is None:
            if not self._flush_scheduled:
                self._flush_scheduled = True
                self._loop.call_soon(self._flush)
            answer = await awaiting.future
        self._log.write(request, answer, monotonic() - began)
        return answer.response

    def refuse(self, error: RefusedError) -> Response:
        """Return the response to what is no request."""
        answer = routes.error_response(error, Request("-", "-"), self._config)
        self._log.write(None, answer, 0.0)
        return answer.response

    def close(self) -> None:
        """End the threads."""
        self._dispatcher.close()

    def _flush(self) -> None:
        self._flush_scheduled = False
        self._dispatcher.flush()

    def _notify(self) -> None:
        self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        for awaiting, answer in self._dispatcher.pop_responses():
            if not awaiting.future.done():  # its client has gone
                awaiting.future.set_result(answer)
        self._dispatcher.flush()


class Application:
    """The endpoints over the store at `path`, opened when the server starts; `log` takes lines, by default stderr."""

    def __init__(
        self,
        path: Path | None = None,
        config: routes.ServerConfig | None = None,
        log: Callable[[str], None] | None = None,
        log_format: str = "text",
    ) -> None:
        self._path = path
        self._config = config or routes.ServerConfig(failure_limiter=FailureLimiter())
        self._write = log or _to_stderr
        self._log_format = log_format
        self._exit_stack = ExitStack()
        self._dispatcher: LoopDispatcher | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or live as long as the server does (ASGI 3.0, lifespan 2.0)."""
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
        """Open the store once: when the server starts, or with the first request when it does not tell of that."""
        if self._dispatcher is None:
            with ExitStack() as opened:
                store = opened.enter_context(Store.open(self._path or _store_path_from_environment()))
                gam = Gam(store, lambda: datetime.now(UTC), os.urandom, "asgi")
                scribe = opened.enter_context(closing(LogWriter(self._write)))
                log = RequestLog(scribe.write, self._log_format, gam.now, gam.entropy(4).hex())
                self._dispatcher = opened.enter_context(closing(LoopDispatcher(gam, self._config, log)))
                self._exit_stack = opened.pop_all()
        return self._dispatcher

    async def _handle_request(self, scope: Message, receive: Receive, send: Send) -> None:
        counter = self._open()
        try:
            head = _build_head(scope)
            body = await asyncio.wait_for(_read_body(head, receive), BODY_SECONDS) if head.length else b""
        except RefusedError as refused:
            response = counter.refuse(refused)
        except TimeoutError:
            response = counter.refuse(RefusedError("request_slow", "the body took too long"))
        else:
            if body is None:  # the client has gone
                return
            peer = _client_address(str((scope.get("client") or ("",))[0]))
            request = Request(head.method, head.path, head.query, head.fields, body, peer, head.keeps_alive)
            response = await counter.respond(request)
        await _send_response(response, send, without_body=scope["method"] == "HEAD")


def _client_address(host: str) -> str:
    """Return the client's address as the server in front tells it, nothing when it took it from a header that lies."""
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
    """Return the whole body, None when the client leaves; raises RefusedError when it is not as long as it says."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += bytes(message.get("body", b""))
        if len(body) > MAX_BODY:
            raise RefusedError("body_too_large", "the body is too large")
        if not message.get("more_body", False):
            break
    if len(body) != head.length:
        raise unreadable_request("the body is not as long as it says")
    return body


async def _send_response(response: Response, send: Send, *, without_body: bool) -> None:
    fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.fields]
    if response.status != NO_CONTENT:
        fields.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": fields})
    await send({"type": "http.response.body", "body": b"" if without_body else response.body})


def _store_path_from_environment() -> Path:
    path = os.environ.get("GAMCLI_STORE")
    if not path:
        raise UsageError("no store is named for gamcli.server.asgi:app", "GAMCLI_STORE=FILE")
    return Path(path)


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


app = Application()
"""What `gamcli.server.asgi:app` names: the store of GAMCLI_STORE, with rule 17 and the log as `serve` has them."""
