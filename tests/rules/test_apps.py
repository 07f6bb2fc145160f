"""Settings of applications, and how changes apply to them."""

from datetime import datetime, timedelta

import pytest

from gamcli.errors import UsageError
from gamcli.model import ApiKeyPolicy, App, TokenPolicy
from gamcli.rules import apps
from gamcli.rules.credentials import Secret
from tests.cases import for_each

CLIENT_ID = "ab" * 16
SECRET = Secret("s" * 32)


def test_a_new_application_has_the_deproblems_of_gam(now: datetime) -> None:
    assert apps.create("portal", CLIENT_ID, SECRET, {}, now) == App(
        name="portal",
        client_id=CLIENT_ID,
        secret_digest=SECRET.digest(),
        created_at=now,
        updated_at=now,
        enabled=True,
        remote_rest=False,
        api_keys=ApiKeyPolicy(enabled=False, timeout_hours=0, auth_type=None, scope_choice=False),
        token=TokenPolicy(timeout_minutes=60, renewals=0),
        require_scope=False,
        share_user_ids=True,
        one_token_per_user=False,
    )


def test_settings_are_laid_over_the_deproblems(now: datetime) -> None:
    changes = {
        "description": "Customer portal",
        "scopes": ("gam_user_data",),
        "remote_rest": True,
        "api_keys.enabled": True,
        "api_keys.timeout_hours": 24,
        "token.renewals": 3,
    }
    made = apps.create("portal", CLIENT_ID, SECRET, changes, now)
    assert (made.description, made.scopes, made.remote_rest) == ("Customer portal", ("gam_user_data",), True)
    assert made.api_keys == ApiKeyPolicy(enabled=True, timeout_hours=24)
    assert made.token == TokenPolicy(timeout_minutes=60, renewals=3)


def test_a_change_is_dated_and_what_is_not_named_stays(app: App, now: datetime) -> None:
    later = now + timedelta(hours=1)
    assert apps.apply_changes(app, {"token.timeout_minutes": 5}, later) == app._replace(
        token=TokenPolicy(timeout_minutes=5), updated_at=later
    )


@for_each("changes", [{}, {"enabled": True}, {"api_keys.scope_choice": True}, {"description": ""}])
def test_a_change_to_what_is_there_already_returns_the_application_itself(
    app: App, now: datetime, changes: apps.Changes
) -> None:
    assert apps.apply_changes(app, changes, now + timedelta(hours=1)) is app


def test_switching_api_keys_on_needs_remote_rest(app: App, now: datetime) -> None:
    closed = app._replace(remote_rest=False, api_keys=ApiKeyPolicy())
    with pytest.raises(UsageError, match="API keys require remote REST") as caught:
        apps.apply_changes(closed, {"api_keys.enabled": True}, now)
    assert caught.value.hint == "add --remote-rest"


def test_switching_api_keys_and_remote_rest_on_together_is_fine(app: App, now: datetime) -> None:
    closed = app._replace(remote_rest=False, api_keys=ApiKeyPolicy())
    assert apps.apply_changes(closed, {"api_keys.enabled": True, "remote_rest": True}, now).api_keys.enabled


def test_remote_rest_may_be_switched_off_while_api_keys_are_on(app: App, now: datetime) -> None:
    closed = apps.apply_changes(app, {"remote_rest": False}, now)
    assert (closed.remote_rest, closed.api_keys.enabled) == (False, True)
    assert apps.apply_changes(closed, {"description": "closed"}, now).description == "closed"


@pytest.mark.parametrize(
    ("setting", "least", "most"),
    [("api_keys.timeout_hours", 0, 999_999_999), ("token.timeout_minutes", 0, 999_999_999), ("token.renewals", 0, 999)],
)
def test_numbers_have_the_bounds_of_gam(app: App, now: datetime, setting: str, least: int, most: int) -> None:
    for allowed in (least, most):
        assert apps.apply_changes(app, {setting: allowed}, now)
    for refused in (least - 1, most + 1, "1", 1.5):
        with pytest.raises(UsageError) as caught:
            apps.apply_changes(app, {setting: refused}, now)
        assert caught.value.message == f"invalid {setting} '{refused}'"
        assert str(caught.value.hint).startswith(f"use {least} to {most} ")


@pytest.mark.parametrize("description", ["a\nb", "x" * 255])
def test_a_description_is_a_short_printable_text(app: App, now: datetime, description: str) -> None:
    with pytest.raises(UsageError, match="the description"):
        apps.apply_changes(app, {"description": description}, now)


def test_the_name_of_a_new_application_is_checked(now: datetime) -> None:
    with pytest.raises(UsageError, match="the name of an application is empty"):
        apps.create("", CLIENT_ID, SECRET, {}, now)


@pytest.mark.parametrize("client_id", ["a" * 32, "A" * 40, "6f1b4a52-0d0e-4b5e-9c1f-0a1b2c3d4e5f"])
def test_a_client_id_may_be_provided(now: datetime, client_id: str) -> None:
    assert apps.create("portal", client_id, SECRET, {}, now).client_id == client_id


@for_each("client_id", ["", "a" * 31, "a" * 41, "é" * 32, "a" * 31 + "_", "a" * 31 + "\n", "-" * 32])
def test_what_has_not_the_form_of_a_client_id_is_refused(now: datetime, client_id: str) -> None:
    with pytest.raises(UsageError, match="invalid client ID"):
        apps.create("portal", client_id, SECRET, {}, now)


def test_a_rotated_secret_retires_after_the_overlap(app: App, now: datetime) -> None:
    day = timedelta(days=1)
    once = apps.rotate_secret(app, SECRET, now, day)
    assert once == app._replace(
        secret_digest=SECRET.digest(), retiring_digest=app.secret_digest, retiring_until=now + day, updated_at=now
    )
    twice = apps.rotate_secret(once, Secret("t" * 32), now, 2 * day)
    assert (twice.retiring_digest, twice.retiring_until) == (SECRET.digest(), now + 2 * day)


def test_without_overlap_a_new_secret_is_the_only_one(app: App, now: datetime) -> None:
    retiring = apps.rotate_secret(app, SECRET, now, timedelta(days=1))
    for before in (app, retiring):
        after = apps.rotate_secret(before, Secret("t" * 32), now)
        assert after == app._replace(secret_digest=Secret("t" * 32).digest(), updated_at=now)


@pytest.mark.parametrize("secret", ["!" * 32, "~" * 120])
def test_a_client_secret_may_be_provided(now: datetime, secret: str) -> None:
    made = apps.create("portal", CLIENT_ID, Secret(secret), {}, now)
    assert Secret(secret).matches(made.secret_digest)


@for_each("secret", ["", "s" * 31, "s" * 121, "s" * 31 + " ", "s" * 31 + "\n", "é" * 32, "s" * 31 + "\x7f"])
def test_what_has_not_the_form_of_a_client_secret_is_refused_without_showing_it(now: datetime, secret: str) -> None:
    with pytest.raises(UsageError, match="client secret") as caught:
        apps.create("portal", CLIENT_ID, Secret(secret), {}, now)
    assert not secret or secret not in f"{caught.value.message} {caught.value.hint}"


@for_each(
    ("add", "remove", "after"),
    [
        ((), (), ("gam_user_data", "gam_user_roles")),
        (("user_email", "fullcontrol"), (), ("gam_user_data", "gam_user_roles", "fullcontrol", "user_email")),
        ((), ("gam_user_data", "user_city"), ("gam_user_roles",)),
        (("user_email",), ("gam_user_roles",), ("gam_user_data", "user_email")),
        (("gam_user_data",), (), ("gam_user_data", "gam_user_roles")),
    ],
)
def test_scopes_are_added_and_removed_in_table_order(
    app: App, add: tuple[str, ...], remove: tuple[str, ...], after: tuple[str, ...]
) -> None:
    assert apps.edit_scopes(app, add, remove) == after


def test_a_scope_is_not_both_added_and_removed(app: App) -> None:
    with pytest.raises(UsageError, match="user_city is both added and removed"):
        apps.edit_scopes(app, ("user_city", "user_email"), ("user_city",))
