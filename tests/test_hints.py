"""Every command that gamcli suggests can be typed: its words and options exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import gamcli
from gamcli.commands import complete
from gamcli.commands.root import NOUNS
from tests.cases import for_each

ROWS = complete.read_table()
PATHS = {row.path for row in ROWS}
OPTIONS = {(row.path, row.text) for row in ROWS if row.text.startswith("-")}
GROUPS = {path.rpartition(" ")[0] for path in PATHS if " " in path}
GLOBAL = {row.text for row in ROWS if row.path == "" and row.text.startswith("-")} | {"--help", "-h"}

TYPED = re.compile(r"\bgamcli((?: [^\s'\"`,;:)|>&.][^\s'\"`,;:)|>&]*)+)")
SOURCES = sorted(Path(gamcli.__file__).parent.rglob("*.py"))


def suggested_commands(tree: ast.AST) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the words of each suggested command; a word that is not constant is `…`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("command", "command_line"):
            words = [str(word.value) if isinstance(word, ast.Constant) else "…" for word in node.args]
            if words and words[0] != "…":
                yield node.lineno, words
        elif isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
            yield from typed_commands(node.lineno, text)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from typed_commands(node.lineno, node.value)


def typed_commands(line: int, text: str) -> Iterator[tuple[int, list[str]]]:
    for found in TYPED.finditer(text):
        words = found[1].rstrip(".").split()
        if words[0] in NOUNS or words[0].startswith("--"):
            yield line, words


def find_mistake(words: list[str]) -> str | None:
    """Return what cannot be typed, or None."""
    path = ""
    for word in words:
        longer = f"{path} {word}".strip()
        if longer in PATHS:
            path = longer
        elif path:
            if path in GROUPS and word[0].isalpha():
                return f"no command '{longer}'"
            break
    options = [word.partition("=")[0] for word in words if re.match(r"--[a-z]|-[a-z]\Z", word)]
    unknown = [option for option in options if (path, option) not in OPTIONS and option not in GLOBAL]
    return f"'{path}' has no option {unknown[0]}" if unknown and "--" not in words else None


def test_every_suggested_command_can_be_typed() -> None:
    mistakes = [
        f"{source.name}:{line}: {' '.join(words)}: {mistake}"
        for source in SOURCES
        for line, words in suggested_commands(ast.parse(source.read_text(encoding="utf-8")))
        if (mistake := find_mistake(words))
    ]
    assert mistakes == []


@for_each(
    ("words", "mistake"),
    [
        ("key create", "no command 'key create'"),
        ("key generate --overlapp 7d", "'key generate' has no option --overlapp"),
        ("store info --replace", "'store info' has no option --replace"),
        ("user show ana", None),
        ("--store x.db key list --user ana", None),
    ],
)
def test_a_mistake_is_found(words: str, mistake: str | None) -> None:
    assert find_mistake(words.split()) == mistake
