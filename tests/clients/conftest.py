"""Servers for third-party clients, and the packages from npm."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clients import matrix
from tests.clients.world import Endpoint, serving

Serve = Callable[[str], Endpoint]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as running:
        yield lambda response_format: running.enter_context(serving(response_format))


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the packages from npm."""
    folder = tmp_path_factory.mktemp("npm")
    try:
        matrix.install_npm(folder)
    except matrix.UnavailableError as error:
        pytest.skip(str(error))
    return folder
