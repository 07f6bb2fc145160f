"""Settings of authentication types."""

from datetime import datetime, timedelta

import pytest

from gamcli.errors import UsageError
from gamcli.model import APIKEY, GAMLOCAL, AuthType
from gamcli.rules import auth_types
from tests.cases import for_each


@pytest.mark.parametrize(("kind", "stored"), [("APIkey", APIKEY), ("apikey", APIKEY), ("GAMLOCAL", GAMLOCAL)])
def test_a_new_type_is_enabled_and_of_its_kind(now: datetime, kind: str, stored: str) -> None:
    assert auth_types.create("machines", kind, {}, now) == AuthType(
        name="machines", type=stored, description="", enabled=True, default=False, created_at=now, updated_at=now
    )


@for_each("kind", ["", "Saml20", "API key", "a\x1bb"])
def test_another_kind_is_refused_with_the_known_ones(now: datetime, kind: str) -> None:
    with pytest.raises(UsageError, match="invalid type") as caught:
        auth_types.create("machines", kind, {}, now)
    assert caught.value.hint == "use APIkey or GAMLocal"
    assert caught.value.message.isprintable()


@for_each(
    ("name", "changes", "message"),
    [
        ("", {}, "the name of an authentication type is empty"),
        ("x" * 61, {}, "61 characters"),
        ("machines", {"description": "x" * 121}, "the description is too long: 121 characters"),
        ("machines", {"description": "\t"}, "the description contains"),
    ],
)
def test_name_and_description_have_their_limits(
    now: datetime, name: str, changes: auth_types.Changes, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        auth_types.create(name, APIKEY, changes, now)


def test_a_change_is_dated_and_what_is_not_named_stays(auth_type: AuthType, now: datetime) -> None:
    later = now + timedelta(days=1)
    after = auth_types.apply_changes(auth_type, {"enabled": False}, later)
    assert after == auth_type._replace(enabled=False, updated_at=later)


@pytest.mark.parametrize("changes", [{}, {"enabled": True}, {"description": "", "enabled": True}])
def test_a_change_to_what_is_there_already_returns_the_type_itself(
    auth_type: AuthType, now: datetime, changes: auth_types.Changes
) -> None:
    assert auth_types.apply_changes(auth_type, changes, now + timedelta(days=1)) is auth_type


@pytest.mark.parametrize("name", ["any", "ANY"])
def test_no_type_is_called_any(now: datetime, name: str) -> None:
    with pytest.raises(UsageError, match="means every authentication type"):
        auth_types.create(name, "APIkey", {}, now)
