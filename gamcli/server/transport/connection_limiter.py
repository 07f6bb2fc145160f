"""
The limits of open connections, and which connection is closed for a new one.

The one that has been idle longest is closed: it has not sent a request yet, or is between requests. One in the middle
of a request stays open. By default an address has at most half of all connections, so that none can take all of them;
for a server behind a proxy an option allows more, as closing idle connections of a proxy loses requests.
"""

from gamcli.server.transport.connection import Connection


class _Group:
    """Connections that share a limit; `idle` ones in order, the one that has been idle longest first."""

    def __init__(self) -> None:
        self.members: set[Connection] = set()
        self.idle: dict[Connection, None] = {}

    def find_idle(self) -> Connection | None:
        return next((each for each in self.idle if each.is_idle and not each.has_unread_bytes()), None)


class ConnectionLimiter:
    """At most `limit` connections, and at most `limit_per_address` of each address; 0 = half of `limit`."""

    def __init__(self, limit: int, limit_per_address: int = 0) -> None:
        self._limit = limit
        self._limit_per_address = limit_per_address or max(limit // 2, 1)
        self._all = _Group()
        self._by_address: dict[str, _Group] = {}

    def make_room(self, address: str) -> Connection | None:
        """
        Return the connection to close before a new one of `address` is accepted, None if there is room.

        Raises LookupError when the limit is reached and no connection is idle.
        """
        group = self._by_address.get(address)
        if group is not None and len(group.members) >= self._limit_per_address:
            full = group
        elif len(self._all.members) >= self._limit:
            full = self._all
        else:
            return None
        idle = full.find_idle()
        if idle is None:
            raise LookupError("all connections are busy")
        return idle

    def find_idle(self) -> Connection | None:
        """Return the connection that has been idle longest, or None."""
        return self._all.find_idle()

    def add(self, connection: Connection) -> None:
        if connection.address not in self._by_address:
            self._by_address[connection.address] = _Group()
        for group in self._groups(connection):
            group.members.add(connection)
            group.idle[connection] = None

    def note_request(self, connection: Connection) -> None:
        """Note that a request arrived: the connection has not been idle since it was opened or last answered."""
        for group in self._groups(connection):
            group.idle.pop(connection, None)

    def update(self, connection: Connection) -> None:
        """Note whether a connection is idle now; one that was idle before keeps its place in the order."""
        for group in self._groups(connection):
            if not connection.is_idle:
                group.idle.pop(connection, None)
            elif connection in group.members:
                group.idle.setdefault(connection)

    def discard(self, connection: Connection) -> None:
        for group in self._groups(connection):
            group.members.discard(connection)
            group.idle.pop(connection, None)
            if not group.members:
                self._by_address.pop(connection.address, None)

    def _groups(self, connection: Connection) -> tuple[_Group, ...]:
        group = self._by_address.get(connection.address)
        return (self._all,) if group is None else (self._all, group)
