"""Reading manifests, and all problems of their files."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gamcli.errors import ProblemsError, UsageError
from gamcli.provision import manifest
from gamcli.provision.desired import Desired, DesiredObject
from gamcli.rules.credentials import Secret, mint_api_key
from tests.cases import for_each

Write = Callable[[str, str], Path]
Read = Callable[..., Desired]
ProblemTexts = Callable[..., list[str]]

EXAMPLE = """
    [repository]
    default_auth_type = "apikey"

    [auth_type.apikey]
    type = "apikey"

    [app.portal]
    description = "Customer portal"
    scopes = ["user_mail", "gam_user_roles+gam_user_data"]
    remote_rest = true
    api_keys = { enabled = true, timeout_hours = 2160, auth_type = "apikey", scope_choice = true }
    token = { timeout_minutes = 60, renewals = 0 }

    [app.shop.api_keys]
    auth_type = "ANY"

    [user.ana]
    email = "ana@example.com"
    verified_email = true
    roles = ["operator", "auditor"]
    attributes = { Colour = "red", Sizes = ["s", "m"] }
    blocked = false

    [[key]]            # ana has an active key for portal
    user = "ana"
    app = "portal"
    scopes = ["user_first_name", "user_email"]
    auth_type = "apikey"
    label = "laptop"
    expires_in = "90d"

    [[key]]
    user = "bo"
    app = "elsewhere"
"""
SECRET = "0123456789abcdef0123456789abcdef"
API_KEY = mint_api_key(lambda count: bytes(range(count)))[1].reveal()


def named(read_desired: tuple[DesiredObject, ...]) -> dict[str, dict[str, object]]:
    return {each.name: {**each.fields} for each in read_desired}


def test_values_are_read_as_the_rules_take_them(read_desired: Read) -> None:
    found = read_desired(EXAMPLE)
    assert named(found.auth_types) == {"apikey": {"type": "APIkey"}}
    assert named(found.apps) == {
        "portal": {
            "description": "Customer portal",
            "scopes": ("gam_user_data", "gam_user_roles", "user_email"),
            "remote_rest": True,
            "api_keys.enabled": True,
            "api_keys.timeout_hours": 2160,
            "api_keys.auth_type": "apikey",
            "api_keys.scope_choice": True,
            "token.timeout_minutes": 60,
            "token.renewals": 0,
        },
        "shop": {"api_keys.auth_type": None},
    }
    assert named(found.users) == {
        "ana": {
            "email": "ana@example.com",
            "verified_email": True,
            "roles": ("operator", "auditor"),
            "attributes": {"Colour": "red", "Sizes": ["s", "m"]},
            "blocked": False,
        }
    }
    key, other = found.keys
    assert (key.user, key.app, key.label) == ("ana", "portal", "laptop")
    assert (key.scopes, key.expires_in) == (("user_email", "user_first_name"), timedelta(days=90))
    assert (other.user, other.app, other.scopes, other.expires_in) == ("bo", "elsewhere", None, None)
    (warning,) = found.warnings
    assert warning.startswith("m.toml:29: auth_type is ignored: a key is not bound to an authentication type")
    assert found.default_auth_type == "apikey"
    assert found.default_location
    assert str(found.default_location.problem("no")) == "m.toml:3: repository.default_auth_type: no"


def test_an_empty_manifest_is_an_empty_desired_state(read_desired: Read) -> None:
    for text in ("", "[repository]\n[app]\n"):
        assert read_desired(text) == Desired(owners=("m.toml",), empty_files={"m.toml": "m.toml"})


def test_desired_objects_have_locations(read_desired: Read) -> None:
    found = read_desired(EXAMPLE)
    portal, (ana,), (key, _) = found.apps[0], found.users, found.keys
    assert str(portal.problem("no")) == "m.toml:8: app.portal: no"
    assert str(portal.problem("no", "api_keys.auth_type")) == "m.toml:12: app.portal.api_keys.auth_type: no"
    assert str(portal.problem("no", "enabled")) == "m.toml:8: app.portal.enabled: no"
    assert str(ana.problem("no", "roles")) == "m.toml:21: user.ana.roles: no"
    assert str(key.problem("no", "scopes")) == "m.toml:28: key[0].scopes: no"


def test_a_key_path_is_formatted_as_toml(problem_texts: ProblemTexts) -> None:
    assert problem_texts("[user.'ana \"maria\"']\ncolour = 1\n")[0].startswith(
        r'm.toml:2: user."ana \"maria\"".colour: '
    )


def test_several_files_are_one_manifest(write: Write) -> None:
    write("users.toml", "[user.ana]\n")
    write("apps/portal.toml", "[app.portal]\n[[key]]\nuser = 'ANA'\napp = 'Portal'\n")
    found = manifest.read(["users.toml", "apps"], {})
    assert found.owners == ("users.toml", "apps/portal.toml")
    assert (found.users[0].owner, found.apps[0].owner) == found.owners
    assert (found.keys[0].user, found.keys[0].app, found.keys[0].owner) == ("ana", "portal", "apps/portal.toml")
    found = manifest.read(["users.toml", "apps"], {}, "team")
    assert (found.owners, found.users[0].owner, found.keys[0].owner) == (("team",), "team", "team")
    with pytest.raises(UsageError, match="owner"):
        manifest.read(["users.toml"], {}, " ")


def test_variables_are_replaced_in_values(read_desired: Read, write: Write) -> None:
    write("mail.txt", "ana@example.com\n")
    found = read_desired(
        """
        [user.ana]
        email = "${file:mail.txt}"
        first_name = "${FIRST:-Ana}"
        roles = ["${ROLE}", "$$x"]
        attributes = { a = "${ROLE}", b = ["${ROLE}"] }
        """,
        ROLE="operator",
    )
    assert found.users[0].fields == {
        "email": "ana@example.com",
        "first_name": "Ana",
        "roles": ("operator", "$x"),
        "attributes": {"a": "operator", "b": ["operator"]},
    }


def test_a_secret_is_provided_by_reference(read_desired: Read, problem_texts: ProblemTexts, write: Write) -> None:
    write("secret.txt", SECRET)
    for text, more in (('"${file:secret.txt}"', {}), ('"${SECRET}"', {"SECRET": SECRET})):
        found = read_desired(f"[app.portal]\nclient_id = '{SECRET}'\nclient_secret = {text}\n", **more)
        assert found.apps[0].fields == {"client_id": SECRET, "client_secret": Secret(SECRET)}
        assert SECRET not in repr(found.apps[0].fields["client_secret"])
    for text in (SECRET, "x" + SECRET + "$$", "${NOPE:-" + SECRET + "}"):
        assert problem_texts(f"[app.portal]\nclient_secret = '{text}'\n") == [
            "m.toml:2: app.portal.client_secret: secrets are not allowed in the file; use '${file:PATH}'"
        ]


def test_only_a_seed_can_contain_secrets(read_desired: Read, problem_texts: ProblemTexts) -> None:
    text = f"""\
        [app.portal]
        client_secret = "{SECRET}"
        [user.ana]
        password = "hello"
        [[key]]
        user = "ana"
        app = "portal"
        api_key = "{API_KEY}"
    """
    found = read_desired(text, seed=True)
    assert found.apps[0].fields == {"client_secret": Secret(SECRET)}
    assert found.users[0].fields == {"password": Secret("hello")}
    assert found.keys[0].api_key == Secret(API_KEY)
    assert problem_texts(text)[1:] == [
        "m.toml:4: user.ana.password: allowed only in the seed of an ephemeral server",
        "m.toml:8: key[0].api_key: secrets are not allowed in the file; use '${file:PATH}'",
    ]
    wrong = problem_texts(text.replace("hello", "").replace(API_KEY, ""), seed=True)
    assert wrong[0] == "m.toml:4: user.ana.password: invalid password length; use 1 to 50 characters"
    assert wrong[1] == "m.toml:8: key[0].api_key: invalid credential; use 1 to 2,048 printable characters"


def test_problems_do_not_show_values_of_variables(problem_texts: ProblemTexts) -> None:
    found = problem_texts(
        """\
        [app.portal]
        client_secret = "${SECRET}"
        client_id = "${SECRET}"
        [user.ana]
        email = "a ${SECRET}"
        attributes = { Colour = ["red", "${SECRET}"] }
        roles = ["x", "${SECRET}"]
        """,
        SECRET="hunter2 \a +",
    )
    assert found == [
        (
            "m.toml:2: app.portal.client_secret: the value of ${SECRET} is invalid: invalid client secret; "
            "use 32 to 120 visible ASCII characters, without spaces"
        ),
        (
            "m.toml:3: app.portal.client_id: the value of ${SECRET} is invalid: invalid client ID; "
            "use 32 to 40 letters, digits or '-'"
        ),
        (
            "m.toml:5: user.ana.email: the value of a ${SECRET} is invalid: "
            "the email contains an unprintable character; remove it"
        ),
        (
            "m.toml:6: user.ana.attributes.Colour: the value of ${SECRET} is invalid: "
            "attribute Colour contains an unprintable character; remove it"
        ),
        (
            "m.toml:7: user.ana.roles: the value of ${SECRET} is invalid: "
            "the name of a role contains an unprintable character; remove it"
        ),
    ]


def test_hints_do_not_show_values_of_variables(problem_texts: ProblemTexts) -> None:
    assert problem_texts('[[key]]\nuser = "${SECRET}"\napp = "portal"\n', SECRET="hunter2 ") == [
        "m.toml:2: key[0].user: the value of ${SECRET} is invalid: the name of a user begins or ends with a space"
    ]


@for_each(
    ("field", "value", "problem"),
    [
        ("phone", "1\n2", "the phone contains a line break; remove it"),
        ("phone", "7" * 300, "the phone is too long: 300 characters; use at most 254 characters"),
        ("gender", "hunter2", "invalid gender; use N (not specified), F or M"),
        ("verified_email", "hunter2", "must be true or false, not a string"),
    ],
)
def test_a_refused_reference_says_why(problem_texts: ProblemTexts, field: str, value: str, problem: str) -> None:
    assert problem_texts(f'[user.ana]\n{field} = "${{SECRET}}"', SECRET=value) == [
        f"m.toml:2: user.ana.{field}: the value of ${{SECRET}} is invalid: {problem}"
    ]


def test_a_reference_is_read_as_its_field_needs_it(read_desired: Read) -> None:
    text = """\
    [app.portal]
    remote_rest = "${ON}"
    scopes = "${SCOPES}"
    token.timeout_minutes = "${MINUTES}"
    [user.ana]
    blocked = "${OFF:-false}"
    roles = "${ROLES}"
    phone = "${MINUTES}"
    """
    variables = {"ON": "True", "SCOPES": "gam_user_data+user_email", "MINUTES": "90", "ROLES": "a, b;c"}
    desired = read_desired(text, **variables)
    (app,), (ana,) = desired.apps, desired.users
    assert app.fields == {"remote_rest": True, "scopes": ("gam_user_data", "user_email"), "token.timeout_minutes": 90}
    assert ana.fields == {"blocked": False, "roles": ("a", "b", "c"), "phone": "90"}


def test_a_text_without_a_reference_is_not_a_number(problem_texts: ProblemTexts) -> None:
    assert problem_texts('[app.a]\ntoken.renewals = "5"') == [
        "m.toml:2: app.a.token.renewals: must be an integer, not a string"
    ]


def test_references_in_names_are_replaced(read_desired: Read, problem_texts: ProblemTexts) -> None:
    text = '[user."${NAME}"]\n[app."a$$${NAME}"]\n'
    desired = read_desired(text, NAME="ana")
    assert (desired.users[0].name, desired.apps[0].name) == ("ana", "a$ana")
    assert problem_texts(text) == [
        'm.toml:1: user."${NAME}": the environment variable NAME is not set; set it, or use ${NAME:-default}',
        'm.toml:2: app."a$$${NAME}": the environment variable NAME is not set; set it, or use ${NAME:-default}',
    ]
    assert problem_texts('[user."${NAME}"]', NAME="hunter2\n") == [
        'm.toml:1: user."${NAME}": the value of ${NAME} is invalid: the name of a user begins or ends with a space'
    ]
    assert problem_texts('[user.ana]\n[user."${NAME}"]', NAME="ANA") == [
        'm.toml:2: user."${NAME}": already defined in m.toml:1'
    ]


DEFAULTS = """\
[defaults.app]
remote_rest = true
api_keys = { enabled = true, timeout_hours = 24 }
[defaults.key]
label = "ci"
renew_within = "14d"
"""


def test_defaults_apply_to_the_objects_of_all_files(write: Callable[[str, str], Path]) -> None:
    write("b.toml", DEFAULTS)
    write("a.toml", '[app.a]\napi_keys.timeout_hours = 0\n[user.ana]\n[[key]]\nuser = "ana"\napp = "a"\nlabel = "x"')
    desired = manifest.read(["a.toml", "b.toml"], {})
    assert desired.apps[0].fields == {"remote_rest": True, "api_keys.enabled": True, "api_keys.timeout_hours": 0}
    assert (desired.keys[0].label, desired.keys[0].renew_within) == ("x", timedelta(days=14))


@for_each(
    ("text", "expected"),
    [
        ("defaults = 1", "1: defaults: must be tables such as [defaults.app], not an integer"),
        ("[defaults.user]", "1: defaults.user: no defaults for this section; use one of: app, key"),
        (
            "[defaults.app]\nclient_id = '" + "a" * 32 + "'",
            "2: defaults.app.client_id: cannot have a default: list it in each object",
        ),
        (
            "[defaults.key]\nexpires_in = '90d'\nexpires_at = '2027-06-30'",
            "3: defaults.key.expires_at: cannot be combined with expires_in",
        ),
        (
            "[defaults.key]\nexpires_in = '0'",
            "2: defaults.key.expires_in: must be greater than 0; use a duration such as 90d, or omit it",
        ),
    ],
)
def test_invalid_defaults_are_problems(problem_texts: ProblemTexts, text: str, expected: str) -> None:
    assert problem_texts(text) == [f"m.toml:{expected}"]


def test_defaults_are_defined_once(write: Callable[[str, str], Path]) -> None:
    write("a.toml", "[defaults.app]\n")
    write("b.toml", "\n[defaults.app]\n")
    with pytest.raises(ProblemsError) as raised:
        manifest.read(["a.toml", "b.toml"], {})
    assert [str(each) for each in raised.value.problems] == ["b.toml:2: defaults.app: already defined in a.toml:1"]


@pytest.mark.parametrize(
    ("text", "owners"),
    [
        ("# gamcli owner: a b\n[user.x]\n[user.y]\n", ["a b", "a b"]),
        ("# note\n\n# gamcli owner: a\n[user.x]\n# gamcli owner: b\n[user.y]\n", ["a", "b"]),
        ("[user.x]\n# gamcli owner: b\n[user.y]\n", ["m.toml", "b"]),
        ("[user.x]\nphone = '1'  # gamcli owner: b\n[user.y]\n", ["m.toml", "m.toml"]),
        ("[user.x]\naddress = '''\n# gamcli owner: b\n'''\n[user.y]\n", None),
    ],
)
def test_a_comment_names_the_owner_of_what_follows(
    write: Callable[[str, str], Path], text: str, owners: list[str] | None
) -> None:
    write("m.toml", text)
    if owners is None:
        with pytest.raises(ProblemsError, match="found 1 problem"):  # the line break, and no owner
            manifest.read(["m.toml"], {})
        return
    desired = manifest.read(["m.toml"], {})
    assert [user.owner for user in desired.users] == owners
    assert {*desired.owners} >= {owners[-1]}
    assert {user.owner for user in manifest.read(["m.toml"], {}, "me").users} == {"me"}


def test_the_owner_of_a_comment_is_checked(problem_texts: ProblemTexts) -> None:
    assert problem_texts("# gamcli owner:\n[user.x]") == [
        "m.toml:1: the name of an owner is empty; use 1 to 254 characters"
    ]


INVALID = Path(__file__).with_name("invalid.toml")


def test_all_problems_are_reported_with_their_lines(problem_texts: ProblemTexts) -> None:
    text = INVALID.read_text(encoding="utf-8")
    lines = [(at, line.partition(" # ")[2]) for at, line in enumerate(text.splitlines(), 1)]
    assert problem_texts(text) == [f"m.toml:{at}: {problem}" for at, problem in lines if problem]


@for_each(
    ("text", "expected"),
    [
        ("app = 3", "1: app: must be tables [app.NAME], not an integer"),
        ("[[app]]", "1: app: must be tables [app.NAME], not a list"),
        ("[key]\nuser = 'x'", "1: key: must be tables [[key]], not a table"),
        ("key = [1]", "1: key[0]: must be a table [[key]], not an integer"),
        ("app.a.token.renewals = true", "1: app.a.token.renewals: must be an integer, not true or false"),
        ("\nrepository = 1", "2: repository: must be a table [repository], not an integer"),
    ],
)
def test_a_section_must_have_the_right_type(problem_texts: ProblemTexts, text: str, expected: str) -> None:
    assert problem_texts(text) == [f"m.toml:{expected}"]


def test_a_missing_variable_is_one_problem(problem_texts: ProblemTexts) -> None:
    text = "[app.portal]\nclient_secret = '${NOPE}'\nclient_id = '${file:nope}'\ntoken.renewals = '${X'\n"
    assert [each.partition(";")[0] for each in problem_texts(text)] == [
        "m.toml:2: app.portal.client_secret: the environment variable NOPE is not set",
        "m.toml:3: app.portal.client_id: cannot read nope: no such file or directory",
        "m.toml:4: app.portal.token.renewals: invalid reference after '${'",
    ]


def test_the_problems_of_all_files_come_in_the_order_of_the_files(write: Write) -> None:
    write("b.toml", "[user.x]\nx = 1\n[user.y]\nx = 1\n")
    write("a.toml", "[user.z]\nx = 1\n")
    write("broken.toml", "x\n")
    with pytest.raises(ProblemsError) as raised:
        manifest.read(["b.toml", "a.toml", "broken.toml"], {})
    assert [(each.file, each.line) for each in raised.value.problems] == [
        ("broken.toml", 1), ("b.toml", 2), ("b.toml", 4), ("a.toml", 2),
    ]  # fmt: skip


def test_an_expiry_is_a_date_or_a_lifetime(read_desired: Read, problem_texts: ProblemTexts) -> None:
    text = '[user.ana]\n[app.a]\n[[key]]\nuser = "ana"\napp = "a"\n'
    defaults = '[defaults.key]\nexpires_in = "90d"\n'
    dated = read_desired(f'{text}expires_at = "2027-06-30"\n{defaults}').keys[0]
    assert (dated.expires_at, dated.expires_in) == (datetime(2027, 6, 30, tzinfo=UTC), None)
    assert read_desired(text + defaults).keys[0].expires_in == timedelta(days=90)
    both = f'{text}expires_at = "2027-06-30T12:00:00Z"\nexpires_in = "90d"\n'
    assert problem_texts(both) == ["m.toml:6: key[0].expires_at: cannot be combined with expires_in"]
    unquoted = f"{text}expires_at = 2027-06-30\n"
    assert problem_texts(unquoted) == [
        "m.toml:6: key[0].expires_at: must be a string, not a date or a time; put it in quotes"
    ]
    assert problem_texts(f'{text}expires_at = "0001-01-01T00:00:00+01:00"\n')[0].startswith(
        "m.toml:6: key[0].expires_at: invalid date"
    )
