"""`gamcli conformance`: hold a server against the contract of the token endpoint, row by row."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gamcli.clients import endpoint
from gamcli.commands.context import CliContext, now
from gamcli.commands.options import Field, Format, new_group
from gamcli.conformance import exchange, suite, table, worlds
from gamcli.conformance.suite import DIFFERS, SAME, SKIPPED, Verdict
from gamcli.conformance.table import Row
from gamcli.conformance.worlds import World
from gamcli.errors import FailedError, UsageError, command, format_count
from gamcli.render.output import Output
from gamcli.system.actor import describe_actor

if TYPE_CHECKING:
    from gamcli.actions import Gam

verbs = new_group()

ATTENTION_NEEDED = 7
"""The exit code of an answer that somebody should look at."""

SERVER_VARIANTS: tuple[dict[str, object], ...] = (
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
ErrorFormatOption = Annotated[
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
    error_format: ErrorFormatOption = None,
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
    out = CliContext.from_typer(context).output(output, field, Verdict)
    if print_world:
        from gamcli.commands.conformance_world import value_factories  # noqa: PLC0415 - the world of others needs it not

        out.print_line(worlds.render_template(value_factories(os.urandom)).rstrip("\n"))
        return
    if print_seed:
        out.print_line(worlds.render_seed(_load_world(world, error_format)).rstrip("\n"))
        return
    rows = _select_rows(section or [])
    if url is None:
        if world is not None:
            raise UsageError("--world goes with the URL of a server", command("conformance", "URL", "--world", "FILE"))
        verdicts = _check_local(rows, error_format or "gam")
    else:
        verdicts = _check_remote(url, _load_world(world, error_format), rows, out)
    _print_verdicts(out, list(verdicts), differing=differing)


def _select_rows(sections: Sequence[str]) -> list[Row]:
    for name in sections:
        if name not in table.SECTIONS:
            raise UsageError(f"no section '{name}'", f"one of {', '.join(table.SECTIONS)}")
    return [row for row in table.load_rows() if not sections or row.section in sections]


def _load_world(path: str | None, error_format: str | None) -> World:
    found = worlds.load_world(path) if path else worlds.parse_world({})
    return found.with_server({"error_format": error_format}) if error_format else found


def _check_remote(url: str, world: World, rows: Sequence[Row], out: Output) -> Iterator[Verdict]:
    """Ask a server elsewhere; raises FailedError when nobody answers there."""
    server = exchange.parse_url(url)
    if world.values and endpoint.is_unencrypted(url):
        out.print_warning("the credentials travel unencrypted: https:// protects them")
    probe = server.send([b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"], "GET")
    if probe.problem:
        raise FailedError(
            f"the server {url} cannot be asked: {probe.problem}", "URL of a server, its base path included"
        )
    return suite.check_rows(server, world, rows)


def _check_local(rows: Sequence[Row], error_format: str) -> Iterator[Verdict]:
    """Ask servers of our own, each row one that it fits; a row that fits none is told by the first."""
    from gamcli.actions import Gam  # noqa: PLC0415 - start-up: another server needs no store
    from gamcli.commands import conformance_world  # noqa: PLC0415 - as above
    from gamcli.store import Store  # noqa: PLC0415 - as above

    with ExitStack() as running:
        gam = Gam(running.enter_context(Store.in_memory()), now, os.urandom, describe_actor(os.environ))
        world = conformance_world.create_world(gam, {"error_format": error_format})
        asked = [
            (running.enter_context(_run_server(gam, each)), each) for each in map(world.with_server, SERVER_VARIANTS)
        ]
        for row in rows:
            fitting = (pair for pair in asked if not suite.skip_reason(row, pair[1], pair[0].base_path))
            yield suite.check_row(*next(fitting, asked[0]), row)


@contextmanager
def _run_server(gam: "Gam", world: World) -> Iterator[exchange.TargetServer]:
    """Serve the store on a free port of this machine, as the world says, while the `with` lasts."""
    from threading import Thread  # noqa: PLC0415 - start-up, as above

    from gamcli.server.endpoints.refusals import ErrorFormat  # noqa: PLC0415 - as above
    from gamcli.server.transport.event_loop import Server, ServerOptions  # noqa: PLC0415 - as above

    told = world.server
    manner = ErrorFormat(told["error_format"], told["expired_status"])
    origins = frozenset(filter(None, (told["cors_origin"],)))
    options = ServerOptions(
        log=lambda _: None,
        base_path=told["base_path"],
        error_format=manner,
        max_failures=told["max_failures"],
        origins=origins,
    )
    server = Server(gam, options)
    thread = Thread(target=server.run, name="serve")
    thread.start()
    try:
        yield exchange.parse_url(server.url)
    finally:
        server.stop()
        thread.join()


def _print_verdicts(out: Output, verdicts: Sequence[Verdict], *, differing: bool) -> None:
    """Show the verdicts and sum them up; a difference is an answer with an exit code of its own."""
    shown = [each for each in verdicts if each.verdict == DIFFERS or not differing]
    if shown or not out.is_human:
        out.print_records(Verdict, shown)
    found = Counter(each.verdict for each in verdicts)
    rows, differ = format_count(len(verdicts), "row"), "differs" if found[DIFFERS] == 1 else "differ"
    out.print_note(f"{rows}: {found[SAME]} as the contract, {found[DIFFERS]} {differ}, {found[SKIPPED]} skipped")
    if found[DIFFERS]:
        raise typer.Exit(ATTENTION_NEEDED)
