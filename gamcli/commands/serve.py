"""`gamcli serve`: the token endpoint."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gamcli.commands.context import CliContext
from gamcli.commands.ephemeral import (
    EphemeralOption,
    EphemeralOptions,
    FaultOption,
    FaultSeedOption,
    JournalOption,
    NowOption,
    SeedOption,
    open_ephemeral_server,
)
from gamcli.commands.options import new_group
from gamcli.commands.serve_processes import EngineName, ProcessOptions, PruneEvery, WorkerCount
from gamcli.commands.settings import MAX_PORT
from gamcli.errors import FailedError, UsageError
from gamcli.render import credentials
from gamcli.render.output import Output
from gamcli.server.endpoints import origins
from gamcli.server.endpoints.failure_limit import DEFAULT_LIMIT, MAX_LIMIT
from gamcli.server.endpoints.refusals import UNAUTHORIZED, ErrorFormat
from gamcli.server.options import RunnableServer, ServerOptions
from gamcli.system import new_files

if TYPE_CHECKING:
    from gamcli.server.transport.tls import Context

verbs = new_group()

READY_FILE_MODE = 0o644
"""The ready file holds no secret: who waits for the server may be another user."""

Host = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Where to listen.", show_default="127.0.0.1")]
Port = Annotated[
    int | None, typer.Option(min=0, max=MAX_PORT, metavar="PORT", help="0 takes a free one.", show_default="8080")
]
BasePath = Annotated[str | None, typer.Option(metavar="PATH", help="The virtual directory, such as /myapp.")]
ErrorFormatOption = Annotated[
    Literal["gam", "rfc6749"] | None, typer.Option(help="How refusals are told.", show_default="gam")
]
ExpiredStatus = Annotated[
    Literal["401", "403"] | None,
    typer.Option(help="The status for an expired access token; .NET's is 403.", show_default="401"),
]
CorsOrigin = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ORIGIN", help="Pages that may ask from a browser: https://app.example.org, or * for all; repeatable."
    ),
]
LogFormat = Annotated[
    Literal["text", "json"] | None, typer.Option(help="How a request is logged.", show_default="text")
]
MaxFailures = Annotated[
    int,
    typer.Option(
        min=0,
        max=MAX_LIMIT,
        metavar="N",
        help="Failures a minute of a client_id from one address, after which it is told to wait; 0 is no limit.",
    ),
]
TlsCert = Annotated[
    str | None, typer.Option(metavar="FILE", help="Serve HTTPS with this certificate, in PEM, its chain behind it.")
]
TlsKey = Annotated[str | None, typer.Option(metavar="FILE", help="The key of --tls-cert, in PEM.")]
ReadyFile = Annotated[str | None, typer.Option(metavar="FILE", help="Write {url, pid} there once the port listens.")]
AllowHttp = Annotated[
    bool, typer.Option("--allow-http", help="Listen beyond this machine without TLS.", show_default=False)
]


@verbs.command(context_settings={"allow_interspersed_args": False})  # what follows the program is the program's
def serve(
    context: typer.Context,
    program: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="-- CMD", help="Run CMD with GAM_URL and such set; end with it and its code.", show_default=False
        ),
    ] = None,
    host: Host = None,
    port: Port = None,
    base_path: BasePath = None,
    error_format: ErrorFormatOption = None,
    expired_status: ExpiredStatus = None,
    log_format: LogFormat = None,
    max_failures: MaxFailures = DEFAULT_LIMIT,
    cors_origin: CorsOrigin = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    ready_file: ReadyFile = None,
    allow_http: AllowHttp = False,
    engine: EngineName = "stdlib",
    workers: WorkerCount = 1,
    prune_every: PruneEvery = None,
    ephemeral: EphemeralOption = False,
    seed: SeedOption = None,
    fault: FaultOption = None,
    fault_seed: FaultSeedOption = None,
    now: NowOption = None,
    journal: JournalOption = None,
) -> None:
    """
    Answer token requests over HTTP, until Ctrl-C or SIGTERM.

    Example: gamcli serve --port 8080, then POST to http://127.0.0.1:8080/oauth/gam/v2.0/access_token
    """
    del engine  # there is one
    session = CliContext.from_typer(context)
    given = {"host": host, "port": port, "base_path": base_path, "error_format": error_format, "log_format": log_format}
    value = session.with_flags({f"serve.{name}": flag for name, flag in given.items()}).settings.value
    tls = _load_tls(tls_cert, tls_key)
    options = ServerOptions(
        log=_write_log,
        host=_require_safe_host(str(value("serve.host").value), encrypted=allow_http or tls is not None),
        port=int(str(value("serve.port").value)),
        base_path=_parse_base_path(str(value("serve.base_path").value)),
        log_format=str(value("serve.log_format").value),
        error_format=ErrorFormat(str(value("serve.error_format").value), int(expired_status or UNAUTHORIZED)),
        max_failures=max_failures,
        origins=frozenset(map(origins.parse_origin, cors_origin or ())),
        tls=tls,
    )
    out = session.output()
    run = _run_until_stopped if program is None else _run_with_program(program, out)
    wishes = EphemeralOptions(ephemeral, seed or (), fault or (), fault_seed, now, journal)
    with _open_server(session, wishes, options, ProcessOptions(workers, prune_every)) as (server, credentials):
        run(server, {"GAM_URL": server.url, **credentials}, ready_file, out)


@contextmanager
def _open_server(
    cli: CliContext, requested: EphemeralOptions, options: ServerOptions, process_options: ProcessOptions
) -> Iterator[tuple[RunnableServer, dict[str, str]]]:
    """Make the server, with the credentials that only this process knows."""
    if requested.ephemeral or requested.ephemeral_only():
        process_options.require_defaults()
        with open_ephemeral_server(cli, requested, options) as made:
            yield made
    else:
        with process_options.open_server(cli, options, cli.output().print_warning) as server:
            yield server, {}


def _run_until_stopped(server: RunnableServer, variables: dict[str, str], ready_file: str | None, out: Output) -> None:
    with stop_on_signals(server):
        if len(variables) > 1:  # beyond the url: nobody could use it otherwise
            out.print_line(credentials.format_env(variables.items()).rstrip("\n"))
            out.flush()
        with _write_ready_file(server.url, ready_file):
            out.print_note(f"serving {server.url}; Ctrl-C stops")
            server.run()
    if not server.unwritten_lines:  # a reader that has stalled would stall us too
        out.print_note("stopped")


RunServer = Callable[[RunnableServer, dict[str, str], str | None, Output], None]


def _run_with_program(program: list[str], out: Output) -> RunServer:
    """Return what serves as long as a program runs, and ends as that does; a program that is not there is told now."""
    from gamcli.commands import subprocesses  # noqa: PLC0415 - start-up: most servers run alone

    subprocesses.require_program(program, out)

    def run(server: RunnableServer, given: dict[str, str], ready_file: str | None, out: Output) -> None:
        with _write_ready_file(server.url, ready_file):
            out.print_note(f"serving {server.url} while {program[0]} runs")
            raise typer.Exit(subprocesses.run_with_server(server, program, given, out))

    return run


def _write_log(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _load_tls(certificate: str | None, key: str | None) -> "Context | None":
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UsageError("a certificate goes with its key", "--tls-cert FILE --tls-key FILE")
    from gamcli.server.transport import tls  # noqa: PLC0415 - start-up: most servers stand behind something that speaks TLS

    return tls.load_context(certificate, key)


def _require_safe_host(host: str, *, encrypted: bool) -> str:
    try:
        local = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local and not encrypted:
        raise UsageError(
            f"{host} can be reached from other machines, and secrets would travel there unencrypted",
            "--tls-cert FILE --tls-key FILE, or --allow-http when something in front of gamcli speaks TLS",
        )
    return host


DOT_SEGMENTS = {"", ".", ".."}
"""Parts of a path that clients take out, or resolve, before they ask (RFC 3986, 5.2.4)."""


def _parse_base_path(path: str) -> str:
    plain = path.removesuffix("/")
    first, *segments = plain.split("/")
    sound = plain.isascii() and plain.isprintable() and not set(plain) & set("?# %")
    if first or not sound or set(segments) & DOT_SEGMENTS:
        raise UsageError(f"the base path cannot be '{path}'", "such as /myapp")
    return plain


@contextmanager
def _write_ready_file(url: str, path: str | None) -> Iterator[None]:
    """Keep the ready file while the server runs: written whole, by rename."""
    if path is None:
        yield
        return
    target = Path(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with os.fdopen(new_files.create_private_file(beside, READY_FILE_MODE), "w", encoding="utf-8") as file:
            file.write(json.dumps({"url": url, "pid": os.getpid()}) + "\n")
        beside.replace(target)
    except OSError as error:
        raise FailedError(f"cannot write the ready file {path}: {error.strerror}", "--ready-file FILE") from error
    yield


@contextmanager
def stop_on_signals(server: RunnableServer) -> Iterator[None]:
    """Let SIGTERM and Ctrl-C end the server well."""
    before = {each: signal.signal(each, lambda *_: server.stop()) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
