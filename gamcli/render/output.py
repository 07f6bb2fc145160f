"""
The only module that prints.

Data goes to stdout, messages go to stderr. A message is one line in lower case without a full stop, begins with
`gamcli:` and needs no color. An error is followed by a hint that can be typed. On failure stdout stays empty.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from io import UnsupportedOperation
from typing import TYPE_CHECKING, NamedTuple, TextIO

from gamcli.errors import FailedError, UsageError
from gamcli.render.text import clean, print_line, redact, write_lines

if TYPE_CHECKING:
    from rich.console import Console

    from gamcli.model.findings import ScanFinding
    from gamcli.model.plan import ManifestPlan, Plan
    from gamcli.render.machine import JsonObject
    from gamcli.render.pager import Pager
    from gamcli.render.panels import Panel

FORMATS = {
    "table": "for people; in a pipe, aligned columns that are never truncated",
    "json": "one document; lists are arrays, times RFC 3339 in UTC; errors are JSON on stderr too",
    "jsonl": "one JSON document per line",
    "csv": "RFC 4180 with a header; nested fields have dotted names, lists are joined by '+', attributes are JSON; "
    "text that a spreadsheet would run as a formula begins with an apostrophe",
    "toml": "for show and export: a manifest",
    "env": "for an application or key: GAM_CLIENT_ID=, GAM_CLIENT_SECRET=, GAM_API_KEY= if known, shell-quoted",
    "github": "as env, with ::add-mask:: for each secret, appended to the file named by $GITHUB_OUTPUT",
    "sarif": "for scan: SARIF 2.1.0, for code scanning",
    "value": "the raw value of the field named by --field; --field alone selects this format",
}
"""All formats of `-o`, with their descriptions; not every command supports every format."""


class Output(NamedTuple):
    """
    How a command prints: the format, the field of format `value`, and the clock for statuses.

    `is_wide` is the option `--wide` of lists, None for commands without it; `pager` is for lists on a terminal.
    """

    format: str
    field: str | None
    now: Callable[[], datetime]
    quiet: bool = False
    no_color: bool = False
    global_options: tuple[str, ...] = ()
    is_wide: bool | None = None
    pager: "Pager | None" = None

    @property
    def is_human(self) -> bool:
        return self.format == "table"

    def print_record(self, record: object, **secrets: str) -> None:
        """Print a record; `secrets` are fields that are known only when they are issued."""
        write_lines(sys.stdout.write, self._format_record(record, secrets))

    def _format_record(self, record: object, secrets: "dict[str, str]") -> Iterable[str]:
        if self.format == "env":
            from gamcli.render import credentials  # noqa: PLC0415 - start-up: a secret alone needs no names

            return credentials.format_env(self.client_variables(record, *secrets.values())).splitlines()
        from gamcli.render import machine  # noqa: PLC0415 - start-up: a secret alone needs no JSON

        fields = {**machine.to_dict(record, self.now()), **secrets}
        if self.is_human:
            from gamcli.render import human  # noqa: PLC0415 - programs need no tables

            return [human.format_record(machine.flatten(fields), self._make_console())]
        return (
            [machine.json_document(fields)]
            if self.format == "json"
            else self._format_records(type(record), iter([fields]))
        )

    @staticmethod
    def client_variables(record: object, secret: str | None = None) -> list[tuple[str, str]]:
        """Return the environment variables of a client, for an application or a key and its secret."""
        from gamcli.render import credentials  # noqa: PLC0415 - start-up, as above

        return credentials.client_variables(record, secret)

    def print_panel(self, panel: "Panel") -> None:
        from gamcli.render import panels  # noqa: PLC0415 - programs need no screens

        self.print_line(
            panels.render_panel(panels.with_global_options(panel, self.global_options), self._make_console())
        )

    def print_records(self, kind: type, records: Iterable[object]) -> None:
        """Print records of the given kind, streaming them where the format allows."""
        from gamcli.render import machine  # noqa: PLC0415 - start-up, as above

        now = self.now()
        rows = (machine.to_dict(record, now) for record in records)
        if self.is_human:
            from gamcli.render import human  # noqa: PLC0415

            table = human.format_table(kind, rows, human.Screen(self._make_console(), self.is_wide))
            if not self.print_lines(table.lines):
                self.print_note("nothing to list")
            if table.hidden:
                self.flush()
                self.print_note(f"not shown: {', '.join(table.hidden)}; to see all columns: --wide")
        elif self.format == "json":
            write_lines(sys.stdout.write, machine.json_array(rows))
        else:
            write_lines(sys.stdout.write, self._format_records(kind, rows))

    def print_sarif(self, findings: "Iterable[ScanFinding]") -> None:
        from gamcli.render import sarif  # noqa: PLC0415 - start-up: scans are rare

        write_lines(sys.stdout.write, sarif.format_lines(findings, self.now()))

    def _format_records(self, kind: type, rows: "Iterator[JsonObject]") -> Iterable[str]:
        from gamcli.render import machine  # noqa: PLC0415 - start-up, as above

        if self.format == "value":
            assert self.field is not None, "checked before the command ran"
            field = self.field
            return (machine.pick_field(record, field) for record in rows)
        return map(machine.json_line, rows) if self.format == "jsonl" else machine.csv_lines(kind, rows)

    def print_change(self, record: object, message: str) -> None:
        """Print the result of a change: a message for people, the record for programs."""
        if self.is_human:
            self.print_note(message)
        else:
            self.print_record(record)

    def print_secret(self, record: object, name: str, secret: str, message: str) -> None:
        """Print a new secret: alone on stdout for people and shells, in the field `name` of the record for programs."""
        if self.is_human:
            self.print_line(secret)
        else:
            self.print_record(record, **{name: secret})
        self.flush()
        if self.is_human:
            self.print_note(message)

    def format_secret(self, record: object, name: str, secret: str) -> str:
        """Return the contents of a secret file: the secret alone, or the record in a format for programs."""
        if self.is_human or self.format == "value":
            return f"{secret}\n"
        return "".join(f"{line}\n" for line in self._format_record(record, {name: secret}))

    def print_plan(self, plan: "Plan") -> None:
        """Print the result of a dry run."""
        from gamcli.render import plans  # noqa: PLC0415 - start-up: plans are rare

        if self.is_human:
            write_lines(sys.stdout.write, plans.render_lines(plan, self._make_console()))
            self.print_note(plans.summarize(plan))
        else:
            self.print_record(plan)

    def print_manifest_plan(self, plan: "ManifestPlan", **more: object) -> None:
        """Print the plan of manifests; programs get the fields of `more` too."""
        from gamcli.render import manifest_plans  # noqa: PLC0415 - start-up, as above

        if self.is_human:
            write_lines(sys.stdout.write, manifest_plans.render_lines(plan, self._make_console()))
            self.print_note(manifest_plans.summarize(plan))
        else:
            self.print_line(manifest_plans.format_json(plan, one_line=self.format == "jsonl", **more))

    @property
    def is_terminal(self) -> bool:
        return sys.stdout.isatty()

    def print_page(self, markdown: str) -> None:
        """Print a page of the manual, formatted for a terminal or raw for a pipe."""
        console = self._make_console()
        if console is not None:
            from gamcli.render import manual_pages  # noqa: PLC0415 - only terminals need rich

            markdown = manual_pages.render_page(markdown, console)
        self.print_lines(markdown.removesuffix("\n").split("\n"))

    def print_reference(self, lines: Iterable[str]) -> None:
        """Print lines of a name and its description, which a terminal shows wrapped at words."""
        if self.is_terminal:
            from gamcli.render import wrapping  # noqa: PLC0415 - programs need no lines

            lines = (wrapped for line in lines for wrapped in wrapping.wrap_description(line))
        self.print_lines(lines)

    def print_lines(self, lines: Iterable[str]) -> int:
        """Print text for people and return the number of lines; a terminal shows long text in a pager."""
        return (
            self.pager.write_lines(lines) if self.pager and self.is_terminal else write_lines(sys.stdout.write, lines)
        )

    def require_plan_format(self) -> None:
        """Raise UsageError if a plan cannot be printed in this format."""
        if self.format not in ("table", "json", "jsonl"):
            raise UsageError(f"a dry run cannot be printed as {self.format}", "use -o json, or omit -o and --field")

    def print_note(self, text: str) -> None:
        """Print an informational message, unless `--quiet`."""
        if not self.quiet and not (self.pager and self.pager.add_message(text)):
            print_message(text)

    def print_to_stderr(self, text: str) -> None:
        """Print lines to stderr without the program's name, unless `--quiet`."""
        if not self.quiet:
            sys.stderr.write("".join(f"{clean(line)}\n" for line in text.split("\n")))

    @staticmethod
    def print_warning(text: str) -> None:
        print_message(f"warning: {text}")

    @staticmethod
    def print_notice(text: str) -> None:
        """Print a message that `--quiet` does not suppress."""
        print_message(text)

    @staticmethod
    def print_line(text: str) -> None:
        print_line(text)

    @staticmethod
    def flush() -> None:
        sys.stdout.flush()

    @staticmethod
    def require_writable_stdout(hint: str) -> None:
        """
        Raise FailedError with `hint` if stdout cannot be written, before anything is changed.

        It cannot detect what only a write shows, such as a full disk.
        """
        try:
            os.write(sys.stdout.fileno(), b"")
        except UnsupportedOperation:  # stdout was replaced by a buffer in memory
            pass
        except OSError as error:
            raise FailedError(f"cannot write to stdout, so nothing was changed: {error.strerror}", hint) from error

    def _make_console(self) -> "Console | None":
        return make_console(sys.stdout, no_color=self.no_color) if sys.stdout.isatty() else None


def make_console(stream: TextIO, *, no_color: bool) -> "Console":
    """Return a rich console for `stream`, without colors and bold text if NO_COLOR, TERM=dumb or --no-color is set."""
    from rich.console import Console  # noqa: PLC0415 - only terminals need rich

    is_plain = no_color or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return Console(file=stream, color_system=None if is_plain else "auto", highlight=False, markup=False, emoji=False)


def print_message(text: str) -> None:
    """Write a message to stderr; on a terminal it is wrapped at words, a command with a backslash at the line end."""
    line = f"gamcli: {redact(clean(text))}"
    if sys.stderr.isatty():
        from gamcli.render import wrapping  # noqa: PLC0415 - programs need no lines

        line = wrapping.wrap_message(line)
    sys.stderr.write(f"{line}\n")


def add_global_options(hint: str, global_options: Sequence[str]) -> str:
    """Return `hint` with the global options of this run, such as `--store`, inserted into its command."""
    if not global_options or not hint.startswith("gamcli ") or hint.startswith("gamcli --"):
        return hint
    from shlex import join  # noqa: PLC0415 - only hints need it

    return hint.replace("gamcli ", f"gamcli {join(global_options)} ", 1)
