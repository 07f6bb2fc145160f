"""The options of `gamcli serve`, by the groups of its `--help`."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gamcli.commands.command_help import OptionGroup
from gamcli.commands.options import EarlierErrorFormat, flag, format_option, option
from gamcli.commands.settings import MAX_PORT
from gamcli.errors import FailedError, UsageError
from gamcli.server.endpoints.extras import is_loopback
from gamcli.server.endpoints.failure_limit import DEFAULT_LIMIT, MAX_LIMIT
from gamcli.system import new_files

if TYPE_CHECKING:
    from gamcli.ephemeral import EphemeralOptions
    from gamcli.server.transport.tls import Context

NETWORK, BEHAVIOR, TESTING = "Network", "Behavior", "Testing"

MAX_WORKERS = 64
MAX_CONNECTIONS = 512
MAX_SEED = 2**63 - 1

DOT_SEGMENTS = {"", ".", ".."}
"""Path segments that clients remove before they send a request (RFC 3986, section 5.2.4)."""


def _reject_removed_engine(name: str) -> str:
    if name == "fast":
        raise UsageError(
            "--engine fast was removed: the built-in server issues as many tokens per second",
            "remove --engine; use --workers N to serve with several processes",
        )
    return name


class Network(OptionGroup):
    """Where the server listens, and with how many processes."""

    host: Annotated[str | None, option("ADDRESS", "Address to listen on.", default="127.0.0.1", panel=NETWORK)] = None
    port: Annotated[
        int | None,
        option("PORT", "Port to listen on; 0 for any free port.", default="8080", panel=NETWORK, min=0, max=MAX_PORT),
    ] = None
    base_path: Annotated[str | None, option("PATH", "Base path, such as /myapp.", panel=NETWORK)] = None
    cors_origin: Annotated[
        list[str] | None,
        option("ORIGIN", "Allow browser requests from this origin, or * for all; repeatable.", panel=NETWORK),
    ] = None
    ready_file: Annotated[
        str | None, option("FILE", "Write the URL and PID as JSON to this file when ready.", panel=NETWORK)
    ] = None
    metrics: Annotated[
        str | None,
        option("ADDRESS:PORT", "Serve metrics for Prometheus at this address.", default="off", panel=NETWORK),
    ] = None
    workers: Annotated[
        int, option("N", "Number of worker processes.", default=True, panel=NETWORK, min=1, max=MAX_WORKERS)
    ] = 1
    max_connections_per_address: Annotated[
        int,
        option(
            "N",
            "Maximum connections per client address; 0 for 256, half of the total.",
            default=True,
            panel=NETWORK,
            min=0,
            max=MAX_CONNECTIONS,
        ),
    ] = 0
    engine: Annotated[Literal["stdlib", "fast"], typer.Option(hidden=True, callback=_reject_removed_engine)] = "stdlib"
    """Deprecated: accepted for one release; only one is left."""


class Tls(OptionGroup):
    """How connections are encrypted."""

    tls_cert: Annotated[
        str | None, option("FILE", "Serve HTTPS with this certificate, in PEM, followed by its chain.", panel="TLS")
    ] = None
    tls_key: Annotated[str | None, option("FILE", "Private key of --tls-cert, in PEM.", panel="TLS")] = None
    allow_http: Annotated[bool, flag("Allow other machines to connect without TLS.", "--allow-http", panel="TLS")] = (
        False
    )

    def load(self) -> "Context | None":
        """Load the certificate; None without one."""
        if self.tls_cert is None and self.tls_key is None:
            return None
        if self.tls_cert is None or self.tls_key is None:
            raise UsageError("--tls-cert and --tls-key must be used together", "--tls-cert FILE --tls-key FILE")
        from gamcli.server.transport import tls  # noqa: PLC0415 - start-up: most servers are behind a TLS proxy

        return tls.load_context(self.tls_cert, self.tls_key)


class Behavior(OptionGroup):
    """What the server answers and logs."""

    response_format: Annotated[
        Literal["gam", "rfc6749"] | None,
        option(None, "Response format: GAM's, or that of RFC 6749.", "--format", default="gam", panel=BEHAVIOR),
    ] = None
    error_format: EarlierErrorFormat = None
    expired_status: Annotated[
        Literal["401", "403"] | None,
        option(None, "Status for an expired access token; GAM for .NET uses 403.", default="401", panel=BEHAVIOR),
    ] = None
    extras: Annotated[bool, flag("Add introspection, revocation and server metadata.", "--extras", panel=BEHAVIOR)] = (
        False
    )
    issuer: Annotated[
        str | None,
        option(
            "URL", "With --extras: URL of the server in its metadata.", default="from the Host header", panel=BEHAVIOR
        ),
    ] = None
    log_format: Annotated[
        Literal["text", "json"] | None, option(None, "Format of the request log.", default="text", panel=BEHAVIOR)
    ] = None
    log_address: Annotated[
        Literal["full", "masked", "none"],
        option(None, "Client addresses in the log; masked omits the last part.", default=True, panel=BEHAVIOR),
    ] = "full"
    log_file: Annotated[
        str | None, option("FILE", "Append the request log to this file instead of stderr.", panel=BEHAVIOR)
    ] = None
    max_failures: Annotated[
        int | None,
        option(
            "N",
            "Maximum failures per minute for a client_id and address; 0 for no limit.",
            default=f"{DEFAULT_LIMIT}; 0 with --ephemeral",
            panel=BEHAVIOR,
            min=0,
            max=MAX_LIMIT,
        ),
    ] = None
    max_failures_by: Annotated[
        Literal["address", "client", "both"],
        option(None, "Count failures by address, by client_id, or by both together.", default=True, panel=BEHAVIOR),
    ] = "both"
    prune_every: Annotated[
        str | None,
        option("DURATION", "Run `gamcli token prune` this often, such as 1d.", default="never", panel=BEHAVIOR),
    ] = None
    drain: Annotated[
        str | None,
        option(
            "DURATION", "After SIGTERM, keep serving this long while readyz returns 503.", default="0s", panel=BEHAVIOR
        ),
    ] = None


class TestingOptions(OptionGroup):
    """What only an ephemeral server has."""

    ephemeral: Annotated[
        bool, flag("Serve a temporary store in memory and print its credentials.", "--ephemeral", panel=TESTING)
    ] = False
    seed: Annotated[
        list[str] | None,
        option(
            "FILE",
            "With --ephemeral: manifest to apply first; repeatable.",
            default="app portal, user ana",
            panel=TESTING,
        ),
    ] = None
    fault: Annotated[
        list[str] | None,
        option("FAULT", "With --ephemeral: inject a fault, such as token=503:0.1; repeatable.", panel=TESTING),
    ] = None
    fault_seed: Annotated[
        int | None,
        option("N", "With --fault: seed for random faults.", default="0", panel=TESTING, min=0, max=MAX_SEED),
    ] = None
    now: Annotated[
        str | None, option("INSTANT", "With --ephemeral: set the clock to this time, such as -1d.", panel=TESTING)
    ] = None
    clock: Annotated[
        Literal["running", "stopped"] | None,
        option(None, "With --now: stop the clock at that time, or let it run on.", default="stopped", panel=TESTING),
    ] = None
    control: Annotated[
        bool, flag("With --ephemeral: let tests control the server over HTTP.", "--control", panel=TESTING)
    ] = False
    show_secrets: Annotated[
        bool, flag("With --ephemeral: show secrets on the page at /.", "--show-secrets", panel=TESTING)
    ] = False
    journal: Annotated[
        str | None,
        option("FILE", "With --ephemeral: log requests, without secrets, to this JSONL file.", panel=TESTING),
    ] = None
    output: Annotated[
        Literal["env", "json", "github"] | None,
        format_option("With --ephemeral: format of the credentials.", default="env", panel=TESTING),
    ] = None
    print_env: Annotated[
        bool, flag("With --ephemeral and CMD: also print the credentials.", "--print-env", panel=TESTING)
    ] = False

    @property
    def prints_variables(self) -> bool:
        return self.print_env or self.output is not None

    def build_options(self, actor: str) -> "EphemeralOptions":
        from gamcli.ephemeral import EphemeralOptions  # noqa: PLC0415 - start-up: only for tests

        return EphemeralOptions(
            seeds=self.seed or (),
            faults=self.fault or (),
            fault_seed=self.fault_seed or 0,
            now=self.now,
            is_running=self.clock == "running",
            journal=self.journal,
            has_control=self.control,
            shows_secrets=self.show_secrets,
            actor=actor,
        )

    def require_ephemeral(self) -> None:
        """Raise UsageError for options that require --ephemeral."""
        for name in self.parameters():
            if self.ephemeral or getattr(self, name) in (False, None):
                continue
            if name == "seed":
                raise UsageError(
                    "--seed requires --ephemeral: manifests for other stores must not contain secrets",
                    "gamcli apply FILE",
                )
            raise UsageError(f"--{name.replace('_', '-')} requires --ephemeral: it is only for tests", "--ephemeral")
        if self.clock is not None and self.now is None:
            raise UsageError("--clock requires --now", "--now 2026-01-01T00:00:00Z --clock running")


def require_safe_host(host: str, *, is_encrypted: bool) -> str:
    """Return `host`; raises UsageError if it is empty, which means all addresses, or needs TLS."""
    if not host:
        raise UsageError("--host is empty", "--host 127.0.0.1")
    if not is_loopback(host) and not is_encrypted:
        raise UsageError(
            f"other machines can connect to {host}, and secrets would be sent unencrypted",
            "--tls-cert FILE --tls-key FILE, or --allow-http behind a proxy that terminates TLS",
        )
    return host


def parse_metrics_address(text: str) -> tuple[str, int]:
    """Return the host and the port; an IPv6 address has brackets."""
    host, colon, port = text.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    is_valid = host and colon and port.isascii() and port.isdecimal() and int(port) <= MAX_PORT
    if not is_valid or (":" in host and not is_bracketed):
        raise UsageError(f"invalid address '{text}'", "use an address and a port, such as 127.0.0.1:9464 or [::1]:9464")
    return host.removeprefix("[").removesuffix("]"), int(port)


def parse_base_path(path: str) -> str:
    base_path = path.removesuffix("/")
    first, *segments = base_path.split("/")
    is_valid = base_path.isascii() and base_path.isprintable() and not set(base_path) & set("?# %")
    if first or not is_valid or set(segments) & DOT_SEGMENTS:
        raise UsageError(f"invalid base path '{path}'", "use a path such as /myapp")
    return base_path


def open_log(path: str | None, *, is_silent: bool) -> Callable[[str], None]:
    """Return a function that writes a line of the request log, to stderr or to a file."""
    if path is None:
        return write_to_stderr if not is_silent else lambda _: None
    try:
        descriptor = new_files.open_or_create(path, os.O_APPEND | os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        raise FailedError(f"cannot write the log {path}: {error.strerror}", "--log-file FILE") from error

    os.set_blocking(descriptor, True)  # only opening a FIFO must not wait for its reader

    def write(line: str) -> None:
        os.write(descriptor, f"{line}\n".encode())

    return write


def write_to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
