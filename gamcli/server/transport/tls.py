"""HTTPS: the certificate, and sockets that encrypt and still never wait. Only a server that has one imports this."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE
from typing import TYPE_CHECKING

from gamcli.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


Context = ssl.SSLContext


class SocketNotReadyError(BlockingIOError):
    """The socket cannot go on now; `event` is what it waits for, whatever it was asked to do."""

    def __init__(self, event: int) -> None:
        super().__init__()
        self.event = event


@contextmanager
def _raise_not_ready() -> Iterator[None]:
    """Tell as a plain socket would that nothing can be done now: what is read may have to be written for first."""
    try:
        yield
    except ssl.SSLWantReadError:
        raise SocketNotReadyError(EVENT_READ) from None
    except ssl.SSLWantWriteError:
        raise SocketNotReadyError(EVENT_WRITE) from None


class TlsSocket(ssl.SSLSocket):
    """A socket that encrypts; the first bytes sent or received shake hands before that."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Receive what has come."""
        with _raise_not_ready():
            return super().recv(buflen, flags)

    def send(self, data: "ReadableBuffer", flags: int = 0) -> int:
        """Send as much as goes."""
        with _raise_not_ready():
            return super().send(data, flags)

    def shutdown(self, how: int) -> None:
        """Say that nothing follows: in TLS, so that nobody else can say it, and in TCP."""
        with suppress(OSError, ValueError):
            self.unwrap()
        super().shutdown(how)


def load_context(certificate: str, key: str) -> ssl.SSLContext:
    """Return what encrypts with that certificate, its chain behind it, and key; raises UsageError."""
    for path in (certificate, key):
        _require_readable(path)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_RENEGOTIATION
    made.set_alpn_protocols(["http/1.1"])
    made.sslsocket_class = TlsSocket
    try:
        made.load_cert_chain(certificate, key, password=_no_passphrase)
    except (ssl.SSLError, _PassphraseError) as error:
        raise UsageError(f"cannot serve with {certificate} and {key}: {_load_problem(error)}", _HINT) from error
    return made


_HINT = "both are PEM files, the key without a passphrase: --tls-cert FILE --tls-key FILE"


class _PassphraseError(Exception):
    """The key asks for a passphrase; a server has nobody to ask."""


def _no_passphrase() -> str:
    raise _PassphraseError


def _load_problem(error: Exception) -> str:
    if isinstance(error, _PassphraseError):
        return "the key has a passphrase"
    if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
        return "the key is not that of the certificate"
    return "no certificate and key in PEM"


def _require_readable(path: str) -> None:
    try:
        Path(path).read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no such file"
        raise UsageError(f"cannot read {path}: {why.lower()}", _HINT) from error
