"""Cases in one test."""

import pytest

from tests.cases import for_each


def test_each_case_runs_and_the_one_that_fails_is_named() -> None:
    seen = []

    @for_each("before", "ab")
    @for_each(("number", "letter"), [(1, "x"), (2, "y")])
    def run(before: str, number: int, letter: str) -> None:
        seen.append((before, number, letter))
        assert letter == "x" or before == "a"

    with pytest.raises(AssertionError) as failed:
        run()
    assert seen == [("a", 1, "x"), ("a", 2, "y"), ("b", 1, "x"), ("b", 2, "y")]
    assert failed.value.__notes__ == ["in the case {'number': 2, 'letter': 'y'}", "in the case {'before': 'b'}"]


def test_a_test_without_cases_is_an_error() -> None:
    with pytest.raises(AssertionError, match="proves nothing"):
        for_each("name", [])
