"""What a scan came to: what was found is shown as it comes, counted, and what to do about them told."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from gamcli.errors import command
from gamcli.model.credential_formats import API_KEY
from gamcli.model.findings import FOREIGN, ScanFinding, ScanSource
from gamcli.render.output import Output, add_global_options
from gamcli.rules.leak_detection import Leak

MAX_NAMED = 10
"""So many keys and applications are kept to be named in a line to copy; with more, that line is too long."""


@dataclass(slots=True)
class ScanSummary:
    """Counts what is found, but for what is `ignored`, by id or fingerprint."""

    ignored: frozenset[str]
    ignored_count: int = 0
    found: int = 0
    active: int = 0
    unknown: int = 0
    foreign: int = 0
    active_keys: dict[str, None] = field(default_factory=dict)
    active_apps: dict[str, None] = field(default_factory=dict)

    def skip_ignored(self, leaks: Iterable[tuple[ScanSource, Leak]]) -> Iterator[tuple[ScanSource, Leak]]:
        """Yield what is not to be passed over."""
        for source, leak in leaks:
            if leak.id in self.ignored or leak.fingerprint in self.ignored:
                self.ignored_count += 1
            else:
                yield source, leak

    def print_findings(self, out: Output, findings: Iterable[ScanFinding]) -> None:
        """Show what was found as it comes; people who look for leaks need no table without one."""
        counted = self._count(findings)
        if out.format == "sarif":
            out.print_sarif(counted)
            return
        first = next(counted, None)
        if first is not None or not out.is_human:
            out.print_records(ScanFinding, () if first is None else chain((first,), counted))

    def _count(self, findings: Iterable[ScanFinding]) -> Iterator[ScanFinding]:
        for each in findings:
            self.found += 1
            self.active += each.live is True
            self.unknown += each.live is None
            self.foreign += each.status == FOREIGN
            if each.live:
                self._record_active(each)
            yield each

    def _record_active(self, finding: ScanFinding) -> None:
        names, name = (self.active_keys, finding.id) if finding.kind == API_KEY else (self.active_apps, finding.app)
        if name is not None and len(names) <= MAX_NAMED:
            names[name] = None

    def print_summary(self, out: Output, searched: str) -> None:
        """Tell how many there were, and what ends those that live."""
        counts = {"live": self.active, "foreign": self.foreign, "ignored": self.ignored_count}
        told = "".join(f", {number} {word}" for word, number in counts.items() if number)
        out.print_note(f"{self.found or 'nothing'} found{told}; {searched}")
        if self.active_keys:
            named = [*self.active_keys] if len(self.active_keys) <= MAX_NAMED else ["KEY..."]
            out.print_note(
                f"to end live keys: {add_global_options(command('key', 'revoke', *named, '--reason', 'leaked'), out.global_options)}"
            )
        for app in self.active_apps:
            out.print_note(
                f"to replace a live client secret: {add_global_options(command('app', 'rotate-secret', app), out.global_options)}"
            )
        if self.foreign:
            out.print_warning("what is foreign is not of this store, and may live in another")
