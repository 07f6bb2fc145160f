"""
Where clients of the fast engine come in: each is counted from the first moment, not only once it has shaken hands.

An event loop that is told to accept and to speak TLS tells of a client after that, and whoever says nothing would be
counted by nobody.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sized
from contextlib import suppress

from gamcli.server.http import DOORSTEP
from gamcli.server.serving import Options

PAUSE = 0.01
"""How long to wait for a file descriptor when there are none, in seconds."""


class Doorway:
    """
    Accepts the clients of `listener`: `visit` makes what listens to one, told how far beyond the bound that one is.

    `visits` are those who are in. Beyond those who can be told that there are too many, clients are let go.
    """

    def __init__(
        self,
        listener: socket.socket,
        options: Options,
        visit: Callable[[int], asyncio.Protocol],
        visits: Sized,
    ) -> None:
        self._listener = listener
        self._visit = visit
        self._visits = visits
        self._most = options.max_connections
        self._tls: ssl.SSLContext | None = options.tls
        self._seconds = options.times.request if options.tls else None
        self._coming: dict[asyncio.Protocol, asyncio.Task[None]] = {}

    def entered(self, visit: asyncio.Protocol) -> None:
        """Count a visit no more: it has begun, or never will."""
        self._coming.pop(visit, None)

    async def stand_open(self) -> None:
        """Let clients in until it is cancelled; then whoever has not shaken hands has to go."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    client, _ = await loop.sock_accept(self._listener)
                except OSError:  # no more file descriptors: some connection will end
                    await asyncio.sleep(PAUSE)
                else:
                    self._admit(client)
        finally:
            for coming in tuple(self._coming.values()):
                coming.cancel()

    def _admit(self, client: socket.socket) -> None:
        beyond = len(self._visits) + len(self._coming) - self._most
        if beyond >= DOORSTEP:
            client.close()
            return
        visit = self._visit(beyond)
        self._coming[visit] = asyncio.get_running_loop().create_task(self._shaken(client, visit))

    async def _shaken(self, client: socket.socket, visit: asyncio.Protocol) -> None:
        try:
            with suppress(OSError):  # whoever has left, or does not shake hands
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: visit, client, ssl=self._tls, ssl_handshake_timeout=self._seconds
                )
        finally:
            self.entered(visit)
