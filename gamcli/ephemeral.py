"""A development server on a store in memory: what `gamcli serve --ephemeral` and the pytest plugin run."""

import os
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from gamcli.actions import Gam, example, repository
from gamcli.server.dev.clock import Clock, stopped_clock
from gamcli.server.dev.control import Controls
from gamcli.server.dev.fault_syntax import parse_fault
from gamcli.server.dev.faults import Faults
from gamcli.server.dev.journal import Journal, JournalFile, JournalRecord
from gamcli.server.dev.server import DevOptions, DevServer
from gamcli.server.server import ServerOptions
from gamcli.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class EphemeralOptions:
    """
    What an ephemeral server begins with; without `seeds`, manifests, it has an application, a user and a key.

    `faults` are in the syntax of `--fault`. The clock stops at `now`, a time or a step from now, unless `is_running`.
    With `shows_secrets` the page of the server has secrets.
    """

    seeds: Sequence[str | Path] = ()
    faults: Sequence[str] = ()
    fault_seed: int = 0
    now: str | None = None
    is_running: bool = False
    journal: str | None = None
    has_control: bool = False
    shows_secrets: bool = False
    actor: str = "test"


class EphemeralServer:
    """
    The server, its store, and the state that tests can change.

    `credentials` are environment variables, `warnings` those of the seeds. `reset` restores the store, clock, faults
    and journal of the start.
    """

    def __init__(self, options: ServerOptions, ephemeral: EphemeralOptions) -> None:
        self._options = ephemeral
        self.faults = Faults([parse_fault(text) for text in ephemeral.faults], ephemeral.fault_seed)
        self.clock, self.journal = Clock(), Journal()
        self._set_clock()
        with ExitStack() as opened:
            store = opened.enter_context(Store.in_memory())
            self.gam = Gam(store, self.clock, os.urandom, ephemeral.actor)
            self.warnings: Sequence[str] = ()
            self.credentials = dict(self._fill_store())
            self._snapshot = opened.enter_context(closing(store.save_snapshot()))
            self._file = None if ephemeral.journal is None else JournalFile(ephemeral.journal)
            if self._file is not None:
                opened.callback(self._file.close)
            controls = Controls(
                secrets.token_urlsafe(24) if ephemeral.has_control else "",
                self.gam,
                self.clock,
                self.faults,
                self.journal,
                self.reset,
                self.apply,
                self.credentials,
                ephemeral.shows_secrets,
            )
            options = replace(options, max_body=controls.max_body)
            self.server = DevServer(self.gam, options, DevOptions(self.faults, self._record, controls))
            if controls.path:
                self.credentials["GAM_CONTROL_URL"] = self.server.url.removesuffix(options.base_path) + controls.path
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def reset(self) -> None:
        self.gam.store.restore_snapshot(self._snapshot)
        self.faults.clear()
        for text in self._options.faults:
            self.faults.add(text)
        self.journal.clear()
        self._set_clock()

    def apply(self, manifest: str) -> Mapping[str, str]:
        """Apply the text of a manifest; returns new credentials as environment variables, raises ProblemsError."""
        from gamcli.provision import seed  # noqa: PLC0415 - start-up: slower to import than the server

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "manifest.toml"
            path.write_text(manifest, encoding="utf-8")
            return seed.environment(seed.apply_seed(self.gam, [path], {}))

    def _fill_store(self) -> Mapping[str, str]:
        if not self._options.seeds:
            repository.initialise(self.gam)
            return example.create_example(self.gam).environment_variables()
        from gamcli.provision import seed  # noqa: PLC0415 - start-up, as above

        desired = seed.read(self._options.seeds, os.environ)
        repository.initialise(self.gam, desired.repository_guid)
        self.warnings = desired.warnings
        return seed.environment(seed.apply_desired(self.gam, desired))

    def _set_clock(self) -> None:
        self.clock.reset()
        if self._options.now is not None:
            self.clock.stop(stopped_clock(self._options.now)())
            if self._options.is_running:
                self.clock.run()

    def _record(self, entry: JournalRecord) -> None:
        self.journal.add(entry)
        if self._file is not None:
            self._file.add(entry)
