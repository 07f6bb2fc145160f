"""
The voice, and the only place that prints.

Data goes to stdout, talk to stderr. Talk is one line, lower case, without a full stop, begins with `gamcli:` and needs
no colour; an error is followed by a hint that says what to type. On failure stdout stays empty.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from io import UnsupportedOperation
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from gamcli.errors import FailedError, GamcliError, UsageError
from gamcli.render.text import clean, print_line, redact

if TYPE_CHECKING:
    from rich.console import Console

    from gamcli.model.findings import ScanFinding
    from gamcli.model.manifests import ManifestPlan
    from gamcli.model.plan import Plan
    from gamcli.render.machine import JsonObject
    from gamcli.render.panels import Panel

FORMATS = {
    "table": "for people; in a pipe, columns that are never cut",
    "json": "one document; lists are arrays, times RFC 3339 in UTC, nothing cut; errors are JSON on stderr too",
    "jsonl": "one JSON document a line",
    "csv": "a header, quoted as in RFC 4180; nested fields by dotted names, lists joined by '+', attributes as JSON; "
    "an apostrophe before text that a spreadsheet would take for a formula",
    "toml": "of show and export: the tables of a manifest that ask for it",
    "env": "of one application or key: GAM_CLIENT_ID=, GAM_CLIENT_SECRET=, GAM_API_KEY=, what is known, shell-quoted",
    "github": "the same: ::add-mask:: for each secret, then appended to the file that $GITHUB_OUTPUT names",
    "sarif": "of scan: SARIF 2.1.0, for code scanning",
    "value": "the one field that --field names, raw; --field alone means this",
}
"""What `-o` takes, somewhere, and what each is."""

COMMON_FORMATS = ("table", "json", "jsonl", "csv")
"""The formats of all records: one of them may be set for good."""


class Output(NamedTuple):
    """How one command shows its records: the format, the one field of `value`, and the instant of a status."""

    format: str
    field: str | None
    now: Callable[[], datetime]
    quiet: bool = False
    no_color: bool = False
    global_options: tuple[str, ...] = ()

    @property
    def is_human(self) -> bool:
        """Say whether people read the answer, not programs."""
        return self.format == "table"

    def print_record(self, record: object, **secrets: str) -> None:
        """Show one record; `secrets` are the fields that it has only now, when they are issued."""
        self._write_lines(self._format_record(record, secrets))

    def _format_record(self, record: object, secrets: "dict[str, str]") -> Iterable[str]:
        """Return the lines that show one record."""
        if self.format == "env":
            from gamcli.render import credentials  # noqa: PLC0415 - start-up: a secret alone needs no names

            return credentials.format_env(self.client_variables(record, *secrets.values())).splitlines()
        from gamcli.render import machine  # noqa: PLC0415 - start-up: a secret alone needs no JSON

        found = {**machine.to_dict(record, self.now()), **secrets}
        if self.is_human:
            from gamcli.render import human  # noqa: PLC0415 - programs need no tables

            return [human.format_record(machine.flatten(found), self._make_console())]
        return (
            [machine.json_document(found)]
            if self.format == "json"
            else self._format_records(type(record), iter([found]))
        )

    @staticmethod
    def client_variables(record: object, secret: str | None = None) -> list[tuple[str, str]]:
        """Return names and values for the environment of a client: of an application or a key, and its secret."""
        from gamcli.render import credentials  # noqa: PLC0415 - start-up, as above

        return credentials.client_variables(record, secret)

    def print_panel(self, panel: "Panel") -> None:
        """Show people a screen."""
        from gamcli.render import panels  # noqa: PLC0415 - programs need no screens

        self.print_line(
            panels.render_panel(panels.with_global_options(panel, self.global_options), self._make_console())
        )

    def print_records(self, kind: type, records: Iterable[object]) -> None:
        """Show the records of that kind as they come."""
        from gamcli.render import machine  # noqa: PLC0415 - start-up, as above

        now = self.now()
        found = (machine.to_dict(record, now) for record in records)
        if self.is_human:
            from gamcli.render import human  # noqa: PLC0415

            if not self._write_lines(human.format_table(kind, found, self._make_console())):
                self.print_note("nothing to list")
        elif self.format == "json":
            self._write_lines(machine.json_array(found))
        else:
            self._write_lines(self._format_records(kind, found))

    def print_sarif(self, findings: "Iterable[ScanFinding]") -> None:
        """Show what a scan found to code scanning."""
        from gamcli.render import sarif  # noqa: PLC0415 - start-up: scans are rare

        self._write_lines(sarif.format_lines(findings, self.now()))

    def _format_records(self, kind: type, found: "Iterator[JsonObject]") -> Iterable[str]:
        from gamcli.render import machine  # noqa: PLC0415 - start-up, as above

        if self.format == "value":
            assert self.field is not None, "asked for before anything was done"
            field = self.field
            return (machine.pick_field(record, field) for record in found)
        return map(machine.json_line, found) if self.format == "jsonl" else _format_csv(kind, found)

    def print_change(self, record: object, message: str) -> None:
        """Answer a change: people are told in a line, programs get the record."""
        if self.is_human:
            self.print_note(message)
        else:
            self.print_record(record)

    def print_secret(self, record: object, name: str, secret: str, message: str) -> None:
        """Answer with a secret: alone on stdout for people and shells, in the record's field `name` for programs."""
        if self.is_human:
            self.print_line(secret)
        else:
            self.print_record(record, **{name: secret})
        self.flush()
        if self.is_human:
            self.print_note(message)

    def format_secret(self, record: object, name: str, secret: str) -> str:
        """Return what a file gets: the secret alone, or in the formats of programs what stdout would have got."""
        if self.is_human or self.format == "value":
            return f"{secret}\n"
        return "".join(f"{each}\n" for each in self._format_record(record, {name: secret}))

    def print_plan(self, plan: "Plan") -> None:
        """Show what would be done, and tell that nothing was."""
        from gamcli.render import plans  # noqa: PLC0415 - start-up: plans are rare

        if self.is_human:
            self._write_lines(plans.render_lines(plan, self._make_console()))
            self.print_note(plans.summarize(plan))
        else:
            self.print_record(plan)

    def print_manifest_plan(self, plan: "ManifestPlan", **more: object) -> None:
        """Show the plan of manifests; programs get `more` fields with it."""
        from gamcli.render import manifest_plans  # noqa: PLC0415 - start-up, as above

        if self.is_human:
            self._write_lines(manifest_plans.render_lines(plan, self._make_console()))
            self.print_note(manifest_plans.summarize(plan))
        else:
            self.print_line(manifest_plans.format_json(plan, one_line=self.format == "jsonl", **more))

    @property
    def is_terminal(self) -> bool:
        return sys.stdout.isatty()

    def render_page(self, markdown: str) -> str:
        """Return a page of the manual: formatted for a terminal, as it is for a pipe."""
        console = self._make_console()
        if console is None:
            return markdown
        from gamcli.render import manual_pages  # noqa: PLC0415 - only terminals need rich

        return manual_pages.render_page(markdown, console)

    def require_plan_format(self) -> None:
        """Raise UsageError when a plan cannot be shown in this format."""
        if self.format not in ("table", "json", "jsonl"):
            raise UsageError(f"a dry run shows a plan, not {self.format}", "-o json, or leave -o and --field out")

    def print_note(self, text: str) -> None:
        """Tell something that may be of use; `--quiet` leaves it out."""
        if not self.quiet:
            print_message(text)

    def print_to_stderr(self, text: str) -> None:
        """Tell a line of a story, without the program's name before it; `--quiet` leaves it out."""
        if not self.quiet:
            sys.stderr.write("".join(f"{clean(line)}\n" for line in text.split("\n")))

    @staticmethod
    def print_warning(text: str) -> None:
        """Tell something that should not be missed."""
        print_message(f"warning: {text}")

    @staticmethod
    def print_line(text: str) -> None:
        """Write `text` and a line end to stdout."""
        print_line(text)

    @staticmethod
    def flush() -> None:
        """Let what was written leave, before a wait."""
        sys.stdout.flush()

    @staticmethod
    def require_writable_stdout(hint: str) -> None:
        """
        Raise FailedError, with the hint `instead`, when nobody takes what stdout would get: before anything is done.

        What only writing can tell, such as a disk that is full by then, it does not find out.
        """
        try:
            os.write(sys.stdout.fileno(), b"")
        except UnsupportedOperation:  # it lies in the memory of whoever called us
            pass
        except OSError as error:
            raise FailedError(f"cannot write to stdout, so nothing was changed: {error.strerror}", hint) from error

    @staticmethod
    def _write_lines(lines: Iterable[str]) -> int:
        """Write the lines as they come, and return how many there were."""
        write, number = sys.stdout.write, 0
        for number, each in enumerate(lines, 1):  # noqa: B007 - counted
            write(f"{each}\n")
        return number

    def _make_console(self) -> "Console | None":
        return make_console(sys.stdout, no_color=self.no_color) if sys.stdout.isatty() else None


def _format_csv(kind: type, found: "Iterator[JsonObject]") -> Iterator[str]:
    from gamcli.render import machine  # noqa: PLC0415 - start-up, as above

    head: tuple[str, ...] = ()
    for record in found:
        flat = machine.flatten(record)
        if not head:
            head = tuple(flat)
            yield machine.csv_row(head)
        yield machine.csv_row(flat.values())
    if not head:
        yield machine.csv_row(machine.field_paths(kind))


def make_console(stream: TextIO, *, no_color: bool) -> "Console":
    """Return rich's console on `stream`; NO_COLOR, TERM=dumb and `--no-color` leave the colours out."""
    from rich.console import Console  # noqa: PLC0415 - only terminals need rich

    plain = no_color or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return Console(file=stream, no_color=plain, highlight=False, markup=False, emoji=False, soft_wrap=False)


def print_message(text: str) -> None:
    """Write one line of talk to stderr."""
    sys.stderr.write(f"gamcli: {redact(clean(text))}\n")


def add_global_options(hint: str, global_options: Sequence[str]) -> str:
    """Return a hint whose command line names the store that this run works on, with the words `before` the command."""
    if not global_options or not hint.startswith("gamcli ") or hint.startswith("gamcli --"):
        return hint
    from shlex import join  # noqa: PLC0415 - only hints need it

    return hint.replace("gamcli ", f"gamcli {join(global_options)} ", 1)


def print_error(error: GamcliError, now: datetime, *, as_json: bool = False) -> None:
    """Tell an error: one line, one hint, and the keys that a change would end; or one JSON object."""
    if as_json:
        from gamcli.render import machine  # noqa: PLC0415 - only asked-for JSON needs it

        sys.stderr.write(f"{redact(machine.format_error(error, now))}\n")
        return
    print_message(f"error: {error.message}")
    for impact in getattr(error, "impacts", ()):
        print_message(format_impact(impact))
    for fault in getattr(error, "problems", ()):
        sys.stderr.write(f"{redact(clean(fault))}\n")  # as compilers do: editors and people find FILE:LINE
    if error.hint:
        print_message(f"hint: {error.hint}")


def format_impact(impact: Any) -> str:  # noqa: ANN401 - model.Impact, carried by an error that knows no records
    """Return what a change does to one key, in a line."""
    key = impact.key
    used = f"last used {key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never used"
    return f"  {key.id}  {key.user} for {key.app}, {used}: {impact.reason}"
