"""Do the tables of all files agree with each other."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gamcli.errors import ProblemsError
from gamcli.provision import manifest
from gamcli.provision.desired import Desired

Told = Callable[..., list[str]]
CLIENT_ID = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("section", ["auth_type", "app", "user"])
def test_nothing_is_defined_twice_whatever_the_case(told: Told, section: str) -> None:
    assert told(f"[{section}.one]\n[{section}.two]\n[{section}.ONE]\n[{section}.One]\n") == [
        f"m.toml:3: {section}.ONE: already defined in m.toml:1",
        f"m.toml:4: {section}.One: already defined in m.toml:1",
    ]


def test_two_files_cannot_define_the_same(write: Callable[[str, str], Path]) -> None:
    for name in ("a.toml", "b.toml"):
        write(name, "[repository]\ndefault_auth_type = 'apikey'\n\n[user.ana]\n")
    with pytest.raises(ProblemsError) as raised:
        manifest.read(["a.toml", "b.toml"], {})
    assert [*map(str, raised.value.problems)] == [
        "b.toml:1: repository: already defined in a.toml:1",
        "b.toml:4: user.ana: already defined in a.toml:4",
    ]


def test_an_email_names_one_user(told: Told, wanted: Callable[..., Desired]) -> None:
    assert told("[user.ana]\nemail = 'a@x'\n[user.bo]\nemail = 'A@X'\n[user.'c@x']\n[user.d]\nemail = 'C@x'\n") == [
        "m.toml:4: user.bo.email: also identifies user 'ana' (m.toml:1)",
        "m.toml:7: user.d.email: also identifies user 'c@x' (m.toml:5)",
    ]
    assert wanted("[user.'c@x']\nemail = 'c@x'\n[user.ana]\nemail = ''\n[user.bo]\nemail = ''\n")


def test_a_client_id_names_one_application(told: Told) -> None:
    assert told(
        f"[app.a]\nclient_id = '{CLIENT_ID}'\n[app.b]\nclient_id = '{CLIENT_ID.upper()}'\n"
        f"[app.{'c' * 32}]\n[app.d]\nclient_id = '{'C' * 32}'\n"
    ) == [
        "m.toml:4: app.b.client_id: also identifies application 'a' (m.toml:1)",
        f"m.toml:7: app.d.client_id: also identifies application '{'c' * 32}' (m.toml:5)",
    ]


def test_keys_are_only_of_types_for_keys(told: Told, wanted: Callable[..., Desired]) -> None:
    text = "[auth_type.local]\ntype = 'GAMLocal'\n[app.a]\napi_keys.auth_type = '{}'\n"
    assert told(text.format("Local")) == [
        "m.toml:4: app.a.api_keys.auth_type: authentication type 'Local' is not of kind APIkey"
    ]
    assert wanted(text.format("other"))


def test_a_pair_has_one_key_however_it_is_named(told: Told) -> None:
    assert told(
        f"""\
        key = [
            {{ user = "ana", app = "portal" }},
            {{ user = "ANA@x", app = "{CLIENT_ID}" }},
            {{ user = "bo", app = "portal" }},
            {{ user = "bo", app = "shop" }},
            {{ user = "BO", app = "Shop" }},
        ]
        [user.ana]
        email = "ana@x"
        [app.portal]
        client_id = "{CLIENT_ID}"
        """
    ) == [
        "m.toml:3: key[1]: a key of user 'ana' for application 'portal' is already defined in m.toml:2",
        "m.toml:6: key[4]: a key of user 'BO' for application 'Shop' is already defined in m.toml:5",
    ]


def test_a_key_asks_for_what_its_application_publishes(told: Told, wanted: Callable[..., Desired]) -> None:
    text = "[app.a]\n{}\n[[key]]\nuser = 'ana'\napp = 'A'\nscopes = ['user_email', 'user_phone']\n"
    assert told(text.format("scopes = ['user_email']")) == [
        "m.toml:6: key[0].scopes: application 'a' does not publish user_phone; it publishes user_email"
    ]
    assert told(text.format("scopes = []")) == [
        "m.toml:6: key[0].scopes: application 'a' does not publish user_email+user_phone; it publishes nothing"
    ]
    assert wanted(text.format("scopes = ['gam_user_data']"))
    assert wanted(text.format(""))
