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

from gamcli.commands.ephemeral import Ephemeral, Fault, FaultSeed, Journal, Now, Seed, Wishes, served
from gamcli.commands.options import noun
from gamcli.commands.serve_processes import Engine, EngineName, PruneEvery, WorkerCount
from gamcli.commands.session import Session
from gamcli.commands.settings import LARGEST_PORT
from gamcli.errors import FailedError, UsageError
from gamcli.render import credentials
from gamcli.render.output import Output
from gamcli.server.endpoints import origins
from gamcli.server.endpoints.failure_limit import LIMIT, MAX_LIMIT
from gamcli.server.endpoints.refusals import UNAUTHORIZED, Manner
from gamcli.server.options import Options, Serving
from gamcli.system import new_files

if TYPE_CHECKING:
    from gamcli.server.transport.tls import Context

verbs = noun()

READY_MODE = 0o644
"""The ready file holds no secret: who waits for the server may be another user."""

Host = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Where to listen.", show_default="127.0.0.1")]
Port = Annotated[
    int | None, typer.Option(min=0, max=LARGEST_PORT, metavar="PORT", help="0 takes a free one.", show_default="8080")
]
BasePath = Annotated[str | None, typer.Option(metavar="PATH", help="The virtual directory, such as /myapp.")]
ErrorFormat = Annotated[
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
    error_format: ErrorFormat = None,
    expired_status: ExpiredStatus = None,
    log_format: LogFormat = None,
    max_failures: MaxFailures = LIMIT,
    cors_origin: CorsOrigin = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    ready_file: ReadyFile = None,
    allow_http: AllowHttp = False,
    engine: EngineName = "stdlib",
    workers: WorkerCount = 1,
    prune_every: PruneEvery = None,
    ephemeral: Ephemeral = False,
    seed: Seed = None,
    fault: Fault = None,
    fault_seed: FaultSeed = None,
    now: Now = None,
    journal: Journal = None,
) -> None:
    """
    Answer token requests over HTTP, until Ctrl-C or SIGTERM.

    Example: gamcli serve --port 8080, then POST to http://127.0.0.1:8080/oauth/gam/v2.0/access_token
    """
    del engine  # there is one
    session = Session.of(context)
    given = {"host": host, "port": port, "base_path": base_path, "error_format": error_format, "log_format": log_format}
    value = session.with_flags({f"serve.{name}": flag for name, flag in given.items()}).settings.value
    tls = _tls(tls_cert, tls_key)
    options = Options(
        log=_log,
        host=_host(str(value("serve.host").value), encrypted=allow_http or tls is not None),
        port=int(str(value("serve.port").value)),
        base_path=_base_path(str(value("serve.base_path").value)),
        log_format=str(value("serve.log_format").value),
        manner=Manner(str(value("serve.error_format").value), int(expired_status or UNAUTHORIZED)),
        max_failures=max_failures,
        origins=frozenset(map(origins.read, cors_origin or ())),
        tls=tls,
    )
    out = session.output()
    run = _until_stopped if program is None else _beside(program, out)
    wishes = Wishes(ephemeral, seed or (), fault or (), fault_seed, now, journal)
    with _served(session, wishes, options, Engine(workers, prune_every)) as (server, credentials):
        run(server, {"GAM_URL": server.url, **credentials}, ready_file, out)


@contextmanager
def _served(
    session: Session, wishes: Wishes, options: Options, engine: Engine
) -> Iterator[tuple[Serving, dict[str, str]]]:
    """Make the server, with the credentials that only this process knows."""
    if wishes.ephemeral or wishes.beyond():
        engine.require_alone()
        with served(session, wishes, options) as made:
            yield made
    else:
        with engine.serving(session, options, session.output().warn) as server:
            yield server, {}


def _until_stopped(server: Serving, given: dict[str, str], ready_file: str | None, out: Output) -> None:
    with stopped_by_signals(server):
        if len(given) > 1:  # beyond the url: nobody could use it otherwise
            out.data(credentials.env(given.items()).rstrip("\n"))
            out.flush()
        with _announced(server.url, ready_file):
            out.note(f"serving {server.url}; Ctrl-C stops")
            server.run()
    if not server.unwritten:  # a reader that has stalled would stall us too
        out.note("stopped")


Run = Callable[[Serving, dict[str, str], str | None, Output], None]


def _beside(program: list[str], out: Output) -> Run:
    """Return what serves as long as a program runs, and ends as that does; a program that is not there is told now."""
    from gamcli.commands import subprocesses  # noqa: PLC0415 - start-up: most servers run alone

    subprocesses.require(program, out)

    def run(server: Serving, given: dict[str, str], ready_file: str | None, out: Output) -> None:
        with _announced(server.url, ready_file):
            out.note(f"serving {server.url} while {program[0]} runs")
            raise typer.Exit(subprocesses.beside(server, program, given, out))

    return run


def _log(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _tls(certificate: str | None, key: str | None) -> "Context | None":
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UsageError("a certificate goes with its key", "--tls-cert FILE --tls-key FILE")
    from gamcli.server.transport import tls  # noqa: PLC0415 - start-up: most servers stand behind something that speaks TLS

    return tls.context(certificate, key)


def _host(host: str, *, encrypted: bool) -> str:
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


NO_SEGMENTS = {"", ".", ".."}
"""Parts of a path that clients take out, or resolve, before they ask (RFC 3986, 5.2.4)."""


def _base_path(path: str) -> str:
    plain = path.removesuffix("/")
    first, *segments = plain.split("/")
    sound = plain.isascii() and plain.isprintable() and not set(plain) & set("?# %")
    if first or not sound or set(segments) & NO_SEGMENTS:
        raise UsageError(f"the base path cannot be '{path}'", "such as /myapp")
    return plain


@contextmanager
def _announced(url: str, path: str | None) -> Iterator[None]:
    """Keep the ready file while the server runs: written whole, by rename."""
    if path is None:
        yield
        return
    target = Path(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with os.fdopen(new_files.made(beside, READY_MODE), "w", encoding="utf-8") as file:
            file.write(json.dumps({"url": url, "pid": os.getpid()}) + "\n")
        beside.replace(target)
    except OSError as error:
        raise FailedError(f"cannot write the ready file {path}: {error.strerror}", "--ready-file FILE") from error
    yield


@contextmanager
def stopped_by_signals(server: Serving) -> Iterator[None]:
    """Let SIGTERM and Ctrl-C end the server well."""
    before = {each: signal.signal(each, lambda *_: server.stop()) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
