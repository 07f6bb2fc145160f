"""`gamcli serve`: the token endpoint."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gamcli.commands import context as command_context
from gamcli.commands import serve_options as opts
from gamcli.commands.context import CliContext
from gamcli.commands.options import new_group, parse_duration
from gamcli.errors import FailedError, UsageError
from gamcli.render import credentials
from gamcli.render.output import Output
from gamcli.server.endpoints import origins
from gamcli.server.endpoints.failure_limit import DEFAULT_LIMIT
from gamcli.server.endpoints.refusals import UNAUTHORIZED, ErrorFormat
from gamcli.server.server import ServerOptions
from gamcli.server.transport.listener import RunnableServer
from gamcli.system import new_files

if TYPE_CHECKING:
    from gamcli.actions import Gam
    from gamcli.server.transport.tls import Context

verbs = new_group()

READY_FILE_MODE = 0o644
"""The ready file contains no secret, and other users may wait for it."""

DOT_SEGMENTS = {"", ".", ".."}
"""Path segments that clients remove before they send a request (RFC 3986, section 5.2.4)."""


@verbs.command(context_settings={"allow_interspersed_args": False})  # options after the program belong to the program
def serve(
    context: typer.Context,
    program: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="-- CMD", help="Run CMD with GAM_URL set, and exit with its exit code.", show_default=False
        ),
    ] = None,
    host: opts.Host = None,
    port: opts.Port = None,
    base_path: opts.BasePath = None,
    cors_origin: opts.CorsOrigin = None,
    ready_file: opts.ReadyFile = None,
    workers: opts.WorkerCount = 1,
    max_connections_per_address: opts.ConnectionsPerAddress = 0,
    engine: opts.EngineName = "stdlib",
    tls_cert: opts.TlsCert = None,
    tls_key: opts.TlsKey = None,
    allow_http: opts.AllowHttp = False,
    error_format: opts.ErrorFormatOption = None,
    expired_status: opts.ExpiredStatus = None,
    log_format: opts.LogFormat = None,
    log_address: opts.LogAddress = "full",
    max_failures: opts.MaxFailures = DEFAULT_LIMIT,
    max_failures_by: opts.MaxFailuresBy = "both",
    prune_every: opts.PruneEvery = None,
    ephemeral: opts.Ephemeral = False,
    seed: opts.Seed = None,
    fault: opts.FaultOption = None,
    fault_seed: opts.FaultSeed = None,
    now: opts.Now = None,
    journal: opts.JournalOption = None,
) -> None:
    """
    Serve the token endpoint over HTTP until Ctrl-C or SIGTERM.

    Clients send POST requests to /oauth/gam/v2.0/access_token below the base path.

    Example: gamcli serve --port 8080
    """
    del engine  # only one is left
    cli = CliContext.from_typer(context)
    flags = {"host": host, "port": port, "base_path": base_path, "error_format": error_format, "log_format": log_format}
    cli = cli.with_flags({f"serve.{name}": flag for name, flag in flags.items()})
    options = replace(
        _configured_options(cli, _load_tls(tls_cert, tls_key), expired_status, allow_http=allow_http),
        log_address=log_address,
        max_failures=max_failures,
        max_failures_by=max_failures_by,
        max_connections_per_address=max_connections_per_address,
        origins=frozenset(map(origins.parse_origin, cors_origin or ())),
    )
    run = _run_until_stopped if program is None else _program_runner(program)
    test_options = opts.EphemeralOptions(ephemeral, seed or (), fault or (), fault_seed, now, journal)
    with _open_server(cli, options, test_options, workers, parse_duration(prune_every)) as (server, variables):
        run(server, {"GAM_URL": server.url, **variables}, ready_file, cli.output())


def _configured_options(
    cli: CliContext, tls: "Context | None", expired_status: str | None, *, allow_http: bool
) -> ServerOptions:
    """Return the options that can be set in the configuration, too."""
    value = cli.settings.value
    return ServerOptions(
        log=_write_log,
        host=_require_safe_host(str(value("serve.host").value), is_encrypted=allow_http or tls is not None),
        port=int(str(value("serve.port").value)),
        base_path=_parse_base_path(str(value("serve.base_path").value)),
        log_format=str(value("serve.log_format").value),
        error_format=ErrorFormat(str(value("serve.error_format").value), int(expired_status or UNAUTHORIZED)),
        tls=tls,
    )


@contextmanager
def _open_server(
    cli: CliContext,
    options: ServerOptions,
    test_options: opts.EphemeralOptions,
    workers: int,
    prune_interval: timedelta | None,
) -> Iterator[tuple[RunnableServer, Mapping[str, str]]]:
    """Yield the server, and the credentials of an ephemeral one as environment variables."""
    test_options.require_ephemeral()
    if test_options.ephemeral:
        if workers > 1:
            raise UsageError("--ephemeral supports only one process", "remove --workers or --ephemeral")
        if prune_interval:
            raise UsageError("--prune-every and --ephemeral cannot be combined", "leave one of them out")
        if cli.settings.flags.get("store"):
            raise UsageError("--store and --ephemeral cannot be combined", "leave one of them out")
        with _open_ephemeral_server(options, test_options) as opened:
            yield opened
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


@contextmanager
def _open_ephemeral_server(
    options: ServerOptions, test_options: opts.EphemeralOptions
) -> Iterator[tuple[RunnableServer, Mapping[str, str]]]:
    """Create a store in memory from manifests, or else with example data, and a server for it."""
    from gamcli.actions import Gam, repository  # noqa: PLC0415 - start-up: needed only for --ephemeral
    from gamcli.server.dev import clock  # noqa: PLC0415
    from gamcli.server.dev.faults import Faults, parse_fault  # noqa: PLC0415
    from gamcli.server.dev.journal import JournalFile  # noqa: PLC0415
    from gamcli.server.dev.server import DevOptions, DevServer  # noqa: PLC0415
    from gamcli.store import Store  # noqa: PLC0415
    from gamcli.system.actor import describe_actor  # noqa: PLC0415

    faults = Faults([parse_fault(text) for text in test_options.fault], test_options.fault_seed or 0)
    now = command_context.now if test_options.now is None else clock.stopped_clock(test_options.now)
    with ExitStack() as stack:
        gam = Gam(stack.enter_context(Store.in_memory()), now, os.urandom, describe_actor(os.environ))
        repository.initialise(gam)
        variables = _seed_store(gam, test_options.seed)
        journal = JournalFile(test_options.journal) if test_options.journal is not None else None
        if journal is not None:
            stack.callback(journal.close)
        yield DevServer(gam, options, DevOptions(faults, journal.add if journal is not None else None)), variables


def _seed_store(gam: "Gam", seeds: Sequence[str]) -> Mapping[str, str]:
    if not seeds:
        from gamcli.actions import example  # noqa: PLC0415 - start-up: needed only without --seed

        return example.create_example(gam).environment_variables()
    from gamcli.provision import seed  # noqa: PLC0415 - start-up: slower to import than the server

    return seed.environment(seed.apply_seed(gam, seeds, os.environ))


RunServer = Callable[[RunnableServer, Mapping[str, str], str | None, Output], None]


def _run_until_stopped(
    server: RunnableServer, variables: Mapping[str, str], ready_file: str | None, out: Output
) -> None:
    with stop_on_signals(server):
        if len(variables) > 1:  # the credentials of an ephemeral server exist nowhere else
            out.print_line(credentials.format_env(variables.items()).rstrip("\n"))
            out.flush()
        _write_ready_file(server.url, ready_file)
        out.print_note(f"serving {server.url}; press Ctrl-C to stop")
        server.run()
    if not server.unwritten_lines:  # if the reader of the log is stalled, a note would block, too
        out.print_note("stopped")


def _program_runner(program: list[str]) -> RunServer:
    """Return a function that serves while a program runs, and exits with its exit code."""
    from gamcli.server.background import run_in_background  # noqa: PLC0415 - start-up: rarely needed
    from gamcli.system import subprocesses  # noqa: PLC0415

    subprocesses.require_program(program)

    def run(server: RunnableServer, variables: Mapping[str, str], ready_file: str | None, out: Output) -> None:
        _write_ready_file(server.url, ready_file)
        out.print_note(f"serving {server.url} while {program[0]} runs")
        with run_in_background(server):
            raise typer.Exit(subprocesses.run_program(program, {**os.environ, **variables}))

    return run


def _write_log(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _load_tls(certificate: str | None, key: str | None) -> "Context | None":
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UsageError("--tls-cert and --tls-key require each other", "--tls-cert FILE --tls-key FILE")
    from gamcli.server.transport import tls  # noqa: PLC0415 - start-up: most servers are behind a TLS proxy

    return tls.load_context(certificate, key)


def _require_safe_host(host: str, *, is_encrypted: bool) -> str:
    try:
        is_local = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_local = False
    if not is_local and not is_encrypted:
        raise UsageError(
            f"other machines can connect to {host}, and secrets would be sent unencrypted",
            "--tls-cert FILE --tls-key FILE, or --allow-http behind a proxy that terminates TLS",
        )
    return host


def _parse_base_path(path: str) -> str:
    base_path = path.removesuffix("/")
    first, *segments = base_path.split("/")
    is_valid = base_path.isascii() and base_path.isprintable() and not set(base_path) & set("?# %")
    if first or not is_valid or set(segments) & DOT_SEGMENTS:
        raise UsageError(f"invalid base path '{path}'", "use a path such as /myapp")
    return base_path


def _write_ready_file(url: str, path: str | None) -> None:
    """Write the file atomically, by rename."""
    if path is None:
        return
    target = Path(path)
    temporary = target.parent / f".{target.name}.{os.getpid()}"  # `with_name` refuses "." and "/"
    try:
        with os.fdopen(new_files.create_private_file(temporary, READY_FILE_MODE), "w", encoding="utf-8") as file:
            file.write(json.dumps({"url": url, "pid": os.getpid()}) + "\n")
        temporary.replace(target)
    except OSError as error:
        raise FailedError(f"cannot write the ready file {path}: {error.strerror}", "--ready-file FILE") from error


@contextmanager
def stop_on_signals(server: RunnableServer) -> Iterator[None]:
    """Stop the server gracefully on SIGTERM and Ctrl-C."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    previous = {number: signal.signal(number, lambda *_: server.stop()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
