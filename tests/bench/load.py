"""
Send requests in turn over N keep-alive connections and measure the latency, in one process and one thread.

Called by `serve.py`: reads the requests from stdin as a JSON list, and prints the figures as JSON.
"""

import json
import selectors
import socket
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from itertools import cycle
from time import perf_counter
from typing import NamedTuple

WARM_UP = 0.2
"""The share of the time that is warm-up and not counted."""


class Result(NamedTuple):
    """
    Requests per second, and median and 99th percentile latency in milliseconds.

    `requests` includes the warm-up, because the processor time of the server does too.
    """

    per_second: float
    p50_ms: float
    p99_ms: float
    requests: int


class Client:
    """One keep-alive connection with one request in flight."""

    def __init__(self, port: int, requests: Iterator[bytes]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests = requests
        self.received = b""
        self.sent_at = 0.0

    def send(self) -> None:
        self.received = b""
        self.sent_at = perf_counter()
        self.socket.sendall(next(self.requests))

    def receive(self) -> bool:
        self.received += self.socket.recv(65536)
        head, blank, body = self.received.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            sys.exit(f"not 200: {self.received!r}")
        return bool(blank) and len(body) == int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])


def measure(port: int, requests: list[bytes], connections: int, seconds: float) -> Result:
    taken: list[float] = []
    again, warming = cycle(requests), 0
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            client = Client(port, again)
            selector.register(client.socket, selectors.EVENT_READ, client)
            client.send()
        start = perf_counter() + seconds * WARM_UP
        end = start + seconds
        while (now := perf_counter()) < end or not taken:
            for key, _ in selector.select(1.0):
                if key.data.receive():
                    if now >= start:
                        taken.append(perf_counter() - key.data.sent_at)
                    else:
                        warming += 1
                    key.data.send()
    taken.sort()
    p50, p99 = (1000 * taken[int(len(taken) * part)] for part in (0.5, 0.99))
    return Result(len(taken) / seconds, p50, p99, len(taken) + warming)


if __name__ == "__main__":
    parser = ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("connections", type=int)
    parser.add_argument("seconds", type=float)
    asked = parser.parse_args()
    given = [text.encode("latin-1") for text in json.load(sys.stdin)]
    json.dump(measure(asked.port, given, asked.connections, asked.seconds), sys.stdout)
