"""Line numbers of keys in TOML texts."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.provision.toml_scan import Keys, Lines
from tests.cases import for_each

TEXT = r"""# [not.a.header] x = 1
top.level = 1
[app.portal] # [x] = "y"
description = '''
[not.a.header]
x = "2" ''
'''
empty = ""
scopes = [ # ]
  "a", # ,
  "b,}", [ 1, { c = 2 } ],
]
api_keys = { enabled = true, "auth.type" = 'x', deep = { d.e = [ { f = 1 }, {} ] } }
"q\u0041".'b"' = 1979-05-27T07:32:00.5Z

[[key]]
user = "ana"
[key.sub]
last = 0.5
[[key.many]]
one = 1
[[key.many]]
two = "\"]"
[[key]]
user = -3
"""

EXPECTED: dict[Keys, int] = {
    ("top",): 2,
    ("top", "level"): 2,
    ("app",): 3,
    ("app", "portal"): 3,
    ("app", "portal", "description"): 4,
    ("app", "portal", "empty"): 8,
    ("app", "portal", "scopes"): 9,
    ("app", "portal", "scopes", 0): 10,
    ("app", "portal", "scopes", 1): 11,
    ("app", "portal", "scopes", 2, 1, "c"): 11,
    ("app", "portal", "api_keys", "enabled"): 13,
    ("app", "portal", "api_keys", "auth.type"): 13,
    ("app", "portal", "api_keys", "deep", "d", "e", 0, "f"): 13,
    ("app", "portal", "api_keys", "deep", "d", "e", 1): 13,
    ("app", "portal", "qA", 'b"'): 14,
    ("key",): 16,
    ("key", 0): 16,
    ("key", 0, "user"): 17,
    ("key", 0, "sub"): 18,
    ("key", 0, "sub", "last"): 19,
    ("key", 0, "many", 0, "one"): 21,
    ("key", 0, "many", 1): 22,
    ("key", 0, "many", 1, "two"): 23,
    ("key", 1): 24,
    ("key", 1, "user"): 25,
}


@for_each("keys", EXPECTED)
def test_every_key_and_element_has_a_line(keys: Keys) -> None:
    assert Lines(TEXT).find(keys) == EXPECTED[keys]


def test_a_missing_key_has_the_line_of_its_parent() -> None:
    lines = Lines(TEXT)
    assert lines.find(("app", "portal", "enabled")) == 3
    assert lines.find(("key", 1, "app", 3)) == 24
    assert lines.find(("nope",)) == lines.find(()) == Lines("").find(("x",)) == 1


@for_each("quotes", ['""', '"" ', 'a""', '"\nb = 0\n', '""[\nb = 0\n""', 'x"" "['])
@for_each("mark", ['"', "'"])
def test_multiline_strings_can_contain_quotes(quotes: str, mark: str) -> None:
    text = f'a = """{quotes}"""\nb = 1\n'.replace('"', mark)
    assert tomllib.loads(text)["b"] == 1
    assert Lines(text).find(("b",)) == text.count("\n")


@pytest.mark.parametrize("inner", ['\\"', '"\\"" x', "\\\\"])
def test_a_quote_can_be_escaped(inner: str) -> None:
    text = f'a = """{inner}"""\nb = 1\n'
    assert Lines(text).find(("b",)) == 2


MARKS = st.integers(1000, 10**9)
NAMES = st.sampled_from(["a", "b-c", "D_1", "e.f", "g h", "", 'q"', "\u00e9", "#", "[x]", "="])
VALUES = st.recursive(
    MARKS | st.sampled_from(["", "\n", "# x", "[y]", '"', "'''", "a\nb = 1\n"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


def quoted(text: str, style: int) -> str:
    if style == 1 and "'" not in text and "\n" not in text:
        return f"'{text}'"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"""\n{escaped}"""' if style == 2 else '"' + escaped.replace("\n", "\\n") + '"'


def written(value: Any, draw: st.DrawFn) -> str:  # noqa: ANN401 - any TOML
    if isinstance(value, list):
        gap = draw(st.sampled_from([" ", "\n", " # ], x = 1\n"]))
        return f"[{gap}{''.join(f'{written(each, draw)},{gap}' for each in value)}]"
    if isinstance(value, dict):
        inner = ", ".join(f"{quoted(key, 0)} = {written(each, draw)}" for key, each in value.items())
        return f"{{ {inner} }}"
    return quoted(value, draw(st.integers(0, 2))) if isinstance(value, str) else str(value)


@st.composite
def documents(draw: st.DrawFn) -> str:
    tables = draw(st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=4), max_size=4))
    arrays = draw(st.lists(st.dictionaries(NAMES, VALUES, max_size=3), max_size=3))
    text = ""
    for name, table in tables.items():
        text += f"[table.{quoted(name, 0)}]\n"
        text += "".join(f"{quoted(key, 0)} = {written(value, draw)}\n" for key, value in table.items())
    for each in arrays:
        text += "[[array]]\n" + "".join(f"{quoted(key, 0)} = {written(value, draw)}\n" for key, value in each.items())
    return text


def marks(tree: Any, keys: Keys = ()) -> dict[Keys, int]:  # noqa: ANN401 - any TOML
    found: dict[Keys, int] = {}
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if isinstance(value, dict | list):
            found |= marks(value, (*keys, key))
        elif isinstance(value, int):
            found[*keys, key] = value
    return found


@given(documents())
def test_generated_documents_have_correct_lines(text: str) -> None:
    lines = Lines(text)
    for keys, number in marks(tomllib.loads(text)).items():
        line = text.split("\n")[lines.find(keys) - 1]
        assert str(number) in line, (keys, line)
