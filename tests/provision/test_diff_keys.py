"""Which of the keys that manifests ask for are issued, and what becomes of the live ones."""

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
from gamcli.rules.credentials import Secret, mint_api_key

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

Planned = Callable[..., ExecutionPlan]
Do = Callable[..., Applied]


@pytest.fixture
def live(gam: Gam) -> Callable[[], list[Key]]:
    def read() -> list[Key]:
        with keys.search(gam, KeySearch(statuses=("active",))) as found:
            return list(found)

    return read


def faults(planned: Planned, text: str) -> list[str]:
    with pytest.raises(ProblemsError) as caught:
        planned(text)
    return list(map(str, caught.value.problems))


def test_a_pair_gets_one_active_key(applied: Do, planned: Planned, live: Callable[[], list[Key]]) -> None:
    text = f'{BASE}{KEY}auth_type = "M2M"\nlabel = "night"\nexpires_in = "90d"\n'
    applied(text)
    (key,) = live()
    assert (key.user, key.app, key.scopes, key.auth_type, key.label, key.managed_by) == (
        "ana", "portal", ("user_email",), "m2m", "night", "m.toml"
    )  # fmt: skip
    assert key.expires_at == key.created_at + timedelta(days=90)
    assert not planned(text).steps


def test_a_key_without_scopes_carries_all_that_is_published(
    applied: Do, planned: Planned, live: Callable[[], list[Key]]
) -> None:
    text = BASE + KEY.replace('scopes = ["user_email"]', "")
    applied(text)
    assert live()[0].scopes == ("gam_user_data", "gam_user_roles")
    assert not planned(text.replace('"gam_user_roles"', '"gam_user_roles", "session_initial_prop"')).steps[1:]


@pytest.mark.parametrize("change", ['scopes = ["user_phone"]', 'scopes = ["user_email"]\nauth_type = "apikey"'])
def test_other_scopes_or_another_type_replace_the_key(
    applied: Do, planned: Planned, live: Callable[[], list[Key]], change: str
) -> None:
    applied(f'{BASE}{KEY}auth_type = "m2m"\n')
    (old,) = live()
    text = BASE + KEY.replace('scopes = ["user_email"]', change)
    if "auth_type" not in change:
        text += 'auth_type = "m2m"\n'
    found = planned(text)
    (step,) = found.summary().changes
    assert (step.action, step.name) == ("update", "ana for portal")
    assert {each.field for each in step.fields} == {change.split()[-3].strip(), "api_key"}
    assert [(each.key, each.reason) for each in found.summary().invalidates] == [(old.id, "replaced by the new key")]
    applied(text)
    (new,) = live()
    assert new.id != old.id
    assert not planned(text).steps


@pytest.mark.parametrize("more", ['label = "other"', 'expires_in = "1d"'])
def test_a_label_or_a_lifetime_alone_replaces_nothing(applied: Do, planned: Planned, more: str) -> None:
    applied(f"{BASE}{KEY}")
    assert not planned(f"{BASE}{KEY}{more}\n").steps


def test_a_key_that_has_ended_is_issued_again(
    applied: Do, planned: Planned, live: Callable[[], list[Key]], gam: Gam, forward: Callable[[timedelta], Any]
) -> None:
    text = f'{BASE}{KEY}expires_in = "1d"\n'
    applied(text)
    keys.revoke(gam, [live()[0].id], None)
    assert [each.action for each in planned(text).summary().changes] == ["create"]
    applied(text)
    forward(timedelta(days=1))
    assert [each.action for each in planned(text).summary().changes] == ["create"]


def test_a_key_whose_scope_is_withdrawn_is_invalidated_once_and_is_issued_again(
    applied: Do, planned: Planned, live: Callable[[], list[Key]]
) -> None:
    everything = KEY.replace('"user_email"', '"gam_user_data", "gam_user_roles"')
    applied(BASE + everything)
    (old,) = live()
    text = BASE.replace(', "gam_user_roles"', "") + KEY
    found = planned(text)
    assert [(each.action, each.kind) for each in found.summary().changes] == [("update", "app"), ("create", "key")]
    assert [(each.key, each.reason) for each in found.summary().invalidates] == [
        (old.id, "scope withdrawn: gam_user_roles")
    ]
    assert applied(text).plan.invalidated == list(found.invalidated)
    assert not planned(text).steps


def test_a_key_that_is_suspended_stays_as_it_is(applied: Do, planned: Planned, gam: Gam) -> None:
    applied(f"{BASE}{KEY}")
    users.update(gam, "ana", {"blocked": True})
    assert not planned(f"{BASE}{KEY}").steps


def test_all_scopes_of_an_application_are_no_choice(applied: Do, planned: Planned) -> None:
    base = BASE.replace("scope_choice = true", "scope_choice = false")
    everything = base + KEY.replace('"user_email"', '"gam_user_roles", "gam_user_data"')
    applied(everything)
    assert not planned(everything).steps
    assert faults(planned, f"{base}{KEY}") == [
        "m.toml:14: key[0].scopes: application 'portal' does not let users choose scopes"
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (KEY.replace('"ana"', '"anna"'), "3: key[0].user: no user named 'anna'; did you mean 'ana'?"),
        (KEY.replace('"portal"', '"portel"'), "4: key[0].app: no application named 'portel'; did you mean 'portal'?"),
        (f'{KEY}auth_type = "m2n"', "6: key[0].auth_type: no authentication type named 'm2n'; did you mean 'm2m'?"),
        (KEY.replace("user_email", "user_mehl"), "5: key[0].scopes: unknown scope 'user_mehl'"),
        (
            KEY.replace("user_email", "session_initial_prop"),
            "5: key[0].scopes: application 'portal' does not publish session_initial_prop",
        ),
        (f'{KEY}auth_type = "local"', "6: key[0].auth_type: authentication type 'local' is unknown or disabled"),
    ],
)
def test_what_cannot_be_issued_is_reported_with_its_line(planned: Planned, applied: Do, text: str, told: str) -> None:
    applied(BASE)
    (fault,) = faults(planned, text)
    assert fault == f"m.toml:{told}"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"blocked": True}, "2: key[0]: user 'ana' is blocked"),
        ({"enabled": False}, "2: key[0]: user 'ana' is not active"),
    ],
)
def test_a_key_that_no_rule_allows_is_a_problem(
    planned: Planned, applied: Do, gam: Gam, settings: dict[str, bool], told: str
) -> None:
    applied(BASE)
    users.update(gam, "ana", settings)
    (fault,) = faults(planned, KEY)
    assert fault == f"m.toml:{told}"


def test_a_key_that_another_owner_manages_is_not_ours(applied: Do, planned: Planned, gam: Gam) -> None:
    applied(BASE)
    issued = keys.generate(gam, KeySpec("ana", "portal", ("user_email",)))
    found = planned(f"{BASE}{KEY}")
    assert (found.steps, [each.kind for each in found.adoptions]) == ((), ["key"])
    other = f"{BASE}{KEY}".replace("user_email", "user_phone")
    assert planned(other).adoptions == ()
    assert [each.key.id for each in planned(other).invalidated] == [issued.record.id]
    applied(f"{BASE}{KEY}")
    assert keys.show(gam, issued.record.id).managed_by == "m.toml"
    for text in (f"{BASE}{KEY}", other):
        with pytest.raises(ConflictError, match="managed by"):
            planned(text.replace("[user.ana]", "[user.bob]").replace("ana@", "bob@"), "other.toml")


def test_a_pair_is_asked_for_once(planned: Planned, applied: Do) -> None:
    applied(BASE)
    text = f'{KEY}[[key]]\nuser = "ana@example.com"\napp = "portal"\n'
    assert faults(planned, text) == ["m.toml:6: key[1]: this key is already defined in m.toml:2"]


def test_a_seed_may_carry_keys(applied: Do, live: Callable[[], list[Key]], gam: Gam) -> None:
    key_id, secret = mint_api_key(gam.entropy)
    text = f'{BASE}{KEY}api_key = "{secret.reveal()}"\n'
    assert applied(text, seed=True).issued.keys == ()
    assert [each.id for each in live()] == [key_id]
    assert not applied(text, seed=True).plan.steps
    other_id, other = mint_api_key(gam.entropy)
    applied(text.replace(secret.reveal(), other.reveal()), seed=True)
    assert [each.id for each in live()] == [other_id]


@pytest.mark.parametrize("more", [{"label": "x" * 300}, {"expires_in": timedelta(0)}, {"api_key": Secret("gamkey_x")}])
def test_what_no_reader_let_through_is_a_fault_all_the_same(
    asked: Callable[..., Desired], applied: Do, gam: Gam, more: dict[str, Any]
) -> None:
    applied(BASE)
    desired = asked(KEY)
    wanted = replace(desired.keys[0], **more)
    with gam.store.reading() as tx, pytest.raises(ProblemsError) as caught:
        make_plan(tx, gam, replace(desired, keys=(wanted,)), PlanOptions())
    assert f"key[0].{next(iter(more))}: " in str(caught.value.problems[0])
