"""
The limits of open connections, and which connection is closed for a new one.

The one that has been idle longest is closed: it has not sent a request yet, or is between requests. One in the middle
of a request stays open. An address has at most half of all connections, so that none can take all of them.
"""

from gamcli.server.transport.connection import Connection


class _Group:
    """Connections that share a limit, and those of them that were idle when they were last sorted."""

    def __init__(self) -> None:
        self.members: set[Connection] = set()
        self._idle: list[tuple[float, Connection]] = []  # the one that has been idle longest comes last

    def find_idle(self) -> Connection | None:
        """
        Return the connection that has been idle longest, or None.

        Sorting again is rarely necessary: connections that become idle later come after the sorted ones.
        """
        found = self._pop_idle()
        if found is None:
            idle = [(each.idle_since, each) for each in self.members if each.is_idle]
            self._idle = sorted(idle, key=lambda entry: entry[0], reverse=True)
            found = self._pop_idle()
        return found

    def _pop_idle(self) -> Connection | None:
        while self._idle:
            since, connection = self._idle.pop()
            is_still_idle = connection.is_idle and connection.idle_since == since
            if connection in self.members and is_still_idle and not connection.has_unread_bytes():
                return connection
        return None


class ConnectionLimiter:
    """At most `limit` connections, and at most `limit_per_address` of each address; 0 = half of `limit`."""

    def __init__(self, limit: int, limit_per_address: int = 0) -> None:
        self._limit = limit
        half = max(limit // 2, 1)
        self._limit_per_address = min(limit_per_address or half, half)
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
        self._all.members.add(connection)
        group = self._by_address.get(connection.address)
        if group is None:
            group = self._by_address[connection.address] = _Group()
        group.members.add(connection)

    def discard(self, connection: Connection) -> None:
        self._all.members.discard(connection)
        group = self._by_address.get(connection.address)
        if group is not None:
            group.members.discard(connection)
            if not group.members:
                del self._by_address[connection.address]
