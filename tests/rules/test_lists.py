"""Lists in one text."""

import pytest

from gamcli.errors import UsageError
from gamcli.rules import lists, scopes, users
from tests.cases import for_each


@for_each("text", ["a+b", "a,b", "a;b", "a, b", " a ; b "])
def test_a_cell_is_split_at_each_separator(text: str) -> None:
    assert lists.split(text) == ["a", "b"]


@for_each("separator", "+,;|")
def test_a_role_that_seems_to_be_several_is_refused(separator: str) -> None:
    with pytest.raises(UsageError, match=f"the role 'admin{'[' + separator + ']'}operator' contains a") as caught:
        users.check_role(f"admin{separator}operator")
    assert caught.value.hint
    assert "--role A --role B" in caught.value.hint


@for_each("separator", [",", ";", "|", ", "])
def test_scopes_with_another_separator_are_refused_with_the_right_one(separator: str) -> None:
    with pytest.raises(UsageError, match="contains a"):
        scopes.parse([f"user_email{separator}user_phone"], lambda _: True)
    with pytest.raises(UsageError) as caught:
        scopes.parse(["user_email|user_phone"], lambda _: True)
    assert caught.value.hint == "join scopes with '+': user_email+user_phone"
