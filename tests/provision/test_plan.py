"""What leads from the store to what manifests ask for: authentication types, the default, applications, users."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gamcli.actions import Gam, apps, auth_types, users
from gamcli.actions.apps import AppSpec
from gamcli.errors import ConflictError, ProblemsError
from gamcli.model.plan import FieldChange
from gamcli.provision.apply import Applied, make_plan
from gamcli.provision.desired import Desired
from gamcli.provision.plan import ExecutionPlan, PlanOptions
from gamcli.rules.credentials import Secret

PORTAL = """
[app.portal]
description = "Customer portal"
scopes = ["gam_user_roles", "gam_user_data"]
remote_rest = true
api_keys = { enabled = true, scope_choice = true }
"""
ANA = """
[user.ana]
email = "ana@example.com"
"""
KEY = """
[[key]]
user = "ana"
app = "portal"
"""
WHOLE = f"{PORTAL}{ANA}{KEY}"

NEEDS = "API keys require remote REST authentication, which is disabled for this application"
NEAR = "did you mean user_address? To list all: gamcli scope list"

Planned = Callable[..., ExecutionPlan]
Do = Callable[..., Applied]


def steps(plan: ExecutionPlan) -> list[tuple[str, str, str]]:
    return [(each.action, each.kind, each.name) for each in plan.summary().changes]


def fields(plan: ExecutionPlan) -> dict[str, tuple[Any, Any]]:
    (change,) = plan.summary().changes
    return {each.field: (each.old, each.new) for each in change.fields}


def faults(planned: Planned, text: str) -> list[str]:
    with pytest.raises(ProblemsError) as caught:
        planned(text)
    return list(map(str, caught.value.problems))


def test_steps_come_in_the_order_in_which_each_finds_what_it_needs(planned: Planned) -> None:
    text = f'{KEY}{ANA}{PORTAL}\n[repository]\ndefault_auth_type = "m2m"\n[auth_type.m2m]\ntype = "APIkey"\n'
    assert steps(planned(text)) == [
        ("create", "auth-type", "m2m"),
        ("update", "repository", "repository"),
        ("create", "app", "portal"),
        ("create", "user", "ana"),
        ("create", "key", "ana for portal"),
    ]


def test_a_plan_touches_nothing(planned: Planned, gam: Gam) -> None:
    before = [*gam.store._connection.iterdump()]  # noqa: SLF001 - all of it
    assert planned(WHOLE).issues_secrets
    assert [*gam.store._connection.iterdump()] == before  # noqa: SLF001 - as above


def test_what_is_so_already_is_no_change(planned: Planned, applied: Do) -> None:
    applied(WHOLE)
    found = planned(WHOLE)
    assert (found.steps, found.impacts, found.issues_secrets, found.adoptions, found.unlisted) == (
        (),
        (),
        False,
        (),
        (),
    )


def test_an_update_reports_each_field_with_its_old_and_new_value(planned: Planned, applied: Do) -> None:
    applied(WHOLE)
    text = PORTAL.replace("Customer portal", "Portal").replace("true", "true, timeout_hours = 12", 2)
    text = text.replace("remote_rest = true, timeout_hours = 12", "remote_rest = true")
    assert fields(planned(f"{text}{ANA}{KEY}")) == {
        "description": ("Customer portal", "Portal"),
        "api_keys.timeout_hours": (0, 12),
    }
    assert fields(planned(WHOLE.replace("ana@", "a@"))) == {"email": ("ana@example.com", "a@example.com")}
    assert not planned(WHOLE.replace('description = "Customer portal"\n', "")).steps


def test_a_new_record_has_its_default_where_the_manifest_is_silent(applied: Do, gam: Gam) -> None:
    applied(WHOLE)
    apps.create(gam, AppSpec("other", {}))
    ours, other = apps.show(gam, "portal"), apps.show(gam, "other")
    assert (ours.token, ours.enabled, ours.share_user_ids) == (other.token, other.enabled, other.share_user_ids)


def test_names_in_another_case_name_the_same(planned: Planned, applied: Do, gam: Gam) -> None:
    applied(WHOLE)
    text = WHOLE.replace("portal]", "PORTAL]").replace('"ana"', '"ANA@EXAMPLE.com"')
    assert not planned(text).steps
    assert not planned(WHOLE.replace('app = "portal"', f'app = "{apps.show(gam, "portal").client_id}"')).steps


def test_an_authentication_type_is_made_and_changed(planned: Planned, applied: Do, gam: Gam) -> None:
    text = '[auth_type.m2m]\ntype = "apikey"\ndescription = "Machines"\n'
    assert fields(planned(text)) == {
        "type": (None, "APIkey"),
        "description": (None, "Machines"),
        "enabled": (None, True),
    }
    applied(text)
    assert auth_types.show(gam, "m2m").managed_by == "m.toml"
    assert not planned(text).steps
    assert fields(planned(f"{text}enabled = false\n")) == {"enabled": (True, False)}
    assert faults(planned, '[auth_type.m2m]\ntype = "GAMLocal"\n') == [
        "m.toml:2: auth_type.m2m.type: the type is APIkey and cannot be changed"
    ]
    assert faults(planned, '[auth_type.new]\ndescription = "x"\n') == [
        "m.toml:1: auth_type.new: type is required for a new authentication type: APIkey or GAMLocal"
    ]


def test_the_default_is_one_of_the_types(planned: Planned, applied: Do, gam: Gam) -> None:
    text = '[repository]\ndefault_auth_type = "LOCAL"\n'
    assert fields(planned(text)) == {"default_auth_type": ("apikey", "local")}
    applied(text)
    assert auth_types.show(gam, "local").default
    assert not planned(text).steps
    assert faults(planned, '[repository]\ndefault_auth_type = "lokal"\n') == [
        "m.toml:2: repository.default_auth_type: no authentication type named 'lokal'; did you mean 'local'?"
    ]


def test_an_application_may_allow_one_type_or_any(planned: Planned, applied: Do, gam: Gam) -> None:
    text = PORTAL.replace("enabled = true", 'enabled = true, auth_type = "APIKEY"')
    applied(text)
    assert apps.show(gam, "portal").api_keys.auth_type == "apikey"
    assert not planned(text).steps
    assert fields(planned(text.replace("APIKEY", "any"))) == {"api_keys.auth_type": ("apikey", None)}
    assert faults(planned, text.replace("APIKEY", "apikeys")) == [
        "m.toml:6: app.portal.api_keys.auth_type: no authentication type named 'apikeys'; did you mean 'apikey'?"
    ]
    assert faults(planned, text.replace("APIKEY", "local")) == [
        "m.toml:6: app.portal.api_keys.auth_type: authentication type 'local' is of kind GAMLocal, not APIkey"
    ]


def test_a_stored_state_is_not_judged_again(planned: Planned, applied: Do, gam: Gam) -> None:
    applied(PORTAL)
    off = PORTAL.replace("remote_rest = true", "remote_rest = false")
    assert fields(planned(off)) == {"remote_rest": (True, False)}
    apps.update(gam, "portal", {"remote_rest": False})
    assert not planned(off).steps
    assert faults(planned, off.replace("portal", "other")) == [f"m.toml:6: app.other.api_keys.enabled: {NEEDS}"]


def test_ids_and_secrets_may_be_provided(
    planned: Planned, applied: Do, gam: Gam, write: Callable[[str, str], Path]
) -> None:
    write("secret", "s" * 40)
    brought = f'client_id = "{"C" * 32}"\nclient_secret = "${{file:secret}}"\n'
    text = PORTAL.replace("remote_rest", f"{brought}remote_rest")
    assert not planned(text).issues_secrets
    applied(text)
    app = apps.show(gam, "portal")
    assert app.client_id == "C" * 32
    assert Secret("s" * 40).matches(app.secret_digest)
    assert not planned(text).steps
    assert faults(planned, text.replace("C" * 32, "D" * 32)) == [
        f"m.toml:5: app.portal.client_id: the client_id is {'C' * 32} and cannot be changed"
    ]
    write("secret", "t" * 40)
    assert fields(planned(text)) == {"client_secret": ("(set)", "(new)")}
    apps.rotate_secret(gam, "portal", overlap=timedelta(days=1))
    applied(text)
    app = apps.show(gam, "portal")
    assert Secret("t" * 40).matches(app.secret_digest)
    assert (app.retiring_digest, app.retiring_until) == (None, None)


def test_scopes_may_stand_for_attributes_that_somebody_carries(planned: Planned, applied: Do) -> None:
    text = PORTAL.replace('"gam_user_roles"', '"user_Area"')
    assert faults(planned, text) == [f"m.toml:4: app.portal.scopes: unknown scope 'user_Area'; {NEAR}"]
    carried = f'{text}[user.bob]\nattributes = {{ Area = "north" }}\n'
    applied(carried)
    assert not planned(carried).steps
    applied('[user.bob]\nattributes = {}\n[app.portal]\nscopes = ["gam_user_data", "user_Area"]')


def test_a_scope_that_is_unknown_is_reported_with_the_nearest(planned: Planned) -> None:
    text = PORTAL.replace("gam_user_roles", "gam_user_rolls").replace("Customer portal", "x" * 300)
    found = faults(planned, f"{text}{ANA.replace('@', ' ')}")
    assert len(found) == 3
    assert "did you mean gam_user_roles" in " ".join(found)


def test_who_manages_an_object_is_asked_before_another_does(planned: Planned, applied: Do, gam: Gam) -> None:
    users.create(gam, "ana", {"email": "ana@example.com"})
    found = planned(ANA)
    assert (found.steps, [(each.name, each.owner) for each in found.adoptions]) == ((), [("ana", None)])
    applied(ANA)
    assert users.show(gam, "ana").managed_by == "m.toml"
    assert planned(ANA).adoptions == ()
    with pytest.raises(ConflictError) as caught:
        planned(f"{ANA}{PORTAL}", "other.toml")
    assert caught.value.message == "user 'ana' is managed by 'm.toml'"
    applied(PORTAL)
    with pytest.raises(ConflictError) as caught:
        planned(f"{ANA}{PORTAL}", "other.toml")
    assert caught.value.message == "app 'portal' is managed by 'm.toml', and 1 more have other owners"
    applied(ANA.replace("ana@", "a@"), "other.toml", adopt=True)
    assert users.show(gam, "ana").managed_by == "other.toml"


def test_an_object_that_is_taken_over_may_change_at_once(planned: Planned, applied: Do, gam: Gam) -> None:
    users.create(gam, "ana", {})
    found = planned(ANA)
    assert fields(found) == {"email": ("", "ana@example.com")}
    applied(ANA)
    ana = users.show(gam, "ana")
    assert (ana.email, ana.managed_by) == ("ana@example.com", "m.toml")
    assert not planned(ANA).adoptions


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            '[user.bob]\nemail = "eva@example.com"',
            "m.toml:2: user.bob.email: 'eva@example.com' already identifies another user",
        ),
        (
            '[user."Eva@example.com"]',
            "m.toml:1: user.\"Eva@example.com\": 'eva@example.com' already identifies another user",
        ),
        ('[user.new]\nemail = "mail@x"', "m.toml:2: user.new.email: 'mail@x' already identifies another user"),
        (f"[app.{'e' * 32}]", f"m.toml:1: app.{'e' * 32}: '{'e' * 32}' already identifies another application"),
        (
            f'[app.new]\nclient_id = "{"E" * 32}"',
            f"m.toml:2: app.new.client_id: '{'e' * 32}' already identifies another application",
        ),
    ],
)
def test_names_emails_and_ids_name_one_record_only(planned: Planned, gam: Gam, text: str, fault: str) -> None:
    users.create(gam, "eva", {"email": "eva@example.com"})
    users.create(gam, "mail@x", {})
    apps.create(gam, AppSpec("old", {}, client_id="e" * 32))
    assert faults(planned, text) == [fault]


def test_what_others_have_in_common_already_is_not_our_problem(planned: Planned, applied: Do, gam: Gam) -> None:
    applied("[user.eva]\n[user.bob]\n")
    with gam.store.writing() as tx:
        tx.run("UPDATE user SET email = 'bob' WHERE name = 'eva'")
    assert len(planned(ANA).unlisted) == 2


def test_users_may_exchange_emails(planned: Planned, applied: Do, gam: Gam) -> None:
    text = '[user.a]\nemail = "a@x"\n[user.b]\nemail = "b@x"\n'
    applied(text)
    swapped = text.replace("a@x", "c@x").replace("b@x", "a@x").replace("c@x", "b@x")
    applied(swapped)
    assert [users.show(gam, name).email for name in "ab"] == ["b@x", "a@x"]
    assert not planned(swapped).steps


def test_users_who_are_taken_over_may_exchange_emails_too(applied: Do, gam: Gam) -> None:
    for name in "ab":
        users.create(gam, name, {"email": f"{name}@x"})
    applied('[user.a]\nemail = "b@x"\n[user.b]\nemail = "a@x"\n')
    assert [users.show(gam, name).email for name in "ab"] == ["b@x", "a@x"]


def test_an_email_that_changes_is_no_longer_verified(planned: Planned, applied: Do, gam: Gam) -> None:
    applied(f"{ANA}verified_email = true\n")
    other = ANA.replace("ana@", "a@")
    applied(other)
    assert not users.show(gam, "ana").verified_email
    applied(f"{ANA}verified_email = true\n")
    assert users.show(gam, "ana").verified_email
    assert not planned(f"{ANA}verified_email = true\n").steps


def test_a_seed_may_carry_passwords(applied: Do, gam: Gam) -> None:
    text = f'{ANA}password = "secret"\n'
    applied(text, seed=True)
    first = users.show(gam, "ana").password_hash
    assert first
    applied(text, seed=True)
    assert users.show(gam, "ana").password_hash == first
    applied(text.replace('"secret"', '"other"'), seed=True)
    assert users.show(gam, "ana").password_hash != first


def test_what_no_reader_let_through_is_a_fault_all_the_same(gam: Gam, asked: Callable[[str], Desired]) -> None:
    text = f'{WHOLE}[auth_type.m2m]\ntype = "APIkey"\n'
    desired = asked(text)
    users_, apps_, types = (
        (replace(each[0], name=f"{each[0].name} "),) for each in (desired.users, desired.apps, desired.auth_types)
    )
    wanted = (replace(desired.keys[0], user="ana ", app="portal "),)
    with gam.store.reading() as tx, pytest.raises(ProblemsError) as caught:
        make_plan(tx, gam, replace(desired, users=users_, apps=apps_, auth_types=types, keys=wanted), PlanOptions())
    assert len(caught.value.problems) == 3


def test_a_new_key_reports_what_it_may_reveal(
    planned: Planned, applied: Do, forward: Callable[[timedelta], Any]
) -> None:
    applied(f"{PORTAL}{ANA}")
    text = f'{WHOLE}expires_in = "90d"\n'
    found = planned(text)
    (change,) = found.summary().changes
    assert change.fields == (
        FieldChange("auth_type", None, "apikey"),
        FieldChange("scopes", None, ("gam_user_data", "gam_user_roles")),
    )
    forward(timedelta(days=1))
    assert planned(text).summary().changes == (change,)
