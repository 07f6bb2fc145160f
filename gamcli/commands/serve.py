"""`gamcli serve`: the token endpoint."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gamcli.commands import serve_options as opts
from gamcli.commands.context import CliContext
from gamcli.commands.options import EarlierErrorFormat, new_group, parse_duration
from gamcli.commands.server_setup import open_metrics, open_server
from gamcli.errors import FailedError, UsageError
from gamcli.render import credentials
from gamcli.render.output import Output
from gamcli.rules.credentials import Secret
from gamcli.server.endpoints import origins
from gamcli.server.endpoints.extras import parse_issuer
from gamcli.server.endpoints.failure_limit import DEFAULT_LIMIT
from gamcli.server.endpoints.refusals import UNAUTHORIZED, ResponseFormat
from gamcli.server.server import ServerOptions
from gamcli.server.transport.listener import RunnableServer
from gamcli.system import new_files

if TYPE_CHECKING:
    from gamcli.server.transport.tls import Context

verbs = new_group()

READY_FILE_MODE = 0o644
"""The ready file contains no secret, and other users may wait for it."""


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
    metrics: opts.MetricsAddress = None,
    workers: opts.WorkerCount = 1,
    max_connections_per_address: opts.ConnectionsPerAddress = 0,
    engine: opts.EngineName = "stdlib",
    tls_cert: opts.TlsCert = None,
    tls_key: opts.TlsKey = None,
    allow_http: opts.AllowHttp = False,
    response_format: opts.FormatOption = None,
    error_format: EarlierErrorFormat = None,
    expired_status: opts.ExpiredStatus = None,
    extras: opts.Extras = False,
    issuer: opts.Issuer = None,
    log_format: opts.LogFormat = None,
    log_address: opts.LogAddress = "full",
    log_file: opts.LogFile = None,
    max_failures: opts.MaxFailures = None,
    max_failures_by: opts.MaxFailuresBy = "both",
    prune_every: opts.PruneEvery = None,
    drain: opts.Drain = None,
    ephemeral: opts.Ephemeral = False,
    seed: opts.Seed = None,
    fault: opts.FaultOption = None,
    fault_seed: opts.FaultSeed = None,
    now: opts.Now = None,
    clock: opts.ClockOption = None,
    control: opts.ControlOption = False,
    show_secrets: opts.ShowSecrets = False,
    journal: opts.JournalOption = None,
    output: opts.EnvFormat = None,
    print_env: opts.PrintEnv = False,
) -> None:
    """
    Serve the token endpoint over HTTP until Ctrl-C or SIGTERM.

    Clients send POST requests to /oauth/gam/v2.0/access_token below the base path.

    Example: gamcli serve --port 8080
    """
    del engine  # only one is left
    cli = CliContext.from_typer(context)
    if issuer and not extras:
        raise UsageError("--issuer requires --extras: only the metadata has an issuer", "--extras --issuer URL")
    named = {"host": host, "port": port, "base_path": base_path, "log_format": log_format, "issuer": issuer}
    named["format"] = response_format or error_format
    cli = cli.with_flags({f"serve.{name}": flag for name, flag in named.items()})
    options = replace(
        _configured_options(cli, _load_tls(tls_cert, tls_key), expired_status, allow_http=allow_http),
        log=opts.open_log(log_file, is_silent=ephemeral and cli.output().quiet),
        log_address=log_address,
        max_failures=max_failures if max_failures is not None else 0 if ephemeral else DEFAULT_LIMIT,
        max_failures_by=max_failures_by,
        max_connections_per_address=max_connections_per_address,
        drain_seconds=(parse_duration(drain) or timedelta()).total_seconds(),
        origins=frozenset(map(origins.parse_origin, cors_origin or ())),
        extras=extras,
    )
    run = _run_until_stopped if program is None else _program_runner(program)
    test_options = opts.TestingOptions(
        ephemeral, seed or (), fault or (), fault_seed, now, clock, control, show_secrets, journal, output, print_env
    )
    sys.setswitchinterval(SWITCH_SECONDS)
    with (
        open_metrics(metrics, options, workers) as (options, metrics_url),
        open_server(cli, options, test_options, workers, parse_duration(prune_every)) as (server, seeded),
    ):
        variables = {"GAM_URL": server.url, **seeded}
        if test_options.prints_variables or (ephemeral and program is None):
            _print_variables(variables, output or "env", cli.output())
        if metrics_url:
            cli.output().print_note(f"metrics: {metrics_url}")
        run(server, variables, partial(_write_ready_file, ready_file, metrics_url), cli.output())


def _configured_options(
    cli: CliContext, tls: "Context | None", expired_status: str | None, *, allow_http: bool
) -> ServerOptions:
    """Return the options that can be set in the configuration, too."""
    value = cli.settings.value
    return ServerOptions(
        log=opts.write_to_stderr,
        host=opts.require_safe_host(str(value("serve.host").value), is_encrypted=allow_http or tls is not None),
        port=int(str(value("serve.port").value)),
        base_path=opts.parse_base_path(str(value("serve.base_path").value)),
        log_format=str(value("serve.log_format").value),
        response_format=ResponseFormat(str(value("serve.format").value), int(expired_status or UNAUTHORIZED)),
        issuer=parse_issuer(str(issuer)) if (issuer := value("serve.issuer").value) else "",
        tls=tls,
    )


SWITCH_SECONDS = 0.001
"""
How long a thread runs before another one gets its turn; the default of Python is five times as long.

A commit that is on disk waits that long for the event loop when it is busy, and its response with it. Measured: 5 to
20 percent less processor time for each grant, and half the delay of grants during a flood of connections.
"""

RunServer = Callable[[RunnableServer, Mapping[str, str], Callable[[str], None], Output], None]
"""Runs a server; the function writes the ready file."""


def _run_until_stopped(
    server: RunnableServer, _: Mapping[str, str], write_ready_file: Callable[[str], None], out: Output
) -> None:
    with stop_on_signals(server):
        write_ready_file(server.url)
        out.print_note(f"serving {server.url}; press Ctrl-C to stop")
        server.run()
    if not server.unwritten_lines:  # if the reader of the log is stalled, a note would block, too
        out.print_note("stopped")


def _print_variables(variables: Mapping[str, str], output_format: str, out: Output) -> None:
    if output_format == "github":
        from gamcli.commands.delivery import open_step_outputs  # noqa: PLC0415 - start-up: rarely needed

        with open_step_outputs() as append:
            append([Secret(value) for name, value in variables.items() if _is_secret(name)], [*variables.items()])
        return
    text = json.dumps(variables, indent=2) if output_format == "json" else credentials.format_env(variables.items())
    out.print_line(text.rstrip("\n"))
    out.flush()


def _is_secret(name: str) -> bool:
    return name.startswith(("GAM_CLIENT_SECRET", "GAM_API_KEY", "GAM_PASSWORD", "GAM_CONTROL_URL"))


def _program_runner(program: list[str]) -> RunServer:
    """Return a function that serves while a program runs, and exits with its exit code."""
    from gamcli.server.background import run_in_background  # noqa: PLC0415 - start-up: rarely needed
    from gamcli.system import subprocesses  # noqa: PLC0415

    subprocesses.require_program(program)

    def run(
        server: RunnableServer, variables: Mapping[str, str], write_ready_file: Callable[[str], None], out: Output
    ) -> None:
        write_ready_file(server.url)
        out.print_note(f"serving {server.url} while {program[0]} runs")
        environment = {**os.environ, **subprocesses.bypass_proxy(os.environ), **variables}
        with run_in_background(server):
            raise typer.Exit(subprocesses.run_program(program, environment))

    return run


def _load_tls(certificate: str | None, key: str | None) -> "Context | None":
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UsageError("--tls-cert and --tls-key must be used together", "--tls-cert FILE --tls-key FILE")
    from gamcli.server.transport import tls  # noqa: PLC0415 - start-up: most servers are behind a TLS proxy

    return tls.load_context(certificate, key)


def _write_ready_file(path: str | None, metrics_url: str, url: str) -> None:
    """Write the file atomically, by rename."""
    if path is None:
        return
    target = Path(path)
    temporary = target.parent / f".{target.name}.{os.getpid()}"  # `with_name` refuses "." and "/"
    try:
        with os.fdopen(new_files.create_private_file(temporary, READY_FILE_MODE), "w", encoding="utf-8") as file:
            ready = {"url": url, "pid": os.getpid(), **({"metrics": metrics_url} if metrics_url else {})}
            file.write(json.dumps(ready) + "\n")
        temporary.replace(target)
    except OSError as error:
        raise FailedError(f"cannot write the ready file {path}: {error.strerror}", "--ready-file FILE") from error


@contextmanager
def stop_on_signals(server: RunnableServer) -> Iterator[None]:
    """Stop the server gracefully on SIGTERM and Ctrl-C, and immediately on the second of them."""
    received = count()

    def stop(*_: object) -> None:
        server.stop_now() if next(received) else server.stop()

    numbers = (signal.SIGTERM, signal.SIGINT)
    previous = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
