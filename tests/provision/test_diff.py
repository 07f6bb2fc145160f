"""The diff of authentication types, the default type, applications and users."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gamcli.actions import Gam, apps, auth_types, keys, users
from gamcli.actions.apps import AppSpec
from gamcli.actions.keys import KeySearch
from gamcli.errors import ConflictError, ProblemsError
from gamcli.model import Key
from gamcli.model.plan import FieldChange
from gamcli.provision.apply import Applied, make_plan
from gamcli.provision.desired import Desired
from gamcli.provision.plan import ExecutionPlan, PlanOptions
from gamcli.rules.credentials import Secret
from gamcli.store import audit

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

PlanManifest = Callable[..., ExecutionPlan]
ApplyManifest = Callable[..., Applied]


def steps(plan: ExecutionPlan) -> list[tuple[str, str, str]]:
    return [(each.action, each.kind, each.name) for each in plan.summary().changes]


def fields(plan: ExecutionPlan) -> dict[str, tuple[Any, Any]]:
    (change,) = plan.summary().changes
    return {each.field: (each.old, each.new) for each in change.fields}


def find_problems(plan_manifest: PlanManifest, text: str) -> list[str]:
    with pytest.raises(ProblemsError) as caught:
        plan_manifest(text)
    return list(map(str, caught.value.problems))


def test_each_step_comes_after_those_it_depends_on(plan_manifest: PlanManifest) -> None:
    text = f'{KEY}{ANA}{PORTAL}\n[repository]\ndefault_auth_type = "m2m"\n[auth_type.m2m]\ntype = "APIkey"\n'
    assert steps(plan_manifest(text)) == [
        ("create", "auth-type", "m2m"),
        ("update", "repository", "repository"),
        ("create", "app", "portal"),
        ("create", "user", "ana"),
        ("create", "key", "ana for portal"),
    ]


def test_a_plan_does_not_change_the_store(plan_manifest: PlanManifest, gam: Gam) -> None:
    before = [*gam.store._connection.iterdump()]  # type: ignore[attr-defined]  # noqa: SLF001 - all of it
    assert plan_manifest(WHOLE).issues_secrets
    assert [*gam.store._connection.iterdump()] == before  # type: ignore[attr-defined]  # noqa: SLF001 - as above


def test_an_applied_manifest_has_no_steps(plan_manifest: PlanManifest, apply_manifest: ApplyManifest) -> None:
    apply_manifest(WHOLE)
    found = plan_manifest(WHOLE)
    assert (found.steps, found.impacts, found.issues_secrets, found.adoptions, found.unlisted) == (
        (),
        (),
        False,
        (),
        (),
    )


def test_an_update_reports_each_field_with_its_old_and_new_value(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest
) -> None:
    apply_manifest(WHOLE)
    text = PORTAL.replace("Customer portal", "Portal").replace("true", "true, timeout_hours = 12", 2)
    text = text.replace("remote_rest = true, timeout_hours = 12", "remote_rest = true")
    assert fields(plan_manifest(f"{text}{ANA}{KEY}")) == {
        "description": ("Customer portal", "Portal"),
        "api_keys.timeout_hours": (0, 12),
    }
    assert fields(plan_manifest(WHOLE.replace("ana@", "a@"))) == {"email": ("ana@example.com", "a@example.com")}
    assert not plan_manifest(WHOLE.replace('description = "Customer portal"\n', "")).steps


def test_unlisted_fields_of_a_new_record_have_defaults(apply_manifest: ApplyManifest, gam: Gam) -> None:
    apply_manifest(WHOLE)
    apps.create(gam, AppSpec("other", {}))
    ours, other = apps.show(gam, "portal"), apps.show(gam, "other")
    assert (ours.token, ours.enabled, ours.share_user_ids) == (other.token, other.enabled, other.share_user_ids)


def test_names_are_case_insensitive(plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam) -> None:
    apply_manifest(WHOLE)
    text = WHOLE.replace("portal]", "PORTAL]").replace('"ana"', '"ANA@EXAMPLE.com"')
    assert not plan_manifest(text).steps
    assert not plan_manifest(WHOLE.replace('app = "portal"', f'app = "{apps.show(gam, "portal").client_id}"')).steps


def test_an_authentication_type_is_created_and_updated(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam
) -> None:
    text = '[auth_type.m2m]\ntype = "apikey"\ndescription = "Machines"\n'
    assert fields(plan_manifest(text)) == {
        "type": (None, "APIkey"),
        "description": (None, "Machines"),
        "enabled": (None, True),
    }
    apply_manifest(text)
    assert auth_types.show(gam, "m2m").managed_by == "m.toml"
    assert not plan_manifest(text).steps
    assert fields(plan_manifest(f"{text}enabled = false\n")) == {"enabled": (True, False)}
    assert find_problems(plan_manifest, '[auth_type.m2m]\ntype = "GAMLocal"\n') == [
        "m.toml:2: auth_type.m2m.type: the type is APIkey and cannot be changed"
    ]
    assert find_problems(plan_manifest, '[auth_type.new]\ndescription = "x"\n') == [
        "m.toml:1: auth_type.new: type is required for a new authentication type: APIkey or GAMLocal"
    ]


def test_the_default_type_must_exist(plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam) -> None:
    text = '[repository]\ndefault_auth_type = "APIKEY"\n'
    assert fields(plan_manifest(text)) == {"default_auth_type": ("local", "apikey")}
    apply_manifest(text)
    assert auth_types.show(gam, "apikey").default
    assert not plan_manifest(text).steps
    assert find_problems(plan_manifest, '[repository]\ndefault_auth_type = "lokal"\n') == [
        "m.toml:2: repository.default_auth_type: no authentication type named 'lokal'; did you mean 'local'?"
    ]


def test_an_application_allows_one_type_or_any(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam
) -> None:
    text = PORTAL.replace("enabled = true", 'enabled = true, auth_type = "APIKEY"')
    apply_manifest(text)
    assert apps.show(gam, "portal").api_keys.auth_type == "apikey"
    assert not plan_manifest(text).steps
    assert fields(plan_manifest(text.replace("APIKEY", "any"))) == {"api_keys.auth_type": ("apikey", None)}
    assert find_problems(plan_manifest, text.replace("APIKEY", "apikeys")) == [
        "m.toml:6: app.portal.api_keys.auth_type: no authentication type named 'apikeys'; did you mean 'apikey'?"
    ]
    assert find_problems(plan_manifest, text.replace("APIKEY", "local")) == [
        "m.toml:6: app.portal.api_keys.auth_type: authentication type 'local' has type GAMLocal, not APIkey"
    ]


def test_stored_values_are_not_checked_again(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam
) -> None:
    apply_manifest(PORTAL)
    off = PORTAL.replace("remote_rest = true", "remote_rest = false")
    assert fields(plan_manifest(off)) == {"remote_rest": (True, False)}
    apps.update(gam, "portal", {"remote_rest": False})
    assert not plan_manifest(off).steps
    assert find_problems(plan_manifest, off.replace("portal", "other")) == [
        f"m.toml:6: app.other.api_keys.enabled: {NEEDS}"
    ]


def test_client_ids_and_secrets_can_be_provided(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam, write: Callable[[str, str], Path]
) -> None:
    write("secret", "s" * 40)
    brought = f'client_id = "{"C" * 32}"\nclient_secret = "${{file:secret}}"\n'
    text = PORTAL.replace("remote_rest", f"{brought}remote_rest")
    assert not plan_manifest(text).issues_secrets
    apply_manifest(text)
    app = apps.show(gam, "portal")
    assert app.client_id == "C" * 32
    assert Secret("s" * 40).matches(app.secret_digest)
    assert not plan_manifest(text).steps
    assert find_problems(plan_manifest, text.replace("C" * 32, "D" * 32)) == [
        f"m.toml:5: app.portal.client_id: the client_id is {'C' * 32} and cannot be changed"
    ]
    write("secret", "t" * 40)
    assert fields(plan_manifest(text)) == {"client_secret": ("(set)", "(new)")}
    apps.rotate_secret(gam, "portal", overlap=timedelta(days=1))
    apply_manifest(text)
    app = apps.show(gam, "portal")
    assert Secret("t" * 40).matches(app.secret_digest)
    assert (app.retiring_digest, app.retiring_until) == (None, None)


def test_scopes_can_refer_to_attributes_of_users(plan_manifest: PlanManifest, apply_manifest: ApplyManifest) -> None:
    text = PORTAL.replace('"gam_user_roles"', '"user_Area"')
    assert find_problems(plan_manifest, text) == [f"m.toml:4: app.portal.scopes: unknown scope 'user_Area'; {NEAR}"]
    carried = f'{text}[user.bob]\nattributes = {{ Area = "north" }}\n'
    apply_manifest(carried)
    assert not plan_manifest(carried).steps
    apply_manifest('[user.bob]\nattributes = {}\n[app.portal]\nscopes = ["gam_user_data", "user_Area"]')


def test_an_unknown_scope_is_reported_with_a_suggestion(plan_manifest: PlanManifest) -> None:
    text = PORTAL.replace("gam_user_roles", "gam_user_rolls").replace("Customer portal", "x" * 300)
    found = find_problems(plan_manifest, f"{text}{ANA.replace('@', ' ')}")
    assert len(found) == 3
    assert "did you mean gam_user_roles" in " ".join(found)


def test_taking_over_an_object_of_another_owner_requires_adopt(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam
) -> None:
    users.create(gam, "ana", {"email": "ana@example.com"})
    found = plan_manifest(ANA)
    assert (found.steps, [(each.name, each.owner) for each in found.adoptions]) == ((), [("ana", None)])
    apply_manifest(ANA)
    assert users.show(gam, "ana").managed_by == "m.toml"
    assert plan_manifest(ANA).adoptions == ()
    with pytest.raises(ConflictError) as caught:
        plan_manifest(f"{ANA}{PORTAL}", "other.toml")
    assert caught.value.message == "user 'ana' is managed by 'm.toml'"
    apply_manifest(PORTAL)
    with pytest.raises(ConflictError) as caught:
        plan_manifest(f"{ANA}{PORTAL}", "other.toml")
    assert caught.value.message == "app 'portal' is managed by 'm.toml', and 1 more have other owners"
    apply_manifest(ANA.replace("ana@", "a@"), "other.toml", adopt=True)
    assert users.show(gam, "ana").managed_by == "other.toml"


def test_an_adopted_object_can_be_updated_in_the_same_plan(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam
) -> None:
    users.create(gam, "ana", {})
    found = plan_manifest(ANA)
    assert fields(found) == {"email": ("", "ana@example.com")}
    apply_manifest(ANA)
    ana = users.show(gam, "ana")
    assert (ana.email, ana.managed_by) == ("ana@example.com", "m.toml")
    assert not plan_manifest(ANA).adoptions


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '[user.bob]\nemail = "eva@example.com"',
            (
                "m.toml:2: user.bob.email: 'eva@example.com' already identifies user 'eva'; "
                'list it as [user.eva], or rename it with moved_from = "eva"'
            ),
        ),
        (
            '[user."Eva@example.com"]',
            (
                "m.toml:1: user.\"Eva@example.com\": 'eva@example.com' already identifies user 'eva'; "
                'list it as [user.eva], or rename it with moved_from = "eva"'
            ),
        ),
        (
            '[user.new]\nemail = "mail@x"',
            (
                "m.toml:2: user.new.email: 'mail@x' already identifies user 'mail@x'; "
                'list it as [user."mail@x"], or rename it with moved_from = "mail@x"'
            ),
        ),
        (
            f"[app.{'e' * 32}]",
            (
                f"m.toml:1: app.{'e' * 32}: '{'e' * 32}' already identifies application 'old'; "
                'list it as [app.old], or rename it with moved_from = "old"'
            ),
        ),
        (
            f'[app.new]\nclient_id = "{"e" * 32}"',
            (
                f"m.toml:2: app.new.client_id: '{'e' * 32}' already identifies application 'old'; "
                'list it as [app.old], or rename it with moved_from = "old"'
            ),
        ),
        (
            f'[app.new]\nclient_id = "{"E" * 32}"',
            (
                f"m.toml:2: app.new.client_id: '{'e' * 32}' already identifies application 'old'; "
                'list it as [app.old], or rename it with moved_from = "old"'
            ),
        ),
    ],
)
def test_a_name_email_or_id_identifies_one_record(
    plan_manifest: PlanManifest, gam: Gam, text: str, problem: str
) -> None:
    users.create(gam, "eva", {"email": "eva@example.com"})
    users.create(gam, "mail@x", {})
    apps.create(gam, AppSpec("old", {}, client_id="e" * 32))
    assert find_problems(plan_manifest, text) == [problem]


def test_existing_duplicates_of_other_records_are_ignored(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam
) -> None:
    apply_manifest("[user.eva]\n[user.bob]\n")
    with gam.store.writing() as tx:
        tx.run("UPDATE user SET email = 'bob' WHERE name = 'eva'")
    assert len(plan_manifest(ANA).unlisted) == 2


def test_users_can_swap_emails(plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam) -> None:
    text = '[user.a]\nemail = "a@x"\n[user.b]\nemail = "b@x"\n'
    apply_manifest(text)
    swapped = text.replace("a@x", "c@x").replace("b@x", "a@x").replace("c@x", "b@x")
    apply_manifest(swapped)
    assert [users.show(gam, name).email for name in "ab"] == ["b@x", "a@x"]
    assert not plan_manifest(swapped).steps


def test_adopted_users_can_swap_emails(apply_manifest: ApplyManifest, gam: Gam) -> None:
    for name in "ab":
        users.create(gam, name, {"email": f"{name}@x"})
    apply_manifest('[user.a]\nemail = "b@x"\n[user.b]\nemail = "a@x"\n')
    assert [users.show(gam, name).email for name in "ab"] == ["b@x", "a@x"]


def test_a_changed_email_is_no_longer_verified(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam
) -> None:
    apply_manifest(f"{ANA}verified_email = true\n")
    other = ANA.replace("ana@", "a@")
    apply_manifest(other)
    assert not users.show(gam, "ana").verified_email
    apply_manifest(f"{ANA}verified_email = true\n")
    assert users.show(gam, "ana").verified_email
    assert not plan_manifest(f"{ANA}verified_email = true\n").steps


def test_a_seed_can_set_passwords(apply_manifest: ApplyManifest, gam: Gam) -> None:
    text = f'{ANA}password = "secret"\n'
    apply_manifest(text, seed=True)
    first = users.show(gam, "ana").password_hash
    assert first
    apply_manifest(text, seed=True)
    assert users.show(gam, "ana").password_hash == first
    apply_manifest(text.replace('"secret"', '"other"'), seed=True)
    assert users.show(gam, "ana").password_hash != first


def test_the_diff_checks_values_too(gam: Gam, read_owned: Callable[[str], Desired]) -> None:
    text = f'{WHOLE}[auth_type.m2m]\ntype = "APIkey"\n'
    desired = read_owned(text)
    users_, apps_, types = (
        (replace(each[0], name=f"{each[0].name} "),) for each in (desired.users, desired.apps, desired.auth_types)
    )
    bad_keys = (replace(desired.keys[0], user="ana ", app="portal "),)
    with gam.store.reading() as tx, pytest.raises(ProblemsError) as caught:
        make_plan(tx, gam, replace(desired, users=users_, apps=apps_, auth_types=types, keys=bad_keys), PlanOptions())
    assert len(caught.value.problems) == 3


def test_the_plan_shows_the_scopes_of_a_new_key(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, forward: Callable[[timedelta], Any]
) -> None:
    apply_manifest(f"{PORTAL}{ANA}")
    text = f'{WHOLE}expires_in = "90d"\n'
    found = plan_manifest(text)
    (change,) = found.summary().changes
    assert change.fields == (
        FieldChange("scopes", None, ("gam_user_data", "gam_user_roles")),
        FieldChange("expires_in", None, "90d"),
    )
    assert (change.owner, change.place and change.place.file, change.place and change.place.line) == (
        "m.toml",
        "m.toml",
        11,
    )
    forward(timedelta(days=1))
    assert plan_manifest(text).summary().changes == (change,)


@pytest.mark.parametrize("section", ["user", "app"])
def test_a_moved_object_is_renamed_in_one_change(
    section: str, plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam
) -> None:
    apply_manifest(WHOLE)
    key_ids = {each.id for each in _keys(gam)}
    old, new = {"user": ("ana", "eva"), "app": ("portal", "shop")}[section]
    text = WHOLE.replace(f"[{section}.{old}]", f'[{section}.{new}]\nmoved_from = "{old}"')
    moved = text.replace(f'{section} = "{old}"', f'{section} = "{new}"')
    found = plan_manifest(moved, prune=True)
    assert steps(found) == [("update", section, new)]
    assert fields(found) == {"name": (old, new)}
    assert not found.issues_secrets
    assert not found.impacts
    apply_manifest(moved, prune=True)
    assert {(each.id, getattr(each, section)) for each in _keys(gam)} == {(key_id, new) for key_id in key_ids}
    assert not plan_manifest(moved).steps


def test_a_move_can_change_fields_too(apply_manifest: ApplyManifest, gam: Gam) -> None:
    guid = apply_manifest(ANA).plan.steps[0].after.guid  # type: ignore[union-attr]
    apply_manifest('[user.eva]\nmoved_from = "ANA"\nemail = "eva@example.com"\n')
    eva = users.show(gam, "eva")
    assert (eva.guid, eva.email, eva.managed_by) == (guid, "eva@example.com", "m.toml")
    with gam.store.reading() as tx:
        renames = [(each.target, each.details) for each in audit.search(tx) if each.action == "user.rename"]
    assert renames == [("eva", '{"name":["ana","eva"]}')]


def test_a_move_of_an_object_that_does_not_exist_creates_it(plan_manifest: PlanManifest) -> None:
    assert steps(plan_manifest(f'{ANA}moved_from = "old"')) == [("create", "user", "ana")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            f'{ANA}moved_from = "bob"',
            (
                "m.toml:4: user.ana.moved_from: both 'ana' and 'bob' exist; "
                "remove moved_from, or delete or rename one of them"
            ),
        ),
        ('[user.eva]\nmoved_from = "bob"\n[user.bob]', "m.toml:2: user.eva.moved_from: 'bob' is also used in m.toml:3"),
        (
            '[user.eva]\nmoved_from = "bob"\n[user.fay]\nmoved_from = "bob"',
            "m.toml:4: user.fay.moved_from: 'bob' is also used in m.toml:1",
        ),
        ('[user.eva]\nmoved_from = "EVA"', "m.toml:2: user.eva.moved_from: is the name of the object itself"),
        (
            '[user.eva]\nemail = "ana@example.com"',
            (
                "m.toml:2: user.eva.email: 'ana@example.com' already identifies user 'ana'; "
                'if it was renamed, add moved_from = "ana"'
            ),
        ),
    ],
)
def test_an_ambiguous_move_is_a_problem(
    plan_manifest: PlanManifest, apply_manifest: ApplyManifest, text: str, problem: str
) -> None:
    apply_manifest(f"{ANA}[user.bob]\n")
    assert find_problems(plan_manifest, text) == [problem]


def test_a_moved_application_keeps_the_only_type_that_it_allows(plan_manifest: PlanManifest, gam: Gam) -> None:
    auth_types.create(gam, "m2m", "APIkey", {"managed_by": "m.toml"})
    apps.create(gam, AppSpec("old", {"api_keys.auth_type": "m2m"}))
    with pytest.raises(ConflictError, match="application 'old' allows only"):
        plan_manifest('[app.new]\nmoved_from = "old"', prune=True)


def _keys(gam: Gam) -> list[Key]:
    with keys.search(gam, KeySearch()) as found:
        return list(found)


def test_a_new_application_shows_its_client_id_and_that_its_secret_is_new(plan_manifest: PlanManifest) -> None:
    shown = fields(plan_manifest("[app.a]"))
    assert shown == {"client_id": (None, "(generated)"), "client_secret": (None, "(new)")}
    assert fields(plan_manifest(f'[app.a]\nclient_id = "{"a" * 32}"'))["client_id"] == (None, "a" * 32)


def test_the_order_of_roles_means_nothing(plan_manifest: PlanManifest, apply_manifest: ApplyManifest, gam: Gam) -> None:
    apply_manifest('[user.ana]\nroles = ["b", "a", "b"]')
    assert users.show(gam, "ana").roles == ("b", "a")
    assert users.create(gam, "bob", {"roles": ("b", "a", "b")}).record.roles == ("b", "a")
    assert not plan_manifest('[user.ana]\nroles = ["a", "b", "a"]').steps
    assert not plan_manifest('[user.ana]\nroles = ["a", "b", "a"]', "other", adopt=True).steps
    assert not users.update(gam, "ana", {"roles": ("a", "b")}).is_changed
