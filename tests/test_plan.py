"""The records of a plan: what differs between two records, and the counts."""

from datetime import UTC, datetime

from gamcli import model
from gamcli.model import ApiKeyPolicy, App, Key, KeyImpact, User, tokens
from gamcli.model.plan import (
    CREATE,
    DELETE,
    DIFF_FIELDS,
    SECRET_NAMES,
    UPDATE,
    Change,
    FieldChange,
    Plan,
    PlanSummary,
    diff_records,
)
from tests.cases import for_each

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
APP = App("portal", "client", bytes(32), NOW, NOW, scopes=("gam_user_data",))
USER = User("guid", "ana", NOW, NOW, attributes={"Area": "1"})
KEY = Key("AbCdEfGh", "ana", "guid", "portal", "client", ("gam_user_data",), bytes(32), NOW)


def test_an_update_reports_each_field_that_differs_with_its_old_and_new_value() -> None:
    after = APP._replace(description="new", api_keys=ApiKeyPolicy(enabled=True, timeout_hours=5), updated_at=NOW)
    assert diff_records(APP, after) == (
        FieldChange("description", "", "new"),
        FieldChange("api_keys.enabled", old=False, new=True),
        FieldChange("api_keys.timeout_hours", 0, 5),
    )
    assert diff_records(APP, APP) == ()


def test_a_new_record_reports_what_is_not_a_default() -> None:
    assert diff_records(None, USER) == (FieldChange("attributes", None, {"Area": "1"}),)
    assert diff_records(APP, None) == (FieldChange("scopes", ("gam_user_data",), None),)


def test_of_a_secret_only_its_change_is_reported() -> None:
    assert diff_records(APP, APP._replace(secret_digest=b"1" * 32)) == (FieldChange("client_secret", "(set)", "(new)"),)
    rotated = APP._replace(secret_digest=b"1" * 32, retiring_digest=APP.secret_digest, retiring_until=APP.created_at)
    assert diff_records(APP, rotated) == (
        FieldChange("secret_retires_at", None, APP.created_at),
        FieldChange("client_secret", "(set)", "(new)"),
    )
    assert diff_records(USER, USER._replace(password_hash="scrypt")) == (FieldChange("password", None, "(new)"),)


@for_each("kind", DIFF_FIELDS)
def test_what_a_change_reports_are_fields_of_the_record_and_no_secrets(kind: type) -> None:
    assert set(DIFF_FIELDS[kind]) <= set(kind.__annotations__)
    assert not set(DIFF_FIELDS[kind]) & model.SECRET_FIELDS
    assert set(SECRET_NAMES) <= model.SECRET_FIELDS


def test_a_plan_counts_its_steps_and_the_keys_that_it_touches() -> None:
    steps = [Change(action, "app", "portal") for action in (CREATE, UPDATE, UPDATE, DELETE)]
    plan = Plan.from_changes(
        steps, [KeyImpact(KEY, is_permanent=True, reason="gone"), KeyImpact(KEY, is_permanent=False, reason="off")]
    )
    assert plan.summary == PlanSummary(create=1, update=2, delete=1, invalidate=1, suspend=1)
    assert [each.reason for each in plan.invalidates + plan.suspends] == ["gone", "off"]


def test_every_record_that_is_changed_can_be_reported() -> None:
    assert {model.Repository, model.AuthType, App, User, Key, tokens.Token} <= set(DIFF_FIELDS)
