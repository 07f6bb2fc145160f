"""Which keys are issued, and what happens to active ones."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gamcli.actions import Gam, keys, users
from gamcli.actions.keys import KeySearch, KeySpec
from gamcli.errors import ConflictError, ProblemsError
from gamcli.model import Key
from gamcli.provision.apply import Applied, make_plan
from gamcli.provision.desired import Desired
from gamcli.provision.plan import ExecutionPlan, PlanOptions
from gamcli.rules.credentials import mint_api_key

BASE = """
[auth_type.m2m]
type = "APIkey"
[app.portal]
scopes = ["gam_user_data", "gam_user_roles"]
remote_rest = true
api_keys = { enabled = true, scope_choice = true }
[user.ana]
email = "ana@example.com"
"""
KEY = """
[[key]]
user = "ana"
app = "portal"
scopes = ["user_email"]
"""

PlanManifest = Callable[..., ExecutionPlan]
ApplyManifest = Callable[..., Applied]


@pytest.fixture
def live(gam: Gam) -> Callable[[], list[Key]]:
    def read() -> list[Key]:
        with keys.search(gam, KeySearch(statuses=("active",))) as found:
            return list(found)

    return read


def find_problems(plan_manifest: PlanManifest, text: str) -> list[str]:
    with pytest.raises(ProblemsError) as caught:
        plan_manifest(text)
    return list(map(str, caught.value.problems))


def test_a_user_gets_one_active_key_per_application(
    apply_manifest: ApplyManifest, plan_manifest: PlanManifest, live: Callable[[], list[Key]]
) -> None:
    text = f'{BASE}{KEY}label = "night"\nexpires_in = "90d"\n'
    apply_manifest(text)
    (key,) = live()
    assert (key.user, key.app, key.scopes, key.label, key.managed_by) == (
        "ana", "portal", ("user_email",), "night", "m.toml"
    )  # fmt: skip
    assert key.expires_at == key.created_at + timedelta(days=90)
    assert not plan_manifest(text).steps


def test_a_key_without_scopes_has_all_published_scopes(
    apply_manifest: ApplyManifest, plan_manifest: PlanManifest, live: Callable[[], list[Key]]
) -> None:
    text = BASE + KEY.replace('scopes = ["user_email"]', "")
    apply_manifest(text)
    assert live()[0].scopes == ("gam_user_data", "gam_user_roles")
    assert not plan_manifest(text.replace('"gam_user_roles"', '"gam_user_roles", "session_initial_prop"')).steps[1:]


def test_an_authentication_type_of_a_key_changes_nothing(
    apply_manifest: ApplyManifest, plan_manifest: PlanManifest
) -> None:
    apply_manifest(f"{BASE}{KEY}")
    assert not plan_manifest(f'{BASE}{KEY}auth_type = "m2m"\n').steps


def test_other_scopes_replace_the_key(
    apply_manifest: ApplyManifest, plan_manifest: PlanManifest, live: Callable[[], list[Key]]
) -> None:
    apply_manifest(f"{BASE}{KEY}")
    (old,) = live()
    text = BASE + KEY.replace('scopes = ["user_email"]', 'scopes = ["user_phone"]')
    found = plan_manifest(text)
    (step,) = found.summary().changes
    assert (step.action, step.name) == ("update", "ana for portal")
    assert {each.field for each in step.fields} == {"scopes", "api_key"}
    assert [(each.key, each.reason) for each in found.summary().invalidates] == [(old.id, "replaced by the new key")]
    apply_manifest(text)
    (new,) = live()
    assert new.id != old.id
    assert not plan_manifest(text).steps


@pytest.mark.parametrize("more", ['label = "other"', 'expires_in = "1d"'])
def test_a_label_or_a_lifetime_alone_replaces_nothing(
    apply_manifest: ApplyManifest, plan_manifest: PlanManifest, more: str
) -> None:
    apply_manifest(f"{BASE}{KEY}")
    assert not plan_manifest(f"{BASE}{KEY}{more}\n").steps


def test_a_revoked_or_expired_key_is_issued_again(
    apply_manifest: ApplyManifest,
    plan_manifest: PlanManifest,
    live: Callable[[], list[Key]],
    gam: Gam,
    forward: Callable[[timedelta], Any],
) -> None:
    text = f'{BASE}{KEY}expires_in = "1d"\n'
    apply_manifest(text)
    keys.revoke(gam, [live()[0].id], None)
    assert [each.action for each in plan_manifest(text).summary().changes] == ["create"]
    apply_manifest(text)
    forward(timedelta(days=1))
    assert [each.action for each in plan_manifest(text).summary().changes] == ["create"]


def test_a_key_with_a_withdrawn_scope_is_issued_again(
    apply_manifest: ApplyManifest, plan_manifest: PlanManifest, live: Callable[[], list[Key]]
) -> None:
    everything = KEY.replace('"user_email"', '"gam_user_data", "gam_user_roles"')
    apply_manifest(BASE + everything)
    (old,) = live()
    text = BASE.replace(', "gam_user_roles"', "") + KEY
    found = plan_manifest(text)
    assert [(each.action, each.kind) for each in found.summary().changes] == [("update", "app"), ("create", "key")]
    assert [(each.key, each.reason) for each in found.summary().invalidates] == [
        (old.id, "scope withdrawn: gam_user_roles")
    ]
    assert apply_manifest(text).plan.invalidated == list(found.invalidated)
    assert not plan_manifest(text).steps


def test_a_suspended_key_is_unchanged(apply_manifest: ApplyManifest, plan_manifest: PlanManifest, gam: Gam) -> None:
    apply_manifest(f"{BASE}{KEY}")
    users.update(gam, "ana", {"blocked": True})
    assert not plan_manifest(f"{BASE}{KEY}").steps


def test_listing_all_scopes_does_not_require_scope_choice(
    apply_manifest: ApplyManifest, plan_manifest: PlanManifest
) -> None:
    base = BASE.replace("scope_choice = true", "scope_choice = false")
    everything = base + KEY.replace('"user_email"', '"gam_user_roles", "gam_user_data"')
    apply_manifest(everything)
    assert not plan_manifest(everything).steps
    assert find_problems(plan_manifest, f"{base}{KEY}") == [
        "m.toml:14: key[0].scopes: application 'portal' does not let users choose scopes"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (KEY.replace('"ana"', '"anna"'), "3: key[0].user: no user named 'anna'; did you mean 'ana'?"),
        (KEY.replace('"portal"', '"portel"'), "4: key[0].app: no application named 'portel'; did you mean 'portal'?"),
        (KEY.replace("user_email", "user_mehl"), "5: key[0].scopes: unknown scope 'user_mehl'"),
        (
            KEY.replace("user_email", "session_initial_prop"),
            "5: key[0].scopes: application 'portal' does not publish session_initial_prop",
        ),
    ],
)
def test_a_key_that_cannot_be_issued_is_reported_with_its_line(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, text: str, expected: str
) -> None:
    apply_manifest(BASE)
    (problem,) = find_problems(plan_manifest, text)
    assert problem == f"m.toml:{expected}"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"blocked": True}, "2: key[0]: user 'ana' is blocked"),
        ({"enabled": False}, "2: key[0]: user 'ana' is not active"),
    ],
)
def test_a_refused_key_is_a_problem(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam, settings: dict[str, bool], expected: str
) -> None:
    apply_manifest(BASE)
    users.update(gam, "ana", settings)
    (problem,) = find_problems(plan_manifest, KEY)
    assert problem == f"m.toml:{expected}"


def test_a_key_of_another_owner_requires_adopt(
    apply_manifest: ApplyManifest, plan_manifest: PlanManifest, gam: Gam
) -> None:
    apply_manifest(BASE)
    issued = keys.generate(gam, KeySpec("ana", "portal", ("user_email",)))
    found = plan_manifest(f"{BASE}{KEY}")
    assert (found.steps, [each.kind for each in found.adoptions]) == ((), ["key"])
    other = f"{BASE}{KEY}".replace("user_email", "user_phone")
    assert plan_manifest(other).adoptions == ()
    assert [each.key.id for each in plan_manifest(other).invalidated] == [issued.record.id]
    apply_manifest(f"{BASE}{KEY}")
    assert keys.show(gam, issued.record.id).managed_by == "m.toml"
    for text in (f"{BASE}{KEY}", other):
        with pytest.raises(ConflictError, match="managed by"):
            plan_manifest(text.replace("[user.ana]", "[user.bob]").replace("ana@", "bob@"), "other.toml")


def test_a_key_cannot_be_listed_twice(plan_manifest: PlanManifest, apply_manifest: ApplyManifest) -> None:
    apply_manifest(BASE)
    text = f'{KEY}[[key]]\nuser = "ana@example.com"\napp = "portal"\n'
    assert find_problems(plan_manifest, text) == ["m.toml:6: key[1]: this key is already defined in m.toml:2"]


def test_a_seed_can_contain_keys(apply_manifest: ApplyManifest, live: Callable[[], list[Key]], gam: Gam) -> None:
    key_id, secret = mint_api_key(gam.entropy)
    text = f'{BASE}{KEY}api_key = "{secret.reveal()}"\n'
    assert apply_manifest(text, seed=True).issued.keys == ()
    assert [each.id for each in live()] == [key_id]
    assert not apply_manifest(text, seed=True).plan.steps
    other_id, other = mint_api_key(gam.entropy)
    apply_manifest(text.replace(secret.reveal(), other.reveal()), seed=True)
    assert [each.id for each in live()] == [other_id]


@pytest.mark.parametrize("more", [{"label": "x" * 300}, {"expires_in": timedelta(0)}])
def test_the_diff_checks_values_too(
    read_owned: Callable[..., Desired], apply_manifest: ApplyManifest, gam: Gam, more: dict[str, Any]
) -> None:
    apply_manifest(BASE)
    desired = read_owned(KEY)
    bad_key = replace(desired.keys[0], **more)
    with gam.store.reading() as tx, pytest.raises(ProblemsError) as caught:
        make_plan(tx, gam, replace(desired, keys=(bad_key,)), PlanOptions())
    assert f"key[0].{next(iter(more))}: " in str(caught.value.problems[0])


RENEWED = f'{BASE}{KEY}expires_in = "30d"\nrenew_within = "14d"\noverlap = "7d"\n'


def test_a_declared_key_is_renewed_ahead(
    apply_manifest: ApplyManifest, plan_manifest: PlanManifest, forward: Callable[[timedelta], Any], gam: Gam
) -> None:
    ((first, _),) = apply_manifest(RENEWED).issued.keys
    forward(timedelta(days=15))
    assert not plan_manifest(RENEWED).steps
    forward(timedelta(days=6))
    found = plan_manifest(RENEWED)
    (change,) = found.summary().changes
    assert (change.action, change.name, change.note) == ("update", "ana for portal", "expires in 9 days: rotate")
    assert [each.field for each in change.fields] == ["api_key"]
    assert not found.impacts
    ((second, _),) = apply_manifest(RENEWED).issued.keys
    old, new = keys.show(gam, first.id), keys.show(gam, second.id)
    assert (old.status(gam.now()), old.retires_at) == ("retiring", gam.now() + timedelta(days=7))
    assert (new.scopes, new.expires_at, new.managed_by) == (old.scopes, gam.now() + timedelta(days=30), "m.toml")
    assert not plan_manifest(RENEWED).steps


def test_a_renewal_without_overlap_invalidates_the_old_key(
    apply_manifest: ApplyManifest, plan_manifest: PlanManifest, forward: Callable[[timedelta], Any]
) -> None:
    text = RENEWED.replace('overlap = "7d"', "")
    apply_manifest(text)
    forward(timedelta(days=20))
    assert [each.reason for each in plan_manifest(text).invalidated] == ["replaced by the new key"]


def test_a_key_that_would_be_renewed_at_once_is_a_problem(plan_manifest: PlanManifest) -> None:
    with pytest.raises(ProblemsError) as raised:
        plan_manifest(RENEWED.replace("14d", "30d"))
    (problem,) = raised.value.problems
    assert str(problem).endswith(
        "].renew_within: renew_within is not shorter than the lifetime of the key: it would be renewed immediately"
    )


def test_a_key_that_never_expires_is_never_renewed(
    apply_manifest: ApplyManifest, plan_manifest: PlanManifest, forward: Callable[[timedelta], Any]
) -> None:
    text = RENEWED.replace('expires_in = "30d"\n', "")
    apply_manifest(text)
    forward(timedelta(days=4000))
    assert not plan_manifest(text).steps
