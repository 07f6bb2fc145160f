"""Constraints of the schema: what would violate one is a problem with its line, before anything is changed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gamcli import store
from gamcli.actions import Gam, apps, keys, users
from gamcli.actions.apps import AppSpec
from gamcli.actions.keys import KeySpec
from gamcli.errors import ConflictError, FailedError, ProblemsError
from gamcli.provision import seed
from gamcli.provision.plan import ExecutionPlan
from gamcli.rules.credentials import mint_api_key
from gamcli.store import Store

CLIENT_ID = "a" * 32
OPEN = {"remote_rest": True, "api_keys.enabled": True}

PROBLEMS = {
    ("app", "client_id"): (f'[app.new]\nclient_id = "{CLIENT_ID}"', "m.toml:2: app.new.client_id: "),
    ("app", "fold"): ("[app.new]\n[app.NEW]", "m.toml:2: app.NEW: "),
    ("user", "fold"): ("[user.new]\n[user.NEW]", "m.toml:2: user.NEW: "),
    ("user", "email_fold"): ('[user.new]\nemail = "ANA@x"', "m.toml:2: user.new.email: "),
    ("auth_type", "fold"): ("[auth_type.m]\ntype='APIkey'\n[auth_type.M]\ntype='APIkey'", "m.toml:3: auth_type.M: "),
    ("key", "user_number, app_number, current"): (
        '[[key]]\nuser = "ana"\napp = "portal"\n[[key]]\nuser = "ANA@x"\napp = "portal"',
        "m.toml:4: key[1]: ",
    ),
}
"""A manifest that would violate a unique constraint, and where its problem is, by table and columns."""

GENERATED = {("app", "number"), ("user", "number"), ("user", "guid"), ("key", "id")}
"""Unique columns that no manifest sets; the ID of a key comes from `api_key` in a seed, see below."""


@pytest.fixture
def world(gam: Gam) -> Gam:
    apps.create(gam, AppSpec("portal", OPEN, ("gam_user_data",), client_id=CLIENT_ID))
    users.create(gam, "ana", {"email": "ana@x"})
    return gam


def unique_columns(made: Store) -> set[tuple[str, str]]:
    with made.reading() as tx:
        return {
            (table, ", ".join(str(row[0]) for row in tx.each("SELECT name FROM pragma_index_info(?)", [index])))
            for table in ("app", "user", "auth_type", "key")
            for (index,) in tx.each('SELECT name FROM pragma_index_list(?) WHERE "unique" = 1', [table])
        }


def test_every_unique_constraint_is_checked_or_generated(gam: Gam) -> None:
    assert unique_columns(gam.store) == PROBLEMS.keys() | GENERATED


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("constraint", PROBLEMS)
def test_a_violated_constraint_is_a_problem_of_the_plan(
    constraint: tuple[str, str], plan_manifest: Callable[..., ExecutionPlan]
) -> None:
    text, start = PROBLEMS[constraint]
    with pytest.raises(ProblemsError) as raised:
        plan_manifest(text)
    assert [str(each)[: len(start)] for each in raised.value.problems] == [start]


def test_the_client_id_of_an_application_that_is_pruned_is_not_free(
    apply_manifest: Callable[..., object], plan_manifest: Callable[..., ExecutionPlan]
) -> None:
    apply_manifest(f'[app.old]\nclient_id = "{CLIENT_ID}"')
    with pytest.raises(ProblemsError) as raised:
        plan_manifest(f'[app.new]\nclient_id = "{CLIENT_ID}"', prune=True)
    (problem,) = raised.value.problems
    assert str(problem).endswith("already identifies application 'old'; if it was renamed, add moved_from = \"old\"")


SEED = """
[app.portal]
remote_rest = true
api_keys.enabled = true
[user.ana]
[user.bob]
[[key]]
user = "ana"
app = "portal"
api_key = "KEY"
[[key]]
user = "bob"
app = "portal"
api_key = "KEY"
"""


def test_the_same_api_key_twice_in_a_seed_is_a_problem(gam: Gam, tmp_path: Path) -> None:
    path = tmp_path / "seed.toml"
    path.write_text(SEED.replace("KEY", mint_api_key(gam.entropy)[1].reveal()), encoding="utf-8")
    with pytest.raises(ProblemsError) as raised:
        seed.apply_seed(gam, [path], {})
    assert [str(each) for each in raised.value.problems] == [
        f"{path}:14: key[1].api_key: this api_key is already used in {path}:7"
    ]


def test_an_api_key_of_another_user_is_a_problem_of_the_seed(world: Gam, tmp_path: Path) -> None:
    issued = keys.generate(world, KeySpec("ana", "portal"))
    path = tmp_path / "seed.toml"
    path.write_text(
        f'[user.bob]\n[[key]]\nuser = "bob"\napp = "portal"\napi_key = "{issued.secret.reveal()}"', encoding="utf-8"
    )
    with pytest.raises(ProblemsError) as raised:
        seed.apply_seed(world, [path], {})
    message = f"this api_key already exists: key {issued.record.id} of ana for portal"
    assert [str(each) for each in raised.value.problems] == [f"{path}:5: key[0].api_key: {message}"]


def test_a_violated_constraint_is_never_reported_as_a_damaged_store(world: Gam) -> None:
    ana = users.show(world, "ana")
    with pytest.raises(ConflictError, match="another user already has this"), world.store.writing() as tx:
        store.users.add(tx, ana)
    with pytest.raises(FailedError, match="nothing was changed"), world.store.writing() as tx:
        tx.run("UPDATE user SET name = NULL")
