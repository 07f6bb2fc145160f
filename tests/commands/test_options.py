"""Options that several commands have are declared once."""

import ast
from collections import defaultdict
from pathlib import Path

from gamcli import commands


def test_no_option_is_declared_twice() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in Path(commands.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Subscript) and getattr(node.value, "id", "") == "Annotated":
                places[ast.unparse(node)].append(f"{path.name}:{node.lineno}")
    assert len(places) > 100
    assert {option: found for option, found in places.items() if len(found) > 1} == {}
