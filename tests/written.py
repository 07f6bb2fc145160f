"""
What the program itself writes into this repository: blocks of the README, the words of completion, its scripts.

`python tests/written.py` writes them anew; `--check` writes nothing, names what differs, and exits with 1.
A block of the README stands between `<!-- written: NAME -->` and `<!-- /written -->`.
"""

import io
import os
import re
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from itertools import accumulate, islice
from pathlib import Path
from unittest.mock import patch

from gamcli.commands import EXIT_CODES, completion, completion_table, main
from gamcli.conformance import table
from gamcli.render.output import FORMATS
from gamcli.rules import scopes
from gamcli.server.endpoints import refusals
from gamcli.server.endpoints.refusals import Refusal

ROOT = Path(__file__).parents[1]

_BLOCK = re.compile(r"(<!-- written: (\S+) -->\n).*?(<!-- /written -->)", re.DOTALL)

# What GAM's published facts leave open: which of its codes speaks for these causes.
_DECIDED_HERE = re.compile(r"api_keys_off|key_(?!unproven)\w+")

# Where each number begins in the table of refusals, as conformance and `rules.diagnosis` count; the others have none.
_FIRST_NUMBERS = {
    "request_unreadable": "",
    "media_type_wrong": "1",
    "grant_type_missing": "2",
    "grant_type_unknown": "3",
    "client_basic_malformed": "4",
    "client_secret_wrong": "5",
    "app_disabled": "6",
    "remote_rest_off": "7",
    "repository_wrong": "8",
    "auth_type_unavailable": "9",
    "auth_type_wrong": "10",
    "api_keys_off": "11",
    "key_unproven": "12",
    "key_expired": "13",
    "user_inactive": "14",
    "scope_missing": "15",
    "refresh_unknown": "16",
    "authorization_missing": "",
    "too_many_failures": "17",
    "store_busy": "",
}


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(row)} |"


def _code(text: str) -> str:
    return f"`{text}`" if text else "-"


def _command_output(*arguments: str) -> Iterator[str]:
    with redirect_stdout(io.StringIO()) as out, patch.dict(os.environ, {"COLUMNS": "100"}):
        main(arguments)
    yield from ("```text", out.getvalue().rstrip("\n"), "```")


def exit_codes() -> Iterator[str]:
    return _table(("code", "meaning"), ((str(code), meaning) for code, meaning in EXIT_CODES.items()))


def formats() -> Iterator[str]:
    return _table(("`-o`", "what it is"), ((_code(name), meaning) for name, meaning in FORMATS.items()))


def scope_table() -> Iterator[str]:
    rows = [(_code(each.name), each.description, " ".join(each.claims)) for each in scopes.TABLE.values()]
    rows.append((_code("user_<AttributeID>"), "one attribute, when some user carries it", "attributes"))
    return _table(("scope", "reveals", "claims in userinfo"), rows)


def numbers() -> dict[str, str]:
    begun = accumulate(refusals.TABLE, lambda number, rule: _FIRST_NUMBERS.get(rule, number), initial="")
    return dict(zip(refusals.TABLE, islice(begun, 1, None), strict=True))


def refusal_table() -> Iterator[str]:
    number = numbers()
    rows = (
        (
            number[rule],
            _code(rule),
            _gam_column(rule, row),
            f"{row.error or 'no error name'} · {row.rfc_status}",
            row.message,
        )
        for rule, row in refusals.TABLE.items()
    )
    return _table(("#", "rule in the log", "GAM code · status", "RFC 6749, 6750", "message"), rows)


def _gam_column(rule: str, row: Refusal) -> str:
    decided = row.code in (str(row.status), "292") or _DECIDED_HERE.fullmatch(rule)
    return f"{row.code} · {row.status}{' †' if decided else ''}"


def conformance() -> Iterator[str]:
    found = list(table.load_rows())
    of = {name: [row for row in found if row.section == name] for name in table.SECTIONS}
    rows = [
        (_code(name), table.section_description(name), str(len(its)), str(sum(row.decided for row in its)))
        for name, its in of.items()
    ]
    rows.append(("all", "", str(len(found)), str(sum(row.decided for row in found))))
    return _table(("section", "what its rows are about", "rows", "of them †"), rows)


BLOCKS: dict[str, Callable[[], Iterator[str]]] = {
    "conformance": conformance,
    "commands": lambda: _command_output("--help"),
    "environment": lambda: _command_output("help", "environment"),
    "exit-codes": exit_codes,
    "formats": formats,
    "refusals": refusal_table,
    "scopes": scope_table,
}
"""The blocks of the README by name."""


def readme(text: str) -> str:
    return _BLOCK.sub(lambda found: f"{found[1]}{chr(10).join(BLOCKS[found[2]]())}\n{found[3]}", text)


def files(root: Path) -> dict[str, str]:
    found = {
        "README.md": readme((root / "README.md").read_text(encoding="utf-8")),
        "gamcli/commands/completion_table.tsv": completion_table.render_table(),
    }
    return found | {f"completions/{name}": f"{completion.SCRIPTS[shell]}\n" for shell, name in completion.FILES.items()}


def outdated(root: Path) -> list[str]:
    return [
        name
        for name, text in files(root).items()
        if not (root / name).is_file() or (root / name).read_text(encoding="utf-8") != text
    ]


def write(root: Path) -> None:
    wanted = files(root)
    for name in outdated(root):
        (root / name).write_text(wanted[name], encoding="utf-8")


def run() -> int:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when something differs")
    checks = parser.parse_args().check
    found = outdated(ROOT)
    for name in found:
        sys.stdout.write(f"{name} {'differs: python tests/written.py' if checks else 'is written anew'}\n")
    if not checks:
        write(ROOT)
    return 1 if checks and found else 0


if __name__ == "__main__":
    sys.exit(run())
