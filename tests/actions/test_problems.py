"""Problems in an input file."""

import pytest

from gamcli.actions.problems import MAX_PROBLEMS, ProblemList, error_message
from gamcli.errors import NotFoundError, ProblemsError, UsageError


def test_a_file_without_problems_passes() -> None:
    ProblemList("a.csv").require_none()


def test_all_problems_are_reported_in_the_order_of_their_lines() -> None:
    faults = ProblemList("a.csv")
    for line in (7, 2, 5):
        faults.add(line, "wrong")
    with pytest.raises(ProblemsError) as caught:
        faults.require_none()
    assert [str(fault) for fault in caught.value.problems] == ["a.csv:2: wrong", "a.csv:5: wrong", "a.csv:7: wrong"]


def test_a_limited_number_of_problems_is_reported() -> None:
    faults = ProblemList("a.csv")
    for line in range(1, MAX_PROBLEMS):
        faults.add(line, "wrong")
    with pytest.raises(ProblemsError) as caught:
        faults.add(MAX_PROBLEMS, "wrong")
    assert len(caught.value.problems) == MAX_PROBLEMS
    assert caught.value.hint == "these are the first 1000 problems: fix them and run the command again"


@pytest.mark.parametrize(
    ("hint", "text"),
    [("gamcli app list", "no app; gamcli app list"), ("did you mean b?", "no app; did you mean b?"), ("90d", "no app")],
)
def test_a_problem_includes_a_hint_that_can_be_typed(hint: str, text: str) -> None:
    assert error_message(NotFoundError("no app", hint)) == text
    assert error_message(UsageError("no app")) == "no app"
