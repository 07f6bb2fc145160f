"""The active keys that a plan invalidates or suspends; apply affects the same keys."""

from collections.abc import Callable

import pytest

from gamcli.actions import Gam, keys
from gamcli.actions.keys import KeySearch
from gamcli.provision.apply import Applied
from gamcli.provision.plan import ExecutionPlan

BASE = """
[auth_type.m2m]
type = "APIkey"
enabled = true
[app.portal]
enabled = true
scopes = ["gam_user_data", "gam_user_roles"]
remote_rest = true
api_keys = { enabled = true, scope_choice = true }
[app.shop]
scopes = ["gam_user_data"]
remote_rest = true
api_keys = { enabled = true, auth_type = "m2m" }
[user.ana]
blocked = false
[user.bob]
[[key]]
user = "ana"
app = "portal"
[[key]]
user = "ana"
app = "shop"
[[key]]
user = "bob"
app = "portal"
scopes = ["gam_user_data"]
"""

PlanManifest = Callable[..., ExecutionPlan]
ApplyManifest = Callable[..., Applied]


def problem_texts(plan: ExecutionPlan) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
    summary = plan.summary()
    invalidated = sorted((each.user, each.app, each.reason) for each in summary.invalidates)
    return invalidated, sorted((each.user, each.app, each.reason) for each in summary.suspends)


@pytest.mark.parametrize(
    ("old", "new", "ends", "suspends"),
    [
        (', "gam_user_roles"', "", [("ana", "portal", "scope withdrawn: gam_user_roles")], []),
        (
            "enabled = true\nscopes",
            "enabled = false\nscopes",
            [],
            [
                ("ana", "portal", "application 'portal' is disabled"),
                ("bob", "portal", "application 'portal' is disabled"),
            ],
        ),
        (
            "blocked = false",
            "blocked = true",
            [],
            [("ana", "portal", "user 'ana' is blocked"), ("ana", "shop", "user 'ana' is blocked")],
        ),
        (
            '"APIkey"\nenabled = true',
            '"APIkey"\nenabled = false',
            [],
            [("ana", "shop", "authentication type 'm2m' is unknown or disabled")],
        ),
        ('description = ""', 'description = "x"', [], []),
    ],
)
def test_a_plan_shows_the_keys_that_a_change_affects(
    plan_manifest: PlanManifest,
    apply_manifest: ApplyManifest,
    old: str,
    new: str,
    ends: list[object],
    suspends: list[object],
) -> None:
    apply_manifest(BASE)
    text = BASE.replace(old, new)
    assert problem_texts(plan_manifest(text)) == (ends, suspends)
    apply_manifest(text)
    assert not plan_manifest(text).impacts


def test_a_key_affected_by_several_changes_counts_once(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest
) -> None:
    apply_manifest(BASE)
    text = BASE.replace(', "gam_user_roles"', "").replace("blocked = false", "blocked = true")
    text = text.partition("[[key]]")[0]
    ends, suspends = problem_texts(plan_manifest(text))
    assert ends == [("ana", "portal", "scope withdrawn: gam_user_roles")]
    assert suspends == [("ana", "shop", "user 'ana' is blocked")]


def test_deletions_invalidate_keys(plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam) -> None:
    apply_manifest(BASE)
    text = (
        BASE.partition("[app.portal]")[0]
        + '[app.shop]\n[user.ana]\n[[key]]\nuser = "ana"\napp = "shop"\nscopes = ["gam_user_data"]\n'
    )
    ends, _ = problem_texts(plan_manifest(text, prune=True))
    assert [reason for _, _, reason in ends] == ["deletion of application 'portal'"] * 2
    users_and_shop = BASE[: BASE.index("[[key]]")].replace("[user.ana]\nblocked = false\n", "")
    only_type = users_and_shop.partition("[app.portal]")[0]
    assert len(problem_texts(plan_manifest(only_type, prune=True))[0]) == 3
    apply_manifest(only_type, prune=True)
    with keys.search(gam, KeySearch()) as left:
        assert [*left] == []


def test_a_withdrawn_scope_invalidates_a_key_before_pruning(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest
) -> None:
    apply_manifest(BASE)
    text = BASE.replace(', "gam_user_roles"', "").replace('[[key]]\nuser = "ana"\napp = "portal"\n', "")
    assert problem_texts(plan_manifest(text, prune=True))[0] == [("ana", "portal", "scope withdrawn: gam_user_roles")]
    apply_manifest(text, prune=True)
    assert not plan_manifest(text, prune=True).steps


def test_a_deleted_type_invalidates_no_keys(plan_manifest: PlanManifest, apply_manifest: ApplyManifest) -> None:
    apply_manifest(BASE)
    text = "[app.portal]" + BASE.partition("[app.portal]")[2].replace('auth_type = "m2m"', 'auth_type = "any"')
    assert problem_texts(plan_manifest(text, prune=True)) == ([], [])
    apply_manifest(text, prune=True)
    assert not plan_manifest(text, prune=True).steps
