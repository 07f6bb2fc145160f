"""Plans of manifests, for people and programs."""

import json
from dataclasses import replace
from datetime import UTC, datetime

from gamcli.errors import Problem
from gamcli.model.plan import (
    CREATE,
    DELETE,
    UPDATE,
    AdoptedObject,
    AffectedKey,
    Change,
    FieldChange,
    ManifestPlan,
    UnlistedObject,
)
from gamcli.render import manifest_plans

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHANGES = (
    Change(CREATE, "app", "portal", (FieldChange("scopes", None, ("gam_user_data", "gam_user_roles")),)),
    Change(UPDATE, "user", "ana", (FieldChange("email", "a@x", "b@x"), FieldChange("expires_at", None, NOW))),
    Change(DELETE, "user", "bob\x1b[31m"),
)
KEY = AffectedKey("AbCdEfGh", "ana|`x`", "portal", "scope withdrawn: user_email", NOW, None)
PLAN = replace(
    ManifestPlan.from_changes(CHANGES, ()),
    adopts=(AdoptedObject("app", "old", None, "a.toml"),),
    leaves=(UnlistedObject("user", "eva"),),
    invalidates=(KEY,),
    suspends=(replace(KEY, key="ZbCdEfGh"),),
)


def test_json_has_a_step_a_line_and_all_of_it() -> None:
    text = manifest_plans.format_json(PLAN, secrets={})
    found = json.loads(text)
    assert [*found] == [
        "format_version",
        "changes",
        "invalidates",
        "suspends",
        "summary",
        "adopts",
        "leaves",
        "secrets",
    ]
    assert found["changes"][0] == {
        "action": "create",
        "kind": "app",
        "name": "portal",
        "fields": [{"field": "scopes", "old": None, "new": ["gam_user_data", "gam_user_roles"]}],
        "owner": None,
        "file": None,
        "line": None,
        "note": None,
    }
    assert found["changes"][1]["fields"][1]["new"] == "2026-03-01T12:00:00Z"
    assert found["summary"] == {"create": 1, "update": 1, "delete": 1, "invalidate": 0, "suspend": 0}
    assert found["invalidates"][0]["last_used_at"] == "2026-03-01T12:00:00Z"
    assert (found["adopts"][0]["from"], found["leaves"]) == (None, [{"kind": "user", "name": "eva"}])
    assert sum(line.startswith('    {"action"') for line in text.splitlines()) == 3
    assert json.loads(manifest_plans.format_json(PLAN, one_line=True)) == {
        key: found[key] for key in found if key != "secrets"
    }
    empty = ManifestPlan(())
    assert json.loads(manifest_plans.format_json(empty))["changes"] == []


def test_people_are_reported_what_is_taken_over_and_what_is_left() -> None:
    lines = [*manifest_plans.render_lines(PLAN, None)]
    assert lines[-2:] == [
        "= app old is adopted, previously unmanaged",
        "? user eva was removed from the manifests; apply --prune deletes it",
    ]
    assert not any("\x1b" in line for line in lines)
    other = replace(PLAN, adopts=(AdoptedObject("app", "old", "b.toml", "a.toml"),))
    assert "= app old is adopted, from 'b.toml'" in [*manifest_plans.render_lines(other, None)]


def test_markdown_reports_the_keys_that_end_first() -> None:
    text = manifest_plans.format_markdown(PLAN)
    head, ends, table, suspends, *_ = text.split("\n\n")
    assert head == "### gamcli plan: 1 to create, 1 to update, 1 to delete; 1 to adopt; 1 to delete with apply --prune"
    assert (ends, suspends) == (
        "**These active keys would be permanently invalidated:**",
        "These active keys would be suspended:",
    )
    row = table.splitlines()[2]
    assert row == (r"| `AbCdEfGh` | `ana\|'x'` | `portal` | `scope withdrawn: user_email` | 2026-03-01 | never |")
    assert "```diff\n+ app portal\n" in text
    assert manifest_plans.format_markdown(ManifestPlan(())) == "### gamcli plan: nothing to change"


def test_markdown_cannot_be_broken_out_of() -> None:
    plan = ManifestPlan((Change(CREATE, "user", "````\n# head"),))
    assert "\n`````diff\n+ user ````?# head\n`````" in manifest_plans.format_markdown(plan)


def test_markdown_fits_a_comment_however_much_changes() -> None:
    plan = ManifestPlan(tuple(Change(CREATE, "user", f"user{number}") for number in range(100_000)))
    keys = tuple(replace(KEY, key=str(number)) for number in range(10_000))
    for each in (plan, replace(plan, invalidates=keys, suspends=keys)):
        text = manifest_plans.format_markdown(each)
        assert len(text) < 65_536
        assert "more lines\n```" in text


def test_problems_are_a_table_in_markdown_and_annotations_in_a_workflow() -> None:
    problems = [Problem("a,b.toml", 3, "user.ana: 100% `wrong`|\nx")]
    assert manifest_plans.format_problems_markdown(problems).splitlines() == [
        "### gamcli: found 1 problem",
        "",
        "| file | line | problem |",
        "| --- | --- | --- |",
        r"| `a,b.toml` | 3 | `user.ana: 100% 'wrong'\|?x` |",
    ]
    assert manifest_plans.annotate_problem(problems[0]) == "::error file=a%2Cb.toml,line=3::user.ana: 100%25 `wrong`|?x"


def test_markdown_of_applied_changes_reports_the_past() -> None:
    text = manifest_plans.format_markdown(PLAN, "1 created")
    assert text.startswith("### gamcli apply: 1 created\n\n**These active keys were permanently invalidated:**")
