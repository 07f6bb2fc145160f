"""What a scan came to: what was found is shown as it comes, counted, and what to do about them told."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from gamcli.errors import command
from gamcli.model.findings import FOREIGN, Sighting, Source
from gamcli.render.output import Output, hinted
from gamcli.rules.leak_detection import API_KEY, Leak

MOST_NAMED = 10
"""So many keys and applications are kept to be named in a line to copy; with more, that line is too long."""


@dataclass(slots=True)
class Tally:
    """Counts what is found, but for what is `ignored`, by id or fingerprint."""

    ignored: frozenset[str]
    passed_over: int = 0
    found: int = 0
    live: int = 0
    unknown: int = 0
    foreign: int = 0
    keys: dict[str, None] = field(default_factory=dict)
    apps: dict[str, None] = field(default_factory=dict)

    def kept(self, sighted: Iterable[tuple[Source, Leak]]) -> Iterator[tuple[Source, Leak]]:
        """Yield what is not to be passed over."""
        for source, leak in sighted:
            if leak.id in self.ignored or leak.fingerprint in self.ignored:
                self.passed_over += 1
            else:
                yield source, leak

    def show(self, out: Output, sighted: Iterable[Sighting]) -> None:
        """Show what was found as it comes; people who look for leaks need no table without one."""
        counted = self._counted(sighted)
        if out.format == "sarif":
            out.sarif(counted)
            return
        first = next(counted, None)
        if first is not None or not out.is_human:
            out.records(Sighting, () if first is None else chain((first,), counted))

    def _counted(self, sighted: Iterable[Sighting]) -> Iterator[Sighting]:
        for each in sighted:
            self.found += 1
            self.live += each.live is True
            self.unknown += each.live is None
            self.foreign += each.status == FOREIGN
            if each.live:
                self._remember(each)
            yield each

    def _remember(self, found: Sighting) -> None:
        names, name = (self.keys, found.id) if found.kind == API_KEY else (self.apps, found.app)
        if name is not None and len(names) <= MOST_NAMED:
            names[name] = None

    def tell(self, out: Output, looked_through: str) -> None:
        """Tell how many there were, and what ends those that live."""
        counts = {"live": self.live, "foreign": self.foreign, "ignored": self.passed_over}
        told = "".join(f", {number} {word}" for word, number in counts.items() if number)
        out.note(f"{self.found or 'nothing'} found{told}; {looked_through}")
        if self.keys:
            named = [*self.keys] if len(self.keys) <= MOST_NAMED else ["KEY..."]
            out.note(f"to end live keys: {hinted(command('key', 'revoke', *named, '--reason', 'leaked'), out.before)}")
        for app in self.apps:
            out.note(f"to replace a live client secret: {hinted(command('app', 'rotate-secret', app), out.before)}")
        if self.foreign:
            out.warn("what is foreign is not of this store, and may live in another")
