"""
The pytest plugin: the fixture `gam_server` runs a real server on a free port, with a store in memory.

pytest imports this file at the start of every run where gamcli is installed, so the fixture imports what it needs.
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
    A running server, and the credentials of user ana for application portal.

    `url` has no slash at its end. Pass `gam` to the functions of `gamcli.actions`, to create or revoke something.
    `clock` is the server's clock: `forward("2h")` lets tokens expire, `stop()` stops it. `faults` injects failures:
    `add("token=503:2x")`, `clear()`. `journal` is the list of requests so far, with `method`, `path`, `grant`,
    `client_id`, `key`, `status` and `rule` of each; `clear()` empties it.
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
    """Yield a token endpoint with an application, a user and an API key, for this test only."""
    import os  # noqa: PLC0415 - see above
    from threading import Thread  # noqa: PLC0415

    from gamcli.actions import Gam, example, repository  # noqa: PLC0415
    from gamcli.server.dev.clock import Clock  # noqa: PLC0415
    from gamcli.server.dev.faults import Faults  # noqa: PLC0415
    from gamcli.server.dev.journal import Journal  # noqa: PLC0415
    from gamcli.server.dev.server import DevOptions, DevServer  # noqa: PLC0415
    from gamcli.server.server import ServerOptions  # noqa: PLC0415
    from gamcli.store import Store  # noqa: PLC0415

    clock, faults, journal = Clock(), Faults(), Journal()
    with Store.in_memory() as store:
        gam = Gam(store, clock, os.urandom, "pytest")
        repository.initialise(gam)
        credentials = example.create_example(gam)
        secrets = credentials.client_secret.reveal(), credentials.api_key.reveal()
        server = DevServer(gam, ServerOptions(log=lambda _: None, max_failures=0), DevOptions(faults, journal.add))
        thread = Thread(target=server.run, name="gam_server")
        thread.start()
        try:
            yield GamServer(server.url, credentials.client_id, *secrets, gam, clock, faults, journal)
        finally:
            server.stop()
            thread.join()
