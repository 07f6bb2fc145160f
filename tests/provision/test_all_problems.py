"""All problems of manifests at once: those of the files, and those that only the store shows."""

from collections.abc import Callable
from typing import Any

import pytest

from gamcli.actions import Gam
from gamcli.provision import manifest
from gamcli.provision.apply import find_problems


def find_all(gam: Gam, write: Callable[..., Any], text: str) -> list[str] | None:
    """Return the problems that only the store shows in a manifest that has others, or None if nothing is compared."""
    write("m.toml", text)
    with pytest.raises(manifest.InvalidManifestError) as raised:
        manifest.read(["m.toml"], {})
    if raised.value.desired is None:
        return None
    with gam.store.reading() as tx:
        return [str(each) for each in find_problems(tx, gam, raised.value.desired, raised.value.broken)]


BROKEN = """\
[user.ana]
gender = "Q"
attributes = { Dept = "IT" }
[app.a]
remote_rst = true
[app."b.c"]
scopes = ["user_Dept"]
nope = 1
[app.d]
scopes = ["user_Dept", "user_nope"]
[[key]]
user = "nobody"
app = "a"
[[key]]
user = "ana"
app = "ghost"
[[key]]
user = "ana"
app = "b.c"
scopes = ["gam_user_roles"]
[[key]]
user = "nobody"
[[key]]
user = "nobody"
app = "a"
label = 3
[nonsense.x]
"""


def test_the_store_is_compared_with_the_objects_that_have_no_problems(gam: Gam, write: Callable[..., Any]) -> None:
    found = find_all(gam, write, BROKEN)
    assert found is not None
    assert [each.partition(";")[0] for each in found] == [
        "m.toml:10: app.d.scopes: unknown scope 'user_nope'",
        "m.toml:12: key[0].user: no user named 'nobody'",
        "m.toml:16: key[1].app: no application named 'ghost'",
    ]


@pytest.mark.parametrize("text", ["[auth_type.x]\ntype = 1\n", "[defaults.app]\nx = 1\n", "app = 3\n", "[app.x\n"])
def test_nothing_is_compared_when_a_problem_concerns_other_objects(
    gam: Gam, write: Callable[..., Any], text: str
) -> None:
    assert find_all(gam, write, text) is None


@pytest.mark.parametrize(
    ("name", "header", "command"),
    [
        ("keys.csv", "user,app", "gamcli key generate --from keys.csv --out FILE.csv"),
        ("KEYS.CSV", "user;App;label", "gamcli key generate --from KEYS.CSV --out FILE.csv"),
        ("users.csv", "name,email", "gamcli user create --from users.csv"),
    ],
)
def test_a_csv_file_is_for_another_command(write: Callable[..., Any], name: str, header: str, command: str) -> None:
    write(name, f"{header}\nana,x\n")
    with pytest.raises(manifest.InvalidManifestError) as raised:
        manifest.read([name], {})
    assert [str(each) for each in raised.value.problems] == [f"{name}:1: is a CSV file, not a manifest; use {command}"]
