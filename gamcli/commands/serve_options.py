"""The options of `gamcli serve`, by the groups of its `--help`."""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import typer

from gamcli.commands.settings import MAX_PORT
from gamcli.errors import UsageError
from gamcli.server.endpoints.failure_limit import MAX_LIMIT

MAX_WORKERS = 64
MAX_SEED = 2**63 - 1

NETWORK, TLS, BEHAVIOR, TESTING = "Network", "TLS", "Behavior", "Testing"

Host = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Address to listen on.", show_default="127.0.0.1", rich_help_panel=NETWORK),
]
Port = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MAX_PORT,
        metavar="PORT",
        help="Port to listen on; 0 for any free port.",
        show_default="8080",
        rich_help_panel=NETWORK,
    ),
]
BasePath = Annotated[
    str | None, typer.Option(metavar="PATH", help="Base path, such as /myapp.", rich_help_panel=NETWORK)
]
CorsOrigin = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ORIGIN",
        help="Allow browser requests from this origin, or * for all; repeatable.",
        rich_help_panel=NETWORK,
    ),
]
ReadyFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Write {url, pid} to this file once the server listens.", rich_help_panel=NETWORK
    ),
]
WorkerCount = Annotated[
    int,
    typer.Option(min=1, max=MAX_WORKERS, metavar="N", help="Number of worker processes.", rich_help_panel=NETWORK),
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
    str | None,
    typer.Option(
        metavar="FILE", help="Serve HTTPS with this certificate, in PEM, followed by its chain.", rich_help_panel=TLS
    ),
]
TlsKey = Annotated[
    str | None, typer.Option(metavar="FILE", help="Private key of --tls-cert, in PEM.", rich_help_panel=TLS)
]
AllowHttp = Annotated[
    bool,
    typer.Option(
        "--allow-http",
        help="Allow other machines to connect without TLS.",
        show_default=False,
        rich_help_panel=TLS,
    ),
]

ErrorFormatOption = Annotated[
    Literal["gam", "rfc6749"] | None,
    typer.Option(help="Format of error responses.", show_default="gam", rich_help_panel=BEHAVIOR),
]
ExpiredStatus = Annotated[
    Literal["401", "403"] | None,
    typer.Option(
        help="Status for an expired access token; GAM for .NET uses 403.",
        show_default="401",
        rich_help_panel=BEHAVIOR,
    ),
]
LogFormat = Annotated[
    Literal["text", "json"] | None,
    typer.Option(help="Format of the request log.", show_default="text", rich_help_panel=BEHAVIOR),
]
MaxFailures = Annotated[
    int,
    typer.Option(
        min=0,
        max=MAX_LIMIT,
        metavar="N",
        help="Failed requests per minute, client_id and address; 0 for no limit.",
        rich_help_panel=BEHAVIOR,
    ),
]
PruneEvery = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="Delete old inactive tokens this often, as 'token prune' does.",
        show_default="never",
        rich_help_panel=BEHAVIOR,
    ),
]

Ephemeral = Annotated[
    bool,
    typer.Option(
        "--ephemeral",
        help="Serve a temporary store in memory and print its credentials.",
        show_default=False,
        rich_help_panel=TESTING,
    ),
]
Seed = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="With --ephemeral: manifest to apply first; repeatable.",
        show_default="app portal, user ana",
        rich_help_panel=TESTING,
    ),
]
FaultOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fault",
        metavar="FAULT",
        help="With --ephemeral: inject a fault, such as token=503:0.1; repeatable.",
        rich_help_panel=TESTING,
    ),
]
FaultSeed = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MAX_SEED,
        metavar="N",
        help="With --fault: seed for random faults.",
        show_default="0",
        rich_help_panel=TESTING,
    ),
]
Now = Annotated[
    str | None,
    typer.Option(
        metavar="INSTANT",
        help="With --ephemeral: stop the clock at this time, such as 2026-01-01T00:00:00Z or -1d.",
        rich_help_panel=TESTING,
    ),
]
JournalOption = Annotated[
    str | None,
    typer.Option(
        "--journal",
        metavar="FILE",
        help="With --ephemeral: log requests to this file as JSON lines, without secrets.",
        rich_help_panel=TESTING,
    ),
]


class EphemeralOptions(NamedTuple):
    """The options of an ephemeral server; the field names are the option names."""

    ephemeral: bool
    seed: Sequence[str]
    fault: Sequence[str]
    fault_seed: int | None
    now: str | None
    journal: str | None

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
