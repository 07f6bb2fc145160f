"""Seeds: manifests with secrets, applied to a new store."""

from pathlib import Path

import pytest

from gamcli import store
from gamcli.actions import Gam, diagnosis
from gamcli.errors import ProblemsError
from gamcli.provision import seed
from gamcli.rules import passwords
from gamcli.rules.credentials import Secret, mint_api_key, parse_api_key_id

SECRET = "a-client-secret-of-forty-characters-and-more"
CLIENT = "the-client-0123456789-0123456789-0123"
APP = '[app.portal]\nscopes = ["gam_user_data"]\nremote_rest = true\napi_keys = { enabled = true }\n'
USER = "[user.ana]\n"
KEY = '[[key]]\nuser = "ana"\napp = "portal"\n'


def written(folder: Path, text: str) -> list[Path]:
    (folder / "seed.toml").write_text(text, encoding="utf-8")
    return [folder / "seed.toml"]


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


@pytest.mark.parametrize("key", ["gamkey_1", "", "gamkey_00000000_" + 38 * "0"])
def test_an_invalid_key_is_a_problem_with_its_line(gam: Gam, tmp_path: Path, key: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        seed.apply_seed(gam, written(tmp_path, APP + USER + KEY + f'api_key = "{key}"\n'), {})
    (fault,) = caught.value.problems
    assert fault.line == 9
    assert not key or key not in fault.message
