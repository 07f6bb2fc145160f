"""Editing single values of a TOML text; everything else is kept."""

import tomllib
from collections.abc import Callable
from textwrap import dedent

from gamcli.provision.toml_edit import Editor
from tests.cases import for_each

TEXT = '''\
# head
root.a = 1

[one]  # of one
text = "x"  # why
list = [  # of list
  "a", # of a
  "b",
  "c"  # of c
]
short = [
  "a", "b",
]
inline = { a = 1, deep = { b = 2 } }
empty = {}
dotted.a = 1
dotted.b = 2
# the end of one

# before many 0
[[many]]
name = "x"
# within many 0
[many.sub]
a = 1

# before two
[two]
[[many]]
name = "y"'''


def edited(do: Callable[[Editor], None], text: str = TEXT) -> str:
    editor = Editor(text)
    do(editor)
    found = editor.text()
    tomllib.loads(found)
    return found


def changes(text: str, before: str = TEXT) -> list[str]:
    old, new = before.splitlines(), text.splitlines()
    return [f"-{line}" for line in old if line not in new] + [f"+{line}" for line in new if line not in old]


def test_a_text_without_edits_is_unchanged() -> None:
    assert edited(lambda _: None) == TEXT
    assert edited(lambda editor: editor.replace(("nope",), 1)) == TEXT
    assert edited(lambda editor: editor.remove(("nope",))) == TEXT


def test_a_value_is_replaced_next_to_its_comment() -> None:
    assert changes(edited(lambda editor: editor.replace(("one", "text"), 'a "b"'))) == [
        '-text = "x"  # why',
        r'+text = "a \"b\""  # why',
    ]
    assert changes(edited(lambda editor: editor.replace(("one", "inline", "deep", "b"), 3))) == [
        "-inline = { a = 1, deep = { b = 2 } }",
        "+inline = { a = 1, deep = { b = 3 } }",
    ]
    assert changes(edited(lambda editor: editor.replace(("many", 1, "name"), "z")))[1:] == ['+name = "z"']
    assert changes(edited(lambda editor: editor.replace(("root", "a"), 2.5), "root.a = 1.75 # x"), "") == [
        "+root.a = 2.5 # x"
    ]


@for_each(
    ("elements", "expected"),
    [
        (["a", "b", "c", "d"], ['-  "c"  # of c', '+  "c",  # of c', '+  "d",']),
        (["b", "c"], ['-  "a", # of a']),
        (["d", "a"], ['-  "b",', '-  "c"  # of c', '+  "d",']),
        ([], ['-  "a", # of a', '-  "b",', '-  "c"  # of c']),
        (["d"], ['-  "a", # of a', '-  "b",', '-  "c"  # of c', '+  "d",']),
    ],
)
def test_a_list_with_one_element_per_line_keeps_its_lines(elements: list[str], expected: list[str]) -> None:
    text = edited(lambda editor: editor.replace(("one", "list"), elements))
    old = [line for line in TEXT.splitlines() if line not in ('  "a", "b",', "]")]
    assert [line for line in changes(text) if line[1:] in (*old, *text.splitlines())] == expected
    assert sorted(tomllib.loads(text)["one"]["list"]) == sorted(elements)


def test_other_lists_are_rewritten() -> None:
    assert tomllib.loads(edited(lambda editor: editor.replace(("one", "short"), ["b"])))["one"]["short"] == ["b"]
    assert edited(lambda editor: editor.replace(("a",), ["b"]), "a = [\n]\n") == 'a = ["b"]\n'


def test_fields_are_added_in_the_form_of_the_table() -> None:
    new = {"x y": True, "z": ["a"]}
    for keys, lines in (
        (("one",), ['+"x y" = true', '+z = ["a"]']),
        (("two",), ['+"x y" = true', '+z = ["a"]']),
        (("many", 0), ['+"x y" = true', '+z = ["a"]']),
        (("many", 1), ['+"x y" = true', '+z = ["a"]']),
        (("one", "dotted"), ['+dotted."x y" = true', '+dotted.z = ["a"]']),
        (("root",), ['+root."x y" = true', '+root.z = ["a"]']),
        (
            ("one", "inline"),
            [
                "-inline = { a = 1, deep = { b = 2 } }",
                '+inline = { a = 1, deep = { b = 2 }, "x y" = true, z = ["a"] }',
            ],
        ),
        (("one", "empty"), ["-empty = {}", '+empty = { "x y" = true, z = ["a"] }']),
        (("three", "four"), ["+[three.four]", '+"x y" = true', '+z = ["a"]']),
    ):
        text = edited(lambda editor, keys=keys: editor.add(keys, new))  # type: ignore[misc]
        assert changes(text) == lines
        tree = tomllib.loads(text)
        for key in keys:
            tree = tree[key]  # type: ignore[index]
        assert tree["x y"] is True


def test_a_table_is_removed_with_its_nested_tables() -> None:
    text = edited(lambda editor: editor.remove(("many", 0)))
    assert changes(text) == ['-name = "x"', "-# within many 0", "-[many.sub]", "-a = 1"]
    assert "# before many 0\n# before two\n[two]\n[[many]]" in text
    assert edited(lambda editor: editor.remove(("many", 1))).endswith("[two]\n")
    assert "[one]" not in edited(lambda editor: editor.remove(("one",)))
    assert changes(edited(lambda editor: editor.remove(("one", "text")))) == ['-text = "x"  # why']


def test_tables_are_appended_after_a_blank_line() -> None:
    def two(editor: Editor) -> None:
        editor.append(["[three]", "a = 1"])
        editor.append(["[four]"])

    assert edited(two) == f"{TEXT}\n\n[three]\na = 1\n\n[four]\n"
    assert edited(two, "\n") == "[three]\na = 1\n\n[four]\n"


def test_line_ends_are_kept() -> None:
    text = dedent(TEXT).replace("\n", "\r\n")
    editor = Editor(text)
    editor.add(("one",), {"x": 1})
    editor.append(["[three]"])
    editor.remove(("many", 0))
    found = editor.text()
    assert found.count("\r\n") == found.count("\n")
    tomllib.loads(found)


def test_the_editor_knows_keys_and_tables() -> None:
    editor = Editor(TEXT)
    assert editor.has(("one", "text"))
    assert not editor.has(("one", "nope"))
    assert editor.has_table(("one",))
    assert editor.has_table(("one", "dotted"))
    assert not editor.has_table(("one", "inline"))
