"""The metrics: what is counted, and a page that Prometheus can read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from urllib.parse import urlencode

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gamcli.actions import Gam
from gamcli.server.endpoints.refusals import GAM_FORMAT
from gamcli.server.metrics import SECONDS, SIZES, Metrics
from gamcli.server.metrics_page import serve_metrics
from gamcli.server.server import Server
from gamcli.server.transport.listener import ListenOptions, listen
from gamcli.server.transport.messages import Response

TOKEN_PATH = "/oauth/gam/v2.0/access_token"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

Values = dict[tuple[str, ...], float]


def parse(text: str) -> Values:
    """Return each value by the name of its series and the texts of its labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def request(port: int, method: str, path: str, body: str | None = None) -> Response:
    client = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        client.request(method, path, body, FORM if body else {})
        with client.getresponse() as response:
            return Response(response.status, tuple(response.getheaders()), response.read())
    finally:
        client.close()


@contextmanager
def page_of(metrics: Metrics, gam: Gam) -> Iterator[int]:
    """Serve the page, and yield its port."""
    with listen("127.0.0.1", 0) as listener:
        port = int(listener.getsockname()[1])
        with serve_metrics(metrics, gam, GAM_FORMAT, ListenOptions(listener=listener)):
            yield port


def scrape(port: int) -> Values:
    response = request(port, "GET", "/metrics")
    assert response.status == 200
    assert dict(response.fields)["Content-Type"].startswith("text/plain; version=0.0.4")
    return parse(response.body.decode())


def test_requests_are_counted_by_endpoint_status_and_rule(
    gam: Gam, serve: Callable[..., Server], form: dict[str, str]
) -> None:
    metrics = Metrics(1)
    server = serve(metrics=metrics, base_path="/myapp")
    wrong = {**form, "client_secret": "wrong"}
    for fields, path in ((form, TOKEN_PATH), (form, TOKEN_PATH.upper()), (wrong, TOKEN_PATH), (form, "/gamkey_x")):
        request(server.port, "POST", f"/myapp{path}", urlencode(fields))
    with page_of(metrics, gam) as port:
        text = request(port, "GET", "/metrics").body.decode()
    values = parse(text)
    counted = {series[1:]: value for series, value in values.items() if series[0] == "gamcli_requests_total"}
    assert counted == {
        ("access_token", "200", ""): 2,
        ("access_token", "401", "client_secret_wrong"): 1,
        ("other", "404", "path_unknown"): 1,
    }
    assert values["gamcli_request_duration_seconds_bucket", "access_token", "+Inf"] == 3
    assert 0 < values["gamcli_request_duration_seconds_sum", "access_token"] < 30
    assert values["gamcli_group_commit_requests_sum",] == 3
    assert values["gamcli_group_commit_duration_seconds_count",] == 3
    assert values["gamcli_group_commit_wait_seconds_count",] == 3
    assert values["gamcli_keys", "active"] == 1
    assert values["gamcli_store_up",] == 1
    assert not [secret for secret in form.values() if len(secret) > 20 and secret in text]
    assert "gamkey_" not in text


def test_the_rows_of_all_processes_are_added(gam: Gam) -> None:
    metrics = Metrics(2)
    for slot, seconds in ((0, 0.002), (1, 0.002), (1, 99.0)):
        process = metrics.process(slot, "")
        process.count_response("/healthz", 200, "", seconds)
        process.set_connections(3)
        process.count_commit(size=2, wait=0.0, seconds=seconds)
    metrics.process(1, "").count_response("/healthz", 503, "store_busy")
    with page_of(metrics, gam) as port:
        values = scrape(port)
    assert values["gamcli_requests_total", "healthz", "200", ""] == 3
    assert values["gamcli_store_errors_total", "store_busy"] == 1
    assert values["gamcli_connections",] == 6
    buckets = [values["gamcli_request_duration_seconds_bucket", "healthz", str(bound)] for bound in SECONDS]
    assert buckets == [0, *[2] * (len(SECONDS) - 1)]
    assert values["gamcli_request_duration_seconds_count", "healthz"] == 3
    assert values["gamcli_request_duration_seconds_sum", "healthz"] == pytest.approx(99.004)
    assert [values["gamcli_group_commit_requests_bucket", str(bound)] for bound in SIZES] == [
        0,
        *[3] * (len(SIZES) - 1),
    ]


def test_open_connections_are_counted_until_they_are_closed(gam: Gam, serve: Callable[..., Server]) -> None:
    metrics = Metrics(1)
    server = serve(metrics=metrics)
    kept = HTTPConnection("127.0.0.1", server.port, timeout=10)
    kept.request("GET", "/healthz")
    kept.getresponse().read()
    with page_of(metrics, gam) as port:
        assert scrape(port)["gamcli_connections",] == 1
        kept.close()
        while scrape(port)["gamcli_connections",]:
            pass


@pytest.mark.needs_file
def test_the_page_says_so_when_the_store_cannot_be_read(gam: Gam) -> None:
    with page_of(Metrics(1), gam) as port:
        assert scrape(port)["gamcli_store_up",] == 1
        gam.store.path.unlink()
        values = scrape(port)
        assert values["gamcli_store_up",] == 0
        assert not [name for name, *_ in values if name.startswith("gamcli_keys")]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/", 404), ("POST", "/metrics", 405), ("HEAD", "/metrics", 200)]
)
def test_the_listener_serves_nothing_else(gam: Gam, method: str, path: str, status: int) -> None:
    with page_of(Metrics(1), gam) as port:
        assert request(port, method, path).status == status
