"""The house: who may import whom, how long things are, and what they are called, read from the syntax trees."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median, quantiles

from tests.syntax import parse_all

ROOT = Path(__file__).parent.parent
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
PACKAGE = ROOT / "gamcli"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

BELOW = {"errors", "model", "rules"}
ALL = {
    *BELOW, "actions", "bulk", "clients", "conformance", "manual", "provision", "render", "scan", "server", "store",
    "system",
}  # fmt: skip
MAY_IMPORT = {
    "gamcli": set(),
    "errors": set(),
    "normalization": set(),
    "model": {"normalization"},
    "rules": {"model", "errors"},
    "store": {"model", "errors"},
    "actions": {"store", *BELOW},
    "provision": {"actions", "store", *BELOW},
    "server": {"actions", "store", "system", *BELOW},
    "server.transport": BELOW,
    "server.endpoints": {"actions", "store", *BELOW},
    "clients": BELOW,
    "scan": BELOW,
    "conformance": {"clients", *BELOW},
    "conformance.local": {"actions", "provision", "server", *BELOW},
    "system": {"errors"},
    "manual": set(),
    "bulk": {"actions", "render", "store", "system", *BELOW},
    "render": {"model", "errors"},
    "ephemeral": ALL,
    "commands": {"ephemeral", "normalization", *ALL},
    "testing": {"ephemeral", *ALL},
    "__main__": {"commands"},
}
"""Each part, and those parts of gamcli that it may import; its own modules it may always. Only downward."""

FOR_TRANSPORT = "gamcli.server.transport"
NOT_FOR_ENDPOINTS = ("gamcli.server.transport.event_loop", "gamcli.server.transport.connection", "gamcli.server.dev")
"""The transport knows no OAuth, and the endpoints know no sockets."""

LIBRARIES = {
    "sqlite3": {"store"},
    "psycopg": {"store"},
    "typer": {"commands"},
    "rich": {"render"},
    "tomlkit": {"commands", "provision"},
    "platformdirs": {"commands"},
    "selectors": {"server"},
    "ssl": {"server"},
    "http.server": set(),
    "socketserver": set(),
    "click": set(),
    "typer._click": set(),
    "pydantic": set(),
}
"""Each outside library, and the parts that may import it."""

PURE = {
    "base64", "codecs", "collections", "dataclasses", "datetime", "difflib", "functools", "gamcli", "hashlib",
    "hmac", "itertools", "operator", "re", "shlex", "typing", "unicodedata", "zlib",
}  # fmt: skip
"""What the rules may import: no clock, randomness, files or network."""

IMPURE = {"now", "today", "utcnow", "open", "input", "print"}
"""What reads or writes the world when it is called."""

WALL_CLOCK = {
    "gamcli.server.dev.clock": {"now"},
    "gamcli.commands": {"now"},
    "gamcli.commands.context": {"now"},
    "gamcli.server.asgi": {"now"},
    "gamcli.server.transport.connection": {"time", "gmtime"},
    "gamcli.store.sqlite.database": {"now"},
    "gamcli.store.postgres.clock": {"now"},
    "gamcli.store.postgres.migration": {"time_ns"},
    "gamcli.store.sqlite.migration": {"time_ns"},
    "gamcli.testing": {"now"},
}
"""
The code that may read the wall clock: for `Gam.now`, a response header, the clock of a database, and the date and name
of a migration.
"""

NO_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def nodes() -> dict[str, list[ast.AST]]:
    """Return the nodes of each module."""
    found = parse_all(MODULES.values())
    return {name: found[path] for name, path in MODULES.items()}


def part(module: str) -> str:
    return [*module.split("."), "gamcli"][1] if module != "gamcli" else "gamcli"


def imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"line {node.lineno}: imports are written in full"
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def imports(module: str) -> set[str]:
    return {name for node in nodes()[module] for name in imported(node)}


def functions() -> Iterator[tuple[str, Function]]:
    for module, found in nodes().items():
        for node in found:
            if isinstance(node, Function):
                yield f"{module}:{node.lineno} {node.name}", node


def length(function: Function) -> int:
    """Return the lines of the body, without the docstring: the parameters of a command declare its options."""
    first = function.body[1] if ast.get_docstring(function) is not None and len(function.body) > 1 else function.body[0]
    assert function.end_lineno is not None
    return function.end_lineno - first.lineno + 1


def called(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def split_words(name: str) -> list[str]:
    return "".join(f"_{letter}" if letter.isupper() else letter for letter in name).split("_")


def test_imports_point_downward_only() -> None:
    assert {part(module) for module in MODULES} <= set(MAY_IMPORT)
    wrong = []
    for module in MODULES:
        here = part(module)
        subpart = ".".join(module.split(".")[1:3])
        allowed = MAY_IMPORT.get(subpart, MAY_IMPORT[here])
        names = {name for name in imports(module) if name.startswith("gamcli.") and name != "gamcli.__version__"}
        wrong += [f"{module}: {name}" for name in names if part(name) not in {here, *allowed}]
        wrong += [
            f"{module}: {name}"
            for name in names
            if (subpart == "server.endpoints" and name.startswith(NOT_FOR_ENDPOINTS))
            or (
                subpart == "server.transport"
                and name.startswith("gamcli.server.")
                and not name.startswith(FOR_TRANSPORT)
            )
        ]
    assert wrong == []


def test_an_outside_library_is_imported_only_where_it_belongs() -> None:
    wrong = [
        f"{module}: {library}"
        for library, parts in LIBRARIES.items()
        for module in MODULES
        for name in imports(module)
        if (name == library or name.startswith(f"{library}.")) and part(module) not in parts
    ]
    assert wrong == []


def test_rules_are_pure_and_only_render_prints() -> None:
    for module, found in nodes().items():
        names = [node for node in found if isinstance(node, ast.Name)]
        assert part(module) == "render" or "print" not in {name.id for name in names}, module
        if part(module) in BELOW:
            assert {name.partition(".")[0] for name in imports(module)} <= PURE, module
            assert {called(node) for node in found if isinstance(node, ast.Call)} & IMPURE == set(), module


def test_functions_and_modules_are_short() -> None:
    lengths = {place: length(function) for place, function in functions()}
    assert {place: lines for place, lines in lengths.items() if lines > 50} == {}
    assert median(lengths.values()) <= 8
    assert quantiles(lengths.values(), n=10)[-1] <= 25
    assert [module for module, path in MODULES.items() if len(path.read_text("utf-8").splitlines()) > 300] == []
    many = {
        place: count
        for place, function in functions()
        if not place.startswith("gamcli.commands")
        and (count := len([*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs])) > 6
    }
    assert many == {}


def test_no_class_name_is_used_twice_and_no_name_says_nothing() -> None:
    classes = [node.name for found in nodes().values() for node in found if isinstance(node, ast.ClassDef)]
    assert [name for name in {*classes} if classes.count(name) > 1] == []
    words = {word for module in MODULES for name in module.split(".") for word in name.split("_")}
    for found in nodes().values():
        for node in found:
            if isinstance(node, ast.ClassDef | Function):
                words |= {word.lower() for word in split_words(node.name)}
    assert words & NO_NAMES == set()


def test_a_test_name_is_a_sentence() -> None:
    for path, (module,) in parse_all(TESTS, (ast.Module,)).items():
        assert isinstance(module, ast.Module)
        for node in module.body:
            if isinstance(node, Function) and node.name.startswith("test_"):
                assert len(node.name.split("_")) >= 4, f"{path}: {node.name}"


def test_the_rules_compare_digests_in_constant_time() -> None:
    for module, found in nodes().items():
        for node in found:
            if (
                part(module) == "rules"
                and isinstance(node, ast.Compare)
                and isinstance(node.ops[0], ast.Eq | ast.NotEq)
            ):
                names = {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
                assert not any("digest" in name for name in names), f"{module}, line {node.lineno}: use compare_digest"


def clock_calls(module: list[ast.AST]) -> set[str]:
    calls = [node.func for node in module if isinstance(node, ast.Call)]
    names = {each.id for each in calls if isinstance(each, ast.Name)} & {"time", "time_ns", "gmtime", "localtime"}
    owned = [each for each in calls if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name)]
    return names | {each.attr for each in owned if each.value.id in ("datetime", "date", "time")} & {  # type: ignore[attr-defined]
        "now", "utcnow", "today", "time", "time_ns", "gmtime", "localtime",
    }  # fmt: skip


def test_code_that_waits_does_not_read_the_wall_clock() -> None:
    found = {name: clock_calls(module) for name, module in nodes().items()}
    assert {name: names for name, names in found.items() if names - WALL_CLOCK.get(name, set())} == {}
