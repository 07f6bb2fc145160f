"""Seeds: manifests with secrets, applied to a new store."""

import os
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from gamcli import store
from gamcli.actions import Gam, diagnosis, issuance, key_lookup, repository, users
from gamcli.errors import ProblemsError, RefusedError, UsageError
from gamcli.provision import schema, seed
from gamcli.rules import passwords
from gamcli.rules.credentials import Secret, mint_api_key, parse_api_key_id
from gamcli.rules.grants import PASSWORD, TokenRequest
from gamcli.store import Store

SECRET = "a-client-secret-of-forty-characters-and-more"
CLIENT = "the-client-0123456789-0123456789-0123"
APP = '[app.portal]\nscopes = ["gam_user_data"]\nremote_rest = true\napi_keys = { enabled = true }\n'
USER = "[user.ana]\n"
KEY = '[[key]]\nuser = "ana"\napp = "portal"\n'


def written(folder: Path, text: str) -> list[Path]:
    (folder / "seed.toml").write_text(text, encoding="utf-8")
    return [folder / "seed.toml"]


def problem_of(gam: Gam, folder: Path, text: str) -> tuple[int, str]:
    """Return the line and the message of the only problem."""
    with pytest.raises(ProblemsError) as caught:
        seed.apply_seed(gam, written(folder, text), {})
    (problem,) = caught.value.problems
    return problem.line, problem.message


def test_secrets_that_a_seed_leaves_out_are_issued(gam: Gam, tmp_path: Path) -> None:
    found = seed.environment(seed.apply_seed(gam, written(tmp_path, APP + USER + KEY), {}))
    assert [*found] == [
        "GAM_CLIENT_ID", "GAM_CLIENT_SECRET", "GAM_API_KEY",
        "GAM_CLIENT_ID_PORTAL", "GAM_CLIENT_SECRET_PORTAL", "GAM_API_KEY_ANA_PORTAL",
    ]  # fmt: skip
    assert diagnosis.verify(gam, Secret(found["GAM_API_KEY"]), found["GAM_CLIENT_ID"]).valid


def test_secrets_of_a_seed_are_used(gam: Gam, tmp_path: Path) -> None:
    key_id, key = mint_api_key(gam.entropy)
    fixed = f'{APP}client_id = "{CLIENT}"\nclient_secret = "{SECRET}"\n{USER}password = "${{PASSWORD}}"\n'
    paths = written(tmp_path, fixed + KEY + f'api_key = "{key.reveal()}"\n')
    found = seed.environment(seed.apply_seed(gam, paths, {"PASSWORD": "a long password"}))
    assert found == {
        "GAM_CLIENT_ID": CLIENT,
        "GAM_CLIENT_ID_PORTAL": CLIENT,
        "GAM_CLIENT_SECRET": SECRET,
        "GAM_CLIENT_SECRET_PORTAL": SECRET,
        "GAM_API_KEY": key.reveal(),
        "GAM_API_KEY_ANA_PORTAL": key.reveal(),
        "GAM_USERNAME": "ana",
        "GAM_USERNAME_ANA": "ana",
        "GAM_PASSWORD": "a long password",
        "GAM_PASSWORD_ANA": "a long password",
    }
    with gam.store.reading() as tx:
        kept = store.keys.find(tx, key_id)
        assert kept is not None
        assert kept.digest == key.digest()
        assert store.apps.get(tx, "portal").secret_digest == Secret(SECRET).digest()
        password = store.users.get(tx, "ana").password_hash
    assert password is not None
    assert passwords.verify(Secret("a long password"), password)
    assert password.startswith("scrypt$1024$"), "a server for tests is ready at once"


def test_several_secrets_have_separate_names(gam: Gam, tmp_path: Path) -> None:
    key = mint_api_key(gam.entropy)[1].reveal()
    more = "[user.eva]\n" + KEY + f'api_key = "{key}"\n' + KEY.replace("ana", "eva")
    found = seed.environment(seed.apply_seed(gam, written(tmp_path, APP + USER + more), {}))
    assert "GAM_API_KEY" not in found
    assert {"GAM_CLIENT_ID", "GAM_CLIENT_SECRET", "GAM_API_KEY_ANA_PORTAL", "GAM_API_KEY_EVA_PORTAL"} <= {*found}
    assert found["GAM_API_KEY_ANA_PORTAL"] == key
    assert parse_api_key_id(Secret(found["GAM_API_KEY_EVA_PORTAL"]))


def test_credentials_of_a_seed_can_be_any_text_with_a_warning(gam: Gam, tmp_path: Path) -> None:
    app = f'{APP}client_id = "shop"\nclient_secret = "s"\n'
    desired = seed.read(written(tmp_path, app + USER + KEY + 'api_key = "k"\n'), {})
    path = tmp_path / "seed.toml"
    assert [each.partition("; ")[0] for each in desired.warnings] == [
        f"{path}:5: app.portal.client_id: accepted only for tests: invalid client ID 'shop'",
        f"{path}:6: app.portal.client_secret: accepted only for tests: invalid client secret",
        f"{path}:11: key[0].api_key: accepted only for tests: the API key has 1 character",
    ]
    found = seed.environment(seed.apply_desired(gam, desired))
    assert (found["GAM_CLIENT_ID"], found["GAM_CLIENT_SECRET"], found["GAM_API_KEY"]) == ("shop", "s", "k")
    request = TokenRequest("shop", Secret("s"), Secret("k"), "apikey")
    assert issuance.exchange(gam, request).grant.user.name == "ana"
    with pytest.raises(RefusedError, match="unknown"):
        issuance.exchange(gam, request._replace(api_key=Secret("K")))
    assert diagnosis.verify(gam, Secret("k"), "portal").valid


@pytest.mark.parametrize("key", ["", "a\tb", "x" * 2049])
def test_a_key_that_no_request_can_send_is_a_problem_with_its_line(gam: Gam, tmp_path: Path, key: str) -> None:
    line, message = problem_of(gam, tmp_path, APP + USER + KEY + f"api_key = '{key}'\n")
    assert (line, message) == (9, "key[0].api_key: invalid credential; use 1 to 2,048 printable characters")


def test_the_same_key_twice_is_a_problem_with_its_line(gam: Gam, tmp_path: Path) -> None:
    twice = KEY + 'api_key = "one"\nstatus = "revoked"\n'
    first = f"{tmp_path / 'seed.toml'}:6"
    found = problem_of(gam, tmp_path, APP + USER + twice + twice)
    assert found == (14, f"key[1].api_key: this api_key is already used in {first}")


def test_a_pair_has_keys_in_every_state(gam: Gam, tmp_path: Path) -> None:
    states = ["expired", "revoked", "revoked", "active"]
    keys = "".join(f'{KEY}api_key = "key {number}"\nstatus = "{each}"\n' for number, each in enumerate(states))
    eva = KEY.replace("ana", "eva") + 'api_key = "key 4"\nstatus = "suspended"\n'
    found = seed.environment(seed.apply_seed(gam, written(tmp_path, APP + USER + "[user.eva]\n" + keys + eva), {}))
    rules = [diagnosis.verify(gam, Secret(f"key {number}"), "portal").rule for number in range(5)]
    assert rules == ["key_expired", "key_revoked", "key_revoked", None, "key_disabled"]
    assert {name: value for name, value in found.items() if name.startswith("GAM_API_KEY")} == {
        "GAM_API_KEY": "key 3",
        "GAM_API_KEY_ANA_PORTAL": "key 3",
        "GAM_API_KEY_ANA_PORTAL_EXPIRED": "key 0",
        "GAM_API_KEY_ANA_PORTAL_REVOKED": "key 1",
        "GAM_API_KEY_ANA_PORTAL_REVOKED_2": "key 2",
        "GAM_API_KEY_EVA_PORTAL_SUSPENDED": "key 4",
    }
    assert key_lookup.find_current(gam, "ana", "portal").digest == Secret("key 3").digest()


def test_a_pair_has_one_key_that_can_be_used(gam: Gam, tmp_path: Path) -> None:
    line, message = problem_of(gam, tmp_path, APP + USER + KEY + KEY + 'status = "suspended"\n')
    assert line == 9
    assert "already defined" in message


def test_a_seed_with_fixed_keys_can_be_applied_again(gam: Gam, tmp_path: Path) -> None:
    keys = f'{KEY}api_key = "old"\nstatus = "revoked"\n{KEY}api_key = "new"\n'
    paths = written(tmp_path, APP + USER + keys)
    assert seed.apply_seed(gam, paths, {}).keys
    assert seed.apply_seed(gam, paths, {}).keys == ()
    assert key_lookup.find_current(gam, "ana", "portal").digest == Secret("new").digest()


def test_what_is_blocked_or_disabled_has_keys(gam: Gam, tmp_path: Path) -> None:
    app = APP.replace("remote_rest = true", "enabled = false\nremote_rest = true")
    text = app + "[user.ana]\nblocked = true\nenabled = false\n[auth_type.apikey]\nenabled = false\n" + KEY
    found = seed.environment(seed.apply_seed(gam, written(tmp_path, text), {}))
    assert diagnosis.verify(gam, Secret(found["GAM_API_KEY"]), "portal").rule == "app_disabled"


@pytest.mark.parametrize(("status", "rule"), [("expired", "password_expired"), ("must_change", "password_must_change")])
def test_a_password_has_a_state(gam: Gam, tmp_path: Path, status: str, rule: str) -> None:
    local = '[auth_type.local]\nenabled = true\ntype = "GAMLocal"\n'
    user = f'[user.ana]\npassword = "p"\npassword_status = "{status}"\n'
    text = f'{APP}client_id = "shop"\nclient_secret = "s"\n{local}{user}'
    seed.apply_seed(gam, written(tmp_path, text), {})
    request = TokenRequest("shop", Secret("s"), authentication_type_name="local", username="ana", grant=PASSWORD)
    with pytest.raises(RefusedError) as refused:
        issuance.exchange(gam, request._replace(password=Secret("p")))
    assert refused.value.rule == rule


def test_a_state_without_a_password_is_a_problem(gam: Gam, tmp_path: Path) -> None:
    found = problem_of(gam, tmp_path, '[user.ana]\npassword = "p"\npassword_status = "old"\n')
    assert found[0] == 3
    assert "'old'" in found[1]
    found = problem_of(gam, tmp_path, '[user.ana]\npassword_status = "expired"\n')
    assert found == (2, "user.ana.password_status: password_status requires a password")


def test_guids_are_fixed(tmp_path: Path) -> None:
    first, second = (f"{number}1234567-89ab-cdef-0123-456789abcdef" for number in range(2))
    desired = seed.read(
        written(tmp_path, f'[repository]\nguid = "{first.upper()}"\n[user.ana]\nguid = "{second}"\n'), {}
    )
    with Store.in_memory() as opened:
        gam = Gam(opened, lambda: datetime.now(UTC), os.urandom, "test")
        assert repository.initialise(gam, desired.repository_guid).record.guid == first
        seed.apply_desired(gam, desired)
        assert users.show(gam, "ana").guid == second
        with pytest.raises(UsageError, match=f"the GUID of the repository is {first}"):
            seed.apply_desired(gam, replace(desired, repository_guid=second))
        changed = problem_of(gam, tmp_path, f'[user.ana]\nguid = "{first}"\n')
        assert changed == (2, f"user.ana.guid: the GUID is {second} and cannot be changed")
        line, message = problem_of(gam, tmp_path, f'[user.ana]\n[user.eva]\nguid = "{second}"\n')
        assert (line, message.partition(";")[0]) == (3, f"user.eva.guid: '{second}' already identifies user 'ana'")


def test_the_schema_of_seeds_accepts_what_a_seed_can_contain() -> None:
    text = (
        f'[repository]\nguid = "01234567-89ab-cdef-0123-456789abcdef"\n{APP}client_id = "shop"\nclient_secret = "s"\n'
        '[user.ana]\npassword = "p"\npassword_status = "expired"\n' + KEY + 'api_key = "k"\nstatus = "revoked"\n'
    )
    document = tomllib.loads(text)
    assert [*Draft202012Validator(schema.build_schema(seed=True)).iter_errors(document)] == []
    found = {tuple(each.path) for each in Draft202012Validator(schema.build_schema()).iter_errors(document)}
    assert {("repository",), ("user", "ana"), ("key", 0), ("app", "portal", "client_id")} <= found
    document["key"][0]["status"] = "lost"
    assert [*Draft202012Validator(schema.build_schema(seed=True)).iter_errors(document)]
