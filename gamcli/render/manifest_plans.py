"""Plans of manifests: lines for people, JSON a step a line for programs, Markdown for a comment on a pull request."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gamcli.model import rfc3339
from gamcli.model.manifests import Adopted, Left, ManifestPlan
from gamcli.model.plan import Change, Touched
from gamcli.render import machine, plans
from gamcli.render.text import clean

if TYPE_CHECKING:
    from rich.console import Console

COUNTS = ("create", "update", "delete", "invalidate", "suspend")

LONGEST_COMMENT = 60_000
"""So many characters of Markdown are written: GitHub takes 65,536 in a comment."""


def step(action: str, kind: str, name: str) -> str:
    """Return one step in a line."""
    return f"{plans.SIGNS.get(action, '~')} {kind} {clean(name)}"


def drawn(plan: ManifestPlan, console: "Console | None") -> Iterator[str]:
    """Yield the plan as people read it, coloured on a terminal."""
    yield from plans.drawn(plan, console)
    yield from _beside(plan)


def _beside(plan: ManifestPlan) -> Iterator[str]:
    yield from map(_adopted, plan.adopts)
    yield from map(_left, plan.leaves)


def _adopted(each: Adopted) -> str:
    source = "which nobody manages" if each.from_owner is None else f"from '{each.from_owner}'"
    return clean(f"= {each.kind} {each.name} is taken over, {source}")


def _left(each: Left) -> str:
    return clean(f"? {each.kind} {each.name} is named no longer; it stays until --prune")


def summary(plan: ManifestPlan) -> str:
    """Return the counts of the plan in a line."""
    told = [plans.summary(plan).removesuffix("; nothing was changed")]
    told += [f"{len(plan.adopts)} to take over"] if plan.adopts else []
    told += [f"{len(plan.leaves)} named no longer"] if plan.leaves else []
    return "; ".join(told)


def plain(plan: ManifestPlan) -> dict[str, Any]:
    """Return the plan as JSON has it."""
    return {
        "changes": [_change(each) for each in plan.changes],
        "invalidates": [_touched(each) for each in plan.invalidates],
        "suspends": [_touched(each) for each in plan.suspends],
        "summary": {name: getattr(plan.summary, name) for name in COUNTS},
        "adopts": [
            {"kind": each.kind, "name": each.name, "from": each.from_owner, "owner": each.owner} for each in plan.adopts
        ],
        "leaves": [{"kind": each.kind, "name": each.name} for each in plan.leaves],
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "action": change.action,
        "kind": change.kind,
        "name": change.name,
        "fields": [{"field": each.field, "old": _value(each.old), "new": _value(each.new)} for each in change.fields],
    }


def _value(value: object) -> object:
    return rfc3339(value) if isinstance(value, datetime) else value


def _touched(key: Touched) -> dict[str, Any]:
    return {name: _value(getattr(key, name)) for name in key.__slots__}


def json(plan: ManifestPlan, *, one_line: bool = False, **more: object) -> str:
    """Return one JSON document; of many steps each is a line of its own."""
    found = {**plain(plan), **more}
    if one_line:
        return machine.line(found)
    return "{\n" + ",\n".join(f'  "{name}": {_spread(value)}' for name, value in found.items()) + "\n}"


def _spread(value: object) -> str:
    if not isinstance(value, list) or not value:
        return machine.line(value)
    return "[\n" + ",\n".join(f"    {machine.line(each)}" for each in value) + "\n  ]"


def markdown(plan: ManifestPlan) -> str:
    """Return a comment for a pull request: what changes, and above it the keys that would end."""
    parts = [f"### gamcli plan: {summary(plan)}"]
    if plan.invalidates:
        parts += ["**These live keys would end for good:**", _table(plan.invalidates)]
    if plan.suspends:
        parts += ["These live keys would be suspended:", _table(plan.suspends)]
    parts.append(_fenced([*plans.lines(_without_keys(plan)), *_beside(plan)], LONGEST_COMMENT - len("".join(parts))))
    return "\n\n".join(filter(None, parts))


def _without_keys(plan: ManifestPlan) -> ManifestPlan:
    return ManifestPlan(plan.changes)


def _table(keys: Iterable[Touched]) -> str:
    rows = [("key", "user", "app", "why", "last used", "expires"), ("---",) * 6]
    rows += [
        (
            _code(key.key),
            _code(key.user),
            _code(key.app),
            _code(key.reason),
            _day(key.last_used_at),
            _day(key.expires_at),
        )
        for key in keys
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(_fitting(lines, LONGEST_COMMENT // 3))


def _code(text: str) -> str:
    """Return text that no comment takes for a link, a mention or a new column."""
    return f"`{clean(text).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def _day(instant: datetime | None) -> str:
    return "never" if instant is None else f"{instant:%Y-%m-%d}"


def _fenced(lines: list[str], room: int) -> str:
    if not lines:
        return ""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join((f"{fence}diff", *_fitting(lines, room), fence))


def _fitting(lines: list[str], room: int) -> Iterator[str]:
    """Yield as many lines as there is room for, and say how many more there are."""
    for place, line in enumerate(lines):
        room -= len(line) + 1
        if room < 0:
            yield f"... and {len(lines) - place} more lines"
            return
        yield line
