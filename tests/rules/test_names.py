"""Valid names and short texts, and how errors show them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.errors import UsageError
from gamcli.rules import names
from tests.cases import for_each


@for_each("name", ["a", "ana", "Ana María", "x" * 60, "日本", "a/b", "--help", "O'Hara"])
def test_a_name_is_any_printable_text_of_one_to_sixty_characters(name: str) -> None:
    assert names.check_name("a user", name) == name


@for_each(
    ("name", "message", "hint"),
    [
        ("", "the name of a user is empty", "use 1 to 60 characters"),
        (" ana", "the name of a user begins or ends with a space: ' ana'", "use 'ana'"),
        ("ana\t", "the name of a user begins or ends with a space: 'ana\\t'", "use 'ana'"),
        ("ana\n", "the name of a user begins or ends with a space: 'ana\\n'", "use 'ana'"),
        ("x" * 61, "the name of a user is too long: 61 characters", "use at most 60 characters"),
        ("a\x1b[1mb", "the name of a user contains an unprintable character: 'a\\x1b[1mb'", "remove it"),
        ("a\nb", "the name of a user contains an unprintable character: 'a\\nb'", "remove it"),
        ("a\u202eb", "the name of a user contains an unprintable character: 'a\\u202eb'", "remove it"),
        ("a\udcffb", "the name of a user contains an unprintable character: 'a\\udcffb'", "remove it"),
    ],
)
def test_what_may_not_be_a_name_is_refused_with_what_is_wrong(name: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        names.check_name("a user", name)
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize("name", [" ", "\t", " \n "])
def test_a_name_of_blanks_alone_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        names.check_name("a user", name)


def test_the_names_of_applications_may_be_longer() -> None:
    assert names.check_name("an application", "x" * 254, names.APP_NAME_LENGTH)
    with pytest.raises(UsageError, match="255 characters"):
        names.check_name("an application", "x" * 255, names.APP_NAME_LENGTH)


@given(st.text(max_size=300))
def test_a_text_is_returned_as_it_is_or_refused(text: str) -> None:
    if text.isprintable() and len(text) <= 254:
        assert names.check_text("the label", text) == text
    else:
        with pytest.raises(UsageError, match="the label"):
            names.check_text("the label", text)


@given(st.text(st.characters()))
def test_what_is_shown_can_be_printed(text: str) -> None:
    assert names.escape_unprintable(text).isprintable()
    assert names.escape_unprintable(text) == text or not text.isprintable()


@for_each(("name", "near"), [("portl", "portal"), ("PORTAL", None), ("zzz", None), ("", None), ("po", "portal")])
def test_the_nearest_known_name_is_the_one_that_was_probably_meant(name: str, near: str | None) -> None:
    assert names.closest_match(name, iter(["intranet", "portal"])) == near
    assert names.closest_match("po", ["portal", "portrait"]) is None


@for_each("name", ["../evil", "..", ".", "/etc/passwd", "a/../b", "..\\evil", "~root", "\\\\host\\share"])
def test_a_name_that_looks_like_a_path_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="looks like a path"):
        names.check_name("a user", name)


@for_each("name", ["a.b", "DOMAIN\\ana", "team/ci", "..a", "a..b", "ana~1"])
def test_a_name_may_contain_dots_and_slashes(name: str) -> None:
    assert names.check_name("a user", name) == name
