"""
The listener of `serve --metrics`: GET /metrics in the text format of Prometheus 0.0.4.

It has a thread and a port, separate from the endpoints, and reads the store through a separate connection. It shows
only counts: no names, IDs or client addresses.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from threading import Thread
from types import MappingProxyType
from typing import NamedTuple

from gamcli import __version__
from gamcli.actions import Gam
from gamcli.actions.forecasts import KeyCounts, count_keys
from gamcli.errors import RefusedError, StoreError
from gamcli.model import KEY_STATUSES
from gamcli.server import metrics
from gamcli.server.endpoints.refusals import GAM_FORMAT, ResponseFormat, refusal_response
from gamcli.server.metrics import Metrics
from gamcli.server.transport.connection import ConnectionRequest
from gamcli.server.transport.event_loop import EventLoop
from gamcli.server.transport.listener import ListenOptions
from gamcli.server.transport.messages import Request, Response

PATH = "/metrics"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_CONNECTIONS = 16
STORE_TIMEOUT = 1.0
"""How long a scrape waits for the store, in seconds."""

EXPIRING_WITHIN = timedelta(days=14)

Labels = Mapping[str, str]


class Sample(NamedTuple):
    """A line: its value, its labels, and what follows the name of its family."""

    value: float
    labels: Labels = MappingProxyType({})
    suffix: str = ""


class Family(NamedTuple):
    """A metric with its samples."""

    name: str
    kind: str
    description: str
    samples: Iterable[Sample]


def _format_family(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.description}"
    yield f"# TYPE {family.name} {family.kind}"
    for value, labels, suffix in family.samples:
        pairs = ",".join(f'{label}="{text}"' for label, text in labels.items())
        number = str(int(value)) if value == int(value) else repr(value)
        yield f"{family.name}{suffix}{{{pairs}}} {number}" if pairs else f"{family.name}{suffix} {number}"


def _histogram(row: Sequence[float], start: int, bounds: Sequence[float], labels: Labels) -> Iterator[Sample]:
    total = 0.0
    for index, bound in enumerate((*map(str, bounds), "+Inf")):
        total += row[start + index]
        yield Sample(total, {**labels, "le": bound}, "_bucket")
    yield Sample(row[start + len(bounds) + 1], labels, "_sum")
    yield Sample(total, labels, "_count")


def _requests(row: Sequence[float], response_format: ResponseFormat) -> Iterator[Sample]:
    cells = iter(row[metrics.REQUESTS :])
    for endpoint in metrics.ENDPOINTS:
        for outcome in metrics.OUTCOMES:
            value = next(cells)
            if value:
                rule = outcome if isinstance(outcome, str) else ""
                status = response_format.status_and_body(rule)[0] if rule else outcome
                yield Sample(value, {"endpoint": endpoint, "status": str(status), "rule": rule})


def _server_families(row: Sequence[float], response_format: ResponseFormat) -> Iterator[Family]:
    yield Family("gamcli_build_info", "gauge", "Version of gamcli.", [Sample(1, {"version": __version__})])
    requests = _requests(row, response_format)
    yield Family("gamcli_requests_total", "counter", "Responses, by the rule that refused the request.", requests)
    durations = [
        sample
        for endpoint, start in zip(metrics.ENDPOINTS, metrics.DURATIONS, strict=True)
        for sample in _histogram(row, start, metrics.SECONDS, {"endpoint": endpoint})
    ]
    text = "Time from the complete request to its response."
    yield Family("gamcli_request_duration_seconds", "histogram", text, durations)
    yield Family("gamcli_connections", "gauge", "Open connections of clients.", [Sample(row[metrics.CONNECTIONS])])
    errors = [Sample(row[metrics.ERRORS + index], {"error": name}) for index, name in enumerate(metrics.STORE_ERRORS)]
    yield Family("gamcli_store_errors_total", "counter", "Errors of the store, including retried ones.", errors)
    for name, text, start, bounds in _COMMIT_HISTOGRAMS:
        yield Family(f"gamcli_group_commit_{name}", "histogram", text, _histogram(row, start, bounds, {}))


_COMMIT_HISTOGRAMS = (
    ("requests", "Token requests in a group commit.", metrics.COMMIT_SIZES, metrics.SIZES),
    ("wait_seconds", "Time until a group commit began.", metrics.COMMIT_WAITS, metrics.SECONDS),
    ("duration_seconds", "Time until it was on disk.", metrics.COMMIT_DURATIONS, metrics.SECONDS),
)


def _store_families(counts: KeyCounts | None) -> Iterator[Family]:
    """Yield what the store holds; only that it cannot be read if `counts` is None."""
    up = [Sample(counts is not None)]
    yield Family("gamcli_store_up", "gauge", "Whether the store could be read for this scrape.", up)
    if counts is not None:
        keys = [Sample(counts.by_status.get(status, 0), {"status": status}) for status in KEY_STATUSES]
        yield Family("gamcli_keys", "gauge", "API keys in the store, by status.", keys)
        expiring = [Sample(counts.expiring, {"within": f"{EXPIRING_WITHIN.days}d"})]
        yield Family("gamcli_keys_expiring", "gauge", "Active API keys that expire soon.", expiring)


class MetricsHandler:
    """A `RequestHandler` that answers GET /metrics and nothing else; it may block its event loop."""

    def __init__(self, numbers: Metrics, gam: Gam, response_format: ResponseFormat) -> None:
        self._metrics = numbers
        self._gam = gam
        self._response_format = response_format

    def submit(self, pending: ConnectionRequest) -> Response:
        if pending.request.path != PATH:
            return refusal_response("path_unknown")
        if pending.request.method not in ("GET", "HEAD"):
            return refusal_response("method_wrong", (("Allow", "GET"),))
        try:
            body = self._text().encode()
        except Exception:  # noqa: BLE001 - the edge: every error becomes a response
            return refusal_response("bug")
        return Response(200, (("Content-Type", CONTENT_TYPE), ("Cache-Control", "no-store")), body)

    def _text(self) -> str:
        row = self._metrics.sum_rows()
        try:
            counts = count_keys(self._gam, EXPIRING_WITHIN)
        except StoreError:
            counts = None
        families = (*_server_families(row, self._response_format), *_store_families(counts))
        return "".join(f"{line}\n" for family in families for line in _format_family(family))

    def end_turn(self) -> None:
        """Do nothing: every request is answered at once."""

    def pop_responses(self) -> list[tuple[ConnectionRequest, Response]]:
        return []

    def refuse(self, error: RefusedError, _request: Request) -> Response:
        return refusal_response(error.rule, response_format=GAM_FORMAT)

    def close(self) -> None:
        """Do nothing: this handler starts no threads."""


@contextmanager
def serve_metrics(
    numbers: Metrics, gam: Gam, response_format: ResponseFormat, options: ListenOptions
) -> Iterator[None]:
    """Serve the page in a thread while the `with` block runs."""
    with gam.store.open_again(durable=False, timeout=STORE_TIMEOUT) as store:
        handler = MetricsHandler(numbers, replace(gam, store=store), response_format)
        loop = EventLoop(replace(options, max_connections=MAX_CONNECTIONS), lambda _: handler)
        thread = Thread(target=loop.run, name="metrics")
        thread.start()
        try:
            yield
        finally:
            loop.stop_now()
            thread.join()
