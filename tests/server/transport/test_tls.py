"""HTTPS: the same server over TLS; a client without a handshake blocks nobody."""

import json
import socket
import ssl
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, suppress
from http.client import HTTPSConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import pytest

from gamcli.errors import UsageError
from gamcli.server.server import Server
from gamcli.server.transport import tls
from gamcli.server.transport.connection import Timeouts

HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


class Pair(NamedTuple):
    """The files of a certificate and its key."""

    certificate: str
    key: str


def pair(folder: Path, name: str) -> Pair:
    made = Pair(str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", made.key, "-out", made.certificate]
    subprocess.run(["openssl", "req", "-x509", *kind, *names], check=True, capture_output=True)
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return pair(tmp_path_factory.mktemp("tls"), "server")


@pytest.fixture
def server(serve: Callable[..., Server], files: Pair) -> Server:
    return serve(tls=tls.load_context(*files), timeouts=Timeouts(request=1.0, linger=1.0))


@pytest.fixture
def trusting(files: Pair) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=files.certificate)


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def test_a_key_is_exchanged_over_https(server: Server, trusting: ssl.SSLContext, form: dict[str, str]) -> None:
    client = HTTPSConnection("127.0.0.1", server.port, timeout=10, context=trusting)
    for _ in range(3):
        fields = {"Content-Type": "application/x-www-form-urlencoded"}
        client.request("POST", "/oauth/gam/v2.0/access_token", urlencode(form), fields)
        with client.getresponse() as response:
            assert response.status == 200
            assert json.loads(response.read())["token_type"] == "Bearer"
    client.close()


def test_curl_trusts_the_certificate(server: Server, files: Pair) -> None:
    assert server.url == f"https://127.0.0.1:{server.port}"
    curl = ["curl", "-sS", "--cacert", files.certificate, f"{server.url}/healthz"]
    assert subprocess.run(curl, capture_output=True, check=True).stdout == b'{"status":"ok"}'


def test_pipelined_requests_and_a_large_body_come_whole(server: Server, trusting: ssl.SSLContext) -> None:
    with (
        connected(server) as plain,
        trusting.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as client,
    ):
        body = b"a=" + b"x" * 16_000
        large = b"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
        client.sendall((HEALTHZ * 3 + large + body) * 5 + b"GET /healthz HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.count(b"HTTP/1.1 200 ") == 16
    assert answer.count(b"HTTP/1.1 405 ") == 5


def test_who_does_not_shake_hands_is_released_and_blocks_nobody(
    serve: Callable[..., Server], files: Pair, trusting: ssl.SSLContext
) -> None:
    server = serve(tls=tls.load_context(*files), timeouts=Timeouts(request=3.0, linger=1.0))  # two handshakes fit in it
    with connected(server) as silent, connected(server) as plain:
        plain.sendall(HEALTHZ)
        with connected(server) as other, trusting.wrap_socket(other, server_hostname="localhost") as client:
            client.sendall(HEALTHZ)
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        with suppress(ConnectionResetError):
            assert b"HTTP" not in plain.recv(65536)
        assert silent.recv(65536) == b""


def test_a_request_has_its_deadline_encrypted_too(server: Server, trusting: ssl.SSLContext) -> None:
    with connected(server) as plain, trusting.wrap_socket(plain, server_hostname="localhost") as client:
        client.sendall(HEALTHZ[:20])
        assert client.recv(65536).startswith(b"HTTP/1.1 408 ")


def test_beyond_the_bound_clients_are_turned_away(
    serve: Callable[..., Server], files: Pair, trusting: ssl.SSLContext
) -> None:
    server = serve(tls=tls.load_context(*files), max_connections=0)
    with connected(server) as plain, trusting.wrap_socket(plain, server_hostname="localhost") as client:
        assert client.recv(65536).startswith(b"HTTP/1.1 503 ")


def test_a_slow_reader_gets_every_response(server: Server, trusting: ssl.SSLContext) -> None:
    server._loop._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # noqa: SLF001 - connections inherit it
    with socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(10)
        plain.connect(("127.0.0.1", server.port))
        with trusting.wrap_socket(plain, server_hostname="localhost") as client:
            client.sendall(HEALTHZ * 400 + b"GET /healthz HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.count(b"HTTP/1.1 200 ") == 401


def test_old_versions_are_not_spoken(server: Server, trusting: ssl.SSLContext) -> None:
    for version, expected in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        trusting.minimum_version = trusting.maximum_version = version
        with connected(server) as plain, trusting.wrap_socket(plain, server_hostname="localhost") as client:
            assert client.version() == expected
            assert client.selected_alpn_protocol() is None


def test_the_least_version_is_1_2(files: Pair) -> None:
    assert tls.load_context(*files).minimum_version == ssl.TLSVersion.TLSv1_2


def test_an_invalid_certificate_is_refused(files: Pair, tmp_path: Path) -> None:
    other, text, sealed = pair(tmp_path, "other"), tmp_path / "text", tmp_path / "sealed.key"
    text.write_text("x", encoding="ascii")
    seal = ["openssl", "ec", "-in", files.key, "-aes256", "-passout", "pass:x", "-out", str(sealed)]
    subprocess.run(seal, check=True, capture_output=True)
    for certificate, key, why in (
        (str(tmp_path / "none"), files.key, f"cannot read {tmp_path / 'none'}: no such file"),
        (files.certificate, str(tmp_path), f"cannot read {tmp_path}: is a directory"),
        (files.certificate, "a\0b", "cannot read"),
        ("/dev/zero", files.key, "cannot read /dev/zero: it is larger than 1 MiB"),
        (files.certificate, "/dev/zero", "cannot read /dev/zero: it is larger than 1 MiB"),
        (files.certificate, other.key, "the key does not match the certificate"),
        (files.certificate, str(text), "not a certificate and a key in PEM"),
        (str(text), files.key, "not a certificate and a key in PEM"),
        (files.certificate, str(sealed), "the key has a passphrase"),
    ):
        with pytest.raises(UsageError, match=why) as caught:
            tls.load_context(certificate, key)
        assert caught.value.hint is not None
        assert caught.value.hint.endswith("--tls-cert FILE --tls-key FILE")


def test_who_has_not_shaken_hands_counts_too(
    serve: Callable[..., Server], files: Pair, trusting: ssl.SSLContext
) -> None:
    server = serve(tls=tls.load_context(*files), max_connections=2)
    with ExitStack() as opened:
        client = opened.enter_context(trusting.wrap_socket(connected(server), server_hostname="127.0.0.1"))
        client.sendall(HEALTHZ)
        assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        silent = [opened.enter_context(connected(server)) for _ in range(2)]
        assert silent[0].recv(1) == b""
        silent[1].settimeout(0)
        with pytest.raises(BlockingIOError):
            silent[1].recv(1)
