"""
Format plans for people: a line for each change, followed by the changed fields.

`+` creates, `~` updates, `-` deletes; `!` is an active key that the plan permanently invalidates or suspends.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from gamcli.errors import format_count
from gamcli.model import format_rfc3339
from gamcli.model.plan import CREATE, DELETE, UPDATE, AffectedKey, Change, Plan
from gamcli.render.human import capture_rich, format_cell
from gamcli.render.text import clean

if TYPE_CHECKING:
    from rich.console import Console

SIGNS = {CREATE: "+", UPDATE: "~", DELETE: "-"}
STYLES = {"+": "green", "~": "yellow", "-": "red", "!": "bold red"}


def format_lines(plan: Plan) -> Iterator[str]:
    for change in plan.changes:
        yield from _format_change(change)
    for key in plan.invalidates:
        yield _format_affected_key(key, "is permanently invalidated")
    for key in plan.suspends:
        yield _format_affected_key(key, "is suspended")


def _format_change(change: Change) -> Iterator[str]:
    note = f" {change.note}" if change.note else ""
    yield f"{SIGNS[change.action]} {change.kind} {clean(change.name)}{note}"
    if change.action != DELETE:
        width = max((len(field.field) for field in change.fields), default=0)
        for field in change.fields:
            old = "" if change.action == CREATE else f"{format_value(field.old)} -> "
            yield f"    {field.field.ljust(width)}  {old}{format_value(field.new)}"


def format_value(value: object) -> str:
    if isinstance(value, datetime):
        return format_rfc3339(value)
    return format_cell(list(value) if isinstance(value, tuple) else value)


def _format_affected_key(key: AffectedKey, effect: str) -> str:
    used = f"last used {key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never used"
    expires = f"expires {key.expires_at:%Y-%m-%d}" if key.expires_at else "never expires"
    return clean(f"! key {key.key} of {key.user} for {key.app} {effect}: {key.reason} ({used}, {expires})")


def summarize(plan: Plan) -> str:
    counts = plan.summary
    if not plan.changes:
        return "nothing to change"
    numbers = {"create": counts.create, "update": counts.update, "delete": counts.delete}
    parts = [", ".join(f"{number:,} to {action}" for action, number in numbers.items() if number)]
    for number, effect in ((counts.invalidate, "permanently invalidated"), (counts.suspend, "suspended")):
        parts += [f"{format_count(number, 'active key')} would be {effect}"] if number else []
    return "; ".join((*parts, "nothing was changed"))


def render_lines(plan: Plan, console: "Console | None") -> Iterator[str]:
    """Yield the plan as lines, colored on a terminal."""
    if console is None:
        yield from format_lines(plan)
        return
    from rich.text import Text  # noqa: PLC0415 - only terminals need rich

    for line in format_lines(plan):
        yield capture_rich(Text(line, STYLES.get(line[:1], "")), console)
