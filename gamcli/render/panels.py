"""
Screens that answer the next question: one thing with its surroundings, the store as a whole.

A terminal gets rich's, a pipe the same as aligned plain text that is never cut. The fields keep the names by which
programs ask for them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

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
    """Rows of as many cells each, under a head; the first cell of a row is its label."""

    heading: str
    rows: list[Row]


class Panel(NamedTuple):
    """A screen: what it is about and in which state, then sections; those without rows are left out."""

    kind: str
    name: str
    status: str
    sections: tuple[PanelSection, ...]


APP_SECTIONS = {
    "": ("description", "client_id", "managed_by", "secret_retires_at", "created_at", "updated_at"),
    "what clients may": ("scopes", "require_scope", "share_user_ids", "remote_rest"),
    "API keys": ("api_keys.enabled", "api_keys.timeout_hours", "api_keys.auth_type", "api_keys.scope_choice"),
    "tokens": ("token.timeout_minutes", "token.renewals", "one_token_per_user", "grants", "last_used_at"),
}
"""The fields of an application, by the section that shows them."""

OPTIONAL = ("description", "managed_by", "secret_retires_at")
"""Fields of an application that are left out when they say nothing."""

ZERO_TEXTS = {"api_keys.timeout_hours": "never expire", "token.timeout_minutes": "never expire"}
"""What 0 means in fields where it means something."""


def app_panel(view: AppOverview, now: datetime) -> Panel:
    """Return the screen of an application."""
    record = machine.flatten(machine.to_dict(view.app, now))
    named = {"name", "enabled", *(name for names in APP_SECTIONS.values() for name in names)}
    first_of_all, *sections = [
        PanelSection(head, _field_rows(record, names, now)) for head, names in APP_SECTIONS.items()
    ]
    rest = PanelSection("more", _field_rows(record, [name for name in record if name not in named], now))
    rows: list[Row] = [("by status", _format_status_counts(view.keys))]
    if view.first_to_expire is not None:
        first = view.first_to_expire
        rows.append(("next to expire", f"{first.id} of {clean(first.user)} {format_instant(first.expires_at, now)}"))
    if view.first_to_retire is not None:
        first = view.first_to_retire
        rows.append(("next to retire", f"{first.id} of {clean(first.user)} {format_instant(_end_of_key(first), now)}"))
    rows += [
        ("last used by", f"{clean(key.user)} {format_instant(key.last_used_at, now)}") for key in view.last_used_keys
    ]
    state = "enabled" if view.app.enabled else "disabled"
    keys = PanelSection("its keys", rows)
    return Panel(
        "application", view.app.name, state, (first_of_all, keys, *sections, rest, _next_section(view.next_steps))
    )


def _field_rows(record: Mapping[str, Any], names: Iterable[str], now: datetime) -> list[Row]:
    found: list[Row] = []
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
        found.append((name, text))
    return found


UNSPECIFIED_GENDER = "N"
"""GAM's gender of whoever has not said."""


def user_panel(view: UserOverview, now: datetime) -> Panel:
    """Return the screen of a user; fields that say nothing are left out."""
    found = view.user
    record = {name: value for name, value in machine.to_dict(found, now).items() if value not in ("", [], {}, None)}
    attributes: list[Row] = [
        (f"attributes.{clean(name)}", format_cell(value)) for name, value in found.attributes.items()
    ]
    left_out = {"name", "enabled", "blocked", "attributes"}
    left_out |= {"verified_email"} if not found.email else set()
    left_out |= {"gender"} if found.gender == UNSPECIFIED_GENDER else set()
    left_out |= set() if found.password_must_change else {"password_must_change"}
    fields = _field_rows(record, [name for name in record if name not in left_out], now)
    keys: list[Row] = [("id", "for", "status", "expires", "last used")] if view.first_keys else []
    keys += [(key.id, clean(key.app), *_format_lifetime(key, now)) for key in view.first_keys]
    total = sum(view.keys.values())
    head = f"keys: {_format_status_counts(view.keys)}" + (
        f"; the first {len(view.first_keys)}" if total > len(view.first_keys) else ""
    )
    state = "blocked" if found.blocked else "active" if found.enabled else "disabled"
    free = PanelSection("", [("may have keys for", _format_names(view.available_apps, len(view.available_apps)))])
    return Panel(
        "user",
        found.name,
        state,
        (PanelSection("", fields + attributes), PanelSection(head, keys), free, _next_section(view.next_steps)),
    )


def _format_lifetime(key: Key, now: datetime) -> Row:
    until = _end_of_key(key)
    expires = "never" if until is None else format_distance(until, now)
    used = "never" if key.last_used_at is None else format_distance(key.last_used_at, now)
    return key.status(now), expires, used


def _end_of_key(key: Key) -> datetime | None:
    """Return when the key ends: it expires, or retires before."""
    return min(filter(None, (key.expires_at, key.retires_at)), default=None)


def key_panel(view: KeyOverview, now: datetime) -> Panel:
    """Return the screen of a key."""
    record = machine.to_dict(view.key, now)
    usable = view.refusal is None
    state: list[Row] = [("can be used now", "yes" if usable else f"no: {clean(view.refusal)}")]
    asked = {"reason": view.key.reason, "ended_at": view.key.ended_at, "retires_at": view.key.retires_at}
    state += _field_rows(record, [name for name, value in asked.items() if value], now)
    state += _field_rows(record, ("expires_at", "last_used_at", "created_at"), now)
    shown = {"id", "status", *asked, "expires_at", "last_used_at", "created_at"}
    rest = [name for name, value in record.items() if name not in shown and value not in ("", None)]
    fields = _field_rows(record, rest, now)
    return Panel(
        "key",
        view.key.id,
        view.key.status(now),
        (PanelSection("", state), PanelSection("", fields), _next_section(view.next_steps)),
    )


def store_panel(view: StoreOverview) -> Panel:
    """Return the screen of the store as a whole."""
    holds: list[Row] = [
        ("applications", f"{view.apps:,}"),
        ("users", f"{view.users:,}"),
        ("keys", _format_status_counts(view.keys)),
    ]
    needs: list[Row] = []
    if view.expiring_keys:
        needs.append(
            (
                "due",
                f"{_format_key_count(view.expiring_keys)} {'expires' if view.expiring_keys == 1 else 'expire'} within 14 days",
            )
        )
    needs += _count_rows("applications disabled", view.disabled_apps) + _count_rows(
        "users shut out", view.locked_out_users
    )
    if view.never_used_keys:
        needs.append(("never used", _format_key_count(view.never_used_keys)))
    if not needs:
        needs = [("nothing", "no key expires within 14 days, nobody is shut out")]
    return Panel(
        "store",
        view.path,
        "",
        (PanelSection("holds", holds), PanelSection("asks for a look", needs), _next_section(view.next_steps)),
    )


def missing_store_panel(path: object, steps: Sequence[NextStep]) -> Panel:
    """Return the screen of a store that is not there yet."""
    return Panel("store", str(path), "not there yet", (_next_section(steps),))


def _count_rows(label: str, sample: CountWithNames) -> list[Row]:
    return [(label, f"{sample.number:,}: {_format_names(sample.names, sample.number)}")] if sample.number else []


def _format_names(names: Sequence[str], number: int) -> str:
    """Return the first of the names, and how many more there are."""
    shown = names[:8]
    more = number - len(shown)
    return (", ".join(map(clean, shown)) or "-") + (f", and {more:,} more" if more else "")


def _format_key_count(number: int) -> str:
    return f"{number:,} live key{'s' * (number != 1)}"


def _format_status_counts(keys: StatusCounts) -> str:
    return ", ".join(f"{keys[status]:,} {status}" for status in KEY_STATUSES if keys.get(status)) or "none"


NEXT_HEADING = "next"


def _next_section(steps: Sequence[NextStep]) -> PanelSection:
    return PanelSection(NEXT_HEADING, [(step.description, clean(step.command)) for step in steps])


def with_global_options(panel: Panel, global_options: Sequence[str]) -> Panel:
    """Return the screen, its commands with the words `before` them that name the store."""

    def named(section: PanelSection) -> PanelSection:
        return section._replace(rows=[(what, add_global_options(text, global_options)) for what, text in section.rows])

    return panel._replace(
        sections=tuple(named(each) if each.heading == NEXT_HEADING else each for each in panel.sections)
    )


def format_instant(instant: datetime | None, now: datetime) -> str:
    """Return how far `instant` is, and which it is."""
    return "never" if instant is None else f"{format_distance(instant, now)} ({instant:%Y-%m-%d %H:%M}Z)"


UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def format_distance(instant: datetime, now: datetime) -> str:
    """Return about how far `instant` is in words: `in 12 days`, `3 hours ago`."""
    seconds = abs(instant - now) // timedelta(seconds=1)
    unit, number = next(((unit, round(seconds / length)) for unit, length in UNITS if seconds >= length), ("moment", 1))
    words = "a moment" if unit == "moment" else f"{number:,} {unit}{'s' * (number != 1)}"
    return f"in {words}" if instant > now else f"{words} ago"


def render_panel(panel: Panel, console: "Console | None") -> str:
    """Return the screen, as rich draws it or as plain text."""
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
"""A label and a value: their labels are as wide in all sections."""


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
    for _ in section.rows[0][1:]:
        grid.add_column(overflow="fold")
    for row in section.rows:
        grid.add_row(*(Text(text, _style(text) if place else "") for place, text in enumerate(row)))
    return grid


def _style(text: str) -> str:
    if text.startswith("gamcli "):
        return "cyan"
    return "red" if text.startswith("no: ") else STATUS_STYLES.get(text, "")
