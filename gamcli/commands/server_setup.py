"""Opens the servers of `gamcli serve`: one process, several worker processes, or an ephemeral one."""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from gamcli.commands.context import CliContext
from gamcli.commands.serve_options import TestingOptions, parse_metrics_address
from gamcli.errors import UsageError
from gamcli.server.server import ServerOptions
from gamcli.server.transport.listener import ListenOptions, RunnableServer, listen
from gamcli.system.actor import describe_actor

if TYPE_CHECKING:
    from gamcli.actions import Gam


@contextmanager
def open_metrics(address: str | None, options: ServerOptions, workers: int) -> Iterator[tuple[ServerOptions, str]]:
    """Yield the options with the memory and the listener of `--metrics ADDRESS:PORT`, and the URL of the page."""
    if address is None:
        yield options, ""
        return
    from gamcli.server.metrics import Metrics  # noqa: PLC0415 - start-up: off by default
    from gamcli.server.metrics_page import PATH  # noqa: PLC0415

    host, port = parse_metrics_address(address)
    with listen(host, port) as listener:
        url = ListenOptions(host=host).url(int(listener.getsockname()[1])) + PATH
        yield replace(options, metrics=Metrics(workers), metrics_listener=listener), url


def _serve_metrics(gam: "Gam", options: ServerOptions) -> AbstractContextManager[None]:
    """Serve the page of the metrics, in the first worker process only."""
    if options.metrics is None or options.slot > 0:
        return nullcontext()
    from gamcli.server.metrics_page import serve_metrics  # noqa: PLC0415 - start-up: off by default

    listen_options = ListenOptions(listener=options.metrics_listener)
    return serve_metrics(options.metrics, gam, options.response_format, listen_options)


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

        ephemeral = test_options.build_options(describe_actor(os.environ))
        with EphemeralServer(options, ephemeral) as opened, _serve_metrics(opened.gam, options):
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

    with cli.open_gam() as gam, _prune_in_background(gam, prune_interval), _serve_metrics(gam, options):
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
