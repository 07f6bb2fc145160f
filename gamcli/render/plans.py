"""
Plans as people read them: a sign and a line for each step, and below it the fields that change.

`+` creates, `~` updates, `-` deletes; `!` is a live key that ends for good, or is suspended.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from gamcli.model import format_rfc3339
from gamcli.model.plan import CREATE, DELETE, UPDATE, AffectedKey, Change, FieldChange, Plan
from gamcli.render.human import format_cell
from gamcli.render.text import clean

if TYPE_CHECKING:
    from rich.console import Console

SIGNS = {CREATE: "+", UPDATE: "~", DELETE: "-"}
STYLES = {"+": "green", "~": "yellow", "-": "red", "!": "bold red"}


def format_lines(plan: Plan) -> Iterator[str]:
    """Yield the plan as plain lines."""
    for change in plan.changes:
        yield from _format_change(change)
    for key in plan.invalidates:
        yield _format_affected_key(key, "ends for good")
    for key in plan.suspends:
        yield _format_affected_key(key, "is suspended")


def _format_change(change: Change) -> Iterator[str]:
    yield f"{SIGNS[change.action]} {change.kind} {clean(change.name)}"
    if change.action != DELETE:
        width = max((len(each.field) for each in change.fields), default=0)
        yield from (f"    {each.field.ljust(width)}  {_format_values(each, change.action)}" for each in change.fields)


def _format_values(each: FieldChange, action: str) -> str:
    return format_value(each.new) if action == CREATE else f"{format_value(each.old)} -> {format_value(each.new)}"


def format_value(value: object) -> str:
    """Return one value of a field as people read it."""
    if isinstance(value, datetime):
        return format_rfc3339(value)
    return format_cell(list(value) if isinstance(value, tuple) else value)


def _format_affected_key(key: AffectedKey, effect: str) -> str:
    used = f"last used {key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never used"
    expires = f"expires {key.expires_at:%Y-%m-%d}" if key.expires_at else "never expires"
    return clean(f"! key {key.key} of {key.user} for {key.app} {effect}: {key.reason} ({used}, {expires})")


def summarize(plan: Plan) -> str:
    """Return the counts of the plan in a line."""
    counts = plan.summary
    if not plan.changes:
        return "nothing to change"
    found = {"create": counts.create, "update": counts.update, "delete": counts.delete}
    told = ", ".join(f"{number} to {action}" for action, number in found.items() if number)
    ends = f"; {_format_key_count(counts.invalidate)} would end for good" if counts.invalidate else ""
    suspends = f"; {_format_key_count(counts.suspend)} would be suspended" if counts.suspend else ""
    return f"{told}{ends}{suspends}; nothing was changed"


def _format_key_count(number: int) -> str:
    return f"{number} live key{'s' * (number != 1)}"


def render_lines(plan: Plan, console: "Console | None") -> Iterator[str]:
    """Yield the plan as lines, coloured on a terminal."""
    if console is None:
        yield from format_lines(plan)
        return
    from rich.text import Text  # noqa: PLC0415 - only terminals need rich

    for line in format_lines(plan):
        with console.capture() as captured:
            console.print(Text(line, STYLES.get(line[:1], "")))
        yield captured.get().rstrip("\n")
