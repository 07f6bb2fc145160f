"""
The places of open connections: how many there may be, and which one is closed for a new one.

The connection that has been silent longest makes way: it has never sent a request, or is idle between requests. One in
the middle of a request keeps its place. No address holds more than half of the places, so that none can take them all.
"""

from gamcli.server.transport.connection import Connection


class _Group:
    """Connections that share a limit, and those of them that were silent when they were last sorted."""

    def __init__(self) -> None:
        self.members: set[Connection] = set()
        self._silent: list[tuple[float, Connection]] = []  # the one that is silent longest comes last

    def find_silent(self) -> Connection | None:
        """
        Return the connection that has been silent longest, or None.

        Sorting again is rarely necessary: whatever falls silent later than the sorted ones comes after them.
        """
        found = self._pop_silent()
        if found is None:
            silent = [(each.silent_since, each) for each in self.members if each.is_idle]
            self._silent = sorted(silent, key=lambda entry: entry[0], reverse=True)
            found = self._pop_silent()
        return found

    def _pop_silent(self) -> Connection | None:
        while self._silent:
            since, connection = self._silent.pop()
            is_still_silent = connection.is_idle and connection.silent_since == since
            if connection in self.members and is_still_silent and not connection.has_unread_bytes():
                return connection
        return None


class Places:
    """At most `limit` connections, and at most `limit_per_address` of each address; 0 = half of `limit`."""

    def __init__(self, limit: int, limit_per_address: int = 0) -> None:
        self._limit = limit
        half = max(limit // 2, 1)
        self._limit_per_address = min(limit_per_address or half, half)
        self._all = _Group()
        self._by_address: dict[str, _Group] = {}

    def make_room(self, address: str) -> Connection | None:
        """
        Return the connection to close before a new one of `address` gets a place, None if there is room.

        Raises LookupError when all places are taken and no connection is silent.
        """
        group = self._by_address.get(address)
        if group is not None and len(group.members) >= self._limit_per_address:
            full = group
        elif len(self._all.members) >= self._limit:
            full = self._all
        else:
            return None
        silent = full.find_silent()
        if silent is None:
            raise LookupError("all connections are busy")
        return silent

    def find_silent(self) -> Connection | None:
        """Return the connection that has been silent longest, or None."""
        return self._all.find_silent()

    def add(self, connection: Connection) -> None:
        self._all.members.add(connection)
        self._by_address.setdefault(connection.address, _Group()).members.add(connection)

    def discard(self, connection: Connection) -> None:
        """Free the place of the connection, if it has one."""
        self._all.members.discard(connection)
        group = self._by_address.get(connection.address)
        if group is not None:
            group.members.discard(connection)
            if not group.members:
                del self._by_address[connection.address]
