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
from typing import Annotated

import typer

from gamcli.commands import serve_options as opts
from gamcli.commands.context import CliContext
from gamcli.commands.options import Run, argument, new_group, parse_duration
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
from gamcli.server.transport.listener import RunnableServer, run_in_background
from gamcli.system import new_files
from gamcli.system.signals import TERMINATION_SIGNALS

verbs = new_group()

READY_FILE_MODE = 0o644
"""The ready file contains no secret, and other users may wait for it."""


@verbs.command("serve", context_settings={"allow_interspersed_args": False})  # options after CMD belong to CMD
def serve(
    program: Annotated[
        list[str] | None, argument("-- CMD", "Run CMD with GAM_URL set, and exit with its exit code.")
    ] = None,
    *,
    network: opts.Network,
    tls: opts.Tls,
    behavior: opts.Behavior,
    testing: opts.TestingOptions,
    run: Run,
) -> None:
    """
    Serve the token endpoint over HTTP until Ctrl-C or SIGTERM.

    Clients send POST requests to /oauth/gam/v2.0/access_token below the base path.

    Example: gamcli serve --port 8080
    """
    if behavior.issuer and not behavior.extras:
        raise UsageError("--issuer requires --extras: only the metadata has an issuer", "--extras --issuer URL")
    named = {
        "host": network.host,
        "port": network.port,
        "base_path": network.base_path,
        "log_format": behavior.log_format,
        "issuer": behavior.issuer,
        "format": behavior.response_format or behavior.error_format,
    }
    cli = run.cli.with_flags({f"serve.{name}": value for name, value in named.items()})
    default_limit = 0 if testing.ephemeral else DEFAULT_LIMIT
    options = replace(
        _configured_options(cli, tls, behavior.expired_status),
        log=opts.open_log(behavior.log_file, is_silent=testing.ephemeral and cli.output().quiet),
        log_address=behavior.log_address,
        max_failures=default_limit if behavior.max_failures is None else behavior.max_failures,
        max_failures_by=behavior.max_failures_by,
        max_connections_per_address=network.max_connections_per_address,
        drain_seconds=(parse_duration(behavior.drain) or timedelta()).total_seconds(),
        origins=frozenset(map(origins.parse_origin, network.cors_origin or ())),
        extras=behavior.extras,
    )
    run_server = _run_until_stopped if program is None else _program_runner(program)
    sys.setswitchinterval(SWITCH_SECONDS)
    with (
        open_metrics(network.metrics, options, network.workers) as (options, metrics_url),
        open_server(cli, options, testing, network.workers, parse_duration(behavior.prune_every)) as (server, seeded),
    ):
        variables = {"GAM_URL": server.url, **seeded}
        if testing.prints_variables or (testing.ephemeral and program is None):
            _print_variables(variables, testing.output or "env", cli.output())
        if metrics_url:
            cli.output().print_note(f"metrics: {metrics_url}")
        run_server(server, variables, partial(_write_ready_file, network.ready_file, metrics_url), cli.output())


def _configured_options(cli: CliContext, tls: opts.Tls, expired_status: str | None) -> ServerOptions:
    """Return the options that can be set in the configuration, too."""
    value, context = cli.settings.value, tls.load()
    is_encrypted = tls.allow_http or context is not None
    return ServerOptions(
        log=opts.write_to_stderr,
        host=opts.require_safe_host(str(value("serve.host")), is_encrypted=is_encrypted),
        port=int(str(value("serve.port"))),
        base_path=opts.parse_base_path(str(value("serve.base_path"))),
        log_format=str(value("serve.log_format")),
        response_format=ResponseFormat(str(value("serve.format")), int(expired_status or UNAUTHORIZED)),
        issuer=parse_issuer(str(issuer)) if (issuer := value("serve.issuer")) else "",
        tls=context,
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

        names = ("GAM_CLIENT_SECRET", "GAM_API_KEY", "GAM_PASSWORD", "GAM_CONTROL_URL")
        secrets = [Secret(value) for name, value in variables.items() if name.startswith(names)]
        with open_step_outputs() as append:
            append(secrets, [*variables.items()])
        return
    text = json.dumps(variables, indent=2) if output_format == "json" else credentials.format_env(variables.items())
    out.print_line(text.rstrip("\n"))
    out.flush()


def _program_runner(program: list[str]) -> RunServer:
    """Return a function that serves while a program runs, and exits with its exit code."""
    from gamcli.system import subprocesses  # noqa: PLC0415

    if program[0].isdigit():
        raise UsageError(f"unexpected argument '{program[0]}'", f"--port {program[0]}")
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


def _write_ready_file(path: str | None, metrics_url: str, url: str) -> None:
    if path is None:
        return
    ready = {"url": url, "pid": os.getpid(), **({"metrics": metrics_url} if metrics_url else {})}
    try:
        with new_files.replacing(Path(path), json.dumps(ready) + "\n", READY_FILE_MODE):
            pass
    except OSError as error:
        raise FailedError(f"cannot write the ready file {path}: {error.strerror}", "--ready-file FILE") from error


@contextmanager
def stop_on_signals(server: RunnableServer) -> Iterator[None]:
    """Stop the server on Ctrl-C, SIGTERM or SIGHUP (unless `nohup` ignores it), and at once on the second of them."""
    received = count()

    def stop(*_: object) -> None:
        server.stop_now() if next(received) else server.stop()

    numbers = {signal.SIGINT, signal.SIGTERM}
    numbers |= {each for each in TERMINATION_SIGNALS if signal.getsignal(each) is signal.SIG_DFL}
    previous = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
