"""Format plans of manifests: lines for people, JSON for programs, Markdown and annotations for a pull request."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gamcli.errors import Problem, format_count
from gamcli.model import format_rfc3339
from gamcli.model.plan import AffectedKey, Change, ManifestPlan
from gamcli.render import machine, plans
from gamcli.render.text import clean

if TYPE_CHECKING:
    from rich.console import Console

SUMMARY_FIELDS = ("create", "update", "delete", "invalidate", "suspend")

FORMAT_VERSION = 1
"""The version of the JSON document; it changes when fields are removed or get another meaning."""

MAX_COMMENT_LENGTH = 60_000
"""In characters of Markdown: GitHub accepts 65,536 in a comment."""


def format_step(action: str, kind: str, name: str) -> str:
    """Return a change in one line."""
    return f"{plans.SIGNS.get(action, '~')} {kind} {clean(name)}"


def render_lines(plan: ManifestPlan, console: "Console | None") -> Iterator[str]:
    """Yield the plan as lines for people, colored on a terminal."""
    yield from plans.render_lines(plan, console)
    yield from _format_ownership(plan)


def _format_ownership(plan: ManifestPlan) -> Iterator[str]:
    for adopted in plan.adopts:
        source = "previously unmanaged" if adopted.from_owner is None else f"from '{adopted.from_owner}'"
        yield clean(f"= {adopted.kind} {adopted.name} is adopted, {source}")
    for unlisted in plan.leaves:
        yield clean(f"? {unlisted.kind} {unlisted.name} was removed from the manifests; apply --prune deletes it")


def format_affected_keys(plan: ManifestPlan) -> Iterator[str]:
    """Yield a line for each active key that the plan invalidates or suspends."""
    return plans.format_lines(ManifestPlan((), plan.invalidates, plan.suspends))


def summarize(plan: ManifestPlan) -> str:
    parts = [plans.summarize(plan).removesuffix("; nothing was changed")]
    parts += [f"{len(plan.adopts):,} to adopt"] if plan.adopts else []
    parts += [f"{len(plan.leaves):,} to delete with apply --prune"] if plan.leaves else []
    return "; ".join(parts)


def to_dict(plan: ManifestPlan) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
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
        "owner": change.owner,
        "file": None if change.place is None else change.place.file,
        "line": None if change.place is None else change.place.line,
        "note": change.note or None,
    }


def _to_json_value(value: object) -> object:
    return format_rfc3339(value) if isinstance(value, datetime) else value


def _affected_key_to_dict(key: AffectedKey) -> dict[str, Any]:
    return {name: _to_json_value(getattr(key, name)) for name in key.__slots__}


def format_json(plan: ManifestPlan, *, one_line: bool = False, **more: object) -> str:
    """Return a JSON document with one change per line, or all in one line."""
    fields = {**to_dict(plan), **more}
    if one_line:
        return machine.json_line(fields)
    return "{\n" + ",\n".join(f'  "{name}": {_format_json_value(value)}' for name, value in fields.items()) + "\n}"


def _format_json_value(value: object) -> str:
    if not isinstance(value, list) or not value:
        return machine.json_line(value)
    return "[\n" + ",\n".join(f"    {machine.json_line(each)}" for each in value) + "\n  ]"


def format_markdown(plan: ManifestPlan, applied: str | None = None) -> str:
    """
    Return a comment for a pull request: the keys that would be invalidated, then the changes.

    `applied` is the summary of changes that were made.
    """
    verb = "would be" if applied is None else "were"
    parts = [f"### gamcli {f'plan: {summarize(plan)}' if applied is None else f'apply: {applied}'}"]
    if plan.invalidates:
        parts += [f"**These active keys {verb} permanently invalidated:**", _key_table(plan.invalidates)]
    if plan.suspends:
        parts += [f"These active keys {verb} suspended:", _key_table(plan.suspends)]
    parts.append(
        _fenced_block(
            [*plans.format_lines(ManifestPlan(plan.changes)), *_format_ownership(plan)],
            MAX_COMMENT_LENGTH - len("".join(parts)),
        )
    )
    return "\n\n".join(filter(None, parts))


def format_problems_markdown(problems: Sequence[Problem]) -> str:
    """Return a comment for a pull request that lists the problems of the manifests."""
    rows = ((_markdown_code(each.file), str(each.line), _markdown_code(each.message)) for each in problems)
    table = _markdown_table(("file", "line", "problem"), rows, MAX_COMMENT_LENGTH)
    return f"### gamcli: found {format_count(len(problems), 'problem')}\n\n{table}"


def _key_table(keys: Iterable[AffectedKey]) -> str:
    rows = (
        (
            *map(_markdown_code, (key.key, key.user, key.app, key.reason)),
            _format_day(key.last_used_at),
            _format_day(key.expires_at),
        )
        for key in keys
    )
    return _markdown_table(("key", "user", "app", "reason", "last used", "expires"), rows, MAX_COMMENT_LENGTH // 3)


def _markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]], room: int) -> str:
    """Return as many rows as fit into `room` characters."""
    lines = [f"| {' | '.join(row)} |" for row in (headings, ["---"] * len(headings), *rows)]
    return "\n".join(_truncate(lines, room))


def _markdown_code(text: str) -> str:
    """Return `text` as code that cannot become a link, a mention or a new column."""
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
    """Yield the lines that fit into `room` characters, and the number of omitted lines."""
    for place, line in enumerate(lines):
        room -= len(line) + 1
        if room < 0:
            yield f"... and {len(lines) - place} more lines"
            return
        yield line


def annotate_problem(problem: Problem) -> str:
    """Return a problem as a workflow command, which GitHub Actions shows next to the line of the file."""
    file = _escape(problem.file).replace(":", "%3A").replace(",", "%2C")
    return f"::error file={file},line={problem.line}::{_escape(problem.message)}"


def annotate_warnings(messages: Iterable[str]) -> Iterator[str]:
    return (f"::warning title=gamcli::{_escape(message)}" for message in messages)


def _escape(text: str) -> str:
    return clean(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
