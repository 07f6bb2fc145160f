"""Opens the servers of `gamcli serve`: one process, several worker processes, or an ephemeral one."""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from gamcli.commands.context import CliContext
from gamcli.commands.serve_options import TestingOptions
from gamcli.errors import UsageError
from gamcli.server.server import ServerOptions
from gamcli.server.transport.listener import RunnableServer
from gamcli.system.actor import describe_actor

if TYPE_CHECKING:
    from gamcli.actions import Gam


@contextmanager
def open_server(
    cli: CliContext,
    options: ServerOptions,
    test_options: TestingOptions,
    workers: int,
    prune_interval: timedelta | None,
) -> Iterator[tuple[RunnableServer, Mapping[str, str]]]:
    """Yield the server, and the credentials of an ephemeral one as environment variables."""
    test_options.require_ephemeral()
    if test_options.ephemeral:
        if workers > 1:
            raise UsageError("--ephemeral supports only one process", "remove --workers or --ephemeral")
        if prune_interval:
            raise UsageError("--prune-every and --ephemeral cannot be combined", "use only one of them")
        if cli.settings.flags.get("store"):
            raise UsageError("--store and --ephemeral cannot be combined", "use only one of them")
        from gamcli.ephemeral import EphemeralServer  # noqa: PLC0415 - start-up: only for tests

        with EphemeralServer(options, test_options.begin(describe_actor(os.environ))) as opened:
            for warning in opened.warnings:
                cli.output().print_warning(warning)
            yield opened.server, opened.credentials
    elif workers > 1:
        with _open_workers(cli, options, workers, prune_interval) as server:
            yield server, {}
    else:
        with _open_single_server(cli, options, prune_interval) as server:
            yield server, {}


@contextmanager
def _open_single_server(
    cli: CliContext, options: ServerOptions, prune_interval: timedelta | None = None
) -> Iterator[RunnableServer]:
    from gamcli.server.server import Server  # noqa: PLC0415 - start-up: --ephemeral needs another one

    with cli.open_gam() as gam, _prune_in_background(gam, prune_interval):
        yield Server(gam, options)


@contextmanager
def _open_workers(
    cli: CliContext, options: ServerOptions, workers: int, prune_interval: timedelta | None
) -> Iterator[RunnableServer]:
    from gamcli.server.log_writer import write_atomically  # noqa: PLC0415 - start-up: rarely needed
    from gamcli.server.transport.workers import WorkerProcesses  # noqa: PLC0415 - start-up: rarely needed

    with cli.open_gam() as gam:  # report problems with the store once, not in each worker
        gam.store.require_writable()
    options = replace(options, log=write_atomically(options.log))
    server = WorkerProcesses(
        workers, lambda worker_options: _open_single_server(cli, worker_options), options, cli.output().print_warning
    )
    if not prune_interval:
        yield server
        return
    with cli.open_gam() as gam, _prune_in_background(gam, prune_interval):  # after the forks
        yield server


@contextmanager
def _prune_in_background(gam: "Gam", interval: timedelta | None) -> Iterator[None]:
    if not interval:
        yield
        return
    from gamcli.server.pruner import Pruner  # noqa: PLC0415 - start-up: rarely needed

    with closing(Pruner(gam, interval)):
        yield
