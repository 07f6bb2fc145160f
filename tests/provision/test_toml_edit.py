"""Editing objects of a TOML text; everything else is kept."""

import tomllib
from textwrap import dedent
from typing import Any

import pytest

from gamcli.provision.toml_edit import edit

TEXT = """\
# head
repository.default = "x"

[user]  # users
ana = { email = "a", token = { a = 1 } }  # of ana
empty = {}

# before the application
[app.one]  # of one
text = '''
# no comment'''  # why
list = [  # of list
  "a", # of a
  "b",
  "c",  # of c
]
short = [ "a", "b", ]  # of short
dotted.a = 1  # of a
[app.one.table]
a = 1  # of a
[app.one.table.inner]
b = 2
# the end of one

# before key 0
[[key]]
name = "x"
# within key 0
[key.sub]
a = 1

# before key 1
[[key]]
name = "y" """


def changed_lines(changes: Any, text: str = TEXT) -> list[str]:  # noqa: ANN401 - as `edit` takes them
    new = edit(text, changes)
    tomllib.loads(new)
    old_lines, new_lines = text.splitlines(), new.splitlines()
    removed = [f"-{line}" for line in old_lines if line not in new_lines]
    return removed + [f"+{line}" for line in new_lines if line not in old_lines]


def test_a_text_without_changes_is_unchanged() -> None:
    assert edit(TEXT, {}) == TEXT
    assert edit(TEXT, {("app", "one"): {"nope": None}, ("key", 1): {}}) == TEXT


def test_a_value_is_replaced_next_to_its_comment() -> None:
    assert changed_lines({("user", "ana"): {"email": 'a "b"'}, ("app", "one"): {"short": [], "dotted.a": 3}}) == [
        '-ana = { email = "a", token = { a = 1 } }  # of ana',
        '-short = [ "a", "b", ]  # of short',
        "-dotted.a = 1  # of a",
        r'+ana = { email = "a \"b\"", token = { a = 1 } }  # of ana',
        "+short = []  # of short",
        "+dotted.a = 3  # of a",
    ]
    assert edit(TEXT, {("key", 1): {"name": "z"}}) == TEXT.replace('"y"', '"z"')
    assert edit(TEXT, {("repository",): {"default": "z"}}) == TEXT.replace('default = "x"', 'default = "z"')


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        (["a", "b", "c", "d"], ['+  "d",']),
        (["b", "c"], ['-  "a", # of a']),
        (["a", "d"], ['-  "b",', '-  "c",  # of c', '+  "d",']),
        (["b", "d", "c"], ['-  "a", # of a', '+  "d",']),
        ([], ['-  "a", # of a', '-  "b",', '-  "c",  # of c']),
        (["c", "b", "a"], ["-list = [  # of list", '-  "a", # of a', '-  "b",', '-  "c",  # of c', "-]"]),
    ],
)
def test_a_list_with_one_element_per_line_keeps_its_lines(elements: list[str], expected: list[str]) -> None:
    new = edit(TEXT, {("app", "one"): {"list": elements}})
    assert changed_lines({("app", "one"): {"list": elements}})[: len(expected)] == expected
    assert tomllib.loads(new)["app"]["one"]["list"] == elements


@pytest.mark.parametrize(
    ("before", "elements", "after"),
    [
        ("['z', 'admin', 'operator']", ["operator", "admin"], '["operator", "admin"]'),
        ("['user_email']", ["gam_user_data", "user_email"], '["gam_user_data", "user_email"]'),
        ("[\n  'z',\n  'a',\n  'b',\n]", ["b", "a"], '["b", "a"]'),
    ],
)
def test_a_list_has_the_elements_in_the_given_order(before: str, elements: list[str], after: str) -> None:
    new = edit(f"[user.ana]\nroles = {before} # of ana\n", {("user", "ana"): {"roles": elements}})
    assert tomllib.loads(new)["user"]["ana"]["roles"] == elements
    assert "".join(new.split()).replace(",]", "]") == "".join(f"[user.ana]\nroles = {after} # of ana\n".split())


def test_fields_are_added_in_the_form_of_the_table() -> None:
    for keys, lines in (
        (("repository",), ['+repository."x y" = true', "+repository.g = { z = 1 }"]),
        (("user", "empty"), ["-empty = {}", '+empty = {"x y" = true,g = { z = 1 }}']),
        (("app", "one"), ['+"x y" = true', "+g = { z = 1 }"]),
        (("key", 0), ['+"x y" = true', "+g = { z = 1 }"]),
        (("key", 1), ['+"x y" = true', "+g = { z = 1 }"]),
    ):
        assert changed_lines({keys: {"x y": True, "g.z": 1}}) == lines
    assert changed_lines({("app", "one"): {"dotted.z": 1, "table.z": 1}, ("user", "ana"): {"token.z": 1}}) == [
        '-ana = { email = "a", token = { a = 1 } }  # of ana',
        '+ana = { email = "a", token = { a = 1, z = 1 } }  # of ana',
        "+dotted.z = 1",
        "+z = 1",
    ]


def test_a_table_gets_the_values_of_a_mapping_and_loses_others() -> None:
    assert changed_lines({("app", "one"): {"table": {"a": 1, "inner": {"c": 3}}, "dotted": {"b": 2}}}) == [
        "-dotted.a = 1  # of a",
        "-b = 2",
        "+dotted.b = 2",
        "+c = 3",
    ]
    assert changed_lines({("user", "ana"): {"token": {"b": 2}}})[1:] == [
        '+ana = { email = "a", token = { b = 2 } }  # of ana'
    ]


def test_an_object_is_removed_without_the_comments_before_it() -> None:
    text = edit(TEXT, {("key", 0): None})
    assert changed_lines({("key", 0): None}) == ['-name = "x"', "-# within key 0", "-[key.sub]", "-a = 1"]
    assert "# the end of one\n\n# before key 0\n# before key 1\n[[key]]" in text
    assert edit(TEXT, {("key", 0): None, ("key", 1): None}).endswith("# before key 0\n# before key 1\n")
    assert "# before the application\n# the end of one\n" in edit(TEXT, {("app", "one"): None})
    assert edit(TEXT, {("user", "empty"): None}) == TEXT.replace("empty = {}\n", "")
    array = 'key = [\n  { user = "a" }, # a\n  { user = "b" }, # b\n]\n'
    assert edit(array, {("key", 0): None, ("key", 1): {"user": "c"}}) == 'key = [\n  { user = "c" }, # b\n]\n'


def test_objects_in_the_same_tables_are_changed_together() -> None:
    text = dedent("""\
        user.ana.email = "a"
        user.bo.email = "b"
        [user.ana.attributes]
        x = "1"
        [app.one]
        [user.bo.attributes]
        x = "1" # x
        """)
    new = edit(text, {("user", "ana"): {"email": "c"}, ("user", "bo"): {"email": "d", "attributes": {"x": "2"}}})
    assert new == text.replace('"a"', '"c"').replace('"b"', '"d"').replace('"1" #', '"2" #')


def test_tables_that_tomlkit_would_move_are_unchanged() -> None:
    text = '[user.ana]\n[[key]]\nuser = "a"\n# c\n[user.bo]\n[user.ana.attributes]\nx = "y"\n'
    assert edit(text, {("user", "ana"): {"email": "x"}, ("user", "bo"): None}) == text
