"""The options of `gamcli serve`, by the groups of its `--help`."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal, NamedTuple

import typer

from gamcli.commands.settings import MAX_PORT
from gamcli.errors import UsageError
from gamcli.server.endpoints.failure_limit import MAX_LIMIT

MAX_WORKERS = 64
MAX_CONNECTIONS = 512
MAX_SEED = 2**63 - 1

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
    str | None, network(metavar="FILE", help="Write {url, pid} to this file once the server listens.")
]
WorkerCount = Annotated[int, network(min=1, max=MAX_WORKERS, metavar="N", help="Number of worker processes.")]

ConnectionsPerAddress = Annotated[
    int,
    network(min=0, max=MAX_CONNECTIONS, metavar="N", help="Connections per client address; 0 for half of all 512."),
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

ErrorFormatOption = Annotated[
    Literal["gam", "rfc6749"] | None, behavior(help="Format of error responses.", show_default="gam")
]
ExpiredStatus = Annotated[
    Literal["401", "403"] | None,
    behavior(help="Status for an expired access token; GAM for .NET uses 403.", show_default="401"),
]
LogFormat = Annotated[Literal["text", "json"] | None, behavior(help="Format of the request log.", show_default="text")]
LogAddress = Annotated[
    Literal["full", "masked", "none"],
    behavior(help="Client addresses in the log; masked: without the last part."),
]
MaxFailures = Annotated[
    int,
    behavior(
        min=0, max=MAX_LIMIT, metavar="N", help="Failed requests per minute, client_id and address; 0 for no limit."
    ),
]
MaxFailuresBy = Annotated[
    Literal["address", "client", "both"], behavior(help="Count failures by address, client_id, or the pair of both.")
]
PruneEvery = Annotated[
    str | None,
    behavior(
        metavar="DURATION", help="Delete old inactive tokens this often, as 'token prune' does.", show_default="never"
    ),
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
JournalOption = Annotated[
    str | None,
    testing("--journal", metavar="FILE", help="With --ephemeral: log requests, without secrets, to this JSONL file."),
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
