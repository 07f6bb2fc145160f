"""Duplicates and contradictions between the files of a manifest."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gamcli.errors import ProblemsError
from gamcli.provision import manifest
from gamcli.provision.desired import Desired

ProblemTexts = Callable[..., list[str]]
CLIENT_ID = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("section", ["auth_type", "app", "user"])
def test_a_duplicate_name_is_a_problem_in_any_case(problem_texts: ProblemTexts, section: str) -> None:
    assert problem_texts(f"[{section}.one]\n[{section}.two]\n[{section}.ONE]\n[{section}.One]\n") == [
        f"m.toml:3: {section}.ONE: already defined in m.toml:1",
        f"m.toml:4: {section}.One: already defined in m.toml:1",
    ]


def test_two_files_cannot_define_the_same_object(write: Callable[[str, str], Path]) -> None:
    for name in ("a.toml", "b.toml"):
        write(name, "[repository]\ndefault_auth_type = 'apikey'\n\n[user.ana]\n")
    with pytest.raises(ProblemsError) as raised:
        manifest.read(["a.toml", "b.toml"], {})
    assert [*map(str, raised.value.problems)] == [
        "b.toml:1: repository: already defined in a.toml:1",
        "b.toml:4: user.ana: already defined in a.toml:4",
    ]


def test_an_email_identifies_one_user(problem_texts: ProblemTexts, read_desired: Callable[..., Desired]) -> None:
    assert problem_texts(
        "[user.ana]\nemail = 'a@x'\n[user.bo]\nemail = 'A@X'\n[user.'c@x']\n[user.d]\nemail = 'C@x'\n"
    ) == [
        "m.toml:4: user.bo.email: also identifies user 'ana' (m.toml:1)",
        "m.toml:7: user.d.email: also identifies user 'c@x' (m.toml:5)",
    ]
    assert read_desired("[user.'c@x']\nemail = 'c@x'\n[user.ana]\nemail = ''\n[user.bo]\nemail = ''\n")


def test_a_client_id_identifies_one_application(problem_texts: ProblemTexts) -> None:
    assert problem_texts(
        f"[app.a]\nclient_id = '{CLIENT_ID}'\n[app.b]\nclient_id = '{CLIENT_ID.upper()}'\n"
        f"[app.{'c' * 32}]\n[app.d]\nclient_id = '{'C' * 32}'\n"
    ) == [
        "m.toml:4: app.b.client_id: also identifies application 'a' (m.toml:1)",
        f"m.toml:7: app.d.client_id: also identifies application '{'c' * 32}' (m.toml:5)",
    ]


def test_the_type_of_api_keys_must_be_of_kind_apikey(
    problem_texts: ProblemTexts, read_desired: Callable[..., Desired]
) -> None:
    text = "[auth_type.local]\ntype = 'GAMLocal'\n[app.a]\napi_keys.auth_type = '{}'\n"
    assert problem_texts(text.format("Local")) == [
        "m.toml:4: app.a.api_keys.auth_type: authentication type 'Local' is not of type APIkey"
    ]
    assert read_desired(text.format("other"))


def test_a_user_has_one_key_per_application_by_any_identifier(problem_texts: ProblemTexts) -> None:
    assert problem_texts(
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


def test_a_key_can_only_have_published_scopes(
    problem_texts: ProblemTexts, read_desired: Callable[..., Desired]
) -> None:
    text = "[app.a]\n{}\n[[key]]\nuser = 'ana'\napp = 'A'\nscopes = ['user_email', 'user_phone']\n"
    assert problem_texts(text.format("scopes = ['user_email']")) == [
        "m.toml:6: key[0].scopes: application 'a' does not publish user_phone; it publishes user_email"
    ]
    assert problem_texts(text.format("scopes = []")) == [
        "m.toml:6: key[0].scopes: application 'a' does not publish user_email+user_phone; it publishes nothing"
    ]
    assert read_desired(text.format("scopes = ['gam_user_data']"))
    assert read_desired(text.format(""))
