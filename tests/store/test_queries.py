"""The SQL of lists."""

import pytest

from gamcli.errors import UsageError
from gamcli.store import queries
from gamcli.store.queries import Conditions, chunks, order_by, placeholders
from tests.cases import for_each

COLUMNS = {"name": "fold", "when": "at IS NULL, at"}


def test_without_conditions_every_row_is_asked_for() -> None:
    asked = Conditions()
    asked.equal("name", None)
    assert (asked.where(), asked.values) == ("", [])


def test_conditions_keep_their_values_apart_from_the_text() -> None:
    asked = Conditions()
    asked.equal("name", "x' OR 1 --")
    asked.equal("enabled", value=False)
    asked.add("at BETWEEN ? AND ?", 1, 2)
    assert asked.where() == " WHERE name = ? AND enabled = ? AND at BETWEEN ? AND ?"
    assert asked.values == ["x' OR 1 --", False, 1, 2]


@for_each(
    ("sort", "order"),
    [
        (None, " ORDER BY fold NULLS FIRST"),
        ("name", " ORDER BY fold NULLS FIRST"),
        ("-name", " ORDER BY fold DESC NULLS LAST"),
        ("when", " ORDER BY at IS NULL, at NULLS FIRST, fold"),
        ("-when", " ORDER BY at IS NULL, at DESC NULLS LAST, fold"),
    ],
)
def test_a_sort_becomes_an_order_with_ties_broken(sort: str | None, order: str) -> None:
    assert order_by(sort, COLUMNS, "name", "fold") == order


@for_each("sort", ["other", "--name", "NAME", "fold; DROP TABLE user"])
def test_another_field_is_refused_with_the_ones_there_are(sort: str) -> None:
    with pytest.raises(UsageError, match="cannot sort by") as caught:
        order_by(sort, COLUMNS, "name", "fold")
    assert caught.value.hint == "use one of: name, when; with '-' before it for descending order"


def test_there_is_a_mark_for_each_value() -> None:
    assert [placeholders(()), placeholders("a"), placeholders([1, 2, 3])] == ["NULL", "?", "?, ?, ?"]


def test_many_values_are_asked_for_in_chunks() -> None:
    values = [str(number) for number in range(600)]
    assert list(chunks([*values, *values])) == [values[:250], values[250:500], values[500:]]
    assert list(chunks([])) == []


def test_values_that_are_in_many_rows_are_one_object() -> None:
    first, second = ("".join(["c"] * 32) for _ in range(2))
    assert first is not second
    assert queries.share(first) is queries.share(second)
    scopes, same = ("+".join(name for name in ("user_email", "user_phone")) for _ in range(2))
    assert queries.split_joined(scopes) is queries.split_joined(same)
    assert queries.split_joined(None) == queries.split_joined("") == ()
