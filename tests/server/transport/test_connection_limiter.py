"""ConnectionLimiter of connections: which one makes way for a new one."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from gamcli.server.transport.connection import Connection, Timeouts
from gamcli.server.transport.connection_limiter import ConnectionLimiter

ASKED = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"


class Pair:
    """A connection and its client."""

    def __init__(self, address: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.client = socket.create_connection(listener.getsockname())
            self.connection = Connection(listener.accept()[0], address, Timeouts())

    def send(self, data: bytes) -> None:
        self.client.sendall(data)
        self.connection.socket.settimeout(5)
        self.connection.receive()

    def close(self) -> None:
        self.client.close()
        self.connection.close()


Open = Callable[[str], Pair]


@pytest.fixture
def opened() -> Iterator[Open]:
    with ExitStack() as stack:
        yield lambda address: stack.enter_context(closing(Pair(address)))


def filled(limiter: ConnectionLimiter, opened: Open, *addresses: str) -> list[Pair]:
    pairs = [opened(address) for address in addresses]
    for pair in pairs:
        limiter.add(pair.connection)
    return pairs


def test_there_is_room_until_the_limit_is_reached(opened: Open) -> None:
    limiter = ConnectionLimiter(4)
    filled(limiter, opened, "a", "b", "c")
    assert limiter.make_room("d") is None


def test_the_connection_that_has_been_silent_longest_makes_way(opened: Open) -> None:
    limiter = ConnectionLimiter(4)
    pairs = filled(limiter, opened, "a", "b", "c", "d")
    limiter.note_request(pairs[0].connection)
    limiter.update(pairs[0].connection)  # it is answered: silent since now
    limiter.update(pairs[1].connection)  # it sent nothing that counts
    for expected in (pairs[1], pairs[2], pairs[3], pairs[0]):
        found = limiter.make_room("e")
        assert found is expected.connection
        limiter.discard(found)
        filled(limiter, opened, "e" + str(expected.connection.socket.fileno()))


def test_a_connection_in_the_middle_of_a_request_keeps_its_place(opened: Open) -> None:
    limiter = ConnectionLimiter(4)
    pairs = filled(limiter, opened, "a", "b", "c", "d")
    for pair in pairs[:3]:
        pair.send(ASKED[:1])
    assert limiter.make_room("e") is pairs[3].connection
    pairs[3].send(ASKED[:1])
    with pytest.raises(LookupError):
        limiter.make_room("e")


def test_a_connection_whose_bytes_were_not_read_yet_keeps_its_place(opened: Open) -> None:
    limiter = ConnectionLimiter(4)
    pairs = filled(limiter, opened, "a", "b", "c", "d")
    pairs[0].client.sendall(ASKED)
    while not pairs[0].connection.has_unread_bytes():
        pass
    assert limiter.make_room("e") is pairs[1].connection


def test_connections_in_the_middle_of_a_request_are_not_looked_at_again(opened: Open) -> None:
    limiter = ConnectionLimiter(4)
    pairs = filled(limiter, opened, "a", "b", "c", "d")
    for pair in pairs[:3]:
        pair.send(ASKED[:1])
        limiter.update(pair.connection)
        pair.connection.close()  # so that looking at it is an error
        vars(pair.connection).pop("_parser")
    assert limiter.make_room("e") is pairs[3].connection


def test_a_connection_whose_client_has_left_makes_way(opened: Open) -> None:
    limiter = ConnectionLimiter(2)
    pairs = filled(limiter, opened, "a", "b")
    pairs[0].client.close()
    assert limiter.make_room("c") is pairs[0].connection


@pytest.mark.parametrize(
    ("limit", "per_address", "allowed"), [(8, 0, 4), (8, 3, 3), (8, 5, 5), (8, 8, 8), (9, 0, 4), (1, 0, 1)]
)
def test_an_address_has_at_most_half_of_the_connections_or_as_many_as_the_option_says(
    opened: Open, limit: int, per_address: int, allowed: int
) -> None:
    limiter = ConnectionLimiter(limit, per_address)
    pairs = filled(limiter, opened, *["a"] * (allowed - 1))
    assert limiter.make_room("a") is None
    pairs += filled(limiter, opened, "a")
    assert limiter.make_room("a") is pairs[0].connection


def test_an_address_that_is_full_makes_way_for_itself_and_for_no_other(opened: Open) -> None:
    limiter = ConnectionLimiter(6)
    others = filled(limiter, opened, "b")
    pairs = filled(limiter, opened, "a", "a", "a")
    assert limiter.make_room("a") is pairs[0].connection
    for pair in pairs:
        pair.send(ASKED[:1])
    with pytest.raises(LookupError):
        limiter.make_room("a")
    assert limiter.make_room("b") is None
    limiter.discard(others[0].connection)
    limiter.discard(pairs[0].connection)
    assert limiter.make_room("a") is None


def test_the_connection_that_frees_a_descriptor_is_the_one_that_is_silent_longest(opened: Open) -> None:
    limiter = ConnectionLimiter(8)
    assert limiter.find_idle() is None
    pairs = filled(limiter, opened, "a", "b")
    assert limiter.find_idle() is pairs[0].connection
