"""Run each fault a few times; `python tests/faults/run.py` runs them by the hundred and prints what was lost."""

import pytest

from tests.faults import run
from tests.faults.world import Outcome

ROUNDS = 2
SEED = 62


SLOW = {"PostgreSQL, two nodes: stopped under load", "PostgreSQL, two nodes: conformance"}
"""Left out here; `tests/server/test_nodes.py` tests two nodes with shorter waits."""


@pytest.mark.parametrize("name", [name for name in run.FAULTS if name not in SLOW])
def test_nothing_acknowledged_is_lost(name: str) -> None:
    outcome = run.made(run.FAULTS[name], SEED, ROUNDS, 3)
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    assert outcome.rounds >= 1
    assert outcome.acknowledged > 0
    assert outcome.lost == 0


def test_what_is_lost_is_reported_with_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(run, "FAULTS", {"forgets": lambda *_: Outcome().plus(3, 2)})
    monkeypatch.setattr("sys.argv", ["run.py"])
    assert run.main() == 1
    assert capsys.readouterr().out.splitlines()[-1].split() == ["forgets", "1", "3", "2", "1"]
