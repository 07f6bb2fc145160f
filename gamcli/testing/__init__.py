"""
The pytest plugin: the fixtures `gam_server` and `gam_server_session` run a real server with a store in memory.

pytest imports this file at the start of every run where gamcli is installed, so the fixtures import what they need.
"""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gamcli.testing.gam_server import GamServer

__all__ = ["GamServer", "gam_server", "gam_server_session"]

_STASHED = pytest.StashKey["GamServer"]()
_OPTIONS = {"seed": "", "format": "gam", "expired_status": "401"}
"""The options of the marker `gam`, and the settings `gam_seed`, `gam_format` and so on in pytest's configuration."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the class
    """Import `GamServer`, for annotations, when it is first used."""
    if name != "GamServer":
        raise AttributeError(name)
    from gamcli.testing.gam_server import GamServer  # noqa: PLC0415 - see above

    return GamServer


def pytest_addoption(parser: pytest.Parser) -> None:
    for name, default in _OPTIONS.items():
        parser.addini(f"gam_{name}", f"{name} of the fixture gam_server", default=default)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "gam(seed=FILE_OR_TEXT, format='gam' or 'rfc6749', expired_status=401 or 403): configure gam_server"
    )


@pytest.fixture
def gam_server(request: pytest.FixtureRequest) -> "Iterator[GamServer]":
    """Yield a token endpoint with an application, a user and an API key, for this test only."""
    marker = request.node.get_closest_marker("gam")
    with _run_server(request.config, dict(marker.kwargs) if marker else {}) as server:
        request.node.stash[_STASHED] = server
        yield server


@pytest.fixture(scope="session")
def gam_server_session(request: pytest.FixtureRequest) -> "Iterator[GamServer]":
    """Yield one token endpoint for all tests; every test begins with its state of the start."""
    with _run_server(request.config, {}) as server:
        request.config.stash[_STASHED] = server
        yield server


@contextmanager
def _run_server(config: pytest.Config, options: dict[str, Any]) -> "Iterator[GamServer]":
    from gamcli.testing.gam_server import run_server  # noqa: PLC0415 - see above

    if "error_format" in options:  # its earlier name
        options["format"] = options.pop("error_format")
    unknown = {*options} - {*_OPTIONS}
    if unknown:
        known = ", ".join(_OPTIONS)
        raise pytest.UsageError(f"unknown option of the marker gam: {', '.join(unknown)}; use {known}")
    chosen = {name: options.get(name, config.getini(f"gam_{name}")) for name in _OPTIONS}
    with (
        _bypass_proxy(),
        run_server(
            str(chosen["seed"]), str(chosen["format"]), int(chosen["expired_status"]), config.rootpath
        ) as server,
    ):
        yield server


@contextmanager
def _bypass_proxy() -> Iterator[None]:
    """Keep requests to this machine away from a proxy that the environment names."""
    from gamcli.system.subprocesses import bypass_proxy  # noqa: PLC0415 - see above

    with pytest.MonkeyPatch.context() as patched:
        for name, value in bypass_proxy(os.environ).items():
            patched.setenv(name, value)
        yield


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Reset the server of the session before the next test that uses it."""
    if "gam_server_session" in getattr(item, "fixturenames", ()) and _STASHED in item.config.stash:
        item.config.stash[_STASHED].reset()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> "Generator[None, pytest.TestReport, pytest.TestReport]":
    """Show the requests of a test that failed."""
    report = yield
    uses_session = "gam_server_session" in getattr(item, "fixturenames", ())
    stash = item.stash if _STASHED in item.stash else item.config.stash if uses_session else None
    if report.when == "call" and report.failed and stash is not None and _STASHED in stash:
        report.sections.append(("gamcli requests", repr(stash[_STASHED].journal)))
    return report
