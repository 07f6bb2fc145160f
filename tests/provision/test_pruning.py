"""What manifests name no longer: told, deleted when that is asked for, released when it was made by hand."""

from collections.abc import Callable

import pytest

from gamcli.actions import Gam, apps, auth_types, keys, users
from gamcli.actions.apps import AppSpec
from gamcli.actions.keys import KeySearch
from gamcli.errors import ConflictError, NotFoundError, ProblemsError
from gamcli.provision.apply import Applied
from gamcli.provision.plan import ExecutionPlan

TYPE = '[auth_type.m2m]\ntype = "APIkey"\n'
APP = '[app.portal]\nscopes = ["gam_user_data"]\nremote_rest = true\napi_keys = { enabled = true }\n'
OTHER = APP.replace("portal", "shop")
USERS = "[user.ana]\n[user.bob]\n"
KEYS = '[[key]]\nuser = "ana"\napp = "portal"\n[[key]]\nuser = "bob"\napp = "portal"\nauth_type = "m2m"\n'
WHOLE = f"{TYPE}{APP}{OTHER}{USERS}{KEYS}"

Planned = Callable[..., ExecutionPlan]
Do = Callable[..., Applied]


def steps(plan: ExecutionPlan) -> list[tuple[str, str, str]]:
    return [(each.action, each.kind, each.name) for each in plan.summary().changes]


def leaves(plan: ExecutionPlan) -> list[tuple[str, str]]:
    return [(each.kind, each.name) for each in plan.summary().leaves]


def test_what_is_named_no_longer_is_reported_and_stays(planned: Planned, applied: Do, gam: Gam) -> None:
    applied(WHOLE)
    found = planned(f"{APP}[user.ana]\n")
    assert not found.steps
    assert leaves(found) == [
        ("key", "ana for portal"),
        ("user", "bob"),
        ("app", "shop"),
        ("auth-type", "m2m"),
    ]
    applied(f"{APP}[user.ana]\n")
    assert users.show(gam, "bob").managed_by == "m.toml"


def test_pruning_deletes_it_last_and_in_the_reverse_order(planned: Planned, applied: Do, gam: Gam) -> None:
    applied(WHOLE)
    text = f"{APP}[user.ana]\n[user.new]\n"
    found = planned(text, prune=True)
    assert steps(found) == [
        ("create", "user", "new"),
        ("delete", "key", "ana for portal"),
        ("delete", "user", "bob"),
        ("delete", "app", "shop"),
        ("delete", "auth-type", "m2m"),
    ]
    assert {each.reason for each in found.summary().invalidates} == {"deletion of user 'bob'", "no longer listed"}
    applied(text, prune=True)
    with gam.store.reading():
        assert not planned(text, prune=True).steps
    with keys.search(gam, KeySearch()) as left:
        assert [(each.user, each.status(gam.now()), each.reason) for each in left] == [
            ("ana", "revoked", "no longer listed by m.toml")
        ]
    for show, name in ((users.show, "bob"), (apps.show, "shop"), (auth_types.show, "m2m")):
        with pytest.raises(NotFoundError):
            show(gam, name)


def test_only_what_this_owner_manages_is_deleted(planned: Planned, applied: Do, gam: Gam) -> None:
    applied("[user.ana]\n")
    users.create(gam, "hand", {})
    applied("[user.bob]\n", "other.toml")
    assert steps(planned("[user.new]\n", prune=True)) == [("create", "user", "new"), ("delete", "user", "ana")]


def test_what_was_made_by_hand_is_released_and_never_deleted(planned: Planned, applied: Do, gam: Gam) -> None:
    users.create(gam, "hand", {})
    apps.create(gam, AppSpec("old", {}))
    text = '[user.hand]\n[app.old]\n[auth_type.apikey]\ntype = "APIkey"\n'
    applied(text)
    found = planned("", prune=True)
    assert steps(found) == [("update", "user", "hand"), ("update", "app", "old"), ("update", "auth-type", "apikey")]
    assert [(each.old, each.new) for each in found.summary().changes[0].fields] == [("m.toml", None)]
    applied("", prune=True)
    assert [users.show(gam, "hand").managed_by, auth_types.show(gam, "apikey").managed_by] == [None, None]
    assert not planned("", prune=True).steps
    applied(text)
    applied("", prune=True)
    assert users.show(gam, "hand")


def test_a_key_made_by_hand_is_released_too(planned: Planned, applied: Do, gam: Gam) -> None:
    base = f"{APP}[user.ana]\n"
    applied(base)
    key = keys.generate(gam, keys.KeySpec("ana", "portal")).record
    applied(f'{base}[[key]]\nuser = "ana"\napp = "portal"\n')
    assert keys.show(gam, key.id).managed_by == "m.toml"
    assert steps(planned(base, prune=True)) == [("update", "key", "ana for portal")]
    assert planned(base, prune=True).impacts == ()
    applied(base, prune=True)
    assert keys.show(gam, key.id).managed_by is None
    assert keys.show(gam, key.id).is_valid(gam.now())


def test_nothing_requested_may_stand_on_what_is_deleted(planned: Planned, applied: Do) -> None:
    applied(WHOLE)
    text = f"{TYPE}{APP}{KEYS}"
    with pytest.raises(ProblemsError) as caught:
        planned(text, prune=True)
    assert [each.message for each in caught.value.problems] == [
        "key[0].user: no user named 'ana'",
        "key[1].user: no user named 'bob'",
    ]
    assert planned(text).unlisted


def test_a_type_that_is_needed_is_not_deleted(planned: Planned, applied: Do, gam: Gam) -> None:
    applied(f'{TYPE}[repository]\ndefault_auth_type = "m2m"\n')
    with pytest.raises(ConflictError, match="is the default of the repository"):
        planned("", prune=True)
    assert steps(planned('[repository]\ndefault_auth_type = "apikey"\n', prune=True))[-1] == (
        "delete",
        "auth-type",
        "m2m",
    )
    auth_types.set_default(gam, "apikey")
    apps.create(gam, AppSpec("hand", {"api_keys.auth_type": "m2m"}))
    with pytest.raises(ConflictError) as caught:
        planned("", prune=True)
    assert caught.value.message == "application 'hand' allows only authentication type 'm2m'"
    any_type = '[app.hand]\napi_keys = { auth_type = "any" }\n'
    assert steps(planned(any_type, prune=True)) == [("update", "app", "hand"), ("delete", "auth-type", "m2m")]
    with pytest.raises(ConflictError):
        planned('[app.hand]\ndescription = "x"\n', prune=True)


def test_an_application_may_go_with_the_type_that_it_allows(planned: Planned, applied: Do) -> None:
    applied(f"{TYPE}{APP.replace('enabled = true', 'enabled = true, auth_type = ' + chr(34) + 'm2m' + chr(34))}")
    assert steps(planned("", prune=True)) == [("delete", "app", "portal"), ("delete", "auth-type", "m2m")]
    applied("", prune=True)
    assert not planned("", prune=True).steps


def test_an_email_of_somebody_deleted_is_free_at_once(applied: Do, gam: Gam) -> None:
    applied('[user.old]\nemail = "a@x"\n')
    applied('[user.new]\nemail = "a@x"\n', prune=True)
    assert users.show(gam, "a@x").name == "new"


def test_an_ended_key_is_left_alone(planned: Planned, applied: Do, gam: Gam) -> None:
    applied(f"{APP}[user.ana]\n{KEYS.partition('[[key]]' + chr(10) + 'user = ' + chr(34) + 'bob')[0]}")
    with keys.search(gam, KeySearch()) as found:
        ids = [each.id for each in found]
    keys.revoke(gam, ids, None)
    assert not planned(f"{APP}[user.ana]\n", prune=True).steps
