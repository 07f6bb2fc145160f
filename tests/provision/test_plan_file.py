"""Saved plans are applied only to the state that they were made for."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from gamcli.actions import Gam, apps, audit, keys, users
from gamcli.errors import ConflictError, ProblemsError, UsageError
from gamcli.provision import plan_file
from gamcli.provision.apply import Applied, ApplyOptions, apply, make_plan
from gamcli.provision.desired import Desired
from gamcli.provision.plan import PlanOptions
from gamcli.rules.credentials import Secret

TEXT = """
[auth_type.m2m]
type = "APIkey"
[repository]
default_auth_type = "m2m"
[app.portal]
scopes = ["gam_user_data"]
remote_rest = true
api_keys = { enabled = true, scope_choice = true }
[user.ana]
roles = ["operator", "auditor"]
attributes = { Area = ["north", "south"] }
[user.bob]
[[key]]
user = "ana"
app = "portal"
scopes = ["user_email"]
expires_in = "2h"
label = "night"
[[key]]
user = "bob"
app = "portal"
"""

Save = Callable[..., Path]


@pytest.fixture
def save(gam: Gam, read_owned: Callable[..., Desired], tmp_path: Path) -> Save:
    def write(text: str, *, prune: bool = False) -> Path:
        options, desired, path = PlanOptions(prune=prune), read_owned(text), tmp_path / "saved.plan"
        with gam.store.reading() as tx:
            path.write_text(plan_file.serialize(tx, make_plan(tx, gam, desired, options), options), encoding="utf-8")
        return path

    return write


def do(gam: Gam, path: Path, accept: int | None = None) -> Applied:
    found = plan_file.read(str(path), {})
    return apply(gam, found.desired, ApplyOptions(found.options, accept, lambda _: None, found.require))


def test_a_saved_plan_is_applied_like_its_manifest(save: Save, gam: Gam, read_owned: Callable[..., Desired]) -> None:
    path = save(TEXT, prune=True)
    assert plan_file.is_saved_plan(str(path))
    found = plan_file.read(str(path), {})
    desired = read_owned(TEXT)
    assert found.options == PlanOptions(prune=True)
    assert [(each.name, each.fields) for each in found.desired.users] == [
        (each.name, each.fields) for each in desired.users
    ]
    assert [(each.scopes, each.expires_in, each.label, each.owner) for each in found.desired.keys] == [
        (("user_email",), timedelta(hours=2), "night", "m.toml"),
        (None, None, "", "m.toml"),
    ]
    assert len(do(gam, path).issued.keys) == 2
    with gam.store.reading() as tx:
        assert not make_plan(tx, gam, desired, PlanOptions()).steps


def test_a_saved_plan_refers_to_secrets_and_reads_them_again(
    save: Save, write: Callable[[str, str], Path], gam: Gam
) -> None:
    write("secret", "s" * 40)
    path = save('[app.portal]\nclient_secret = "${file:secret}"\n')
    assert "s" * 40 not in path.read_text()
    write("secret", "t" * 40)
    do(gam, path)
    assert Secret("t" * 40).matches(apps.show(gam, "portal").secret_digest)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "${file:secret}: cannot read secret: no such file or directory; paths are relative to the manifest"),
        ("short", "${file:secret}: invalid client secret; use 32 to 120 visible ASCII characters, without spaces"),
    ],
)
def test_a_secret_that_cannot_be_read_again_is_a_problem(
    save: Save, write: Callable[[str, str], Path], content: str | None, problem: str
) -> None:
    secret = write("secret", "s" * 40)
    path = save('\n[app.portal]\nclient_secret = "${file:secret}"\n')
    secret.unlink()
    if content is not None:
        write("secret", content)
    with pytest.raises(ProblemsError) as raised:
        plan_file.read(str(path), {})
    assert [str(each) for each in raised.value.problems] == [f"m.toml:2: app.portal.client_secret: {problem}"]


def test_a_stored_secret_is_left_out(
    save: Save, write: Callable[[str, str], Path], apply_manifest: Callable[..., Applied], gam: Gam
) -> None:
    write("secret", "s" * 40)
    text = '[app.portal]\nclient_secret = "${file:secret}"\n'
    apply_manifest(text)
    path = save(f'{text}description = "x"\n')
    assert "s" * 40 not in path.read_text()
    assert do(gam, path).plan.steps


@pytest.mark.parametrize("text", [TEXT, ""])
def test_a_changed_store_makes_a_saved_plan_invalid(save: Save, gam: Gam, text: str) -> None:
    path = save(text)
    users.create(gam, "eva", {})
    with pytest.raises(ConflictError) as caught:
        do(gam, path)
    assert caught.value.message == "the store has changed since this plan was saved"


def test_grants_do_not_make_a_saved_plan_invalid(save: Save, gam: Gam, apply_manifest: Callable[..., Applied]) -> None:
    apply_manifest(TEXT)
    path = save(TEXT.replace("auditor", "admin"))
    with gam.store.writing() as tx:
        tx.run("UPDATE key SET last_used_at = 1")
        tx.run("UPDATE app_use SET grants = grants + 1")
    assert do(gam, path).plan.steps


def test_refusals_do_not_make_a_saved_plan_invalid(
    save: Save, gam: Gam, apply_manifest: Callable[..., Applied]
) -> None:
    apply_manifest(TEXT)
    path = save(TEXT.replace("auditor", "admin"))
    audit.record_refusal_counts(gam, {"": {"client_unknown": 1}}, gam.now())
    assert do(gam, path).plan.steps


def test_a_plan_whose_changes_depend_on_time_becomes_invalid(
    save: Save, gam: Gam, apply_manifest: Callable[..., Applied], forward: Callable[[timedelta], object]
) -> None:
    apply_manifest(TEXT)
    path = save(TEXT.replace("auditor", "admin"))
    forward(timedelta(hours=3))
    with pytest.raises(ConflictError, match="out of date"):
        do(gam, path)


def test_a_saved_plan_requires_the_number_of_invalidated_keys(
    save: Save, gam: Gam, apply_manifest: Callable[..., Applied]
) -> None:
    apply_manifest(TEXT)
    path = save(TEXT.replace('["user_email"]', '["user_phone"]'))
    with pytest.raises(ConflictError):
        do(gam, path)
    assert do(gam, path, 1).plan.invalidated
    with keys.search(gam, keys.KeySearch(statuses=("active",))) as found:
        assert len([*found]) == 2


@pytest.mark.parametrize("text", ["", "[user.ana]", '{"gamcli_plan"', "{}"])
def test_a_manifest_is_not_a_saved_plan(tmp_path: Path, text: str) -> None:
    path = tmp_path / "m.toml"
    path.write_text(text)
    assert not plan_file.is_saved_plan(str(path))
    assert not plan_file.is_saved_plan(str(tmp_path / "nothing"))
    assert not plan_file.is_saved_plan("/dev/null")


@pytest.mark.parametrize(("old", "new"), [("}}\n", ""), ('"fields"', '"field"'), ('"desired"', '"desire"')])
def test_an_incomplete_plan_is_refused(save: Save, old: str, new: str) -> None:
    path = save(TEXT)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UsageError, match="is not a complete saved plan"):
        plan_file.read(str(path), {})


def test_a_plan_of_another_version_is_refused(save: Save) -> None:
    path = save(TEXT)
    path.write_text(json.dumps({**json.loads(path.read_text()), "gamcli_plan": 2}))
    with pytest.raises(UsageError, match="another version"):
        plan_file.read(str(path), {})


def test_a_plan_that_would_contain_a_secret_is_not_saved(gam: Gam, read_owned: Callable[..., Desired]) -> None:
    desired, options = read_owned(f'[app.portal]\nclient_secret = "{"s" * 40}"\n', seed=True), PlanOptions()
    with gam.store.reading() as tx, pytest.raises(UsageError) as caught:
        plan_file.serialize(tx, make_plan(tx, gam, desired, options), options)
    assert caught.value.message == (
        "the plan sets the client secret of application 'portal', which a saved plan must not contain"
    )
