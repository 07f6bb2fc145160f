"""The options of `gamcli serve`, by the groups of its `--help`."""

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from gamcli.commands.settings import MAX_PORT
from gamcli.errors import FailedError, UsageError
from gamcli.server.endpoints.extras import is_loopback
from gamcli.server.endpoints.failure_limit import DEFAULT_LIMIT, MAX_LIMIT
from gamcli.system import new_files

if TYPE_CHECKING:
    from gamcli.ephemeral import EphemeralOptions

MAX_WORKERS = 64
MAX_CONNECTIONS = 512
MAX_SEED = 2**63 - 1

DOT_SEGMENTS = {"", ".", ".."}
"""Path segments that clients remove before they send a request (RFC 3986, section 5.2.4)."""

network = partial(typer.Option, rich_help_panel="Network")
tls = partial(typer.Option, rich_help_panel="TLS")
behavior = partial(typer.Option, rich_help_panel="Behavior")
testing = partial(typer.Option, rich_help_panel="Testing")

Host = Annotated[str | None, network(metavar="ADDRESS", help="Address to listen on.", show_default="127.0.0.1")]
Port = Annotated[
    int | None,
    network(min=0, max=MAX_PORT, metavar="PORT", help="Port to listen on; 0 for any free port.", show_default="8080"),
]
BasePath = Annotated[str | None, network(metavar="PATH", help="Base path, such as /myapp.")]
CorsOrigin = Annotated[
    list[str] | None,
    network(metavar="ORIGIN", help="Allow browser requests from this origin, or * for all; repeatable."),
]
ReadyFile = Annotated[
    str | None, network(metavar="FILE", help="Write the URL and PID as JSON to this file when ready.")
]
MetricsAddress = Annotated[
    str | None,
    network(
        "--metrics", metavar="ADDRESS:PORT", help="Serve metrics for Prometheus at this address.", show_default="off"
    ),
]
WorkerCount = Annotated[int, network(min=1, max=MAX_WORKERS, metavar="N", help="Number of worker processes.")]

ConnectionsPerAddress = Annotated[
    int,
    network(
        min=0, max=MAX_CONNECTIONS, metavar="N", help="Maximum connections per client address; 0 for half of all 512."
    ),
]


def _reject_removed_engine(name: str) -> str:
    if name == "fast":
        raise UsageError(
            "--engine fast was removed: the built-in server issues as many tokens per second",
            "remove --engine; use --workers N to serve with several processes",
        )
    return name


EngineName = Annotated[Literal["stdlib", "fast"], typer.Option(hidden=True, callback=_reject_removed_engine)]
"""Deprecated: accepted for one release."""

TlsCert = Annotated[
    str | None, tls(metavar="FILE", help="Serve HTTPS with this certificate, in PEM, followed by its chain.")
]
TlsKey = Annotated[str | None, tls(metavar="FILE", help="Private key of --tls-cert, in PEM.")]
AllowHttp = Annotated[
    bool, tls("--allow-http", help="Allow other machines to connect without TLS.", show_default=False)
]

FormatOption = Annotated[
    Literal["gam", "rfc6749"] | None,
    behavior("--format", help="Response format: GAM's, or that of RFC 6749.", show_default="gam"),
]

Extras = Annotated[
    bool,
    behavior("--extras", help="Add introspection, revocation and server metadata.", show_default=False),
]
Issuer = Annotated[
    str | None,
    behavior("--issuer", metavar="URL", help="With --extras: URL of the server in its metadata.", show_default="Host"),
]
ExpiredStatus = Annotated[
    Literal["401", "403"] | None,
    behavior(help="Status for an expired access token; GAM for .NET uses 403.", show_default="401"),
]
LogFile = Annotated[
    str | None, behavior("--log-file", metavar="FILE", help="Append the request log to this file instead of stderr.")
]
LogFormat = Annotated[Literal["text", "json"] | None, behavior(help="Format of the request log.", show_default="text")]
LogAddress = Annotated[
    Literal["full", "masked", "none"],
    behavior(help="Client addresses in the log; masked omits the last part."),
]
MaxFailures = Annotated[
    int | None,
    behavior(
        min=0,
        max=MAX_LIMIT,
        metavar="N",
        help="Failed requests per minute, client_id and address; 0 for no limit.",
        show_default=f"{DEFAULT_LIMIT}; 0 with --ephemeral",
    ),
]
MaxFailuresBy = Annotated[
    Literal["address", "client", "both"], behavior(help="Count failures by address, by client_id, or by both together.")
]
Drain = Annotated[
    str | None,
    behavior(
        metavar="DURATION", help="After SIGTERM, keep serving this long while readyz returns 503.", show_default="0s"
    ),
]
PruneEvery = Annotated[
    str | None,
    behavior(metavar="DURATION", help="Run `gamcli token prune` this often, such as 1d.", show_default="never"),
]

Ephemeral = Annotated[
    bool,
    testing("--ephemeral", help="Serve a temporary store in memory and print its credentials.", show_default=False),
]
Seed = Annotated[
    list[str] | None,
    testing(
        metavar="FILE",
        help="With --ephemeral: manifest to apply first; repeatable.",
        show_default="app portal, user ana",
    ),
]
FaultOption = Annotated[
    list[str] | None,
    testing("--fault", metavar="FAULT", help="With --ephemeral: inject a fault, such as token=503:0.1; repeatable."),
]
FaultSeed = Annotated[
    int | None,
    testing(min=0, max=MAX_SEED, metavar="N", help="With --fault: seed for random faults.", show_default="0"),
]
Now = Annotated[
    str | None,
    testing(metavar="INSTANT", help="With --ephemeral: freeze the clock at this time, such as -1d."),
]
ClockOption = Annotated[
    Literal["running", "stopped"] | None,
    testing("--clock", help="With --now: stop the clock, or let it run from that time.", show_default="stopped"),
]
ControlOption = Annotated[
    bool,
    testing("--control", help="With --ephemeral: let tests control the server over HTTP.", show_default=False),
]
ShowSecrets = Annotated[
    bool,
    testing("--show-secrets", help="With --ephemeral: show secrets on the page at /.", show_default=False),
]
EnvFormat = Annotated[
    Literal["env", "json", "github"] | None,
    testing("-o", "--output", help="With --ephemeral: format of the credentials.", show_default="env"),
]
PrintEnv = Annotated[
    bool,
    testing("--print-env", help="With --ephemeral and CMD: also print the credentials.", show_default=False),
]
JournalOption = Annotated[
    str | None,
    testing("--journal", metavar="FILE", help="With --ephemeral: log requests, without secrets, to this JSONL file."),
]


class TestingOptions(NamedTuple):
    """The options of an ephemeral server; the field names are the option names."""

    ephemeral: bool
    seed: Sequence[str]
    fault: Sequence[str]
    fault_seed: int | None
    now: str | None
    clock: str | None
    control: bool
    show_secrets: bool
    journal: str | None
    output: str | None
    print_env: bool

    @property
    def prints_variables(self) -> bool:
        return self.print_env or self.output is not None

    def begin(self, actor: str) -> "EphemeralOptions":
        from gamcli.ephemeral import EphemeralOptions  # noqa: PLC0415 - start-up: only for tests

        return EphemeralOptions(
            seeds=self.seed,
            faults=self.fault,
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
        for name, value in self._asdict().items():
            if self.ephemeral or value in (False, None, (), []):
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
