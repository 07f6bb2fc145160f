"""
Screens that answer the next question: one thing with its surroundings, the store as a whole.

A terminal gets rich's, a pipe the same as aligned plain text that is never cut. The fields keep the names by which
programs ask for them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from gamcli.model import KEY_STATUSES, Key
from gamcli.model.overviews import AppOverview, KeyOverview, Shut, Statuses, Step, StoreOverview, UserOverview
from gamcli.render import machine
from gamcli.render.human import NOTHING, STATUS_STYLES, cell, printed
from gamcli.render.output import hinted
from gamcli.render.text import clean

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

Row = tuple[str, ...]


class Section(NamedTuple):
    """Rows of as many cells each, under a head; the first cell of a row is its label."""

    head: str
    rows: list[Row]


class Panel(NamedTuple):
    """A screen: what it is about and in which state, then sections; those without rows are left out."""

    kind: str
    name: str
    state: str
    sections: tuple[Section, ...]


APP_SECTIONS = {
    "": ("description", "client_id", "managed_by", "secret_retires_at", "created_at", "updated_at"),
    "what clients may": ("scopes", "require_scope", "share_user_ids", "remote_rest"),
    "API keys": ("api_keys.enabled", "api_keys.timeout_hours", "api_keys.auth_type", "api_keys.scope_choice"),
    "tokens": ("token.timeout_minutes", "token.renewals", "one_token_per_user", "grants", "last_used_at"),
}
"""The fields of an application, by the section that shows them."""

OPTIONAL = ("description", "managed_by", "secret_retires_at")
"""Fields of an application that are left out when they say nothing."""

NEVER = {"api_keys.timeout_hours": "never expire", "token.timeout_minutes": "never expire"}
"""What 0 means in fields where it means something."""


def app(view: AppOverview, now: datetime) -> Panel:
    """Return the screen of an application."""
    record = machine.flat(machine.plain(view.app, now))
    named = {"name", "enabled", *(name for names in APP_SECTIONS.values() for name in names)}
    first_of_all, *sections = [Section(head, _fields(record, names, now)) for head, names in APP_SECTIONS.items()]
    rest = Section("more", _fields(record, [name for name in record if name not in named], now))
    rows: list[Row] = [("by status", _counted(view.keys))]
    if view.first_to_expire is not None:
        first = view.first_to_expire
        rows.append(("next to expire", f"{first.id} of {clean(first.user)} {when(first.expires_at, now)}"))
    if view.first_to_retire is not None:
        first = view.first_to_retire
        rows.append(("next to retire", f"{first.id} of {clean(first.user)} {when(_lives_until(first), now)}"))
    rows += [("last used by", f"{clean(key.user)} {when(key.last_used_at, now)}") for key in view.last_used]
    state = "enabled" if view.app.enabled else "disabled"
    keys = Section("its keys", rows)
    return Panel("application", view.app.name, state, (first_of_all, keys, *sections, rest, _next(view.steps)))


def _fields(record: Mapping[str, Any], names: Iterable[str], now: datetime) -> list[Row]:
    found: list[Row] = []
    for name in names:
        value = record.get(name)
        if name in OPTIONAL and not value:
            continue
        if name.endswith("_at") and value:
            text = when(datetime.fromisoformat(value), now)
        elif value == 0 and name in NEVER:
            text = f"0 ({NEVER[name]})"
        else:
            text = cell(NOTHING.get(name) if value is None else value)
        found.append((name, text))
    return found


NOT_SAID = "N"
"""GAM's gender of whoever has not said."""


def user(view: UserOverview, now: datetime) -> Panel:
    """Return the screen of a user; fields that say nothing are left out."""
    found = view.user
    record = {name: value for name, value in machine.plain(found, now).items() if value not in ("", [], {}, None)}
    attributes: list[Row] = [(f"attributes.{clean(name)}", cell(value)) for name, value in found.attributes.items()]
    left_out = {"name", "enabled", "blocked", "attributes"}
    left_out |= {"verified_email"} if not found.email else set()
    left_out |= {"gender"} if found.gender == NOT_SAID else set()
    left_out |= set() if found.password_must_change else {"password_must_change"}
    fields = _fields(record, [name for name in record if name not in left_out], now)
    keys: list[Row] = [("id", "for", "status", "expires", "last used")] if view.held else []
    keys += [(key.id, clean(key.app), *_life(key, now)) for key in view.held]
    total = sum(view.keys.values())
    head = f"keys: {_counted(view.keys)}" + (f"; the first {len(view.held)}" if total > len(view.held) else "")
    state = "blocked" if found.blocked else "active" if found.enabled else "disabled"
    free = Section("", [("may have keys for", _listed(view.open_apps, len(view.open_apps)))])
    return Panel(
        "user", found.name, state, (Section("", fields + attributes), Section(head, keys), free, _next(view.steps))
    )


def _life(key: Key, now: datetime) -> Row:
    until = _lives_until(key)
    expires = "never" if until is None else distance(until, now)
    used = "never" if key.last_used_at is None else distance(key.last_used_at, now)
    return key.status(now), expires, used


def _lives_until(key: Key) -> datetime | None:
    """Return when the key ends: it expires, or retires before."""
    return min(filter(None, (key.expires_at, key.retires_at)), default=None)


def key(view: KeyOverview, now: datetime) -> Panel:
    """Return the screen of a key."""
    record = machine.plain(view.key, now)
    usable = view.broken is None
    state: list[Row] = [("can be used now", "yes" if usable else f"no: {clean(view.broken)}")]
    asked = {"reason": view.key.reason, "ended_at": view.key.ended_at, "retires_at": view.key.retires_at}
    state += _fields(record, [name for name, value in asked.items() if value], now)
    state += _fields(record, ("expires_at", "last_used_at", "created_at"), now)
    shown = {"id", "status", *asked, "expires_at", "last_used_at", "created_at"}
    rest = [name for name, value in record.items() if name not in shown and value not in ("", None)]
    fields = _fields(record, rest, now)
    return Panel("key", view.key.id, view.key.status(now), (Section("", state), Section("", fields), _next(view.steps)))


def store(view: StoreOverview) -> Panel:
    """Return the screen of the store as a whole."""
    holds: list[Row] = [
        ("applications", f"{view.apps:,}"),
        ("users", f"{view.users:,}"),
        ("keys", _counted(view.keys)),
    ]
    needs: list[Row] = []
    if view.due:
        needs.append(("due", f"{_keys(view.due)} {'expires' if view.due == 1 else 'expire'} within 14 days"))
    needs += _shut("applications disabled", view.apps_shut) + _shut("users shut out", view.users_shut)
    if view.never_used:
        needs.append(("never used", _keys(view.never_used)))
    if not needs:
        needs = [("nothing", "no key expires within 14 days, nobody is shut out")]
    return Panel(
        "store", view.path, "", (Section("holds", holds), Section("asks for a look", needs), _next(view.steps))
    )


def begin(path: object, steps: Sequence[Step]) -> Panel:
    """Return the screen of a store that is not there yet."""
    return Panel("store", str(path), "not there yet", (_next(steps),))


def _shut(label: str, shut: Shut) -> list[Row]:
    return [(label, f"{shut.number:,}: {_listed(shut.names, shut.number)}")] if shut.number else []


def _listed(names: Sequence[str], number: int) -> str:
    """Return the first of the names, and how many more there are."""
    shown = names[:8]
    more = number - len(shown)
    return (", ".join(map(clean, shown)) or "-") + (f", and {more:,} more" if more else "")


def _keys(number: int) -> str:
    return f"{number:,} live key{'s' * (number != 1)}"


def _counted(keys: Statuses) -> str:
    return ", ".join(f"{keys[status]:,} {status}" for status in KEY_STATUSES if keys.get(status)) or "none"


NEXT = "next"


def _next(steps: Sequence[Step]) -> Section:
    return Section(NEXT, [(step.what, clean(step.command)) for step in steps])


def with_words(panel: Panel, before: Sequence[str]) -> Panel:
    """Return the screen, its commands with the words `before` them that name the store."""

    def named(section: Section) -> Section:
        return section._replace(rows=[(what, hinted(text, before)) for what, text in section.rows])

    return panel._replace(sections=tuple(named(each) if each.head == NEXT else each for each in panel.sections))


def when(instant: datetime | None, now: datetime) -> str:
    """Return how far `instant` is, and which it is."""
    return "never" if instant is None else f"{distance(instant, now)} ({instant:%Y-%m-%d %H:%M}Z)"


UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def distance(instant: datetime, now: datetime) -> str:
    """Return about how far `instant` is in words: `in 12 days`, `3 hours ago`."""
    seconds = abs(instant - now) // timedelta(seconds=1)
    unit, number = next(((unit, round(seconds / length)) for unit, length in UNITS if seconds >= length), ("moment", 1))
    words = "a moment" if unit == "moment" else f"{number:,} {unit}{'s' * (number != 1)}"
    return f"in {words}" if instant > now else f"{words} ago"


def drawn(panel: Panel, console: "Console | None") -> str:
    """Return the screen, as rich draws it or as plain text."""
    title = [clean(text) for text in (panel.kind, panel.name, panel.state)]
    sections = [section for section in panel.sections if section.rows]
    label = max((len(row[0]) for section in sections for row in section.rows if len(row) == PAIR), default=0)
    if console is None:
        lines = ["  ".join(filter(None, title))]
        for section in sections:
            lines += ["", *filter(None, [section.head]), *_plain(section.rows, label)]
        return "\n".join(lines)
    return printed(_group(title, sections, label), console)


PAIR = 2
"""A label and a value: their labels are as wide in all sections."""


def _plain(rows: list[Row], label: int) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    widths[0] = label if len(widths) == PAIR else widths[0]
    for row in rows:
        padded = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(padded)}".rstrip()


def _group(title: Sequence[str], sections: Sequence[Section], label: int) -> "RenderableType":
    from rich.console import Group  # noqa: PLC0415 - only terminals need rich
    from rich.padding import Padding  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    kind, name, state = title
    parts: list[RenderableType] = [
        Text.assemble(f"{kind}  ", (name, "bold"), "  ", (state, STATUS_STYLES.get(state, "")))
    ]
    for section in sections:
        parts += ["", *([Text(section.head, "bold")] if section.head else [])]
        parts.append(Padding(_grid(section, label), (0, 0, 0, 2)))
    return Group(*parts)


def _grid(section: Section, label: int) -> "RenderableType":
    from rich.table import Table  # noqa: PLC0415 - only terminals need rich
    from rich.text import Text  # noqa: PLC0415

    grid = Table.grid(padding=(0, 2))
    pairs = len(section.rows[0]) == PAIR
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
