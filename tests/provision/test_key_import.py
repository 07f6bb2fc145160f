"""Manifests that import API keys, and those with an expiry date."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gamcli.actions import Gam, audit, keys, rotation
from gamcli.actions.keys import KeySearch, KeySpec
from gamcli.errors import ProblemsError, UsageError
from gamcli.model import Key, format_rfc3339
from gamcli.provision import export, export_update, manifest, plan_file
from gamcli.provision.apply import Applied, ApplyOptions, apply, make_plan
from gamcli.provision.desired import Desired
from gamcli.provision.export import Selection
from gamcli.provision.plan import ExecutionPlan, PlanOptions
from gamcli.rules.credentials import Secret
from gamcli.store.audit import AuditFilter

BASE = """
[app.portal]
scopes = ["gam_user_data"]
remote_rest = true
api_keys = { enabled = true, scope_choice = true }
[user.ana]
[[key]]
user = "ana"
app = "portal"
"""
LEGACY = "legacy key of a client"
IMPORT = BASE + 'api_key = "${file:legacy}"\n'

PlanManifest = Callable[..., ExecutionPlan]
ApplyManifest = Callable[..., Applied]
Write = Callable[[str, str], Path]


@pytest.fixture(autouse=True)
def legacy_file(write: Write) -> Path:
    return write("legacy", LEGACY + "\n")


@pytest.fixture
def read_keys(gam: Gam) -> Callable[[], list[Key]]:
    def read() -> list[Key]:
        with keys.search(gam, KeySearch()) as found:
            return list(found)

    return read


def shown(plan: ExecutionPlan) -> dict[str, tuple[object, object]]:
    return {each.field: (each.old, each.new) for each in plan.summary().changes[-1].fields}


def problem_of(plan_manifest: PlanManifest, text: str) -> str:
    with pytest.raises(ProblemsError) as caught:
        plan_manifest(text)
    (problem,) = caught.value.problems
    return str(problem)


def test_a_key_is_imported_once_and_shown_without_its_text(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, read_keys: Callable[[], list[Key]], gam: Gam
) -> None:
    planned = plan_manifest(IMPORT)
    assert shown(planned)["api_key"] == (None, "(import)")
    assert LEGACY not in str(planned.summary())
    assert apply_manifest(IMPORT).issued.keys == ()
    (key,) = read_keys()
    assert Secret(LEGACY).matches(key.digest)
    with audit.search(gam, AuditFilter(action="key.import")) as entries:
        assert [entry.target for entry in entries] == [key.id]
    assert not plan_manifest(IMPORT).steps


def test_the_successor_of_an_imported_key_takes_its_place(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, read_keys: Callable[[], list[Key]], gam: Gam
) -> None:
    apply_manifest(IMPORT)
    rotation.rotate(gam, read_keys()[0].id, timedelta(0))
    assert not plan_manifest(IMPORT).steps


def test_an_imported_key_replaces_another_one(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, read_keys: Callable[[], list[Key]]
) -> None:
    apply_manifest(BASE)
    planned = plan_manifest(IMPORT)
    assert shown(planned) == {"api_key": ("(set)", "(import)")}
    assert len(planned.invalidated) == 1
    apply_manifest(IMPORT)
    assert sorted(key.end or "active" for key in read_keys()) == ["active", "replaced"]


def test_a_key_that_has_ended_is_not_imported_again(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, read_keys: Callable[[], list[Key]], gam: Gam
) -> None:
    apply_manifest(IMPORT)
    key_id = read_keys()[0].id
    keys.revoke(gam, [key_id], None)
    message = f"this api_key already exists: key {key_id} of ana for portal; remove api_key to issue a new key"
    assert problem_of(plan_manifest, IMPORT) == f"m.toml:10: key[0].api_key: {message}"


def test_an_imported_key_is_renewed_by_a_new_key(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, forward: Callable[[timedelta], Any]
) -> None:
    text = IMPORT + 'expires_in = "30d"\nrenew_within = "14d"\noverlap = "7d"\n'
    apply_manifest(text)
    forward(timedelta(days=20))
    ((key, secret),) = apply_manifest(text).issued.keys
    assert secret.matches(key.digest)
    assert not plan_manifest(text).steps


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("short", "the API key has 5 characters; use 20 to 2,048 printable ASCII characters on one line"),
        ("gamkey_" + "x" * 40, "the API key is damaged: its format or checksum is wrong"),
    ],
)
def test_a_key_that_cannot_be_imported_is_a_problem_that_does_not_show_it(
    plan_manifest: PlanManifest, write: Write, content: str, reason: str
) -> None:
    write("legacy", content)
    problem = problem_of(plan_manifest, IMPORT)
    assert problem.startswith(f"m.toml:10: key[0].api_key: the value of ${{file:legacy}} is invalid: {reason}")
    assert "xxx" not in problem


def test_a_saved_plan_reads_the_key_again(gam: Gam, read_owned: Callable[..., Desired], legacy_file: Path) -> None:
    options, path = PlanOptions(), legacy_file.with_name("saved")
    with gam.store.reading() as tx:
        plan = make_plan(tx, gam, read_owned(IMPORT + 'expires_at = "2027-06-30"\n'), options)
        path.write_text(plan_file.serialize(tx, plan, options))
    assert LEGACY not in path.read_text()
    assert json.loads(path.read_text())["desired"]["keys"][0]["references"] == {"api_key": "${file:legacy}"}
    saved = plan_file.read(str(path), {})
    plan = apply(gam, saved.desired, ApplyOptions(saved.options, 0, lambda _: None, saved.require)).plan
    assert plan.steps[-1].is_import
    legacy_file.unlink()
    with pytest.raises(ProblemsError) as caught:
        plan_file.read(str(path), {})
    assert str(caught.value.problems[0]).startswith(
        "m.toml:7: key[0].api_key: ${file:legacy}: cannot read legacy: no such file or directory"
    )


def test_a_key_in_plain_text_is_not_saved_in_a_plan(gam: Gam, read_owned: Callable[..., Desired]) -> None:
    desired = read_owned(IMPORT.replace("${file:legacy}", LEGACY), seed=True)
    with gam.store.reading() as tx, pytest.raises(UsageError, match="sets the API key of ana for portal"):
        plan_file.serialize(tx, make_plan(tx, gam, replace(desired, is_seed=False), PlanOptions()), PlanOptions())


def test_a_key_expires_on_the_date_of_the_manifest(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, read_keys: Callable[[], list[Key]], gam: Gam
) -> None:
    date = (gam.now() + timedelta(days=100)).replace(microsecond=0)
    text = f'{BASE}expires_at = "{date.isoformat()}"\n'
    assert shown(plan_manifest(text))["expires_at"] == (None, format_rfc3339(date))
    apply_manifest(text)
    assert read_keys()[0].expires_at == date
    assert not plan_manifest(text).steps


def test_a_date_in_the_past_is_a_problem(plan_manifest: PlanManifest) -> None:
    message = "m.toml:10: key[0].expires_at: expires_at is in the past: 2020-01-01T00:00:00Z"
    assert problem_of(plan_manifest, f'{BASE}expires_at = "2020-01-01"\n') == message


def test_a_key_with_a_date_is_renewed_when_the_date_is_changed(
    apply_manifest: ApplyManifest, plan_manifest: PlanManifest, forward: Callable[[timedelta], datetime], gam: Gam
) -> None:
    first, second = gam.now() + timedelta(days=30), gam.now() + timedelta(days=60)
    text = f'{BASE}renew_within = "14d"\noverlap = "1d"\nexpires_at = "'
    apply_manifest(f'{text}{first.isoformat()}"\n')
    forward(timedelta(days=20))
    assert not plan_manifest(f'{text}{first.isoformat()}"\n').steps
    renewed = plan_manifest(f'{text}{second.isoformat()}"\n')
    assert shown(renewed)["expires_at"] == (format_rfc3339(first), format_rfc3339(second))


def test_an_export_marks_imported_keys(apply_manifest: ApplyManifest, gam: Gam) -> None:
    apply_manifest(IMPORT)
    text = "\n".join(export.format_manifest(export.collect_tables(gam, Selection(users=("ana",)))))
    assert '[[key]]\n# imported; for another store, add: api_key = "${file:PATH}"\nuser = "ana"' in text
    rotated = rotation.rotate(gam, keys.show(gam, export_key_id(gam)).id, timedelta(0))
    assert rotated is not None
    assert "# imported" not in "\n".join(export.format_manifest(export.collect_tables(gam, Selection())))


def export_key_id(gam: Gam) -> str:
    with keys.search(gam, KeySearch()) as found:
        return next(found).id


def test_an_export_has_the_date_of_a_key_without_a_round_lifetime(
    apply_manifest: ApplyManifest, gam: Gam, write: Write
) -> None:
    date = (gam.now() + timedelta(days=100)).replace(microsecond=0)
    apply_manifest(BASE.partition("[[key]]")[0])
    keys.generate(gam, KeySpec("ana", "portal", expires_at=date + timedelta(microseconds=1)))
    text = "\n".join(export.format_manifest(export.collect_tables(gam, Selection(users=("ana",)))))
    assert f'expires_at = "{format_rfc3339(date)}"' in text
    assert "expires_in" not in text
    path = write("m.toml", text.replace(format_rfc3339(date), "2020-01-01"))
    export_update.update(gam, [path], {}, Selection(users=("ana",)))
    assert manifest.read([path], {}).keys[0].expires_at == date
    assert export_update.update(gam, [path], {}, Selection(users=("ana",)))[path].changed == 0
