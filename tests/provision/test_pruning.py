"""Objects that manifests no longer list."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from gamcli.actions import Gam, apps, auth_types, keys, request_ids, rotation, users
from gamcli.actions.apps import AppSpec
from gamcli.actions.keys import KeySearch, KeySpec
from gamcli.errors import ConflictError, DeletesObjectsError, NotFoundError, ProblemsError
from gamcli.provision.apply import Applied, ApplyOptions, apply
from gamcli.provision.desired import Desired
from gamcli.provision.plan import ExecutionPlan, PlanOptions
from gamcli.store.users import UserFilter

TYPE = '[auth_type.m2m]\ntype = "APIkey"\n'
APP = '[app.portal]\nscopes = ["gam_user_data"]\nremote_rest = true\napi_keys = { enabled = true }\n'
OTHER = APP.replace("portal", "shop")
USERS = "[user.ana]\n[user.bob]\n"
KEYS = '[[key]]\nuser = "ana"\napp = "portal"\n[[key]]\nuser = "bob"\napp = "portal"\n'
WHOLE = f"{TYPE}{APP}{OTHER}{USERS}{KEYS}"

PlanManifest = Callable[..., ExecutionPlan]
ApplyManifest = Callable[..., Applied]


def steps(plan: ExecutionPlan) -> list[tuple[str, str, str]]:
    return [(each.action, each.kind, each.name) for each in plan.summary().changes]


def leaves(plan: ExecutionPlan) -> list[tuple[str, str]]:
    return [(each.kind, each.name) for each in plan.summary().leaves]


def test_unlisted_objects_are_reported_but_kept(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam
) -> None:
    apply_manifest(WHOLE)
    found = plan_manifest(f"{APP}[user.ana]\n")
    assert not found.steps
    assert leaves(found) == [("key", "ana for portal"), ("user", "bob"), ("app", "shop"), ("auth-type", "m2m")]
    apply_manifest(f"{APP}[user.ana]\n")
    assert users.show(gam, "bob").managed_by == "m.toml"


def test_pruning_deletes_last_and_in_reverse_order(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam
) -> None:
    apply_manifest(WHOLE)
    text = f"{APP}[user.ana]\n[user.new]\n"
    found = plan_manifest(text, prune=True)
    assert steps(found) == [
        ("create", "user", "new"),
        ("delete", "key", "ana for portal"),
        ("delete", "user", "bob"),
        ("delete", "app", "shop"),
        ("delete", "auth-type", "m2m"),
    ]
    assert {each.reason for each in found.summary().invalidates} == {"deletion of user 'bob'", "no longer listed"}
    apply_manifest(text, prune=True)
    with gam.store.reading():
        assert not plan_manifest(text, prune=True).steps
    with keys.search(gam, KeySearch()) as left:
        assert [(each.user, each.status(gam.now()), each.reason) for each in left] == [
            ("ana", "revoked", "no longer listed by m.toml")
        ]
    for show, name in ((users.show, "bob"), (apps.show, "shop"), (auth_types.show, "m2m")):
        with pytest.raises(NotFoundError):
            show(gam, name)


def test_only_objects_of_this_owner_are_deleted(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam
) -> None:
    apply_manifest("[user.ana]\n")
    users.create(gam, "hand", {})
    apply_manifest("[user.bob]\n", "other.toml")
    assert steps(plan_manifest("[user.new]\n", prune=True)) == [("create", "user", "new"), ("delete", "user", "ana")]


def test_adopted_objects_are_released_not_deleted(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam
) -> None:
    users.create(gam, "hand", {})
    apps.create(gam, AppSpec("old", {}))
    text = '[user.hand]\n[app.old]\n[auth_type.apikey]\ntype = "APIkey"\n[user.kept]\n'
    apply_manifest(text)
    found = plan_manifest("[user.kept]", prune=True)
    assert steps(found) == [("update", "user", "hand"), ("update", "app", "old"), ("update", "auth-type", "apikey")]
    assert [(each.old, each.new) for each in found.summary().changes[0].fields] == [("m.toml", None)]
    apply_manifest("[user.kept]", prune=True)
    assert [users.show(gam, "hand").managed_by, auth_types.show(gam, "apikey").managed_by] == [None, None]
    assert not plan_manifest("[user.kept]", prune=True).steps
    apply_manifest(text)
    apply_manifest("[user.kept]", prune=True)
    assert users.show(gam, "hand")


def test_adopted_keys_are_released_not_revoked(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam
) -> None:
    base = f"{APP}[user.ana]\n"
    apply_manifest(base)
    key = keys.generate(gam, keys.KeySpec("ana", "portal")).record
    apply_manifest(f'{base}[[key]]\nuser = "ana"\napp = "portal"\n')
    assert keys.show(gam, key.id).managed_by == "m.toml"
    assert steps(plan_manifest(base, prune=True)) == [("update", "key", "ana for portal")]
    assert plan_manifest(base, prune=True).impacts == ()
    apply_manifest(base, prune=True)
    assert keys.show(gam, key.id).managed_by is None
    assert keys.show(gam, key.id).is_valid(gam.now())


def test_a_listed_object_cannot_refer_to_a_deleted_one(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest
) -> None:
    apply_manifest(WHOLE)
    text = f"{TYPE}{APP}{KEYS}"
    with pytest.raises(ProblemsError) as caught:
        plan_manifest(text, prune=True)
    assert [each.message for each in caught.value.problems] == [
        "key[0].user: no user named 'ana'",
        "key[1].user: no user named 'bob'",
    ]
    assert plan_manifest(text).unlisted


def test_a_type_in_use_is_not_deleted(plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam) -> None:
    apply_manifest(f'{TYPE}[user.kept]\n[repository]\ndefault_auth_type = "m2m"\n')
    with pytest.raises(ConflictError, match="is the default of the repository"):
        plan_manifest("[user.kept]", prune=True)
    assert steps(plan_manifest('[user.kept]\n[repository]\ndefault_auth_type = "apikey"\n', prune=True))[-1] == (
        "delete",
        "auth-type",
        "m2m",
    )
    auth_types.set_default(gam, "apikey")
    apps.create(gam, AppSpec("hand", {"api_keys.auth_type": "m2m"}))
    with pytest.raises(ConflictError) as caught:
        plan_manifest("[user.kept]", prune=True)
    assert caught.value.message == "application 'hand' allows only authentication type 'm2m'"
    any_type = '[user.kept]\n[app.hand]\napi_keys = { auth_type = "any" }\n'
    assert steps(plan_manifest(any_type, prune=True)) == [("update", "app", "hand"), ("delete", "auth-type", "m2m")]
    with pytest.raises(ConflictError):
        plan_manifest('[user.kept]\n[app.hand]\ndescription = "x"\n', prune=True)


def test_an_application_can_be_deleted_with_its_only_type(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest
) -> None:
    only_type = APP.replace("enabled = true", 'enabled = true, auth_type = "m2m"')
    apply_manifest(f"[user.kept]\n{TYPE}{only_type}")
    assert steps(plan_manifest("[user.kept]", prune=True)) == [
        ("delete", "app", "portal"),
        ("delete", "auth-type", "m2m"),
    ]
    apply_manifest("[user.kept]", prune=True)
    assert not plan_manifest("[user.kept]", prune=True).steps


def test_the_email_of_a_deleted_user_can_be_reused(apply_manifest: ApplyManifest, gam: Gam) -> None:
    apply_manifest('[user.old]\nemail = "a@x"\n')
    apply_manifest('[user.new]\nemail = "a@x"\n', prune=True)
    assert users.show(gam, "a@x").name == "new"


def test_an_inactive_key_is_not_pruned(plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam) -> None:
    apply_manifest(f"{APP}[user.ana]\n{KEYS.partition('[[key]]' + chr(10) + 'user = ' + chr(34) + 'bob')[0]}")
    with keys.search(gam, KeySearch()) as found:
        ids = [each.id for each in found]
    keys.revoke(gam, ids, None)
    assert not plan_manifest(f"{APP}[user.ana]\n", prune=True).steps


WEEK = timedelta(days=7)


def rotate_by_hand(gam: Gam, key_id: str) -> str:
    issued = rotation.rotate(gam, key_id, WEEK)
    assert issued is not None
    return issued.record.id


def rotate_when_due(gam: Gam, key_id: str) -> str:
    expires_at = keys.show(gam, key_id).expires_at
    assert expires_at is not None
    later = replace(gam, now=lambda: expires_at - timedelta(days=1))
    issued = rotation.rotate(later, key_id, timedelta(hours=1), if_due=WEEK)
    assert issued is not None
    return issued.record.id


def generate_with_overlap(gam: Gam, key_id: str) -> str:
    key = keys.show(gam, key_id)
    return keys.generate(gam, KeySpec(key.user, key.app, overlap=WEEK)).record.id


def replace_at_once(gam: Gam, key_id: str) -> str:
    key = keys.show(gam, key_id)
    return keys.generate(gam, KeySpec(key.user, key.app, replace=True)).record.id


def generate_by_request_id(gam: Gam, key_id: str) -> str:
    key = keys.show(gam, key_id)
    spec = KeySpec(key.user, key.app, overlap=WEEK)
    request_ids.generate(gam, spec, "release-7")
    return request_ids.generate(gam, spec, "release-7").record.id


ROTATIONS = [rotate_by_hand, rotate_when_due, generate_with_overlap, replace_at_once, generate_by_request_id]
LISTED = f"{APP.replace('enabled = true', 'enabled = true, timeout_hours = 2160')}[user.ana]\n"
LISTED_KEY = f'{LISTED}[[key]]\nuser = "ana"\napp = "portal"\n'


@pytest.mark.parametrize("rotate", ROTATIONS)
def test_pruning_a_pair_revokes_every_key_that_succeeded_a_managed_one(
    rotate: Callable[[Gam, str], str], plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam
) -> None:
    ((first, _),) = apply_manifest(LISTED_KEY).issued.keys
    second = rotate(gam, first.id)
    third = rotate_by_hand(gam, second)
    assert [keys.show(gam, key_id).managed_by for key_id in (second, third)] == ["m.toml", "m.toml"]
    found = plan_manifest(LISTED_KEY)
    assert (found.steps, found.adoptions, found.unlisted) == ((), (), ())
    valid = [key_id for key_id in (first.id, second, third) if keys.show(gam, key_id).is_valid(gam.now())]
    assert leaves(plan_manifest(LISTED)) == [("key", "ana for portal")] * len(valid)
    apply_manifest(LISTED, prune=True)
    assert [keys.show(gam, key_id).end for key_id in valid] == ["revoked"] * len(valid)
    assert not keys.show(gam, third).is_valid(gam.now())


def test_the_successors_of_an_adopted_key_are_released(apply_manifest: ApplyManifest, gam: Gam) -> None:
    apply_manifest(LISTED)
    first = keys.generate(gam, KeySpec("ana", "portal")).record
    apply_manifest(LISTED_KEY)
    second = rotate_by_hand(gam, first.id)
    assert keys.show(gam, second).managed_by == "m.toml"
    apply_manifest(LISTED, prune=True)
    found = [keys.show(gam, key_id) for key_id in (first.id, second)]
    assert [(each.managed_by, each.status(gam.now())) for each in found] == [(None, "retiring"), (None, "active")]


NAMING_NOTHING = (
    "# nothing", "[repository]\ndefault_auth_type = 'local'", "[repository]", "[defaults.app]\nremote_rest = true",
    "[defaults.key]\nlabel = 'x'", "[defaults]", "[app]\n[user]\n[auth_type]", "key = []", "app = {}",
)  # fmt: skip


@pytest.mark.parametrize("text", NAMING_NOTHING)
def test_files_that_name_nothing_are_a_problem_when_pruning(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, text: str
) -> None:
    assert plan_manifest(text, prune=True).unlisted == ()  # as long as their owner manages nothing, nothing is pruned
    apply_manifest(WHOLE)
    assert len(plan_manifest(text).unlisted) == 5
    with pytest.raises(ProblemsError) as raised:
        plan_manifest(text, prune=True)
    assert list(map(str, raised.value.problems)) == [
        "m.toml:1: defines no objects: --prune would delete everything that its owner manages"
    ]


def test_deleting_more_than_ten_objects_requires_their_exact_number(
    apply_manifest: ApplyManifest, read_owned: Callable[..., Desired], gam: Gam
) -> None:
    apply_manifest("".join(f"[user.u{number}]\n" for number in range(12)))
    desired, options = read_owned("[user.u0]"), ApplyOptions(PlanOptions(prune=True))
    for accept, message in ((None, "this deletes 11 objects"), (10, "this deletes 11 objects, not 10")):
        with pytest.raises(DeletesObjectsError) as raised:
            apply(gam, desired, replace(options, accept_deleting=accept))
        assert (raised.value.message, raised.value.hint) == (message, "add --accept-deleting 11 to confirm")
    assert users.show(gam, "u11")
    apply(gam, desired, replace(options, accept_deleting=11))
    with users.search(gam, UserFilter()) as found:
        assert [each.name for each in found] == ["u0"]
    apply(gam, desired, replace(options, accept_deleting=11))  # a repeated apply finds no steps


def test_ten_objects_are_deleted_without_their_number(
    apply_manifest: ApplyManifest, read_owned: Callable[..., Desired], gam: Gam
) -> None:
    apply_manifest("".join(f"[user.u{number}]\n" for number in range(11)))
    apply(gam, read_owned("[user.u0]"), ApplyOptions(PlanOptions(prune=True)))
