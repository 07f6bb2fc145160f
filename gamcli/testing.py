"""
The pytest fixture for tests of clients: a real server on a free port, over a store in memory.

pytest imports this file at the start of every run in an environment that has gamcli, so it imports nothing more than
pytest has already: the fixture imports what it needs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gamcli.actions import Gam
    from gamcli.server.dev.clock import Clock
    from gamcli.server.dev.faults import Faults
    from gamcli.server.dev.journal import Journal


@dataclass(frozen=True)
class GamServer:
    """
    A server that answers while the test runs, and the credentials of user ana for application portal.

    `url` has no slash at its end. `gam` is what the functions of `gamcli.actions` take: to make more, or to revoke.
    `clock` is the server's: `forward("2h")` lets tokens expire, `stop` lets it stand still. `faults` are those that
    were asked for: `add("token=503:2x")` and the like, and `clear`. `journal` is the list of requests so far: `method`,
    `path`, `grant`, `client_id`, `key`, `status`, `rule` of each, and `clear`.
    """

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    api_key: str = field(repr=False)
    gam: "Gam" = field(repr=False)
    clock: "Clock" = field(repr=False)
    faults: "Faults" = field(repr=False)
    journal: "Journal" = field(repr=False)


@pytest.fixture
def gam_server() -> Iterator[GamServer]:
    """Yield a real token endpoint with an application, a user and a key, of this test alone."""
    import os  # noqa: PLC0415 - see above
    from threading import Thread  # noqa: PLC0415

    from gamcli.actions import Gam, example, repository  # noqa: PLC0415
    from gamcli.server.dev.clock import Clock  # noqa: PLC0415
    from gamcli.server.dev.faults import Faults  # noqa: PLC0415
    from gamcli.server.dev.journal import Journal  # noqa: PLC0415
    from gamcli.server.dev.server import DevOptions, DevServer  # noqa: PLC0415
    from gamcli.server.transport.event_loop import ServerOptions  # noqa: PLC0415
    from gamcli.store import Store  # noqa: PLC0415

    clock, faults, journal = Clock(), Faults(), Journal()
    with Store.in_memory() as store:
        gam = Gam(store, clock, os.urandom, "pytest")
        repository.initialise(gam)
        held = example.create_example(gam)
        secrets = held.client_secret.reveal(), held.api_key.reveal()
        server = DevServer(gam, ServerOptions(log=lambda _: None, max_failures=0), DevOptions(faults, journal.add))
        thread = Thread(target=server.run, name="gam_server")
        thread.start()
        try:
            yield GamServer(server.url, held.client_id, *secrets, gam, clock, faults, journal)
        finally:
            server.stop()
            thread.join()
