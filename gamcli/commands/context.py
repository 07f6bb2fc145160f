"""What each command starts from: the settings, the store and the output of one run."""

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gamcli.commands.settings import Settings
from gamcli.errors import UsageError
from gamcli.render.output import FORMATS, Output, print_message
from gamcli.render.pager import Pager
from gamcli.system.actor import describe_actor

if TYPE_CHECKING:
    from gamcli.actions import Gam
    from gamcli.store import Store


def now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def without_gc() -> Iterator[None]:
    """Pause the garbage collector: records have no cycles and are needed until the end, and scanning takes time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class CliContext:
    """The settings of a run; opens the store and creates the output."""

    def __init__(self, settings: Settings, pager: Pager | None = None) -> None:
        self.settings = settings
        self.pager = pager or Pager()

    def with_flags(self, flags: Mapping[str, object]) -> "CliContext":
        """Return a copy where `flags`, the options of one command, win over all other sources."""
        settings = self.settings
        return CliContext(Settings({**settings.flags, **flags}, settings.environment, settings.user_file), self.pager)

    @staticmethod
    def from_typer(context: Any) -> "CliContext":  # noqa: ANN401 - typer's context
        """Return what the root command stored in typer's context."""
        cli = context.find_object(CliContext)
        assert isinstance(cli, CliContext)
        return cli

    def output(
        self,
        format_name: str | None = None,
        field: str | None = None,
        kind: type | None = None,
        *issued: str,
        wide: bool | None = None,
    ) -> Output:
        """
        Create the output of a command; `--field` without a format prints the raw value.

        Raises UsageError, before anything is changed, when records of that `kind`, with the secrets `issued`, do not
        have the field.
        """
        name = format_name or ("value" if field is not None else str(self.settings.value("output")))
        assert name in FORMATS
        options = {"--store": "store", "--store-url-file": "store_url_file"}
        given = ((option, self.settings.flags.get(flag)) for option, flag in options.items())
        if kind is not None and (field is not None or name == "value"):
            if name != "value":
                raise UsageError(f"--field and -o {name} cannot be combined", "-o value, or --field without -o")
            from gamcli.render import machine  # noqa: PLC0415 - start-up: most commands print whole records

            machine.require_field(kind, field, issued)
        return Output(
            format=name,
            field=field,
            now=now,
            quiet=bool(self.settings.value("quiet")),
            no_color=bool(self.settings.value("no_color")),
            global_options=tuple(text for option, value in given if value for text in (option, str(value))),
            is_wide=wide,
            pager=None if self.settings.value("no_pager") else self.pager,
        )

    @contextmanager
    def open_gam(self) -> "Iterator[Gam]":
        """Open the store for actions; the actor is the user who runs this process."""
        from gamcli.store import Store  # noqa: PLC0415 - start-up: some commands need no store

        with Store.open(self.settings.store()) as store:
            if store.migrated and not self.settings.value("quiet"):
                before, backup = store.migrated.version_before, store.migrated.backup
                print_message(f"upgraded the store from version {before}" + (f"; backup: {backup}" if backup else ""))
            yield self.make_gam(store)

    @staticmethod
    def make_gam(store: "Store") -> "Gam":
        from gamcli.actions import Gam  # noqa: PLC0415 - start-up, as above

        return Gam(store, store.corrected_clock(now), os.urandom, describe_actor(os.environ))

    @contextmanager
    def open_for_change(self, out: Output, *, dry_run: bool) -> "Iterator[Gam]":
        """
        Open the store for a change.

        A dry run makes the change in a transaction, prints the plan, rolls back, and exits the command.
        """
        if not dry_run:
            with self.open_gam() as gam:
                yield gam
            return
        import typer  # noqa: PLC0415 - start-up: completion opens the store without it

        from gamcli.actions import DryRun  # noqa: PLC0415 - start-up, as above

        out.require_plan_format()
        recorded = DryRun()
        with self.open_gam() as gam, gam.store.dry_run():
            yield replace(gam, dry_run=recorded)
        out.print_plan(recorded.plan())
        raise typer.Exit
