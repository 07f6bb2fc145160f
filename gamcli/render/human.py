"""
Format records for people, as tables and single records.

A pipe gets aligned columns that are never truncated; a terminal gets those that fit, with colors.
Text from the store is printed literally: no markup, no control characters.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from gamcli.render import table_layout
from gamcli.render.audit_sentences import describe_entry
from gamcli.render.table_layout import Layout
from gamcli.render.text import clean

if TYPE_CHECKING:
    from rich.console import Console

Cell = Callable[[Any], object]

ALIGNED_ROWS = 20_000
"""How many rows are read to find the widths of columns; longer lists are streamed."""

COLORED_ROWS = 200
"""Longer lists have no colors, which take longer than the list."""

STATUS_STYLES = {
    "active": "green", "retiring": "yellow", "expired": "yellow", "revoked": "red", "replaced": "dim",
    "✓": "green", "✗": "red", "invalidated": "red", "blocked": "red", "disabled": "yellow", "none": "dim",
    "enabled": "green", "does not exist": "yellow",
}  # fmt: skip


def _user_status(user: dict[str, Any]) -> str:
    if user["blocked"]:
        return "blocked"
    return "active" if user["enabled"] else "disabled"


def _key_status(key: dict[str, Any]) -> str:
    is_valid = key["status"] in ("active", "retiring")
    return "disabled" if is_valid and not key["enabled"] else str(key["status"])


def _fields(*names: str) -> dict[str, Cell]:
    """Return columns that show a field each."""
    return {name: itemgetter(name) for name in names}


NULL_TEXTS = {"expires_at": "never", "last_used_at": "never", "api_keys.auth_type": "any", "auth_type": "any"}
"""What null means in these fields."""


RESULT_MARKS = {True: "✓", False: "✗", None: "·"}
"""A rule that holds, is violated, or depends on the request."""


def _format_day(instant: str | None, none: str = "never") -> str:
    return (instant or none)[: len("2027-02-21")]


def _end_day(key: dict[str, Any]) -> str:
    """Return when a key expires or retires; RFC 3339 texts sort as times."""
    return _format_day(min(filter(None, (key["expires_at"], key["retires_at"])), default=None))


def _format_period_end(instant: str) -> str:
    day, _, time = instant.partition("T")
    return day if time == "00:00:00Z" else f"{day} {time[: len('02:33')]}Z"


LOCATION_FIELDS = ("commit", "file", "line", "column")
SHORT_COMMIT_LENGTH = 10
"""Enough letters of a commit for git to find it."""

COLUMNS: dict[str, dict[str, Cell]] = {
    "AuthType": _fields("name", "type", "enabled", "default", "description"),
    "App": {
        **_fields("name", "client_id", "enabled"),
        "api_keys": lambda app: app["api_keys"]["enabled"],
        **_fields("scopes", "description"),
    },
    "User": {**_fields("name", "email"), "status": _user_status, **_fields("roles")},
    "Key": {
        **_fields("id", "user", "app"),
        "status": _key_status,
        "expires_at": _end_day,
        **_fields("scopes", "label"),
        "last_used_at": lambda key: _format_day(key["last_used_at"]),
        **_fields("grants"),
    },
    "Token": {
        **_fields("id", "user", "app", "key", "status"),
        "expires_at": lambda token: _format_day(token["expires_at"]),
    },
    "AuditEntry": {"seq": lambda entry: str(entry["seq"]), **_fields("at", "actor"), "event": describe_entry},
    "RuleResult": {
        "": lambda judged: RESULT_MARKS[judged["holds"]],
        "rule": itemgetter("number"),
        "description": itemgetter("message"),
        "suggested command": itemgetter("mend"),
    },
    "StoreCheck": {
        "": lambda check: RESULT_MARKS[check["ok"]],
        "check": itemgetter("name"),
        "what": itemgetter("what"),
        "suggested command": itemgetter("mend"),
    },
    "ScanFinding": {
        "where": lambda finding: ":".join(
            str(finding[name])[: SHORT_COMMIT_LENGTH if name == "commit" else None]
            for name in LOCATION_FIELDS
            if finding[name]
        ),
        "kind": lambda finding: finding["kind"].split()[-1],
        "id": lambda finding: finding["id"] or finding["fingerprint"],
        "status": lambda finding: finding["status"] + (", truncated" if finding["cut_short"] else ""),
        **_fields("user", "app"),
        "used": lambda finding: _format_day(finding["last_used_at"], ""),
    },
    "Forecast": {
        "start": lambda period: period["start"].removesuffix("T00:00:00Z"),
        "end": lambda period: _format_period_end(period["end"]),
        "keys": itemgetter("keys"),
    },
}
"""The columns of a table, by class name; other records show all fields."""


BAR_FIELDS = {"Forecast": "keys"}
"""The field drawn as a bar in each row, by class name; such lists are short and read at once."""

MAX_BAR_WIDTH = 30
"""Fits into 80 columns with the dates and counts."""

BAR_BLOCKS = " ▏▎▍▌▋▊▉█"


def format_cell(value: object) -> str:
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return (", " if any(" " in str(item) for item in value) else " ").join(map(clean, value))
    if isinstance(value, dict):
        return ", ".join(f"{clean(name)}={_format_inner(item)}" for name, item in value.items())
    return clean(value)


def _format_inner(value: object) -> str:
    return f"{{{format_cell(value)}}}" if isinstance(value, dict) and value else format_cell(value)


class Screen(NamedTuple):
    """
    Where a table is shown: the console of a terminal, or None for a pipe.

    `is_wide` shows every column in full; None is for tables that must be complete, whose long texts are wrapped.
    """

    console: "Console | None"
    is_wide: bool | None = None

    @property
    def width(self) -> int | None:
        return None if self.console is None or self.is_wide else self.console.width


class RenderedTable(NamedTuple):
    """A table: its lines, and the headings of the columns that were left out."""

    lines: Iterator[str]
    hidden: tuple[str, ...] = ()


def format_table(kind: type, records: Iterable[dict[str, Any]], screen: Screen) -> RenderedTable:
    """Return a table of `records`, which is read as it is printed; it has no lines without records."""
    columns = COLUMNS.get(kind.__name__)
    bar_field = BAR_FIELDS.get(kind.__name__)
    records = iter(records)
    first_records = list(records if bar_field else islice(records, ALIGNED_ROWS))
    if not first_records:
        return RenderedTable(iter(()))
    headings = [head.upper() for head in columns or first_records[0]]
    first_rows = [_format_row(columns, record) for record in first_records]
    if bar_field:
        headings.append("")
        maximum = max(record[bar_field] for record in first_records)
        first_rows = [
            (*row, _format_bar(record[bar_field], maximum))
            for row, record in zip(first_rows, first_records, strict=True)
        ]
    layout = table_layout.lay_out(headings, first_rows, screen.width, wraps=screen.is_wide is None)
    rest = (_format_row(columns, record) for record in records)
    hidden = tuple(head.lower() for place, head in enumerate(headings) if place not in layout.places)
    return RenderedTable(_render_rows(layout, headings, chain(first_rows, rest), screen, len(first_rows)), hidden)


def _render_rows(
    layout: Layout, headings: Sequence[str], rows: Iterable[Sequence[str]], screen: Screen, count: int
) -> Iterator[str]:
    console = screen.console if count <= COLORED_ROWS else None
    for number, row in enumerate(chain([headings], rows)):
        for cells in layout.render(row, cut=screen.width is not None):
            yield _join_cells(cells, console, is_heading=number == 0)


def _join_cells(cells: Sequence[str], console: "Console | None", *, is_heading: bool) -> str:
    styles = ["bold" if is_heading else STATUS_STYLES.get(cell.rstrip(), "") for cell in cells]
    if console is None or not any(styles):
        return table_layout.GAP.join(cells).rstrip()
    from rich.text import Text  # noqa: PLC0415 - only terminals need rich

    text = Text(table_layout.GAP).join(Text(cell, style) for cell, style in zip(cells, styles, strict=True))
    text.rstrip()
    return capture_rich(text, console, soft_wrap=True)


def _format_bar(number: int, maximum: int) -> str:
    """Return a bar, that of the maximum MAX_BAR_WIDTH letters wide; only 0 has none."""
    if not number:
        return ""
    if not supports_utf8(os.environ):
        return "#" * max(1, round(number * MAX_BAR_WIDTH / maximum))
    whole, rest = divmod(max(1, round(number * MAX_BAR_WIDTH * 8 / maximum)), 8)
    return BAR_BLOCKS[8] * whole + (BAR_BLOCKS[rest] if rest else "")


def supports_utf8(environment: Mapping[str, str]) -> bool:
    """Return whether a terminal with this locale shows more than ASCII; yes if no locale is set."""
    locale = next((environment[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(name)), "UTF-8")
    return locale.lower().replace("-", "").endswith("utf8")


def _format_row(columns: dict[str, Cell] | None, record: dict[str, Any]) -> tuple[str, ...]:
    if columns is None:
        return tuple(format_cell(_plain_number(name, value)) for name, value in record.items())
    return tuple(format_cell(find(record)) for find in columns.values())


PLAIN_NUMBERS = ("seq", "version", "pid", "mode", "value")
"""Fields with numbers that name something, or that people type: a setting, for example."""


def _plain_number(name: str, value: object) -> object:
    """Return numbers that name something as text, so that they are written as people type them."""
    return str(value) if name in PLAIN_NUMBERS and type(value) is int else value


def format_record(record: dict[str, Any], console: "Console | None") -> str:
    """Return a record, one field per line."""
    lines = [
        (name, format_cell(NULL_TEXTS.get(name.removeprefix("key.")) if value is None else _plain_number(name, value)))
        for name, value in record.items()
    ]
    width = max(len(name) for name, _ in lines)
    if console is None:
        return "\n".join(f"{name.ljust(width)}  {text}" for name, text in lines)
    from rich.table import Table  # noqa: PLC0415 - only terminals need rich
    from rich.text import Text  # noqa: PLC0415

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in lines:
        grid.add_row(name, Text(text, STATUS_STYLES.get(text, "")))
    return capture_rich(grid, console)


def capture_rich(renderable: object, console: "Console", *, soft_wrap: bool = False) -> str:
    with console.capture() as captured:
        console.print(renderable, soft_wrap=soft_wrap)
    return captured.get().rstrip("\n")
