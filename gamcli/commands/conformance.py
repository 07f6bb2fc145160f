"""`gamcli conformance`: hold a server against the contract of the token endpoint, row by row."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gamcli.clients import endpoint
from gamcli.commands.options import Field, Format, noun
from gamcli.commands.session import Session, now
from gamcli.conformance import exchange, suite, table, worlds
from gamcli.conformance.suite import DIFFERS, SAME, SKIPPED, Verdict
from gamcli.conformance.table import Row
from gamcli.conformance.worlds import World
from gamcli.errors import FailedError, UsageError, command
from gamcli.render.output import Output, count
from gamcli.system.actor import actor

if TYPE_CHECKING:
    from gamcli.actions import Gam

verbs = noun()

ATTENTION = 7
"""The exit code of an answer that somebody should look at."""

VARIANTS: tuple[dict[str, object], ...] = (
    {},
    {"max_failures": 3},
    {"expired_status": 403},
    {"cors_origin": "https://app.example.org"},
    {"base_path": "/myapp"},
)
"""How our own server is started, so that each row finds one that it fits."""

Sections = Annotated[
    list[str] | None,
    typer.Option("--section", metavar="NAME", help="Only these rows; repeatable.", show_default="all"),
]
WorldFile = Annotated[
    str | None,
    typer.Option("--world", metavar="FILE", help="The credentials that may be used there; see --print-world."),
]
ErrorFormat = Annotated[
    Literal["gam", "rfc6749"] | None, typer.Option(help="How the server tells refusals.", show_default="gam")
]


@verbs.command()
def conformance(
    context: typer.Context,
    url: Annotated[
        str | None, typer.Argument(metavar="[URL]", help="The server, its base path included.", show_default="our own")
    ] = None,
    world: WorldFile = None,
    section: Sections = None,
    error_format: ErrorFormat = None,
    differing: Annotated[
        bool, typer.Option("--differing", help="Show only rows that differ.", show_default=False)
    ] = False,
    print_world: Annotated[
        bool, typer.Option("--print-world", help="Print a world file with new credentials.", show_default=False)
    ] = False,
    print_seed: Annotated[
        bool,
        typer.Option("--print-seed", help="Print the manifest that makes the world of --world.", show_default=False),
    ] = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Hold a server against the contract of the token endpoint, row by row; 7 when one differs.

    Example: gamcli conformance https://example.com/myapp --world world.toml
    """
    out = Session.of(context).output(output, field, Verdict)
    if print_world:
        from gamcli.commands.conformance_world import minted  # noqa: PLC0415 - the world of others needs it not

        out.data(worlds.template(minted(os.urandom)).rstrip("\n"))
        return
    if print_seed:
        out.data(worlds.seed(_world(world, error_format)).rstrip("\n"))
        return
    rows = _rows(section or [])
    if url is None:
        if world is not None:
            raise UsageError("--world goes with the URL of a server", command("conformance", "URL", "--world", "FILE"))
        verdicts = _of_our_own(rows, error_format or "gam")
    else:
        verdicts = _of(url, _world(world, error_format), rows, out)
    _tell(out, list(verdicts), differing=differing)


def _rows(sections: Sequence[str]) -> list[Row]:
    for name in sections:
        if name not in table.SECTIONS:
            raise UsageError(f"no section '{name}'", f"one of {', '.join(table.SECTIONS)}")
    return [row for row in table.rows() if not sections or row.section in sections]


def _world(path: str | None, error_format: str | None) -> World:
    found = worlds.read(path) if path else worlds.of({})
    return found.served({"error_format": error_format}) if error_format else found


def _of(url: str, world: World, rows: Sequence[Row], out: Output) -> Iterator[Verdict]:
    """Ask a server elsewhere; raises FailedError when nobody answers there."""
    server = exchange.server(url)
    if world.values and endpoint.is_unprotected(url):
        out.warn("the credentials travel unencrypted: https:// protects them")
    probe = server.ask([b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"], "GET")
    if probe.trouble:
        raise FailedError(
            f"the server {url} cannot be asked: {probe.trouble}", "URL of a server, its base path included"
        )
    return suite.run(server, world, rows)


def _of_our_own(rows: Sequence[Row], error_format: str) -> Iterator[Verdict]:
    """Ask servers of our own, each row one that it fits; a row that fits none is told by the first."""
    from gamcli.actions import Gam  # noqa: PLC0415 - start-up: another server needs no store
    from gamcli.commands import conformance_world  # noqa: PLC0415 - as above
    from gamcli.store import Store  # noqa: PLC0415 - as above

    with ExitStack() as running:
        gam = Gam(running.enter_context(Store.in_memory()), now, os.urandom, actor(os.environ))
        world = conformance_world.make(gam, {"error_format": error_format})
        asked = [(running.enter_context(_serving(gam, each)), each) for each in map(world.served, VARIANTS)]
        for row in rows:
            fitting = (pair for pair in asked if not suite.unfit(row, pair[1], pair[0].base))
            yield suite.verdict(*next(fitting, asked[0]), row)


@contextmanager
def _serving(gam: "Gam", world: World) -> Iterator[exchange.Server]:
    """Serve the store on a free port of this machine, as the world says, while the `with` lasts."""
    from threading import Thread  # noqa: PLC0415 - start-up, as above

    from gamcli.server.endpoints.refusals import Manner  # noqa: PLC0415 - as above
    from gamcli.server.transport.event_loop import Options, Server  # noqa: PLC0415 - as above

    told = world.server
    manner = Manner(told["error_format"], told["expired_status"])
    origins = frozenset(filter(None, (told["cors_origin"],)))
    options = Options(
        log=lambda _: None,
        base_path=told["base_path"],
        manner=manner,
        max_failures=told["max_failures"],
        origins=origins,
    )
    server = Server(gam, options)
    thread = Thread(target=server.run, name="serve")
    thread.start()
    try:
        yield exchange.server(server.url)
    finally:
        server.stop()
        thread.join()


def _tell(out: Output, verdicts: Sequence[Verdict], *, differing: bool) -> None:
    """Show the verdicts and sum them up; a difference is an answer with an exit code of its own."""
    shown = [each for each in verdicts if each.verdict == DIFFERS or not differing]
    if shown or not out.is_human:
        out.records(Verdict, shown)
    found = Counter(each.verdict for each in verdicts)
    rows, differ = count(len(verdicts), "row"), "differs" if found[DIFFERS] == 1 else "differ"
    out.note(f"{rows}: {found[SAME]} as the contract, {found[DIFFERS]} {differ}, {found[SKIPPED]} skipped")
    if found[DIFFERS]:
        raise typer.Exit(ATTENTION)
