"""Owners in comments of a manifest."""

import pytest

from gamcli.provision.files import Owners, format_comment
from tests.cases import for_each


@for_each("owner", ["gam.toml", "team a", "né", "\x1b[31m\u202e\nend", ' "x"', '"quoted"', ""])
def test_an_owner_is_read_back_as_it_was_written(owner: str) -> None:
    comment = format_comment(owner)
    assert comment.isprintable()
    assert [name for _, name in Owners(f"{comment}\n[user.x]\n", "default").comments] == [owner]


@pytest.mark.parametrize("text", ['"open', '"a" b'])
def test_a_comment_that_is_not_a_json_string_is_the_name_itself(text: str) -> None:
    assert Owners(f"# gamcli owner: {text}\n", "default").default == text
