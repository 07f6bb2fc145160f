"""Files with secrets whose apply was never committed are recognized."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gamcli.actions import Gam, apps, repository
from gamcli.provision import issued as secrets_files
from gamcli.provision.apply import Applied
from gamcli.render.credentials import format_env
from gamcli.store import Store

MANIFEST = """
[app.portal]
scopes = ["gam_user_data"]
remote_rest = true
api_keys = { enabled = true }
[user.ana]
[[key]]
user = "ana"
app = "portal"
"""

Write = Callable[[str, str], Path]


@pytest.fixture
def other_gam(gam: Gam, tmp_path: Path) -> Iterator[Gam]:
    """Another store, which has none of the applications and keys."""
    with Store.create(tmp_path / "other.db") as made:
        other = replace(gam, store=made)
        repository.initialise(other)
        yield other


@pytest.fixture
def texts(apply_manifest: Callable[..., Applied]) -> tuple[str, str]:
    """Return the secrets of one apply, as variables and as JSON."""
    issued = apply_manifest(MANIFEST).issued
    return format_env(issued.variables()), issued.to_json()


@pytest.mark.parametrize("form", [0, 1])
def test_secrets_that_the_store_has_are_committed(texts: tuple[str, str], form: int, write: Write, gam: Gam) -> None:
    assert not secrets_files.is_uncommitted(gam.store, str(write("secrets", texts[form])))


@pytest.mark.parametrize("form", [0, 1])
def test_secrets_that_the_store_does_not_have_are_uncommitted(
    texts: tuple[str, str], form: int, write: Write, other_gam: Gam
) -> None:
    assert secrets_files.is_uncommitted(other_gam.store, str(write("secrets", texts[form])))


@pytest.mark.parametrize("form", [0, 1])
def test_one_known_application_makes_a_file_committed(
    texts: tuple[str, str], form: int, write: Write, gam: Gam, other_gam: Gam
) -> None:
    portal = apps.show(gam, "portal")
    apps.create(other_gam, apps.AppSpec("other", {}, client_id=portal.client_id))
    assert not secrets_files.is_uncommitted(other_gam.store, str(write("secrets", texts[form])))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "GAM_CLIENT_ID_PORTAL=abc\n",
        "GAM_CLIENT_SECRET_PORTAL=abc\n",
        "GAM_CLIENT_ID_PORTAL=abc def\n",
        "PASSWORD=abc\n",
        "{",
        "[]",
        "{}",
        '{"apps": [], "keys": []}',
        '{"apps": [{"client_id": "a"}], "keys": [], "more": 1}',
        '{"apps": [1], "keys": []}',
    ],
)
def test_other_files_are_kept(text: str, write: Write, other_gam: Gam) -> None:
    assert not secrets_files.is_uncommitted(other_gam.store, str(write("other", text)))


def test_files_that_cannot_be_read_are_kept(
    texts: tuple[str, str], write: Write, folder: Path, other_gam: Gam, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("secrets", texts[0])
    monkeypatch.setattr(secrets_files, "MAX_SIZE", len(texts[0]) - 1)
    assert not secrets_files.is_uncommitted(other_gam.store, str(path))
    assert not secrets_files.is_uncommitted(other_gam.store, str(folder / "none"))
    path.write_bytes(b"\xff")
    assert not secrets_files.is_uncommitted(other_gam.store, str(path))
