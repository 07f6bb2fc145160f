"""Formatting of values and keys as TOML."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from gamcli.provision import toml_format
from tests.cases import for_each

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    TEXTS | st.booleans() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(TEXTS, VALUES)
def test_formatted_values_parse_to_the_same_value(key: str, value: object) -> None:
    assert tomllib.loads(f"{toml_format.format_key(key)} = {toml_format.format_value(value)}") == {key: value}


@for_each("letter", ["\x7f", "\x00", "\n", '"', "\\", "\x9b", "\u202e", "\U000e0041"])
def test_control_characters_are_escaped(letter: str) -> None:
    assert tomllib.loads(f"a = {toml_format.quote(letter)}") == {"a": letter}
    assert toml_format.quote(letter).isprintable()


def test_unicode_spaces_are_not_escaped() -> None:
    assert toml_format.quote("\u3000\u200b") == '"\u3000\\u200b"'


def test_a_key_path_is_formatted_as_toml() -> None:
    assert toml_format.format_path(("app", "a.b", "scopes", 2)) == 'app."a.b".scopes'
    assert toml_format.format_path(("key", 2, "scopes", 1)) == "key[2].scopes"
    assert toml_format.format_path(()) == ""
