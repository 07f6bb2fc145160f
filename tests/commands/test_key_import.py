"""`gamcli key import`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
IMPORT = ("key", "import", "--user", "ana", "--app", "portal", "--api-key-file", "-")
LEGACY = "legacy-key-0123456789"


@pytest.fixture
def imported(world: Run) -> str:
    found: str = world(*IMPORT, "--expires-in", "90d", "-o", "json", stdin=LEGACY + "\n").json["id"]
    return found


def test_an_imported_key_is_reported_without_the_key(world: Run) -> None:
    world("app", "update", "portal", "--api-key-timeout", "90d")
    ran = world(*IMPORT, "--label", "old", stdin=LEGACY + "\n")
    key = world("key", "list", "-o", "json").json[0]
    assert (ran.code, ran.out) == (0, "")
    expiry = f"{key['expires_at'][:10]} {key['expires_at'][11:16]}Z"
    assert ran.err == (
        f"gamcli: imported key {key['id']} of ana for portal, expires {expiry}\n"
        "gamcli: warning: gamcli scan cannot recognize this key in files: it does not begin with gamkey_\n"
    )
    assert LEGACY not in str(key)
    assert (key["label"], "api_key" in key) == ("old", False)


def test_the_same_key_again_is_a_conflict_unless_it_may_exist(world: Run, imported: str) -> None:
    again = world(*IMPORT, stdin=LEGACY)
    assert (again.code, again.hint) == (5, f"gamcli key show {imported}")
    accepted = world(*IMPORT, "--if-missing", "--field", "id", stdin=LEGACY)
    assert (accepted.code, accepted.out) == (0, imported + "\n")
    assert world(*IMPORT, "--if-missing", "--label", "x", stdin=LEGACY).code == 5


def test_a_key_of_our_format_is_imported_without_the_warning(world: Run, api_key: str) -> None:
    world("key", "revoke", api_key[7:15])
    world("user", "delete", "ana", "--yes")
    world("user", "create", "ana")
    ran = world(*IMPORT, "--field", "id", stdin=api_key)
    assert (ran.out, "scan" in ran.err) == (api_key[7:15] + "\n", False)
    damaged = world(*IMPORT, stdin=api_key[:-1] + "-")
    assert (damaged.code, damaged.hint) == (2, "gamcli key inspect --api-key-file FILE")


def test_a_dry_run_imports_nothing(world: Run) -> None:
    ran = world(*IMPORT, "--dry-run", stdin=LEGACY)
    assert (ran.code, ran.out.splitlines()[0].startswith("+ key ")) == (0, True)
    assert world("key", "list", "-o", "json").json == []


def test_a_repeated_request_returns_the_imported_key(world: Run) -> None:
    first, again = (world(*IMPORT, "--request-id", "r", "--field", "id", stdin=LEGACY) for _ in range(2))
    assert (again.code, again.out) == (0, first.out)


def test_an_imported_key_can_be_verified_explained_inspected_and_revoked(
    world: Run, imported: str, tmp_path: Path
) -> None:
    file = tmp_path / "legacy"
    file.write_text(LEGACY)
    assert world("key", "verify", "--api-key-file", str(file), "--field", "key.id").out == f"{imported}\n"
    assert world("key", "explain", "--api-key-file", str(file)).code == 0
    inspected = world("key", "inspect", "--api-key-file", str(file), "-o", "json").json
    assert inspected == {"type": "imported API key", "id": imported, "checksum": None, "damage": []}
    assert world("key", "revoke", "--api-key-file", str(file)).err.startswith(f"gamcli: revoked key {imported} ")
    refused = world("key", "verify", "--api-key-file", str(file))
    assert (refused.code, refused.err) == (4, "")


def test_inspect_does_not_recognize_an_imported_key_without_a_store(gamcli: Run) -> None:
    ran = gamcli("key", "inspect", "--api-key-file", "-", "--field", "damage", stdin=LEGACY)
    assert (ran.code, ran.out) == (4, "not a credential issued by gamcli\n")
