"""Every text and name uses the words of the field: `tests/language.tsv` lists what not to write, and what instead."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.syntax import parse_all

ROOT = Path(__file__).parent.parent
RULES = [
    tuple(line.split("\t"))
    for line in (ROOT / "tests/language.tsv").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
RULE_FLAGS = {"text": re.IGNORECASE, "name": re.NOFLAG}
ANY_RULE = {
    kind: re.compile("|".join(f"(?:{pattern})" for which, pattern, _ in RULES if which == kind), flags)
    for kind, flags in RULE_FLAGS.items()
}
EXEMPT = {"tests/language.tsv", "tests/test_language.py"}
Text = tuple[str, int, str]


def sources() -> list[Path]:
    """Return the Python files of the program, its tests and its checks."""
    found = [*ROOT.glob("gamcli/**/*.py"), *ROOT.glob("tests/**/*.py"), *ROOT.glob(".ci/*.py")]
    return [path for path in found if "node_modules" not in path.parts and name(path) not in EXEMPT]


def name(path: Path) -> str:
    """Return the path as it is written in the repository."""
    return path.relative_to(ROOT).as_posix()


def documents() -> Iterator[Text]:
    """Yield each line of README, manual, help, transcripts and contract tables."""
    patterns = ("README.md", "gamcli/**/*.md", "gamcli/**/*.tsv", "gamcli/**/*.toml", "tests/scripts/*.txt", ".ci/run")
    for path in sorted(path for pattern in patterns for path in ROOT.glob(pattern)):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            yield name(path), number, line


@cache
def nodes() -> dict[Path, list[ast.AST]]:
    """Return the nodes of each Python file that hold texts or give names."""
    wanted = (ast.Constant, ast.Expr, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.arg)
    return parse_all(sources(), wanted)


def texts_of(path: Path) -> Iterator[Text]:
    """Yield the comments and the string literals of a Python file; of tests, only docstrings."""
    place, source = name(path), path.read_text(encoding="utf-8")
    if any(ANY_RULE["text"].search(text) for text in possible_comments(source)):  # to find the comments takes long
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                yield place, token.start[0], token.string
    is_test = place.startswith("tests/")
    for node in nodes()[path]:
        literal = node.value if isinstance(node, ast.Expr) else node
        wanted = literal is not node or not is_test
        if wanted and isinstance(literal, ast.Constant) and isinstance(literal.value, str):
            for offset, line in enumerate(literal.value.splitlines()):
                yield place, literal.lineno + offset, line


def possible_comments(source: str) -> Iterator[str]:
    """Yield the rest of each line from each `#`, which may be in a string."""
    for line in source.splitlines():
        yield from (line[found.start() :] for found in re.finditer("#", line))


def names_of(path: Path) -> Iterator[Text]:
    """Yield the names that a Python file gives to modules, classes, functions and parameters."""
    place = name(path)
    yield place, 1, path.stem
    for node in nodes()[path]:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield place, node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield place, node.lineno, node.arg


def violations(kind: str, texts: Iterator[Text]) -> list[str]:
    """Return each use of a word of that kind as FILE:LINE: what it says -> what to write."""
    rules = [(re.compile(pattern, RULE_FLAGS[kind]), instead) for which, pattern, instead in RULES if which == kind]
    return [
        f"{file}:{line}: '{found[0]}' -> {instead} ({text.strip()[:80]})"
        for file, line, text in texts
        if ANY_RULE[kind].search(text)
        for pattern, instead in rules
        if (found := pattern.search(text))
    ]


def test_texts_are_written_in_the_words_of_the_field() -> None:
    texts = [*documents(), *(text for path in sources() for text in texts_of(path))]
    assert violations("text", iter(texts)) == []


def test_names_are_those_of_the_field() -> None:
    assert violations("name", (text for path in sources() for text in names_of(path))) == []


def test_a_retired_word_is_reported_with_its_place() -> None:
    texts = [("module.py", 1, "It is no store."), ("module.py", 5, "# nobody is told")]
    assert [text.partition(" ->")[0] for text in violations("text", iter(texts))] == [
        "module.py:1: 'is no s'", "module.py:5: 'is told'",
    ]  # fmt: skip
    assert [*possible_comments("x = '#'  # nobody is told\ny")] == ["#'  # nobody is told", "# nobody is told"]
    names = [("module.py", 4, "told"), ("module.py", 4, "desk"), ("module.py", 4, "app")]
    assert {name.partition(" (")[2] for name in violations("name", iter(names))} == {"told)", "desk)"}
