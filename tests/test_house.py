"""The house: who may import whom, how long things are, and what they are called, read from the syntax trees."""

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import pytest

ROOT = Path(__file__).parent.parent
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
PACKAGE = ROOT / "gamcli"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

ALL = {"actions", "conformance", "errors", "model", "provision", "render", "rules", "server", "store"}
MAY_IMPORT = {
    "gamcli": set(),
    "errors": set(),
    "model": set(),
    "rules": {"model", "errors"},
    "store": {"model", "errors"},
    "actions": {"rules", "store", "model", "errors"},
    "provision": {"actions", "rules", "store", "model", "errors"},
    "server": {"actions", "rules", "store", "model", "errors"},
    "render": {"model", "errors"},
    "conformance": {"errors"},
    "commands": ALL,
    "testing": ALL,
    "__main__": {"commands"},
}
"""Each part, and those parts of gamcli that it may import; its own modules it may always. Only downward."""

AT_HOME = {
    "sqlite3": {"store"},
    "typer": {"commands"},
    "rich": {"render"},
    "tomlkit": {"commands", "provision"},
    "platformdirs": {"commands"},
    "http.server": {"server"},
    "socketserver": {"server"},
    "ssl": {"server"},
    "click": set(),
    "typer._click": set(),
    "pydantic": set(),
}
"""Each outside library, and the parts that may import it."""

PURE = {
    "base64", "codecs", "collections", "dataclasses", "datetime", "difflib", "functools", "gamcli", "hashlib",
    "hmac", "itertools", "operator", "re", "shlex", "typing", "unicodedata", "zlib",
}  # fmt: skip
"""What the rules may import: no clock, no dice, no files, no network."""

IMPURE = {"now", "today", "utcnow", "open", "input", "print"}
"""What reads or writes the world when it is called."""

NO_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def tree(path: Path) -> ast.Module:
    """Return the syntax tree of the file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


TREES = {name: tree(path) for name, path in MODULES.items()}


def part(module: str) -> str:
    """Return the part that a module of gamcli belongs to."""
    return [*module.split("."), "gamcli"][1] if module != "gamcli" else "gamcli"


def imported(node: ast.AST) -> Iterator[str]:
    """Yield the full names of what an import statement brings in."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"line {node.lineno}: imports are written in full"
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports(module: str) -> set[str]:
    """Return the full names of everything that the module imports, wherever in it."""
    return {name for node in ast.walk(TREES[module]) for name in imported(node)}


def functions() -> Iterator[tuple[str, Function]]:
    """Yield every function of gamcli with its place."""
    for module, found in TREES.items():
        for node in ast.walk(found):
            if isinstance(node, Function):
                yield f"{module}:{node.lineno} {node.name}", node


def length(function: Function) -> int:
    """Return the lines of a function without its docstring."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    told = function.body[0]
    assert told.end_lineno is not None
    return lines - (told.end_lineno - told.lineno + 1)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_the_parts_below_it(module: str) -> None:
    """The table of the house holds."""
    here = part(module)
    of_gamcli = {part(name) for name in imports(module) if name.startswith("gamcli.") and name != "gamcli.__version__"}
    assert of_gamcli - {here} <= MAY_IMPORT[here]


def test_every_part_has_its_place_in_the_house() -> None:
    """A new one is written into the table first."""
    assert {part(module) for module in MODULES} <= set(MAY_IMPORT)


@pytest.mark.parametrize("library", AT_HOME)
def test_an_outside_library_is_imported_in_one_part_only(library: str) -> None:
    """Where it is at home, or nowhere."""
    guests = {
        module for module in MODULES for name in imports(module) if name == library or name.startswith(f"{library}.")
    }
    assert {module for module in guests if part(module) not in AT_HOME[library]} == set()


@pytest.mark.parametrize("module", [name for name in MODULES if part(name) in ("rules", "model", "errors")])
def test_the_rules_are_pure(module: str) -> None:
    """Facts, time and randomness come in: nothing here can reach for them."""
    assert {name.partition(".")[0] for name in imports(module)} <= PURE
    assert {called(node) for node in ast.walk(TREES[module]) if isinstance(node, ast.Call)} & IMPURE == set()


def called(call: ast.Call) -> str:
    """Return the last name of what is called."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


@pytest.mark.parametrize("module", [name for name in MODULES if part(name) != "render"])
def test_only_render_prints(module: str) -> None:
    """The voice has one place."""
    prints = [node.lineno for node in ast.walk(TREES[module]) if isinstance(node, ast.Name) and node.id == "print"]
    assert prints == []


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_a_docstring_and_at_most_300_lines(module: str) -> None:
    """It says what lives in it."""
    assert ast.get_docstring(TREES[module])
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("module", MODULES)
def test_every_public_class_and_function_has_a_docstring(module: str) -> None:
    """One promise in one sentence."""
    assert [name for name, node in public(TREES[module]) if not ast.get_docstring(node)] == []


def public(node: ast.Module | ast.ClassDef) -> Iterator[tuple[str, ast.ClassDef | Function]]:
    """Yield the public classes and functions of a module, and their public methods."""
    for child in node.body:
        if isinstance(child, ast.ClassDef | Function) and not child.name.startswith("_"):
            yield child.name, child
            if isinstance(child, ast.ClassDef):
                yield from ((f"{child.name}.{name}", inner) for name, inner in public(child))


def test_no_function_is_longer_than_fifty_lines() -> None:
    """Without its docstring."""
    assert {place: length(function) for place, function in functions() if length(function) > 50} == {}


def test_functions_are_short() -> None:
    """Half of them have at most eight lines, nine in ten at most 25."""
    lengths = [length(function) for _, function in functions()]
    assert median(lengths) <= 8
    assert quantiles(lengths, n=10)[-1] <= 25


def test_a_function_takes_at_most_six_arguments() -> None:
    """Past six, a record; options are what commands take."""
    many = {
        place: count
        for place, function in functions()
        if not place.startswith("gamcli.commands")
        and (count := len([*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs])) > 6
    }
    assert many == {}


def test_nothing_is_called_by_a_word_that_says_nothing() -> None:
    """No utils, helpers, managers: neither modules nor classes nor functions."""
    words = {word for module in MODULES for name in module.split(".") for word in name.split("_")}
    for found in TREES.values():
        for node in ast.walk(found):
            if isinstance(node, ast.ClassDef | Function):
                words |= {word.lower() for word in split_words(node.name)}
    assert words & NO_NAMES == set()


def split_words(name: str) -> list[str]:
    """Split a name at underscores and capitals."""
    return "".join(f"_{letter}" if letter.isupper() else letter for letter in name).split("_")


@pytest.mark.parametrize("path", TESTS, ids=[str(path.relative_to(ROOT)) for path in TESTS])
def test_a_test_is_a_sentence(path: Path) -> None:
    """Its name has at least three words."""
    for node in tree(path).body:
        if isinstance(node, Function) and node.name.startswith("test_"):
            assert len(node.name.split("_")) >= 4, node.name
