"""
What a server counts for `serve --metrics`: numbers in memory that all worker processes share.

Each process has a row of numbers and is the only one that changes it, so no lock is needed; a scrape adds the rows up.
The memory belongs to the parent process: nothing is lost when a worker crashes. The rows have a fixed layout, so that
clients cannot create new time series.
"""

from bisect import bisect_left
from collections.abc import Sequence
from mmap import mmap

from gamcli.server.endpoints import refusals, routes
from gamcli.server.transport.messages import REASONS

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The upper bounds of durations."""

SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
"""The upper bounds of the number of requests in a group commit."""

_PATHS = (*routes.ROUTES, *routes.EXTRA_ROUTES)

ENDPOINTS = (*(path.rpartition("/")[2] for path in _PATHS), "other")
"""The last segment of each route; `other` is any other path, and what is not a request."""

OUTCOMES: tuple[int | str, ...] = (*REASONS, *refusals.TABLE)
"""The status of a response without a rule, or the rule that refused the request."""

STORE_ERRORS = ("store_busy", "store_gone", "store_version")

_OUTCOME_INDEX = {outcome: index for index, outcome in enumerate(OUTCOMES)}


class _Layout:
    """Assigns places in a row; a histogram has a number for each bound, one for all above, and the sum of values."""

    def __init__(self) -> None:
        self.size = 0

    def take(self, count: int) -> int:
        start, self.size = self.size, self.size + count
        return start

    def take_histogram(self, bounds: Sequence[float]) -> int:
        return self.take(len(bounds) + 2)


_layout = _Layout()
CONNECTIONS = _layout.take(1)
ERRORS = _layout.take(len(STORE_ERRORS))
REQUESTS = _layout.take(len(ENDPOINTS) * len(OUTCOMES))
DURATIONS = [_layout.take_histogram(SECONDS) for _ in ENDPOINTS]
COMMIT_SIZES = _layout.take_histogram(SIZES)
COMMIT_WAITS = _layout.take_histogram(SECONDS)
COMMIT_DURATIONS = _layout.take_histogram(SECONDS)
ROW_SIZE = _layout.size


class ProcessMetrics:
    """The row of one process; used by the thread of its event loop only."""

    def __init__(self, row: "memoryview[float]", base_path: str) -> None:
        self._row = row
        self._endpoints = {f"{base_path}{path}": index for index, path in enumerate(_PATHS)}

    def set_connections(self, count: int) -> None:
        self._row[CONNECTIONS] = count

    def count_response(self, path: str, status: int, rule: str, seconds: float | None = None) -> None:
        """Count a response; `seconds` is None if it is not known when the request arrived."""
        endpoint = self._endpoints.get(path.lower(), len(ENDPOINTS) - 1)
        self._row[REQUESTS + endpoint * len(OUTCOMES) + _OUTCOME_INDEX[rule or status]] += 1
        if seconds is not None:
            self._observe(DURATIONS[endpoint], SECONDS, seconds)
        self.count_store_error(rule)

    def count_store_error(self, rule: str) -> None:
        """Count an error of the store; `rule` is the one that a response to it has."""
        if rule in STORE_ERRORS:
            self._row[ERRORS + STORE_ERRORS.index(rule)] += 1

    def count_commit(self, size: int, wait: float, seconds: float) -> None:
        """Count a group commit: its requests, the wait of the first one until it began, and how long it took."""
        self._observe(COMMIT_SIZES, SIZES, size)
        self._observe(COMMIT_WAITS, SECONDS, wait)
        self._observe(COMMIT_DURATIONS, SECONDS, seconds)

    def _observe(self, start: int, bounds: Sequence[float], value: float) -> None:
        self._row[start + bisect_left(bounds, value)] += 1
        self._row[start + len(bounds) + 1] += value


class Metrics:
    """The rows of `processes` processes; create it before the processes are forked."""

    def __init__(self, processes: int) -> None:
        numbers = memoryview(mmap(-1, processes * ROW_SIZE * 8)).cast("d")
        self._rows = [numbers[start : start + ROW_SIZE] for start in range(0, len(numbers), ROW_SIZE)]

    def process(self, slot: int, base_path: str) -> ProcessMetrics:
        """Return the row of the process number `slot`; `base_path` is in lower case."""
        return ProcessMetrics(self._rows[slot], base_path)

    def sum_rows(self) -> list[float]:
        return [sum(column) for column in zip(*self._rows, strict=True)]
