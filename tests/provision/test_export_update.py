"""Updating an existing manifest from the store."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from gamcli.actions import Gam, apps, keys, users
from gamcli.errors import FailedError, ProblemsError, UsageError
from gamcli.provision import export, export_update
from gamcli.provision.export import Selection
from gamcli.provision.export_update import UpdateCounts

Write = Callable[[str, str], Path]

FILE = """\
# The portal and who uses it.

[repository]
default_auth_type = "local"

[auth_type.apikey]
description = "API keys"
[auth_type.local]
description = "User names and passwords"
enabled = false  # not yet

[user.ANA]                 # of the north
email = "${MAIL}"          # from the pipeline
first_name = "Anna"
phone = "1"

[[key]]  # the first
user = "ana@example.com"
app = "portal"
scopes = ["gam_user_data"]

# The customer portal.
[app.portal]
remote_rest = true
api_keys = { enabled = true, scope_choice = true }
client_secret = "${file:secret.txt}"
scopes = [
  "gam_user_data",   # whatever it needs
  "gam_user_roles",  # for menus
]

# Gone.
[user.cid]
[[key]]
user = "cid"
app = "portal"

# The end.
"""


@pytest.fixture
def world(gam: Gam) -> Gam:
    settings_ = {"remote_rest": True, "api_keys.enabled": True, "api_keys.scope_choice": True}
    apps.create(gam, apps.AppSpec("portal", settings_, ("gam_user_data", "gam_user_roles")))
    users.create(gam, "ana", {"email": "ana@example.com", "first_name": "Ana", "gender": "F"})
    keys.generate(gam, keys.KeySpec("ana", "portal", ("user_email",), label="laptop"))
    return gam


@pytest.fixture
def update(world: Gam, write: Write) -> Callable[..., tuple[UpdateCounts, str]]:
    def run(text: str, **selection: object) -> tuple[UpdateCounts, str]:
        path = write("m.toml", text)
        write("secret.txt", "x" * 40)
        chosen = Selection(**selection)  # type: ignore[arg-type]
        found = export_update.update(world, [Path("m.toml")], {"MAIL": "ana@example.com"}, chosen)[Path("m.toml")]
        assert {each.name for each in path.parent.iterdir()} == {"m.toml", "secret.txt"}
        return found, path.read_bytes().decode()

    return run


def test_only_differing_values_are_edited(update: Callable[..., tuple[UpdateCounts, str]]) -> None:
    found, text = update(FILE)
    expected = (
        FILE.replace('"Anna"\nphone = "1"', '"Ana"\nphone = ""\ngender = "F"')
        .replace('scopes = ["gam_user_data"]', 'scopes = ["user_email"]\nlabel = "laptop"')
        .replace('[user.cid]\n[[key]]\nuser = "cid"\napp = "portal"\n\n', "")
    )
    assert text == expected
    assert found == UpdateCounts(changed=2, added=0, removed=2)
    assert update(text) == (UpdateCounts(0, 0, 0), text)


def test_missing_objects_are_added_at_the_end(update: Callable[..., tuple[UpdateCounts, str]], world: Gam) -> None:
    users.create(world, "bo", {})
    found, text = update(FILE)
    assert found.added == 1
    assert text.endswith('\n# The end.\n\n[user.bo]\nemail = ""\nroles = []\nenabled = true\nblocked = false\n')


def test_an_empty_file_becomes_an_export(update: Callable[..., tuple[UpdateCounts, str]], world: Gam) -> None:
    found, text = update("")
    assert text == "\n".join(export.format_manifest(export.collect_tables(world, Selection()))) + "\n"
    assert found == UpdateCounts(0, 6, 0)


def test_a_list_keeps_its_lines_and_comments(update: Callable[..., tuple[UpdateCounts, str]], world: Gam) -> None:
    apps.update(world, "portal", {}, apps.ScopeEdit(add=("user_phone",), remove=("gam_user_roles",)))
    _, text = update(FILE)
    assert '[\n  "gam_user_data",   # whatever it needs\n  "user_phone",\n]' in text


def test_only_selected_objects_are_updated(update: Callable[..., tuple[UpdateCounts, str]]) -> None:
    found, text = update(FILE, users=("ana",), keys=False)
    assert found == UpdateCounts(1, 0, 0)
    assert text == FILE.replace('"Anna"\nphone = "1"', '"Ana"\nphone = ""\ngender = "F"')
    found, text = update(FILE, keys=False)
    assert (found, 'scopes = ["gam_user_data"]' in text) == (UpdateCounts(1, 0, 1), True)
    assert 'user = "cid"' in text


def test_fields_are_updated_in_every_form_of_table(update: Callable[..., tuple[UpdateCounts, str]], world: Gam) -> None:
    attributes = {"a.b": "x", "list": ["y"]}
    users.update(world, "ana", {"attributes": attributes, "first_name": "", "gender": "N"})
    for text, expected in (
        ('user.ana.email = "a@x"\n', 'user.ana.email = "ana@example.com"\nuser.ana.attributes = '),
        ('[user]\nana = { email = "a@x" }\n', '[user]\nana = { email = "ana@example.com", attributes = '),
        (
            '[user.ana.attributes]\n"a.b" = "y" # x\nold = "z"\n',
            '[user.ana]\nemail = "ana@example.com"\n[user.ana.attributes]\n"a.b" = "x" # x\nlist = ["y"]\n',
        ),
        ('[user.ana]\nattributes.list = ["z"]\n', '[user.ana]\nattributes.list = ["y"]\nattributes."a.b" = "x"\n'),
        ('[user.ana]\nattributes = { old = "z" }\n', '[user.ana]\nattributes = { "a.b" = "x", list = ["y"] }\n'),
    ):
        _, found = update(text, users=("ana",), keys=False)
        assert found.replace("\n\n", "\n").startswith(expected)
    users.update(world, "ana", {"attributes": {"CompanyID": {"GX": "GeneXus"}}, "custom_info": "gold"})
    filled = '[user.ana]\nemail = "ana@example.com"\ncustom_info = "gold"\n'
    for text, expected in (
        (
            '[user.ana.attributes]\nCompanyID = { old = "z" } # x\n',
            filled + '[user.ana.attributes]\nCompanyID = { GX = "GeneXus" } # x\n',
        ),
        (
            '[user.ana.attributes.CompanyID]\nold = "z"\nGX = "x" # y\n',
            filled + '[user.ana.attributes.CompanyID]\nGX = "GeneXus" # y\n',
        ),
        ('[user.ana]\nattributes.CompanyID.GX = "x"\n', '[user.ana]\nattributes.CompanyID.GX = "GeneXus"\n'),
        (
            '[user.ana]\n[user.ana.attributes.old]\na = "z"\n[user.ana.attributes.CompanyID]\nGX = "GeneXus"\n',
            filled + '[user.ana.attributes.CompanyID]\nGX = "GeneXus"\n',
        ),
        (
            '[user.ana]\nattributes.old.a = "x"\nattributes.old.b = "x"\nattributes.CompanyID.GX = "x"\n',
            '[user.ana]\nattributes.CompanyID.GX = "GeneXus"\n',
        ),
        ("[user.ana]\n", filled + 'attributes = { CompanyID = { GX = "GeneXus" } }\n'),
    ):
        _, found = update(text, users=("ana",), keys=False)
        assert found.replace("\n\n", "\n").startswith(expected)
    apps.update(world, "portal", {"token.renewals": 3})
    for text, expected in (
        ("[app.portal]\ntoken.renewals = 1 # x\n", "token.renewals = 3 # x\n"),
        ("[app.portal]\ntoken.timeout_minutes = 60\n", "token.timeout_minutes = 60\ntoken.renewals = 3\n"),
        ("[app.portal]\ntoken = { timeout_minutes = 60 }\n", "token = { timeout_minutes = 60, renewals = 3 }\n"),
        ("[app.portal]\n[app.portal.token]\ntimeout_minutes = 60\n", "timeout_minutes = 60\nrenewals = 3\n"),
        ("[app.portal]\n", "token = { renewals = 3 }\n"),
    ):
        _, found = update(text, apps=("portal",), keys=False)
        assert expected in found


def test_an_unlimited_lifetime_is_left_out(update: Callable[..., tuple[UpdateCounts, str]]) -> None:
    key = '[[key]]\nuser = "ana"\napp = "portal"\nlabel = "laptop"\n'
    assert update(f'{key}expires_in = "90d" # x\nauth_type = "apikey"\n', users=("ana",), apps=("portal",))[
        1
    ].startswith(f'{key}auth_type = "apikey"\n')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[user.ana]\n[[key]]\nuser = 'ana'\napp = 'portal'\n[user.bo]\n[user.ana.attributes]\n",
            ["m.toml:1: user.ana: ", "m.toml:2: key[0]: ", "m.toml:5: user.bo: "],
        ),
        ("[repository]\n", ["m.toml:1: can"]),
    ],
)
def test_forms_that_cannot_be_edited_are_problems(
    update: Callable[..., tuple[UpdateCounts, str]], folder: Path, text: str, expected: list[str]
) -> None:
    with pytest.raises(ProblemsError) as raised:
        update(text)
    problem_texts = [str(each) for each in raised.value.problems]
    assert [each[: len(start)] for each, start in zip(problem_texts, expected, strict=True)] == expected
    assert all("cannot be edited automatically" in each for each in problem_texts)
    assert (folder / "m.toml").read_text(encoding="utf-8") == text
    assert len([*folder.iterdir()]) == 2


def test_a_file_with_problems_is_unchanged(update: Callable[..., tuple[UpdateCounts, str]]) -> None:
    with pytest.raises(ProblemsError, match="2 problems"):
        update("[user.ana]\nx = 1\ny = '${NOPE}'\n")


def test_each_line_of_a_file_with_mixed_line_ends_keeps_its_own(
    update: Callable[..., tuple[UpdateCounts, str]],
) -> None:
    text = '# one\r\n# two\n[user.ana]\r\nemail = "a@x"\r\nphone = "1"\n# last\r\n'
    _, found = update(text, users=("ana",), keys=False)
    assert found == (
        '# one\r\n# two\n[user.ana]\r\nemail = "ana@example.com"\r\nphone = ""\n'
        'first_name = "Ana"\ngender = "F"\n# last\r\n'
    )


def test_a_symbolic_link_is_followed(world: Gam, folder: Path) -> None:
    target = folder.parent / "target.toml"
    target.write_text("\ufeff# x\r\n[user.ana]\r\n", encoding="utf-8", newline="")
    target.chmod(0o640)
    (folder / "m.toml").symlink_to(target)
    export_update.update(world, [folder / "m.toml"], {}, Selection(users=("ana",), keys=False))
    text = target.read_bytes().decode()
    assert text.startswith('\ufeff# x\r\n[user.ana]\r\nemail = "ana@example.com"\r\n')
    assert text.count("\n") == text.count("\r\n")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert (folder / "m.toml").is_symlink()


def test_a_folder_that_cannot_be_written_is_an_error(world: Gam, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("m.toml", "")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(FailedError, match="No space left"):
        export_update.update(world, [path], {}, Selection())
    assert path.read_bytes() == b""
    assert [*path.parent.iterdir()] == [path]


def test_each_of_several_files_keeps_its_objects(world: Gam, write: Write) -> None:
    paths = [write("a.toml", "# a\n[user.ana]\n[user.gone]\n"), write("b.toml", "# b\n[app.portal]\n")]
    counts = export_update.update(world, paths, {}, Selection(keys=False))
    assert [(each.changed, each.removed) for each in counts.values()] == [(1, 1), (1, 0)]
    assert paths[0].read_text().startswith("# a\n[user.ana]\n")
    assert "[app.portal]" not in paths[0].read_text()
    assert "[auth_type.apikey]" in paths[1].read_text()
    assert {*export_update.update(world, paths, {}, Selection(keys=False)).values()} == {UpdateCounts(0, 0, 0)}


@pytest.mark.parametrize("selection", [Selection(), Selection(users=("ana",)), Selection(apps=("portal",))])
def test_a_revoked_key_is_removed_from_the_file(world: Gam, write: Write, selection: Selection) -> None:
    path = write("m.toml", "")
    export_update.update(world, [path], {}, selection)
    assert "[[key]]" in path.read_text()
    with keys.search(world, keys.KeySearch()) as found:
        key_ids = [key.id for key in found]
    keys.revoke(world, key_ids, None)
    assert export_update.update(world, [path], {}, selection) == {path: UpdateCounts(0, 0, 1)}
    assert "[[key]]" not in path.read_text()


def test_a_folder_cannot_be_updated(world: Gam, folder: Path) -> None:
    with pytest.raises(UsageError, match="manifests is a folder"):
        export_update.update(world, [folder], {}, Selection())


def test_only_a_regular_file_is_updated(world: Gam, folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    (folder / "m.toml").symlink_to("fifo")
    with pytest.raises(UsageError, match=r"m\.toml is not a regular file"):
        export_update.update(world, [folder / "m.toml"], {}, Selection())
    assert (folder / "m.toml").is_fifo()
