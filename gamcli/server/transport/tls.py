"""HTTPS: the certificate, and non-blocking TLS sockets. Imported only by a server with a certificate."""

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
    """The operation would block; `event` is the selector event to wait for."""

    def __init__(self, event: int) -> None:
        super().__init__()
        self.event = event


@contextmanager
def _raise_not_ready() -> Iterator[None]:
    """Translate the errors of TLS sockets to BlockingIOError; a read may have to wait for a write and the reverse."""
    try:
        yield
    except ssl.SSLWantReadError:
        raise SocketNotReadyError(EVENT_READ) from None
    except ssl.SSLWantWriteError:
        raise SocketNotReadyError(EVENT_WRITE) from None


MAX_FILE_BYTES = 1 << 20
"""A certificate with its chain is smaller; a device such as /dev/zero never ends."""


class TlsSocket(ssl.SSLSocket):
    """A non-blocking TLS socket; the handshake happens with the first read or write."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        with _raise_not_ready():
            return super().recv(buflen, flags)

    def send(self, data: "ReadableBuffer", flags: int = 0) -> int:
        with _raise_not_ready():
            return super().send(data, flags)

    def shutdown(self, how: int) -> None:
        """Close the sending side, in TLS (close_notify) and in TCP."""
        with suppress(OSError, ValueError):
            self.unwrap()
        super().shutdown(how)


def load_context(certificate: str, key: str) -> ssl.SSLContext:
    """Return the TLS context for a certificate, followed by its chain, and a key; raises UsageError."""
    for path in (certificate, key):
        _require_readable(path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    context.sslsocket_class = TlsSocket
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except (ssl.SSLError, _PassphraseError) as error:
        raise UsageError(f"cannot serve with {certificate} and {key}: {_load_problem(error)}", _HINT) from error
    return context


_HINT = "use PEM files and a key without a passphrase: --tls-cert FILE --tls-key FILE"


class _PassphraseError(Exception):
    """The key has a passphrase, which a server cannot ask for."""


def _no_passphrase() -> str:
    raise _PassphraseError


def _load_problem(error: Exception) -> str:
    if isinstance(error, _PassphraseError):
        return "the key has a passphrase"
    if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
        return "the key does not match the certificate"
    return "not a certificate and a key in PEM"


def _require_readable(path: str) -> None:
    try:
        with Path(path).open("rb") as file:
            is_too_large = len(file.read(MAX_FILE_BYTES + 1)) > MAX_FILE_BYTES
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "invalid path"
        raise UsageError(f"cannot read {path}: {reason.lower()}", _HINT) from error
    if is_too_large:
        raise UsageError(f"cannot read {path}: it is larger than {MAX_FILE_BYTES >> 20} MiB", _HINT)
