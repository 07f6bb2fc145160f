"""What people see: one record and what belongs to it, the whole store, and the next commands to type."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from gamcli.commands import delivery
from gamcli.commands.context import CliContext
from gamcli.commands.options import Field, Run, format_option
from gamcli.errors import StoreMissingError, UsageError, command
from gamcli.model import App, Key, User
from gamcli.render.output import Output

if TYPE_CHECKING:
    from gamcli.actions import Gam
    from gamcli.render.panels import Panel

MANIFEST_FORMAT = format_option("Output format; toml for a manifest.")


class RecordPrintOptions(Run):
    """Prints a record, or a manifest of it."""

    output: Annotated[Literal["table", "json", "jsonl", "csv", "toml", "value"] | None, MANIFEST_FORMAT] = None
    field: Field = None


class ClientRecordPrintOptions(Run):
    """Prints an application or a key."""

    output: Annotated[
        Literal["table", "json", "jsonl", "csv", "toml", "env", "github", "value"] | None, MANIFEST_FORMAT
    ] = None
    field: Field = None


def show(run: Run, kind: type, load: "Callable[[Gam, str], Any]", name: str) -> None:
    """Print one record that `load` finds by name: people get an overview, manifests a table, programs the record."""
    is_manifest = run.output == "toml"
    if is_manifest and run.field is not None:
        raise UsageError("--field and -o toml cannot be combined", "-o value, or --field without -o")
    out = run.cli.output(None if is_manifest else run.output, run.field, kind)
    with run.cli.open_gam() as gam:
        if kind in (App, User, Key) and out.is_human and not is_manifest:
            out.print_panel(_record_panel(out, gam, kind, name))
            return
        record = load(gam, name)
        if is_manifest:
            from gamcli.provision import export  # noqa: PLC0415 - start-up: the other formats need no field tables

            for line in export.format_manifest([export.build_table(record)]):
                out.print_line(line)
        elif isinstance(record, App | Key):
            delivery.print_record(out, record)
        else:
            out.print_record(record)


def _record_panel(out: Output, gam: "Gam", kind: type, name: str) -> "Panel":
    from gamcli.actions import overviews  # noqa: PLC0415 - start-up: programs get the record alone
    from gamcli.render import panels  # noqa: PLC0415 - start-up, as above

    if kind is App:
        return panels.app_panel(overviews.app_overview(gam, name), out.now())
    if kind is User:
        return panels.user_panel(overviews.user_overview(gam, name), out.now())
    return panels.key_panel(overviews.key_overview(gam, name), out.now())


def show_store(cli: CliContext) -> None:
    """Print what the store holds, or how to create it when it does not exist."""
    from gamcli.actions import overviews  # noqa: PLC0415 - start-up: other commands need no overview
    from gamcli.model.overviews import NextStep  # noqa: PLC0415 - start-up, as above
    from gamcli.render import panels  # noqa: PLC0415 - start-up, as above

    out = cli.output("table")
    try:
        with cli.open_gam() as gam:
            panel = panels.store_panel(overviews.store_overview(gam))
    except StoreMissingError:
        steps = (
            NextStep("create it", command("init")),
            NextStep("try everything without it", command("quickstart")),
            NextStep("list all commands", command("--help")),
        )
        panel = panels.missing_store_panel(cli.settings.store(), steps)
    out.print_panel(panel)
