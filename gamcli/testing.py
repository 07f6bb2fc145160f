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


@dataclass(frozen=True)
class GamServer:
    """
    A server that answers while the test runs, and the credentials of user ana for application portal.

    `url` has no slash at its end. `gam` is what the functions of `gamcli.actions` take: to make more, or to revoke.
    """

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    api_key: str = field(repr=False)
    gam: "Gam" = field(repr=False)


@pytest.fixture
def gam_server() -> Iterator[GamServer]:
    """Yield a real token endpoint with an application, a user and a key, of this test alone."""
    import os  # noqa: PLC0415 - see above
    from datetime import UTC, datetime  # noqa: PLC0415
    from threading import Thread  # noqa: PLC0415

    from gamcli.actions import Gam, example, repository  # noqa: PLC0415
    from gamcli.server.http import Options, Server  # noqa: PLC0415
    from gamcli.store import Store  # noqa: PLC0415

    with Store.in_memory() as store:
        gam = Gam(store, lambda: datetime.now(UTC), os.urandom, "pytest")
        repository.initialise(gam)
        held = example.make(gam)
        server = Server(gam, Options(log=lambda _: None, max_failures=0))
        thread = Thread(target=server.run, name="gam_server")
        thread.start()
        try:
            yield GamServer(server.url, held.client_id, held.client_secret.reveal(), held.api_key.reveal(), gam)
        finally:
            server.stop()
            thread.join()
