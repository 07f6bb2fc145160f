"""
A proxy on loopback that adds a delay to every round trip: `python tests/bench/delay.py PORT --milliseconds 0.5`.

It stands for the network between a node and its database. Prints its own port as JSON, and forwards to PORT. Half of
the delay is added in each direction; bytes that follow each other closely are not delayed by each other.
"""

import json
import socket
import sys
from argparse import ArgumentParser
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from time import perf_counter, sleep

CHUNK = 256 * 1024

Waiting = SimpleQueue[tuple[float, bytes]]


def forward(source: socket.socket, target: socket.socket, seconds: float) -> None:
    """Send to `target` what `source` receives, each piece `seconds` later, until it ends."""
    waiting: Waiting = SimpleQueue()
    Thread(target=receive, args=(source, waiting, seconds), daemon=True).start()
    with suppress(OSError):
        while (piece := waiting.get())[1]:
            left = piece[0] - perf_counter()
            if left > 0:
                sleep(left)
            target.sendall(piece[1])
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def receive(source: socket.socket, waiting: Waiting, seconds: float) -> None:
    data = b"-"
    while data:
        try:
            data = source.recv(CHUNK)
        except OSError:
            data = b""
        waiting.put((perf_counter() + seconds, data))


def serve(listener: socket.socket, port: int, seconds: float) -> None:
    while True:
        client, _ = listener.accept()
        server = socket.create_connection(("127.0.0.1", port))
        for each in (client, server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for pair in ((client, server), (server, client)):
            Thread(target=forward, args=(*pair, seconds / 2), daemon=True).start()


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--milliseconds", type=float, default=0.5)
    asked = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sys.stdout.write(json.dumps({"port": listening.getsockname()[1]}) + "\n")
        sys.stdout.flush()
        serve(listening, asked.port, asked.milliseconds / 1000)
