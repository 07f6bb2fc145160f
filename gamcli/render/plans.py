"""
Plans as people read them: a sign and a line for each step, and below it the fields that change.

`+` creates, `~` updates, `-` deletes; `!` is a live key that ends for good, or is suspended.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from gamcli.model import rfc3339
from gamcli.model.plan import CREATE, DELETE, UPDATE, Change, FieldChange, Plan, Touched
from gamcli.render.human import cell
from gamcli.render.text import clean

if TYPE_CHECKING:
    from rich.console import Console

SIGNS = {CREATE: "+", UPDATE: "~", DELETE: "-"}
STYLES = {"+": "green", "~": "yellow", "-": "red", "!": "bold red"}


def lines(plan: Plan) -> Iterator[str]:
    """Yield the plan as plain lines."""
    for change in plan.changes:
        yield from _change(change)
    for key in plan.invalidates:
        yield _touched(key, "ends for good")
    for key in plan.suspends:
        yield _touched(key, "is suspended")


def _change(change: Change) -> Iterator[str]:
    yield f"{SIGNS[change.action]} {change.kind} {clean(change.name)}"
    if change.action != DELETE:
        width = max((len(each.field) for each in change.fields), default=0)
        yield from (f"    {each.field.ljust(width)}  {_values(each, change.action)}" for each in change.fields)


def _values(each: FieldChange, action: str) -> str:
    return value(each.new) if action == CREATE else f"{value(each.old)} -> {value(each.new)}"


def value(found: object) -> str:
    """Return one value of a field as people read it."""
    if isinstance(found, datetime):
        return rfc3339(found)
    return cell(list(found) if isinstance(found, tuple) else found)


def _touched(key: Touched, how: str) -> str:
    used = f"last used {key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never used"
    expires = f"expires {key.expires_at:%Y-%m-%d}" if key.expires_at else "never expires"
    return clean(f"! key {key.key} of {key.user} for {key.app} {how}: {key.reason} ({used}, {expires})")


def summary(plan: Plan) -> str:
    """Return the counts of the plan in a line."""
    counts = plan.summary
    if not plan.changes:
        return "nothing to change"
    found = {"create": counts.create, "update": counts.update, "delete": counts.delete}
    told = ", ".join(f"{number} to {action}" for action, number in found.items() if number)
    ends = f"; {_keys(counts.invalidate)} would end for good" if counts.invalidate else ""
    suspends = f"; {_keys(counts.suspend)} would be suspended" if counts.suspend else ""
    return f"{told}{ends}{suspends}; nothing was changed"


def _keys(number: int) -> str:
    return f"{number} live key{'s' * (number != 1)}"


def drawn(plan: Plan, console: "Console | None") -> Iterator[str]:
    """Yield the plan as lines, coloured on a terminal."""
    if console is None:
        yield from lines(plan)
        return
    from rich.text import Text  # noqa: PLC0415 - only terminals need rich

    for line in lines(plan):
        with console.capture() as captured:
            console.print(Text(line, STYLES.get(line[:1], "")))
        yield captured.get().rstrip("\n")
