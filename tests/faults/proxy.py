"""A proxy between a program and its database that cuts the connection, or drops what passes, during a commit."""

import re
import socket
from contextlib import suppress
from threading import Thread
from time import sleep

_PREPARED_COMMIT = re.compile(rb"(\w+)\0COMMIT\0")
"""What a client sends that gives a name to the statement; later it sends the name alone."""


class CuttingProxy:
    """
    Forwards connections to the database on `port`.

    While `is_cutting`, the next COMMIT is the last that passes on its connection: it `arrives` at the database or not,
    and its answer never comes back. The connection is silent for `seconds`, as on a network that drops packets, before
    it is reset.
    """

    def __init__(self, port: int, *, arrives: bool = True, seconds: float = 0) -> None:
        self.database_port = port
        self.arrives, self.seconds = arrives, seconds
        self.is_cutting = False
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self.database_port))
                except OSError:
                    client.close()
                    continue
                connection = _Connection(self, client, server)
                for each in (connection.forward_requests, connection.forward_answers):
                    Thread(target=each, daemon=True).start()

    def close(self) -> None:
        """Refuse new connections; those that are open go on."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class _Connection:
    """One connection through the proxy."""

    def __init__(self, proxy: CuttingProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._is_silent = False
        self._names = {b"COMMIT"}
        for each in (client, server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def forward_requests(self) -> None:
        with suppress(OSError), self._client:
            while data := self._client.recv(65536):
                self._names.update(_PREPARED_COMMIT.findall(data))
                if self._proxy.is_cutting and any(name + b"\0" in data for name in self._names):
                    self._proxy.is_cutting = False
                    self._proxy.cuts += 1
                    self._cut(data)
                    return
                self._server.sendall(data)
        self._end(self._server)

    def _cut(self, commit: bytes) -> None:
        self._is_silent = True
        if self._proxy.arrives:
            self._server.sendall(commit)
            self._server.shutdown(socket.SHUT_WR)  # the database commits, and then sees that the client is gone
        else:
            self._end(self._server)
        sleep(self._proxy.seconds)
        self._end(self._client)

    def forward_answers(self) -> None:
        with suppress(OSError), self._server:
            while data := self._server.recv(65536):
                if not self._is_silent:
                    self._client.sendall(data)
        if not self._is_silent:
            self._end(self._client)

    @staticmethod
    def _end(each: socket.socket) -> None:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
