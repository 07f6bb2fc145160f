"""Syntax trees of many files at once."""

import ast
import gc
from collections.abc import Iterable
from pathlib import Path


def parse_all(paths: Iterable[Path], kinds: tuple[type[ast.AST], ...] = (ast.AST,)) -> dict[Path, list[ast.AST]]:
    """Return the nodes of each file that are of these kinds."""
    gc.disable()  # two thirds of the time
    try:
        return {
            path: [node for node in ast.walk(ast.parse(path.read_bytes(), str(path))) if isinstance(node, kinds)]
            for path in paths
        }
    finally:
        gc.freeze()
        gc.enable()
