"""Which live keys a plan ends or suspends: what it tells is what apply does."""

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
api_keys = { enabled = true }
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
auth_type = "m2m"
"""

Planned = Callable[..., ExecutionPlan]
Do = Callable[..., Applied]


def told(plan: ExecutionPlan) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
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
            [("bob", "portal", "authentication type 'm2m' is unknown or disabled")],
        ),
        ('description = ""', 'description = "x"', [], []),
    ],
)
def test_a_plan_reports_the_keys_that_a_change_touches(
    planned: Planned, applied: Do, old: str, new: str, ends: list[object], suspends: list[object]
) -> None:
    applied(BASE)
    text = BASE.replace(old, new)
    assert told(planned(text)) == (ends, suspends)
    applied(text)
    assert not planned(text).impacts


def test_a_key_that_several_changes_touch_counts_once(planned: Planned, applied: Do) -> None:
    applied(BASE)
    text = BASE.replace(', "gam_user_roles"', "").replace("blocked = false", "blocked = true")
    text = text.partition("[[key]]")[0]
    ends, suspends = told(planned(text))
    assert ends == [("ana", "portal", "scope withdrawn: gam_user_roles")]
    assert suspends == [("ana", "shop", "user 'ana' is blocked")]


def test_what_is_deleted_ends_its_keys(planned: Planned, applied: Do, gam: Gam) -> None:
    applied(BASE)
    text = '[app.shop]\n[user.ana]\n[[key]]\nuser = "ana"\napp = "shop"\nscopes = ["gam_user_data"]\n'
    ends, _ = told(planned(text, prune=True))
    assert [reason for _, _, reason in ends] == ["deletion of application 'portal'"] * 2
    users_and_shop = BASE[: BASE.index("[[key]]")].replace("[user.ana]\nblocked = false\n", "")
    only_type = users_and_shop.partition("[app.portal]")[0]
    assert len(told(planned(only_type, prune=True))[0]) == 3
    applied(only_type, prune=True)
    with keys.search(gam, KeySearch()) as left:
        assert [*left] == []


def test_a_key_named_no_longer_may_be_invalidated_by_a_scope_first(planned: Planned, applied: Do) -> None:
    applied(BASE)
    text = BASE.replace(', "gam_user_roles"', "").replace('[[key]]\nuser = "ana"\napp = "portal"\n', "")
    assert told(planned(text, prune=True))[0] == [("ana", "portal", "scope withdrawn: gam_user_roles")]
    applied(text, prune=True)
    assert not planned(text, prune=True).steps


def test_a_deleted_type_ends_its_keys(planned: Planned, applied: Do, gam: Gam) -> None:
    applied(BASE)
    text = BASE.partition("[app.portal]")[2].replace('auth_type = "m2m"\n', "")
    text = f"[app.portal]{text}"
    ends, _ = told(planned(text, prune=True))
    assert ends == [("bob", "portal", "deletion of authentication type 'm2m'")]
    applied(text, prune=True)
    assert not planned(text, prune=True).steps
    with keys.search(gam, KeySearch(user="bob", statuses=("active",))) as left:
        assert [each.auth_type for each in left] == ["apikey"]
