"""The server: the endpoints and their log behind the event loop."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from socket import socket

from gamcli.actions import Gam
from gamcli.server.dispatcher import Dispatcher
from gamcli.server.endpoints.context import ServerConfig
from gamcli.server.endpoints.failure_limit import DEFAULT_LIMIT, FailureLimiter
from gamcli.server.endpoints.refusals import GAM_FORMAT, ResponseFormat
from gamcli.server.log_writer import LogWriter
from gamcli.server.metrics import Metrics, ProcessMetrics
from gamcli.server.request_log import ADDRESSES, RequestLog
from gamcli.server.transport.connection import ConnectionRequest
from gamcli.server.transport.event_loop import EventLoop
from gamcli.server.transport.listener import ListenOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions(ListenOptions):
    """
    Where to listen and how to answer.

    `log` writes lines joined by line breaks. A separate thread calls it, so it may block. `metrics` counts requests;
    `metrics_listener` is for the page that shows the numbers.
    """

    log: Callable[[str], None]
    log_format: str = "text"
    response_format: ResponseFormat = GAM_FORMAT
    log_address: str = "full"
    max_failures: int = DEFAULT_LIMIT
    max_failures_by: str = "both"
    origins: frozenset[str] = frozenset()
    extras: bool = False
    issuer: str = ""
    metrics: Metrics | None = None
    metrics_listener: socket | None = None

    def config(self) -> ServerConfig:
        base_path = self.base_path.rstrip("/").lower()
        return ServerConfig(
            base_path,
            self.response_format,
            FailureLimiter(self.max_failures, counted_by=self.max_failures_by),
            self.origins,
            extras=self.extras,
            is_encrypted=self.tls is not None,
            show_address=ADDRESSES[self.log_address],
            issuer=self.issuer,
        )


class Server:
    """A server that listens once it is created, and answers while `run` runs, in the thread that runs it."""

    def __init__(self, gam: Gam, options: ServerOptions) -> None:
        gam.store.require_writable()
        self._options = options
        self._config = options.config()
        self._metrics: ProcessMetrics | None = None
        if options.metrics is not None:
            self._metrics = options.metrics.process(options.slot, self._config.base_path)
            options = replace(options, report_connections=self._metrics.set_connections)
        self._log_writer = LogWriter(options.log)
        try:
            self.log = self._open_log(gam, self._log_writer.write)
            self._loop = EventLoop(options, lambda notify: self._create_dispatcher(gam, notify))
        except BaseException:
            self._log_writer.close()
            raise

    def _open_log(self, gam: Gam, sink: Callable[[str], bool]) -> RequestLog:
        return RequestLog(sink, self._options.log_format, gam.now, gam.entropy(4).hex(), self._options.log_address)

    def _create_dispatcher(self, gam: Gam, notify: Callable[[], None]) -> Dispatcher[ConnectionRequest]:
        return Dispatcher[ConnectionRequest](gam, self._config, self.log, notify, self._metrics)

    @property
    def port(self) -> int:
        return self._loop.port

    @property
    def url(self) -> str:
        """The URL of the server, with the base path and without a slash at its end."""
        return self._options.url(self.port)

    @property
    def unwritten_lines(self) -> int:
        """The number of log lines that are not written yet; after `run`, those that their reader did not take."""
        return self._log_writer.unwritten_lines

    def run(self) -> None:
        """Answer requests until `stop` is called, then finish the running ones."""
        try:
            self._loop.run()
            self.log.write_lost_lines()
        finally:
            self._log_writer.close()

    def stop(self) -> None:
        """Make `run` finish and return, while readyz fails; see `RunnableServer`."""
        self._config.state.is_draining = True
        self._loop.stop()

    def stop_now(self) -> None:
        """Make `run` return immediately, without finishing the requests; see `RunnableServer`."""
        self._loop.stop_now()
