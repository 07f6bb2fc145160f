"""The facts that doctor gathers, and stores that it cannot read."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from gamcli.actions import Gam, doctor
from gamcli.model.doctor import DoctorFacts, DoctorFinding
from gamcli.store.sqlite import files


@pytest.fixture
def ask(now: datetime) -> Callable[[Path], DoctorFinding]:
    def examined(path: Path) -> DoctorFinding:
        facts, findings = doctor.diagnose(DoctorFacts(now=now, uid=path.parent.stat().st_uid, path=str(path)))
        assert facts.path == str(path)
        return findings[0]

    return examined


@pytest.mark.needs_file
def test_a_healthy_store_is_reported_as_healthy(gam: Gam, ask: Callable[[Path], DoctorFinding]) -> None:
    assert ask(gam.store.path).status == "ok"


def test_an_unreadable_directory_is_reported(
    tmp_path: Path, ask: Callable[[Path], DoctorFinding], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.stat

    def closed(path: Path, **more: bool) -> object:
        if path.name == "store.db":
            raise PermissionError(13, "Permission denied")
        return real(path, **more)

    monkeypatch.setattr(Path, "stat", closed)
    found = ask(tmp_path / "store.db")
    assert (found.status, found.mend) == ("wrong", "--store PATH")
    assert "Permission denied" in found.message


def test_an_untrusted_link_is_reported(tmp_path: Path, ask: Callable[[Path], DoctorFinding], now: datetime) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (tmp_path / "store.db").touch(0o644)
    (shared / "store.db").symlink_to(tmp_path / "store.db")
    found = ask(shared / "store.db")
    assert found.status == "wrong"
    assert "another user could have created" in found.message
    facts, _ = doctor.diagnose(DoctorFacts(now=now, uid=os.geteuid(), path=str(shared / "store.db")))
    assert [failed for _, _, failed in doctor.restrict_modes(facts)] == []
    assert (tmp_path / "store.db").stat().st_mode & 0o777 == 0o644


@pytest.mark.needs_file
def test_modes_are_restricted_file_by_file(gam: Gam, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    path = gam.store.path
    path.chmod(0o644)
    path.parent.chmod(0o777)
    facts, _ = doctor.diagnose(DoctorFacts(now=now, uid=os.geteuid(), path=str(path)))
    real = files.set_mode

    def only_the_store(each: Path, mode: int) -> None:
        if each == path.parent:
            raise PermissionError(1, "Operation not permitted")
        real(each, mode)

    monkeypatch.setattr(files, "set_mode", only_the_store)
    assert list(doctor.restrict_modes(facts))[:2] == [
        (str(path.parent), 0o755, "Operation not permitted"),
        (str(path), 0o600, None),
    ]
    assert path.stat().st_mode & 0o777 == 0o600
