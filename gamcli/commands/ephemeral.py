"""`gamcli serve --ephemeral`: a store in memory that ends with the server, what it begins with, and how it fails."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from gamcli.actions import Gam
from gamcli.commands.context import CliContext, now
from gamcli.errors import UsageError
from gamcli.store import Store
from gamcli.system.actor import describe_actor

if TYPE_CHECKING:
    from gamcli.server.transport.event_loop import Server, ServerOptions

MAX_SEED = 2**63 - 1

EphemeralOption = Annotated[
    bool,
    typer.Option(
        "--ephemeral",
        help="Serve a store in memory that ends with the server; tell its credentials.",
        show_default=False,
    ),
]
SeedOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="With --ephemeral: a manifest to begin with; repeatable.",
        show_default="app portal, user ana",
    ),
]
FaultOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FAULT",
        help="With --ephemeral: fail on purpose, as token=503:0.1, all=close:2x or latency=200ms say; repeatable.",
    ),
]
FaultSeedOption = Annotated[
    int | None,
    typer.Option(min=0, max=MAX_SEED, metavar="N", help="With --fault: another sequence of chance.", show_default="0"),
]
NowOption = Annotated[
    str | None,
    typer.Option(
        metavar="INSTANT",
        help="With --ephemeral: a clock that stands still, at 2026-01-01T00:00:00Z or a step from now such as -1d.",
    ),
]
JournalOption = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="With --ephemeral: write each request there, a JSON object a line, no secrets."),
]


class EphemeralOptions(NamedTuple):
    """What is asked of a server for tests, as the command line has it."""

    ephemeral: bool
    seed: Sequence[str]
    fault: Sequence[str]
    fault_seed: int | None
    now: str | None
    journal: str | None

    def ephemeral_only(self) -> list[str]:
        """Return the options that only such a server has."""
        named = {name: value for name, value in self._asdict().items() if name != "ephemeral"}
        return [f"--{name.replace('_', '-')}" for name, value in named.items() if value not in (None, [], ())]


def require_compatible(cli: CliContext, requested: EphemeralOptions) -> None:
    """Raise UsageError for what does not go together."""
    if not requested.ephemeral:
        option = requested.ephemeral_only()[0]
        if option == "--seed":
            raise UsageError(
                "--seed is for --ephemeral: a store that stays takes no such secrets from files", "gamcli apply FILE"
            )
        raise UsageError(
            f"{option} is for --ephemeral: a server that others rely on is no place for tests", "--ephemeral"
        )
    if cli.settings.flags.get("store"):
        raise UsageError("--store and --ephemeral contradict each other", "leave one of them out")


@contextmanager
def open_ephemeral_server(
    cli: CliContext, requested: EphemeralOptions, options: "ServerOptions"
) -> Iterator[tuple["Server", dict[str, str]]]:
    """
    Make a server on a store in memory, of manifests or else of the world of `quickstart`; it ends with the `with`.

    With it come its credentials, as names and values of an environment.
    """
    require_compatible(cli, requested)
    from gamcli.actions import repository  # noqa: PLC0415 - start-up: most stores are files
    from gamcli.server.dev import clock  # noqa: PLC0415 - start-up: most stores are files
    from gamcli.server.dev.faults import Faults, parse_fault  # noqa: PLC0415
    from gamcli.server.dev.journal import JournalFile  # noqa: PLC0415
    from gamcli.server.dev.server import DevOptions, DevServer  # noqa: PLC0415

    faults = Faults([parse_fault(each) for each in requested.fault], requested.fault_seed or 0)
    told = now if requested.now is None else clock.stopped_clock(requested.now)
    with ExitStack() as opened:
        store = opened.enter_context(Store.in_memory())
        gam = Gam(store, told, os.urandom, describe_actor(os.environ))
        repository.initialise(gam)
        credentials = _seed_store(gam, requested.seed)
        journal = JournalFile(requested.journal) if requested.journal is not None else None
        if journal is not None:
            opened.callback(journal.close)
        yield DevServer(gam, options, DevOptions(faults, journal.add if journal is not None else None)), credentials


def _seed_store(gam: Gam, seeds: Sequence[str]) -> dict[str, str]:
    if not seeds:
        from gamcli.actions import example  # noqa: PLC0415 - start-up: who brings a seed needs it not

        return example.create_example(gam).environment_variables()
    from gamcli.provision import seed  # noqa: PLC0415 - start-up: it takes longer than the server without it

    return seed.environment(seed.apply_seed(gam, seeds, os.environ))
