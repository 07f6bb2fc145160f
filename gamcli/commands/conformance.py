"""`gamcli conformance`: check a server against the contract of the token endpoint."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Annotated, Literal

import typer

from gamcli.clients import endpoint
from gamcli.commands.context import CliContext
from gamcli.commands.options import EarlierErrorFormat, ListOptions, flag, new_group, option
from gamcli.conformance import suite, table, worlds
from gamcli.conformance.exchange import TargetServer
from gamcli.conformance.suite import DIFFERS, SAME, SKIPPED, Verdict
from gamcli.conformance.table import Row
from gamcli.conformance.worlds import World
from gamcli.errors import FailedError, UsageError, command, format_count
from gamcli.render.output import Output

verbs = new_group()

ATTENTION_NEEDED = 7


@verbs.command()
def conformance(
    url: Annotated[
        str | None,
        typer.Argument(metavar="[URL]", help="Server to check, with its base path.", show_default="gamcli's own"),
    ] = None,
    world: Annotated[str | None, option("FILE", "Use the test credentials in this file; see --print-world.")] = None,
    section: Annotated[list[str] | None, option("NAME", "Check only this section; repeatable.", default="all")] = None,
    response_format: Annotated[
        Literal["gam", "rfc6749"] | None, option(None, "Response format of the server.", "--format", default="gam")
    ] = None,
    error_format: EarlierErrorFormat = None,
    differing: Annotated[bool, flag("Show only responses that differ.", "--differing")] = False,
    print_world: Annotated[bool, flag("Print a world file with new credentials.", "--print-world")] = False,
    print_seed: Annotated[bool, flag("Print a manifest that creates those credentials.", "--print-seed")] = False,
    *,
    run: ListOptions,
) -> None:
    """
    Check a server against the contract of the token endpoint; exit code 7 if a response differs.

    Example: gamcli conformance https://example.com/myapp --world world.toml
    """
    out = run.make_output(Verdict, wraps=True)
    response_format = response_format or error_format
    if print_world:
        from gamcli.conformance import local  # noqa: PLC0415 - start-up: imports the server

        out.print_line(worlds.render_template(local.value_factories(os.urandom)).rstrip("\n"))
        return
    if print_seed:
        out.print_line(worlds.render_seed(_load_world(world, response_format)).rstrip("\n"))
        return
    rows = _select_rows(section or [])
    if url is None:
        if world is not None:
            raise UsageError("--world requires the URL of a server", command("conformance", "URL", "--world", "FILE"))
        verdicts = _check_local(rows, response_format or "gam")
    else:
        verdicts = _check_remote(url, _load_world(world, response_format), rows, out)
    _print_verdicts(out, list(verdicts), differing=differing)


def _select_rows(sections: Sequence[str]) -> list[Row]:
    for name in sections:
        if name not in table.SECTIONS:
            raise UsageError(f"unknown section '{name}'", f"one of {', '.join(table.SECTIONS)}")
    return [row for row in table.load_rows() if not sections or row.section in sections]


def _load_world(path: str | None, response_format: str | None) -> World:
    world = worlds.load_world(path) if path else worlds.parse_world({})
    return world.with_server({"format": response_format}) if response_format else world


def _check_remote(url: str, world: World, rows: Sequence[Row], out: Output) -> Iterator[Verdict]:
    """Check the server at `url`; raises FailedError if it does not respond."""
    server = TargetServer.from_url(url)
    if world.values and endpoint.is_unencrypted(url):
        out.print_warning("the credentials are sent unencrypted; use https://")
    path = f"{server.base_path}{endpoint.TOKEN_PATH}"
    probe = server.send([f"GET {path} HTTP/1.1\r\nHost: {server.host}\r\nConnection: close\r\n\r\n".encode()], "GET")
    if probe.problem:
        raise FailedError(f"cannot connect to {url}: GET {path}: {probe.problem}", probe.hint)
    return suite.check_rows(server, world, rows)


def _check_local(rows: Sequence[Row], response_format: str) -> Iterator[Verdict]:
    """Check gamcli's own server, each row with the first variant that it applies to."""
    from gamcli.conformance import local  # noqa: PLC0415 - start-up: another server needs no store
    from gamcli.store import Store  # noqa: PLC0415

    with ExitStack() as stack:
        gam = CliContext.make_gam(stack.enter_context(Store.in_memory()))
        world = local.create_world(gam, {"format": response_format})
        variants = [world.with_server(options) for options in local.SERVER_VARIANTS]
        servers = [(stack.enter_context(local.serve_world(gam, variant)), variant) for variant in variants]
        for row in rows:
            suitable = (pair for pair in servers if not suite.skip_reason(row, pair[1], pair[0].base_path))
            yield suite.check_row(*next(suitable, servers[0]), row)


def _print_verdicts(out: Output, verdicts: Sequence[Verdict], *, differing: bool) -> None:
    shown = [verdict for verdict in verdicts if verdict.verdict == DIFFERS or not differing]
    if shown or not out.is_human:
        out.print_records(Verdict, shown)
    counts = Counter(verdict.verdict for verdict in verdicts)
    rows = format_count(len(verdicts), "row")
    differ = "differs" if counts[DIFFERS] == 1 else "differ"
    out.print_note(f"{rows} checked: {counts[SAME]} as expected, {counts[DIFFERS]} {differ}, {counts[SKIPPED]} skipped")
    if counts[DIFFERS]:
        raise typer.Exit(ATTENTION_NEEDED)
