"""One run of gamcli: its settings, its store, its voice."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from gamcli.commands.settings import Settings
from gamcli.errors import UsageError
from gamcli.render.output import FORMATS, Output, print_message
from gamcli.system.actor import describe_actor

if TYPE_CHECKING:
    from gamcli.actions import Gam
    from gamcli.store import Store


def now() -> datetime:
    """Return the instant, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class CliContext:
    """What every command works with."""

    settings: Settings

    @classmethod
    def from_flags(cls, flags: Mapping[str, object], config: str | None) -> Self:
        """Return the session that the options before the command describe."""
        user_file = config or os.environ.get("GAMCLI_CONFIG")
        return cls(Settings(flags, user_file=Path(user_file).expanduser() if user_file else None))

    def with_flags(self, flags: Mapping[str, object]) -> Self:
        """Return the session with the options of one command before all other sources."""
        return replace(self, settings=replace(self.settings, flags={**self.settings.flags, **flags}))

    @staticmethod
    def from_typer(context: Any) -> "CliContext":  # noqa: ANN401 - typer's context
        """Return the session of the command that runs in `context`."""
        session = context.find_object(CliContext)
        assert isinstance(session, CliContext)
        return session

    def output(
        self, format_name: str | None = None, field: str | None = None, kind: type | None = None, *issued: str
    ) -> Output:
        """
        Return the voice; `--field` alone means the raw value.

        Raises UsageError when a record of that `kind`, with the secrets `issued`, has no such field: before anything
        is done.
        """
        wanted = format_name or ("value" if field else str(self.settings.value("output").value))
        assert wanted in FORMATS
        if kind is not None and (field is not None or wanted == "value"):
            _require_field(wanted, field, kind, issued)
        return Output(
            format=wanted,
            field=field,
            now=now,
            quiet=bool(self.settings.value("quiet").value),
            no_color=bool(self.settings.value("no_color").value),
            global_options=("--store", str(self.settings.flags["store"])) if self.settings.flags.get("store") else (),
        )

    @contextmanager
    def open_gam(self) -> "Iterator[Gam]":
        """Open the store for actions, in the name of whoever runs this process."""
        from gamcli.store import Store  # noqa: PLC0415 - start-up: some commands need no store

        with Store.open(self.settings.store()) as store:
            if store.migrated and not self.settings.value("quiet").value:
                print_message(
                    f"the store was of version {store.migrated.version_before}; as it was, it lies in {store.migrated.backup}"
                )
            yield self.make_gam(store)

    @staticmethod
    def make_gam(store: "Store") -> "Gam":
        """Return what actions on a store work with, in the name of whoever runs this process."""
        from gamcli.actions import Gam  # noqa: PLC0415 - start-up, as above

        return Gam(store, now, os.urandom, describe_actor(os.environ))

    @contextmanager
    def open_for_change(self, out: Output, *, dry_run: bool) -> "Iterator[Gam]":
        """
        Open the store for a change.

        A dry run does it all, shows what it came to, undoes it, and ends the command there.
        """
        if not dry_run:
            with self.open_gam() as gam:
                yield gam
            return
        import typer  # noqa: PLC0415 - start-up: completion opens the store without it

        from gamcli.actions import DryRun  # noqa: PLC0415 - start-up, as above

        out.require_plan_format()
        rehearsal = DryRun()
        with self.open_gam() as gam, gam.store.dry_run():
            yield replace(gam, dry_run=rehearsal)
        out.print_plan(rehearsal.plan())
        raise typer.Exit


def _require_field(format_name: str, field: str | None, kind: type, issued: tuple[str, ...]) -> None:
    from gamcli.render import machine  # noqa: PLC0415 - start-up: most commands show whole records

    if format_name != "value":
        raise UsageError(f"--field shows one raw value, not {format_name}", "-o value, or --field without -o")
    machine.require_field(kind, field, issued)
