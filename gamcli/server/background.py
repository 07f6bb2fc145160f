"""Runs a server in a thread."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from gamcli.server.transport.listener import RunnableServer


@contextmanager
def run_in_background(server: RunnableServer) -> Iterator[Thread]:
    """Run the server in a thread while the `with` block runs."""
    thread = Thread(target=server.run, name="serve")
    thread.start()
    try:
        yield thread
    finally:
        server.stop()
        thread.join()
