"""A client that reaches no endpoint: each cause has its own message and hint."""

import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from gamcli.clients.endpoint import EndpointResponse

Run = Callable[..., Any]


class Redirecting(BaseHTTPRequestHandler):
    """Redirects every request, and keeps the paths."""

    paths: ClassVar[list[str]] = []

    body: ClassVar[bytes] = b""
    """Answers 200 with this, if there is one."""

    def do_POST(self) -> None:
        self.paths.append(self.path)
        if self.body:
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.body)))
            self.end_headers()
            self.wfile.write(self.body)
            return
        self.send_response(301)
        self.send_header("Location", "https://user:word@example.com/new/oauth?token=secret")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST  # noqa: N815 - the name that http.server calls

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def server(context: ssl.SSLContext | None = None, body: bytes = b"") -> Iterator[int]:
    httpd = HTTPServer(("127.0.0.1", 0), type("Answering", (Redirecting,), {"body": body}))
    httpd.handle_error = lambda *_: None  # type: ignore[method-assign]
    if context is not None:
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield httpd.server_address[1]
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


@pytest.fixture
def request_token(gamcli: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    monkeypatch.setenv("GAM_CLIENT_ID", "a" * 32)
    (place / "k").write_text("gamkey_x", encoding="ascii")
    (place / "s").write_text("s" * 32, encoding="ascii")
    options = ("--api-key-file", "k", "--client-secret-file", "s")
    return lambda url: gamcli("try", "--url", url, *options)


@pytest.fixture(scope="module")
def tls_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"]
    files = ["-keyout", str(folder / "key"), "-out", str(folder / "pem")]
    subprocess.run(["openssl", "req", "-x509", *kind, *files], check=True, capture_output=True)
    return folder


@pytest.fixture
def context(tls_folder: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(tls_folder / "pem", tls_folder / "key")
    return made


def test_a_redirect_names_its_target_without_secrets() -> None:
    target = "https://user:word@example.com/new/oauth?token=secret"
    error = EndpointResponse(301, "Moved Permanently", (("Location", target),), b"").to_error()
    assert error.message == "the endpoint redirects to https://example.com/new/oauth"
    assert error.hint
    assert "to use that one" in error.hint


@pytest.mark.parametrize("target", ["http://[bad/x", "//evil\x1b[31m/x"])
def test_a_redirect_to_an_invalid_address_is_an_error(target: str) -> None:
    error = EndpointResponse(302, "Found", (("Location", target),), b"").to_error()
    assert error.message == "the endpoint redirects to an invalid address"


def test_a_response_that_is_nested_too_deeply_has_no_message() -> None:
    for body in (b"[" * 100_000, b'{"access_token":' * 100_000):
        response = EndpointResponse(200, "OK", (), body)
        assert (response.json(), response.error_message()) == ({}, "status 200 without an error message")


def test_a_token_with_half_a_surrogate_pair_is_an_error(shell: Run, place: Path) -> None:
    for name, text in (("k", "gamkey_x"), ("s", "s" * 32)):
        (place / name).write_text(text, encoding="ascii")
    with server(body=b'{"access_token":"\\ud800"}') as port:
        options = f"--url http://127.0.0.1:{port} --api-key-file k --client-secret-file s"
        found = shell(f"GAM_CLIENT_ID={'a' * 32} gamcli try {options}")
    assert (found.code, "gamcli: error: the endpoint returned" in found.err) == (1, True), found.err


def test_http_to_a_port_with_tls_suggests_https(request_token: Callable[[str], Any], context: ssl.SSLContext) -> None:
    with server(context) as port:
        found = request_token(f"http://127.0.0.1:{port}/base")
    assert f"if the server uses TLS: --url https://127.0.0.1:{port}/base\n" in found.err


def test_https_to_a_port_without_tls_suggests_http(request_token: Callable[[str], Any]) -> None:
    with server() as port:
        found = request_token(f"https://127.0.0.1:{port}/base")
    assert "the server does not use TLS on this port" in found.err
    assert f"gamcli: hint: --url http://127.0.0.1:{port}/base\n" in found.err


def test_a_private_ca_suggests_its_variable(request_token: Callable[[str], Any], context: ssl.SSLContext) -> None:
    with server(context) as port:
        found = request_token(f"https://127.0.0.1:{port}")
    assert "the certificate of the server is not trusted: self-signed certificate" in found.err
    assert "set SSL_CERT_FILE" in found.err


def test_a_certificate_for_another_name_suggests_the_url(
    request_token: Callable[[str], Any], context: ssl.SSLContext, tls_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_folder / "pem"))
    with server(context) as port:
        found = request_token(f"https://127.0.0.1:{port}")
    assert "the certificate is for another name: IP address mismatch" in found.err
    assert "gamcli: hint: --url URL" in found.err


def test_conformance_asks_below_the_base_path_only_and_names_the_request(gamcli: Run) -> None:
    Redirecting.paths.clear()
    with server() as port:
        gamcli("conformance", f"http://127.0.0.1:{port}/base", "--section", "routes")
    assert Redirecting.paths
    assert [path for path in Redirecting.paths if not path.lower().removeprefix("http://a").startswith("/base")] == []
    found = gamcli("conformance", f"http://127.0.0.1:{port}/base")
    assert found.code == 1
    assert "GET /base/oauth/gam/v2.0/access_token: ConnectionRefusedError" in found.err


def test_a_taken_address_is_reported_once(gamcli: Run, world: Run) -> None:
    assert world("app", "list").code == 0
    with server() as port:
        found = gamcli("serve", "--port", str(port))
    assert found.err.startswith(f"gamcli: error: cannot listen on 127.0.0.1, port {port}: address already in use\n")


def test_a_locale_that_misreads_arguments_is_named(shell: Run) -> None:
    found = shell("LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 gamcli user show é")
    assert found.code == 2
    assert "the encoding of the locale, ascii," in found.err
    assert "LC_ALL=C.UTF-8" in found.err


@pytest.mark.parametrize("option", ["user set-password ana --password-file", "key verify --api-key-file"])
def test_a_second_line_in_a_secret_file_is_refused(world: Run, place: Path, option: str) -> None:
    (place / "two").write_text("one\ntwo\n", encoding="ascii")
    found = world(*option.split(), "two")
    assert found.code == 2
    assert "has more than one line" in found.err
    assert "one\n" not in found.err.replace("one line", "")


def test_a_reference_within_a_reference_is_refused(world: Run, place: Path) -> None:
    (place / "gam.toml").write_text('[app.x]\ndescription = "${A:-${B:-x}}"\n', encoding="utf-8")
    found = world("plan", "gam.toml")
    assert found.code == 2
    assert "gam.toml:2: app.x.description: a reference within a reference is not supported" in found.err
