"""The facts that doctor gathers, and stores that it cannot read."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from gamcli.actions import doctor
from gamcli.model.doctor import DoctorFacts, DoctorFinding


@pytest.fixture
def ask(now: datetime) -> Callable[[Path], DoctorFinding]:
    def examined(path: Path) -> DoctorFinding:
        facts, findings = doctor.diagnose(DoctorFacts(now=now, uid=path.parent.stat().st_uid, path=str(path)))
        assert facts.path == str(path)
        return findings[0]

    return examined


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
