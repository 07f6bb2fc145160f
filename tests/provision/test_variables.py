"""References to variables and files in a manifest."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.errors import UsageError
from gamcli.provision import variables
from gamcli.provision.variables import Variables

ENVIRONMENT = {"NAME": "ana", "EMPTY": "", "NESTED": "${NAME}"}

Write = Callable[[str, str], Path]


@pytest.fixture
def replaced(folder: Path) -> Variables:
    return Variables(ENVIRONMENT, folder)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${NAME}", "ana"),
        ("a ${NAME} and ${NAME}", "a ana and ana"),
        ("${EMPTY}", ""),
        ("${NAME:-bo}", "ana"),
        ("${NOPE:-bo}", "bo"),
        ("${EMPTY:-bo}", "bo"),
        ("${NOPE:-}", ""),
        ("${NOPE:-a:-b}", "a:-b"),
        ("$${NAME}", "${NAME}"),
        ("$$", "$"),
        ("costs $5", "costs $5"),
        ("$NAME", "$NAME"),
        ("${NESTED}", "${NAME}"),
    ],
)
def test_a_reference_is_replaced_once(replaced: Variables, text: str, expected: str) -> None:
    assert replaced.expand(text) == expected


@pytest.mark.parametrize("content", ["secret", "secret\n", "secret\r\n"])
def test_the_last_line_end_of_a_file_is_removed(replaced: Variables, write: Write, content: str) -> None:
    write("in/secret.txt", "x").write_bytes(content.encode())
    assert replaced.expand("<${file:in/secret.txt}>") == "<secret>"
    write("two.txt", "a\n\n")
    assert replaced.expand("${file:two.txt}") == "a\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${NOPE}", "the environment variable NOPE is not set"),
        ("${file:nope}", "cannot read nope: no such file or directory"),
        ("${file:.}", "cannot read .: is a directory"),
        ("${file:a\0b}", "cannot read a\0b: it is not UTF-8 text"),
        ("${file:raw}", "cannot read raw: it is not UTF-8 text"),
        ("${file:long}", "long is longer than 65536 bytes"),
        ("${NAME", "invalid reference after '${'"),
        ("${}", "invalid reference after '${'"),
        ("${NAME-bo}", "invalid reference after '${'"),
        ("${1}", "invalid reference after '${'"),
        ("${NOPE:-${NAME}}", "a reference within a reference is not supported"),
    ],
)
def test_an_unresolvable_reference_is_an_error(replaced: Variables, folder: Path, text: str, expected: str) -> None:
    (folder / "raw").write_bytes(b"\xff")
    (folder / "long").write_bytes(b"x" * 65537)
    with pytest.raises(UsageError) as raised:
        replaced.expand(text)
    assert raised.value.message == expected
    assert raised.value.hint


def test_references_are_replaced_in_place_and_errors_returned(replaced: Variables) -> None:
    tree: dict[str, Any] = {"a": ["${NAME}", 1, {"b": "${NOPE}"}], "c": {"d": "$$", "e": True}}
    assert [(keys, error.message) for keys, error in replaced.replace(tree)] == [
        (("a", 2, "b"), "the environment variable NOPE is not set")
    ]
    assert tree == {"a": ["ana", 1, {"b": "${NOPE}"}], "c": {"d": "$", "e": True}}
    assert replaced.originals == {("a", 0): "${NAME}", ("c", "d"): "$$"}


@pytest.mark.parametrize("text", ['a = "$"', r'a = "\u0024{NAME}"', r'a = "\U00000024"'])
def test_text_that_can_contain_references_is_recognized(text: str) -> None:
    assert variables.can_contain_reference(text)
    assert not variables.can_contain_reference('a = "b"')


def test_only_a_single_reference_contains_no_secret() -> None:
    assert all(map(variables.is_reference, ["${NAME}", "${file:a/b.txt}"]))
    assert not any(map(variables.is_reference, ["", "x", "${NAME:-x}", "x${NAME}", "${NAME}x", "$${NAME}", "${}"]))


@given(st.text(alphabet="$${}aN:-file"))
def test_escaped_text_expands_to_itself(text: str) -> None:
    assert variables.escape("costs $5") == "costs $5"
    assert Variables({}, Path()).expand(variables.escape(text)) == text
