"""Applications in the store."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.errors import ConflictError, NotFoundError
from gamcli.model import APIKEY, ApiKeyPolicy, App, AuthType, TokenPolicy
from gamcli.store import Store, Transaction, apps, audit, auth_types
from gamcli.store.apps import AppFilter
from tests.cases import for_each

Trial = Callable[[], AbstractContextManager[Transaction]]

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
TIMES = st.datetimes(timezones=st.just(UTC))
NUMBERS = st.integers(0, 999_999_999)
APPS = st.builds(
    App,
    name=TEXTS.filter(bool),
    client_id=st.text("0123456789abcdef", min_size=32, max_size=32),
    secret_digest=st.binary(min_size=32, max_size=32),
    created_at=TIMES,
    updated_at=TIMES,
    description=TEXTS,
    enabled=st.booleans(),
    scopes=st.lists(st.sampled_from(["gam_user_data", "fullcontrol", "user_Área"]), unique=True).map(tuple),
    grants=NUMBERS,
    last_used_at=st.none() | TIMES,
    remote_rest=st.booleans(),
    api_keys=st.builds(
        ApiKeyPolicy,
        enabled=st.booleans(),
        timeout_hours=NUMBERS,
        auth_type=st.sampled_from([None, "apikey", "local"]),
        scope_choice=st.booleans(),
    ),
    token=st.builds(TokenPolicy, timeout_minutes=NUMBERS, renewals=st.integers(0, 999)),
    require_scope=st.booleans(),
    share_user_ids=st.booleans(),
    one_token_per_user=st.booleans(),
    managed_by=st.none() | TEXTS,
    retiring_digest=st.none() | st.binary(min_size=32, max_size=32),
    retiring_until=st.none() | TIMES,
)


@pytest.fixture
def three(store: Store, portal: App) -> Store:
    with store.writing() as tx:
        for place, name in enumerate(("beta", "Alpha", "gamma")):
            at = datetime(2026, 1, 3 - place, tzinfo=UTC)
            app = portal._replace(name=name, client_id=f"{place}" * 32, enabled=place > 0, grants=place)
            app = app._replace(created_at=at, updated_at=at, last_used_at=at if place else None)
            policy = ApiKeyPolicy(enabled=place > 1)
            apps.add(tx, app._replace(remote_rest=place < 2, api_keys=policy))
    return store


def names(tx: Transaction, filters: AppFilter) -> list[str]:
    return [app.name for app in apps.search(tx, filters)]


@given(APPS, APPS)
def test_an_application_comes_back_as_it_was_kept(trial: Trial, app: App, after: App) -> None:
    with trial() as tx:
        apps.add(tx, app)
        assert apps.get(tx, app.name) == app
        after = after._replace(client_id=app.client_id, grants=app.grants, last_used_at=app.last_used_at)
        apps.save(tx, after)
        assert list(apps.search(tx, AppFilter())) == [after]
        assert apps.find_by_client_id(tx, app.client_id) == after._replace(grants=0, last_used_at=None)


@pytest.mark.parametrize("name", ["Portal", "PORTAL", "c" * 32])
def test_an_application_is_found_by_name_and_client_id(store: Store, portal: App, name: str) -> None:
    with store.writing() as tx:
        apps.add(tx, portal)
        assert apps.find(tx, name) == apps.get(tx, name) == portal


@pytest.mark.parametrize("name", ["", "Port", "C" * 32, "%"])
def test_another_name_finds_nothing(store: Store, portal: App, name: str) -> None:
    with store.writing() as tx:
        apps.add(tx, portal)
        assert apps.find(tx, name) is None
        with pytest.raises(NotFoundError) as caught:
            apps.get(tx, name)
    assert (caught.value.message, caught.value.hint) == (
        f"no application named '{name}'",
        "did you mean Portal? To list all: gamcli app list" if name == "Port" else "gamcli app list",
    )


def test_only_a_client_id_finds_a_client(store: Store, portal: App) -> None:
    with store.writing() as tx:
        apps.add(tx, portal)
        assert apps.find_by_client_id(tx, portal.client_id) == portal
        assert apps.find_by_client_id(tx, portal.name) is None


@pytest.mark.parametrize("other", [{"name": "PORTAL"}, {"client_id": "c" * 32}])
def test_names_and_client_ids_are_unique(store: Store, portal: App, other: dict[str, str]) -> None:
    second = portal._replace(**{"name": "second", "client_id": "d" * 32, **other})  # type: ignore[arg-type]
    with store.writing() as tx:
        apps.add(tx, portal)

    def add() -> None:
        with store.writing() as tx:
            apps.add(tx, second)

    with pytest.raises(ConflictError, match="already has this"):
        add()


@for_each(
    ("filters", "expected"),
    [
        (AppFilter(), ["Alpha", "beta", "gamma"]),
        (AppFilter(enabled=True), ["Alpha", "gamma"]),
        (AppFilter(enabled=False), ["beta"]),
        (AppFilter(remote_rest=True), ["Alpha", "beta"]),
        (AppFilter(remote_rest=False), ["gamma"]),
        (AppFilter(api_keys=True), ["gamma"]),
        (AppFilter(enabled=True, api_keys=False), ["Alpha"]),
        (AppFilter(enabled=False, api_keys=True), []),
    ],
)
def test_a_list_shows_the_applications_that_match(three: Store, filters: AppFilter, expected: list[str]) -> None:
    with three.reading() as tx:
        assert names(tx, filters) == expected


@for_each(
    ("sort", "expected"),
    [
        ("name", ["Alpha", "beta", "gamma"]),
        ("client_id", ["beta", "Alpha", "gamma"]),
        ("enabled", ["beta", "Alpha", "gamma"]),
        ("grants", ["beta", "Alpha", "gamma"]),
        ("last_used_at", ["beta", "gamma", "Alpha"]),
        ("created_at", ["gamma", "Alpha", "beta"]),
        ("updated_at", ["gamma", "Alpha", "beta"]),
    ],
)
def test_a_list_is_sorted_by_each_field_in_both_directions(three: Store, sort: str, expected: list[str]) -> None:
    backwards = ["Alpha", "gamma", "beta"] if sort == "enabled" else expected[::-1]
    with three.reading() as tx:
        assert names(tx, AppFilter(sort=sort)) == expected
        assert names(tx, AppFilter(sort=f"-{sort}")) == backwards


def test_who_allows_only_one_type_is_known(store: Store, portal: App, now: datetime) -> None:
    with store.writing() as tx:
        auth_types.add(tx, AuthType("apikey", APIKEY, "", enabled=True, default=False, created_at=now, updated_at=now))
        apps.add(tx, portal._replace(api_keys=ApiKeyPolicy(auth_type="ApiKey")))
        assert apps.find_names_restricted_to(tx, "APIKEY") == ["Portal"]
        assert apps.find_names_restricted_to(tx, "local") == []
        assert apps.get(tx, "portal").api_keys.auth_type == "apikey"


def test_a_deleted_application_is_gone(store: Store, portal: App) -> None:
    with store.writing() as tx:
        apps.add(tx, portal)
        apps.add(tx, portal._replace(name="other", client_id="d" * 32))
        apps.delete(tx, portal.client_id)
        assert names(tx, AppFilter()) == ["other"]
        assert list(audit.search(tx)) == []


def test_applications_are_found_by_many_names_at_once(peopled: Store, portal: App) -> None:
    with peopled.reading() as tx:
        assert list(apps.find_by_names(tx, ["PORTAL", "intranet"], [])) == [portal]
        assert list(apps.find_by_names(tx, [], ["C" * 32])) == [portal]
        assert list(apps.find_by_names(tx, ["intranet"], ["d" * 32])) == []


def test_those_that_a_manifest_manages_are_found(peopled: Store, portal: App) -> None:
    with peopled.writing() as tx:
        apps.save(tx, portal._replace(managed_by="a.toml"))
        assert [each.name for each in apps.find_managed(tx, ["a.toml"])] == [portal.name]
        assert list(apps.find_managed(tx, ["b.toml"])) == []


def test_an_application_is_found_by_either_of_its_secrets(three: Store) -> None:
    with three.writing() as tx:
        beta = apps.get(tx, "beta")
        apps.save(tx, beta._replace(secret_digest=b"n" * 32, retiring_digest=b"o" * 32))
    with three.reading() as tx:
        assert [
            found and found.name for found in (apps.find_by_secret_digest(tx, each * 32) for each in (b"n", b"o", b"x"))
        ] == ["beta", "beta", None]
