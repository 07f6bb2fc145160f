"""Plans of manifests: lines for people, JSON a step a line for programs, Markdown for a comment on a pull request."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gamcli.model import format_rfc3339
from gamcli.model.manifests import AdoptedObject, ManifestPlan, UnlistedObject
from gamcli.model.plan import AffectedKey, Change
from gamcli.render import machine, plans
from gamcli.render.text import clean

if TYPE_CHECKING:
    from rich.console import Console

SUMMARY_FIELDS = ("create", "update", "delete", "invalidate", "suspend")

MAX_COMMENT_LENGTH = 60_000
"""So many characters of Markdown are written: GitHub takes 65,536 in a comment."""


def format_step(action: str, kind: str, name: str) -> str:
    """Return one step in a line."""
    return f"{plans.SIGNS.get(action, '~')} {kind} {clean(name)}"


def render_lines(plan: ManifestPlan, console: "Console | None") -> Iterator[str]:
    """Yield the plan as people read it, coloured on a terminal."""
    yield from plans.render_lines(plan, console)
    yield from _format_ownership(plan)


def _format_ownership(plan: ManifestPlan) -> Iterator[str]:
    yield from map(_format_adopted, plan.adopts)
    yield from map(_format_unlisted, plan.leaves)


def _format_adopted(each: AdoptedObject) -> str:
    source = "which nobody manages" if each.from_owner is None else f"from '{each.from_owner}'"
    return clean(f"= {each.kind} {each.name} is taken over, {source}")


def _format_unlisted(each: UnlistedObject) -> str:
    return clean(f"? {each.kind} {each.name} is named no longer; it stays until --prune")


def summarize(plan: ManifestPlan) -> str:
    """Return the counts of the plan in a line."""
    told = [plans.summarize(plan).removesuffix("; nothing was changed")]
    told += [f"{len(plan.adopts)} to take over"] if plan.adopts else []
    told += [f"{len(plan.leaves)} named no longer"] if plan.leaves else []
    return "; ".join(told)


def to_dict(plan: ManifestPlan) -> dict[str, Any]:
    """Return the plan as JSON has it."""
    return {
        "changes": [_change_to_dict(each) for each in plan.changes],
        "invalidates": [_affected_key_to_dict(each) for each in plan.invalidates],
        "suspends": [_affected_key_to_dict(each) for each in plan.suspends],
        "summary": {name: getattr(plan.summary, name) for name in SUMMARY_FIELDS},
        "adopts": [
            {"kind": each.kind, "name": each.name, "from": each.from_owner, "owner": each.owner} for each in plan.adopts
        ],
        "leaves": [{"kind": each.kind, "name": each.name} for each in plan.leaves],
    }


def _change_to_dict(change: Change) -> dict[str, Any]:
    return {
        "action": change.action,
        "kind": change.kind,
        "name": change.name,
        "fields": [
            {"field": each.field, "old": _to_json_value(each.old), "new": _to_json_value(each.new)}
            for each in change.fields
        ],
    }


def _to_json_value(value: object) -> object:
    return format_rfc3339(value) if isinstance(value, datetime) else value


def _affected_key_to_dict(key: AffectedKey) -> dict[str, Any]:
    return {name: _to_json_value(getattr(key, name)) for name in key.__slots__}


def format_json(plan: ManifestPlan, *, one_line: bool = False, **more: object) -> str:
    """Return one JSON document; of many steps each is a line of its own."""
    found = {**to_dict(plan), **more}
    if one_line:
        return machine.json_line(found)
    return "{\n" + ",\n".join(f'  "{name}": {_format_json_value(value)}' for name, value in found.items()) + "\n}"


def _format_json_value(value: object) -> str:
    if not isinstance(value, list) or not value:
        return machine.json_line(value)
    return "[\n" + ",\n".join(f"    {machine.json_line(each)}" for each in value) + "\n  ]"


def format_markdown(plan: ManifestPlan) -> str:
    """Return a comment for a pull request: what changes, and above it the keys that would end."""
    parts = [f"### gamcli plan: {summarize(plan)}"]
    if plan.invalidates:
        parts += ["**These live keys would end for good:**", _markdown_table(plan.invalidates)]
    if plan.suspends:
        parts += ["These live keys would be suspended:", _markdown_table(plan.suspends)]
    parts.append(
        _fenced_block(
            [*plans.format_lines(_without_keys(plan)), *_format_ownership(plan)],
            MAX_COMMENT_LENGTH - len("".join(parts)),
        )
    )
    return "\n\n".join(filter(None, parts))


def _without_keys(plan: ManifestPlan) -> ManifestPlan:
    return ManifestPlan(plan.changes)


def _markdown_table(keys: Iterable[AffectedKey]) -> str:
    rows = [("key", "user", "app", "why", "last used", "expires"), ("---",) * 6]
    rows += [
        (
            _markdown_code(key.key),
            _markdown_code(key.user),
            _markdown_code(key.app),
            _markdown_code(key.reason),
            _format_day(key.last_used_at),
            _format_day(key.expires_at),
        )
        for key in keys
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(_truncate(lines, MAX_COMMENT_LENGTH // 3))


def _markdown_code(text: str) -> str:
    """Return text that no comment takes for a link, a mention or a new column."""
    return f"`{clean(text).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def _format_day(instant: datetime | None) -> str:
    return "never" if instant is None else f"{instant:%Y-%m-%d}"


def _fenced_block(lines: list[str], room: int) -> str:
    if not lines:
        return ""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join((f"{fence}diff", *_truncate(lines, room), fence))


def _truncate(lines: list[str], room: int) -> Iterator[str]:
    """Yield as many lines as there is room for, and say how many more there are."""
    for place, line in enumerate(lines):
        room -= len(line) + 1
        if room < 0:
            yield f"... and {len(lines) - place} more lines"
            return
        yield line
