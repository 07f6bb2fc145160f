"""An exported manifest describes the store that it was exported from."""

import json
import random
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gamcli import store
from gamcli.actions import Gam, apps, auth_types, keys, repository, rotation, users
from gamcli.errors import ConflictError, NotFoundError, RefusedError, UsageError
from gamcli.model import App, AuthType, User, normalize_name
from gamcli.provision import export, export_update, manifest, schema
from gamcli.provision.apply import Applied, make_plan
from gamcli.provision.desired import Desired, DesiredObject
from gamcli.provision.export import Selection
from gamcli.provision.plan import PlanOptions
from gamcli.rules import scopes
from gamcli.store import Store, Transaction
from gamcli.store.apps import AppFilter
from gamcli.store.users import UserFilter

THEN = datetime(2026, 3, 1, 12, 0, 0, 123456, UTC)

NAMES = st.text("abCZé9 -_.'\"\\$#={}[]", min_size=1, max_size=6).filter(lambda text: text == text.strip())
TEXTS = st.text("abé '\"\\$#={}NOPE\U0001f511", max_size=12)
VALUE_IDS = st.text("abé $.=]{}", min_size=1, max_size=4)
FLAGS = st.booleans()
SCOPES = st.lists(st.sampled_from([*scopes.TABLE, "user_Colour"]), unique=True, max_size=5).map(tuple)
APPS = st.fixed_dictionaries(
    {"scopes": SCOPES},
    optional={
        "description": TEXTS,
        "remote_rest": FLAGS,
        "api_keys.enabled": FLAGS,
        "api_keys.timeout_hours": st.sampled_from([0, 1, 24, 2160, 999_999_999]),
        "api_keys.scope_choice": FLAGS,
        "token.timeout_minutes": st.integers(0, 999_999_999),
        "token.renewals": st.integers(0, 999),
        "require_scope": FLAGS,
        "share_user_ids": FLAGS,
        "one_token_per_user": FLAGS,
        "enabled": FLAGS,
    },
)
USERS = st.fixed_dictionaries(
    {},
    optional={
        "email": st.sampled_from(["", "a@x", "B@y", "é@${X}"]),
        "verified_email": FLAGS,
        "first_name": TEXTS,
        "phone": TEXTS,
        "birthday": st.sampled_from(["", "1990-01-01"]),
        "gender": st.sampled_from("NFM"),
        "roles": st.lists(NAMES, max_size=3).map(tuple),
        "attributes": st.dictionaries(
            st.sampled_from(["Colour", "a.b", "c-d"]),
            TEXTS | st.lists(TEXTS, max_size=2) | st.dictionaries(VALUE_IDS, TEXTS, max_size=2),
            max_size=3,
        ),
        "enabled": FLAGS,
        "blocked": FLAGS,
    },
)
KINDS = st.tuples(st.sampled_from(["APIkey", "GAMLocal"]), TEXTS, FLAGS)
LIVES = st.sampled_from([None, timedelta(days=90), timedelta(hours=7), timedelta(seconds=100)])


@contextmanager
def new_store() -> Iterator[Gam]:
    with TemporaryDirectory() as path, Store.create(Path(path) / "store.db") as made:
        gam = Gam(made, lambda: THEN, random.Random(1).randbytes, "tester")
        repository.initialise(gam)
        yield gam


Draw = Callable[[st.SearchStrategy[Any]], Any]
REFUSALS = (ConflictError, RefusedError, UsageError, NotFoundError)


def fill(gam: Gam, draw: Draw) -> None:
    for name, (kind, description, enabled) in draw(st.dictionaries(NAMES, KINDS, max_size=3)).items():
        with suppress(*REFUSALS):
            auth_types.create(gam, name, kind, {"description": description, "enabled": enabled})
    with auth_types.search(gam, kind="APIkey", enabled=None, sort=None) as found:
        types = [each.name for each in found]
    auth_types.set_default(gam, draw(st.sampled_from(types)))
    for name, changes in draw(st.dictionaries(NAMES, USERS, max_size=4)).items():
        with suppress(*REFUSALS):
            users.create(gam, name, changes)
    for name, changes in draw(st.dictionaries(NAMES, APPS, max_size=3)).items():
        allowed = {"api_keys.auth_type": draw(st.sampled_from([None, *types]))}
        settings = {key: value for key, value in changes.items() if key != "scopes"} | allowed
        with suppress(*REFUSALS):
            apps.create(gam, apps.AppSpec(name, settings, changes["scopes"]))
    fill_keys(gam, draw)


def fill_keys(gam: Gam, draw: Draw) -> None:
    with gam.store.reading() as tx:
        pairs = [(user, app) for user in everyone(tx) for app in all_apps(tx)]
    for user, app in pairs:
        chosen = draw(st.none() | st.lists(st.sampled_from(app.scopes), max_size=2).map(tuple)) if app.scopes else None
        wish = keys.KeySpec(user.guid, app.client_id, chosen, draw(LIVES))
        with suppress(*REFUSALS):
            issued = keys.generate(gam, wish._replace(label=draw(TEXTS)))
            ending = draw(st.integers(0, 5))
            if ending == 0:
                keys.revoke(gam, [issued.record.id], None)
            elif ending == 1:
                rotation.rotate(gam, issued.record.id, timedelta(days=1))
        if draw(st.integers(0, 3)) == 0:
            apps.update(gam, app.client_id, {"remote_rest": False})


def everyone(tx: Transaction) -> list[User]:
    return [*store.users.search(tx, UserFilter())]


def all_apps(tx: Transaction) -> list[App]:
    return [*store.apps.search(tx, AppFilter())]


KEPT = {
    "guid", "created_at", "updated_at", "managed_by", "default", "secret_digest", "password_hash", "password_set_at",
    "password_must_change", "password_expires_at", "grants",
    "last_used_at", "retiring_digest", "retiring_until",
}  # fmt: skip
"""Fields that no manifest contains."""


def flat(record: AuthType | App | User) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in record._asdict().items():
        if name in ("api_keys", "token"):
            found |= {f"{name}.{inner}": each for inner, each in asdict(value).items()}
        elif name not in KEPT:
            found[name] = value
    return found


def laid_over(fresh: AuthType | App | User, objects: tuple[DesiredObject, ...]) -> dict[str, dict[str, object]]:
    return {each.name: {**flat(fresh), "name": each.name, **each.fields} for each in objects}


def require_same(gam: Gam, result: Desired, *, lives: bool = True) -> None:
    with auth_types.search(gam, kind=None, enabled=None, sort=None) as listed:
        types = {each.name: each for each in listed}
    with gam.store.reading() as tx:
        people, programs = everyone(tx), all_apps(tx)
    fresh_type = AuthType("", "", "", enabled=True, default=False, created_at=THEN, updated_at=THEN)
    assert laid_over(fresh_type, result.auth_types) == {name: flat(each) for name, each in types.items()}
    fresh_app = App("", "", b"", THEN, THEN)
    assert laid_over(fresh_app, result.apps) == {each.name: flat(each) for each in programs}
    assert laid_over(User("", "", THEN, THEN), result.users) == {each.name: flat(each) for each in people}
    assert result.default_auth_type == next(each.name for each in types.values() if each.default)
    with keys.search(gam, keys.KeySearch(statuses=("active",))) as live:
        expected = {
            (key.user, key.app): (key.scopes, key.label, key.expires_at and key.expires_at - THEN) for key in live
        }
    listed_keys = {(key.user, key.app): (key.scopes, key.label, key.expires_in) for key in result.keys}
    beyond = {pair for pair, terms in expected.items() if terms[2] and terms[2] > timedelta(days=36_500)}
    for pair in beyond:  # longer than a duration can be, but the timeout of the application allows it
        expected[pair] = (*expected[pair][:2], None)
    if lives:
        assert listed_keys == expected
    assert {pair: terms[:3] for pair, terms in listed_keys.items()} == {
        pair: terms[:3] for pair, terms in expected.items()
    }


@given(st.data())
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_an_export_describes_the_store(data: st.DataObject) -> None:
    with new_store() as gam, TemporaryDirectory() as path:
        fill(gam, data.draw)
        tables = export.collect_tables(gam, Selection())
        text = "\n".join(export.format_manifest(tables)) + "\n"
        (Path(path) / "m.toml").write_text(text, encoding="utf-8")
        found = manifest.read([Path(path) / "m.toml"], {})
        require_same(gam, found)
        with gam.store.reading() as tx:
            assert not make_plan(tx, gam, found, PlanOptions()).steps
        document = export.to_document(tables)
        for each in (tomllib.loads(text), json.loads(json.dumps(document))):
            assert [*Draft202012Validator(schema.build_schema()).iter_errors(each)] == []
        assert "\n".join(export.format_manifest(export.collect_tables(gam, Selection()))) + "\n" == text


@given(st.data())
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_manifest_of_any_store_can_be_updated_to_any_other(data: st.DataObject) -> None:
    with new_store() as old, new_store() as gam, TemporaryDirectory() as path:
        fill(old, data.draw)
        fill(gam, data.draw)
        file = Path(path) / "m.toml"
        lines, comments = list[str](), list[str]()
        for line in export.format_manifest(export.collect_tables(old, Selection())):
            if line.startswith("[") and data.draw(FLAGS):
                comments.append(f"# {len(comments)}")
                lines += [comments[-1]]
            lines += [line] if line or data.draw(FLAGS) else []
        file.write_text("\n".join(lines), encoding="utf-8")
        export_update.update(gam, [file], {}, Selection())
        require_same(gam, manifest.read([file], {}), lives=False)
        assert [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("# ")] == comments
        assert export_update.update(gam, [file], {}, Selection()) == {file: export_update.UpdateCounts(0, 0, 0)}


@pytest.fixture
def filled(gam: Gam) -> Gam:
    shared = {"remote_rest": True, "api_keys.enabled": True}
    for name in ("portal", "Shop"):
        apps.create(gam, apps.AppSpec(name, shared, ("gam_user_data",), name[0] * 32))
    users.create(gam, "bo", {})
    users.create(gam, "Ana", {"email": "ana@x", "attributes": {"Colour": "$${red}"}, "roles": ("a",)})
    for user, app in (("bo", "portal"), ("ana", "shop"), ("ana", "portal")):
        keys.generate(gam, keys.KeySpec(user, app, expires_in=timedelta(days=90) if user == "bo" else None))
    return gam


@pytest.fixture
def exported(filled: Gam) -> Callable[..., str]:
    return lambda **selection: "\n".join(export.format_manifest(export.collect_tables(filled, Selection(**selection))))


def test_an_export_is_sorted_and_contains_no_secret(exported: Callable[..., str]) -> None:
    text = exported()
    headers = [line for line in text.splitlines() if line.startswith("[")]
    assert headers == [
        "[repository]", "[auth_type.apikey]", "[auth_type.local]", "[app.portal]", "[app.Shop]", "[user.Ana]",
        "[user.bo]", "[[key]]", "[[key]]", "[[key]]",
    ]  # fmt: skip
    assert [line for line in text.splitlines() if line.startswith(("user =", "app ="))] == [
        'user = "Ana"', 'app = "portal"', 'user = "Ana"', 'app = "Shop"', 'user = "bo"', 'app = "portal"',
    ]  # fmt: skip
    assert "secret" not in text
    assert "digest" not in text


def test_a_table_has_important_fields_and_those_without_default(exported: Callable[..., str]) -> None:
    assert exported(users=("ana@x",), keys=False).splitlines() == [
        "[user.Ana]",
        'email = "ana@x"',
        'roles = ["a"]',
        'attributes = { Colour = "$$$${red}" }',
        "enabled = true",
        "blocked = false",
    ]
    assert exported(users=("bo",), apps=("portal",)).splitlines()[-6:] == [
        "",
        "[[key]]",
        'user = "bo"',
        'app = "portal"',
        'scopes = ["gam_user_data"]',
        'expires_in = "90d"',
    ]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({"auth_types": ("APIKEY", "apikey")}, ["[auth_type.apikey]"]),
        ({"apps": ("shop",)}, ["[app.Shop]", "Ana Shop"]),
        ({"users": ("bo",)}, ["[user.bo]", "bo portal"]),
        ({"users": ("bo", "ana")}, ["[user.Ana]", "[user.bo]", "Ana portal", "Ana Shop", "bo portal"]),
        ({"users": ("ana",), "apps": ("portal",)}, ["[app.portal]", "[user.Ana]", "Ana portal"]),
        ({"users": ("bo",), "keys": False}, ["[user.bo]"]),
    ],
)
def test_selected_objects_are_exported_with_their_keys(filled: Gam, selection: Any, expected: list[str]) -> None:  # noqa: ANN401
    tables = export.collect_tables(filled, Selection(**selection))
    assert [
        f"{each.fields['user']} {each.fields['app']}" if each.section.is_array else next(export.format_table(each))
        for each in tables
    ] == expected


def test_unknown_names_cannot_be_exported(filled: Gam) -> None:
    for selection in (Selection(apps=("nope",)), Selection(users=("nope",)), Selection(auth_types=("nope",))):
        with pytest.raises(NotFoundError):
            export.collect_tables(filled, selection)


def test_names_are_normalized_alike(filled: Gam) -> None:
    assert len(export.collect_tables(filled, Selection(users=("ANA", "ana@x"), keys=False))) == 1
    assert normalize_name("ANA") == normalize_name("ana")


def test_the_json_document_equals_the_toml(filled: Gam, exported: Callable[..., str]) -> None:
    found = export.to_document(export.collect_tables(filled, Selection()))
    expected = tomllib.loads(exported())
    expected["user"]["Ana"]["attributes"]["Colour"] = "$${red}"
    assert json.loads(json.dumps(found)) == expected


def test_an_export_names_its_owners_where_they_change(gam: Gam, apply_manifest: Callable[..., Applied]) -> None:
    apply_manifest("[user.ana]\n", "first")
    apply_manifest("[user.bo]\n", "second")
    lines = [*export.format_manifest(export.collect_tables(gam, Selection()))]
    comments = [line for line in lines if line.startswith("#")]
    assert comments == ["# gamcli owner: first", "# gamcli owner: second"]
    assert lines[0] == comments[0]
    assert lines.index("[user.ana]") < lines.index(comments[1]) < lines.index("[user.bo]")
