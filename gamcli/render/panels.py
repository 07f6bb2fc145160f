"""
The screens of an application, a user, a key, and the store as a whole.

A terminal gets rich's layout, a pipe the same as aligned plain text that is never truncated. Fields have the same names
as in JSON.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from gamcli.errors import format_count
from gamcli.model import KEY_STATUSES, Key
from gamcli.model.overviews import (
    AppOverview,
    CountWithNames,
    KeyOverview,
    NextStep,
    StatusCounts,
    StoreOverview,
    UserOverview,
)
from gamcli.render import machine
from gamcli.render.human import NULL_TEXTS, STATUS_STYLES, capture_rich, format_cell
from gamcli.render.output import add_global_options
from gamcli.render.text import clean

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

Row = tuple[str, ...]


class PanelSection(NamedTuple):
    """Rows with the same number of cells, under a heading; the first cell of a row is its label."""

    heading: str
    rows: list[Row]


class Panel(NamedTuple):
    """A screen: its subject and status, then sections; empty ones are omitted."""

    kind: str
    name: str
    status: str
    sections: tuple[PanelSection, ...]


APP_SECTIONS = {
    "": ("description", "client_id", "managed_by", "secret_retires_at", "created_at", "updated_at"),
    "client permissions": ("scopes", "require_scope", "share_user_ids", "remote_rest"),
    "API keys": ("api_keys.enabled", "api_keys.timeout_hours", "api_keys.auth_type", "api_keys.scope_choice"),
    "tokens": ("token.timeout_minutes", "token.renewals", "one_token_per_user", "grants", "last_used_at"),
}
"""The fields of an application, by section."""

OPTIONAL = ("description", "managed_by", "secret_retires_at")
"""Fields of an application that are omitted when empty."""

ZERO_TEXTS = {"api_keys.timeout_hours": "never expire", "token.timeout_minutes": "never expire"}
"""What 0 means in these fields."""


def app_panel(view: AppOverview, now: datetime) -> Panel:
    record = machine.flatten(machine.to_dict(view.app, now))
    listed = {"name", "enabled", *(name for names in APP_SECTIONS.values() for name in names)}
    general, *sections = [PanelSection(title, _field_rows(record, names, now)) for title, names in APP_SECTIONS.items()]
    others = PanelSection("more", _field_rows(record, [name for name in record if name not in listed], now))
    rows: list[Row] = [("by status", _format_status_counts(view.keys))]
    if view.first_to_expire is not None:
        key = view.first_to_expire
        rows.append(("next to expire", f"{key.id} of {clean(key.user)} {format_instant(key.expires_at, now)}"))
    if view.first_to_retire is not None:
        key = view.first_to_retire
        rows.append(("next to retire", f"{key.id} of {clean(key.user)} {format_instant(_end_of_key(key), now)}"))
    rows += [
        ("last used by", f"{clean(key.user)} {format_instant(key.last_used_at, now)}") for key in view.last_used_keys
    ]
    status = "enabled" if view.app.enabled else "disabled"
    keys = PanelSection("issued keys", rows)
    return Panel(
        "application", view.app.name, status, (general, keys, *sections, others, _next_section(view.next_steps))
    )


def _field_rows(record: Mapping[str, Any], names: Iterable[str], now: datetime) -> list[Row]:
    rows: list[Row] = []
    for name in names:
        value = record.get(name)
        if name in OPTIONAL and not value:
            continue
        if name.endswith("_at") and value:
            text = format_instant(datetime.fromisoformat(value), now)
        elif value == 0 and name in ZERO_TEXTS:
            text = f"0 ({ZERO_TEXTS[name]})"
        else:
            text = format_cell(NULL_TEXTS.get(name) if value is None else value)
        rows.append((name, text))
    return rows


UNSPECIFIED_GENDER = "N"
"""GAM: not specified."""


def user_panel(view: UserOverview, now: datetime) -> Panel:
    """Return the screen of a user; empty fields are omitted."""
    user = view.user
    record = {name: value for name, value in machine.to_dict(user, now).items() if value not in ("", [], {}, None)}
    omitted = {"name", "enabled", "blocked", "attributes"}
    omitted |= {"verified_email"} if not user.email else set()
    omitted |= {"gender"} if user.gender == UNSPECIFIED_GENDER else set()
    omitted |= set() if user.password_must_change else {"password_must_change"}
    fields = _field_rows(record, [name for name in record if name not in omitted], now)
    fields += [(f"attributes.{clean(name)}", format_cell(value)) for name, value in user.attributes.items()]
    keys: list[Row] = [("id", "for", "status", "expires", "last used")] if view.first_keys else []
    keys += [(key.id, clean(key.app), *_format_lifetime(key, now)) for key in view.first_keys]
    heading = f"keys: {_format_status_counts(view.keys)}"
    if sum(view.keys.values()) > len(view.first_keys):
        heading += f"; the first {len(view.first_keys)}"
    available = ("can get keys for", _format_names(view.available_apps, len(view.available_apps)))
    sections = (PanelSection("", fields), PanelSection(heading, keys), PanelSection("", [available]))
    status = "blocked" if user.blocked else "active" if user.enabled else "disabled"
    return Panel("user", user.name, status, (*sections, _next_section(view.next_steps)))


def _format_lifetime(key: Key, now: datetime) -> Row:
    expires, used = (
        "never" if instant is None else format_distance(instant, now)
        for instant in (_end_of_key(key), key.last_used_at)
    )
    return key.displayed_status(now), expires, used


def _end_of_key(key: Key) -> datetime | None:
    """Return when the key expires or retires, whichever comes first."""
    return min(filter(None, (key.expires_at, key.retires_at)), default=None)


def key_panel(view: KeyOverview, now: datetime) -> Panel:
    record = machine.to_dict(view.key, now)
    rows: list[Row] = [("can be used now", "yes" if view.refusal is None else f"no: {clean(view.refusal)}")]
    optional = [name for name in ("reason", "ended_at", "disabled_at", "retires_at") if record[name]]
    dates = [*optional, "expires_at", "last_used_at", "created_at"]
    rows += _field_rows(record, dates, now)
    omitted = {"id", "status", "reason", "enabled", "disabled_at", *dates}
    others = [name for name, value in record.items() if name not in omitted and value not in ("", None)]
    sections = (PanelSection("", rows), PanelSection("", _field_rows(record, others, now)))
    return Panel("key", view.key.id, view.key.displayed_status(now), (*sections, _next_section(view.next_steps)))


def store_panel(view: StoreOverview) -> Panel:
    contents: list[Row] = [
        ("applications", f"{view.apps:,}"),
        ("users", f"{view.users:,}"),
        ("keys", _format_status_counts(view.keys)),
    ]
    verb = "expires" if view.expiring_keys == 1 else "expire"
    counted = (
        ("expiring", view.expiring_keys, f"{format_count(view.expiring_keys, 'active key')} {verb} within 14 days"),
        ("expired", view.expired_keys, f"{format_count(view.expired_keys, 'key')} without a successor"),
        ("disabled", view.disabled_keys, format_count(view.disabled_keys, "key")),
        ("applications disabled", *_count_names(view.disabled_apps)),
        ("users blocked or disabled", *_count_names(view.locked_out_users)),
        ("never used", view.never_used_keys, format_count(view.never_used_keys or 0, "active key")),
    )
    attention: list[Row] = [(label, text) for label, number, text in counted if number]
    attention = attention or [("nothing", "no key expires within 14 days, nothing is disabled")]
    sections = (PanelSection("contents", contents), PanelSection("needs attention", attention))
    return Panel("store", view.path, "", (*sections, _next_section(view.next_steps)))


def missing_store_panel(path: object, steps: Sequence[NextStep]) -> Panel:
    """Return the screen shown when there is no store."""
    return Panel("store", str(path), "does not exist", (_next_section(steps),))


def _count_names(sample: CountWithNames) -> tuple[int, str]:
    return sample.number, f"{sample.number:,}: {_format_names(sample.names, sample.number)}"


def _format_names(names: Sequence[str], number: int) -> str:
    """Return the first names, and the number of the others."""
    shown = names[:8]
    more = number - len(shown)
    return (", ".join(map(clean, shown)) or "-") + (f", and {more:,} more" if more else "")


def _format_status_counts(keys: StatusCounts) -> str:
    return ", ".join(f"{keys[status]:,} {status}" for status in KEY_STATUSES if keys.get(status)) or "none"


NEXT_HEADING = "next"


def _next_section(steps: Sequence[NextStep]) -> PanelSection:
    return PanelSection(NEXT_HEADING, [(step.description, clean(step.command)) for step in steps])


def with_global_options(panel: Panel, global_options: Sequence[str]) -> Panel:
    """Return the panel with the global options of this run inserted into its suggested commands."""

    def named(section: PanelSection) -> PanelSection:
        return section._replace(rows=[(what, add_global_options(text, global_options)) for what, text in section.rows])

    return panel._replace(
        sections=tuple(named(section) if section.heading == NEXT_HEADING else section for section in panel.sections)
    )


def format_instant(instant: datetime | None, now: datetime) -> str:
    """Return the distance to `instant`, and the instant itself."""
    return "never" if instant is None else f"{format_distance(instant, now)} ({instant:%Y-%m-%d %H:%M}Z)"


UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def format_distance(instant: datetime, now: datetime) -> str:
    """Return the approximate distance to `instant`: `in 12 days`, `3 hours ago`."""
    seconds = abs(instant - now) // timedelta(seconds=1)
    unit, number = next(((unit, round(seconds / length)) for unit, length in UNITS if seconds >= length), ("moment", 1))
    words = "a moment" if unit == "moment" else f"{number:,} {unit}{'s' * (number != 1)}"
    return f"in {words}" if instant > now else f"{words} ago"


def render_panel(panel: Panel, console: "Console | None") -> str:
    """Return the panel, drawn by rich or as plain text."""
    title = [clean(text) for text in (panel.kind, panel.name, panel.status)]
    sections = [section for section in panel.sections if section.rows]
    label = max((len(row[0]) for section in sections for row in section.rows if len(row) == LABEL_AND_VALUE), default=0)
    if console is None:
        lines = ["  ".join(filter(None, title))]
        for section in sections:
            lines += ["", *filter(None, [section.heading]), *_format_rows(section.rows, label)]
        return "\n".join(lines)
    return capture_rich(_render_group(title, sections, label), console)


LABEL_AND_VALUE = 2
"""Rows of two cells: their labels have the same width in all sections."""


def _format_rows(rows: list[Row], label: int) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    widths[0] = label if len(widths) == LABEL_AND_VALUE else widths[0]
    for row in rows:
        padded = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(padded)}".rstrip()


def _render_group(title: Sequence[str], sections: Sequence[PanelSection], label: int) -> "RenderableType":
    from rich.console import Group  # noqa: PLC0415 - only terminals need rich
    from rich.padding import Padding  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    kind, name, state = title
    parts: list[RenderableType] = [
        Text.assemble(f"{kind}  ", (name, "bold"), "  ", (state, STATUS_STYLES.get(state, "")))
    ]
    for section in sections:
        parts += ["", *([Text(section.heading, "bold")] if section.heading else [])]
        parts.append(Padding(_render_grid(section, label), (0, 0, 0, 2)))
    return Group(*parts)


def _render_grid(section: PanelSection, label: int) -> "RenderableType":
    from rich.table import Table  # noqa: PLC0415 - only terminals need rich
    from rich.text import Text  # noqa: PLC0415

    grid = Table.grid(padding=(0, 2))
    pairs = len(section.rows[0]) == LABEL_AND_VALUE
    grid.add_column(no_wrap=True, min_width=label if pairs else None)
    for place in range(1, len(section.rows[0])):  # a list has names in the second column
        grid.add_column(overflow="fold" if pairs else "ellipsis", no_wrap=not pairs and place > 1)
    for row in section.rows:
        grid.add_row(*(Text(text, _style(text) if place else "") for place, text in enumerate(row)))
    return grid


def _style(text: str) -> str:
    if text.startswith("gamcli "):
        return "cyan"
    return "red" if text.startswith("no: ") else STATUS_STYLES.get(text, "")
