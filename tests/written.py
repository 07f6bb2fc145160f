"""
The files that the program generates: tables in README and manual, man pages, completion.

`python tests/written.py` updates them. `--check` changes nothing, names what differs, and exits with 1.
A generated block stands between `<!-- written: NAME -->` and `<!-- /written -->`.
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

from gamcli.commands import EXIT_CODES, completion, completion_table, main, man_pages, root
from gamcli.commands.help import environment_variables
from gamcli.conformance import table
from gamcli.render.output import FORMATS
from gamcli.rules import scopes
from gamcli.server.endpoints import refusals
from gamcli.server.endpoints.refusals import Refusal

ROOT = Path(__file__).parents[1]

_BLOCK = re.compile(r"(<!-- written: (\S+) -->\n).*?(<!-- /written -->)", re.DOTALL)

# The first rule of each number in the table of refusals, as in conformance and `rules.diagnosis`.
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
    "auth_type_missing": "9",
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


def command_table() -> Iterator[str]:
    rows = list(completion_table.completion_rows())
    subcommands = {
        name: " ".join(row.text for row in rows if row.path == name and row.text[0] not in "-<") for name in root.NOUNS
    }
    return _table(
        ("command", "effect", "subcommands"),
        ((_code(f"gamcli {name}"), noun.summary, subcommands[name]) for name, noun in root.NOUNS.items()),
    )


def environment_table() -> Iterator[str]:
    return _table(("variable", "meaning"), ((_code(name), about) for name, about in environment_variables().items()))


def exit_codes() -> Iterator[str]:
    return _table(("code", "meaning"), ((str(code), meaning) for code, meaning in EXIT_CODES.items()))


def formats() -> Iterator[str]:
    return _table(("`-o`", "description"), ((_code(name), meaning) for name, meaning in FORMATS.items()))


def scope_table() -> Iterator[str]:
    rows = [(_code(each.name), each.description, " ".join(each.claims)) for each in scopes.TABLE.values()]
    rows.append((_code("user_<AttributeID>"), "one attribute, if a user has it", "attributes"))
    return _table(("scope", "content", "claims in userinfo"), rows)


def numbers() -> dict[str, str]:
    rule_numbers = accumulate(refusals.TABLE, lambda number, rule: _FIRST_NUMBERS.get(rule, number), initial="")
    return dict(zip(refusals.TABLE, islice(rule_numbers, 1, None), strict=True))


def refusal_table() -> Iterator[str]:
    number = numbers()
    rows = (
        (
            number[rule],
            _code(rule),
            _gam_column(row),
            f"{row.error or 'no error name'} · {row.rfc_status}",
            " ".join(refusals.CAUSES[rule].values()) if rule in refusals.CAUSES else row.message,
        )
        for rule, row in refusals.TABLE.items()
    )
    return _table(("#", "rule in the log", "GAM code · status", "RFC 6749, 6750", "message"), rows)


def _gam_column(row: Refusal) -> str:
    return f"{row.code} · {row.status}{' †' if row.decided else ''}"


def conformance() -> Iterator[str]:
    every_row = list(table.load_rows())
    sections = {name: [row for row in every_row if row.section == name] for name in table.SECTIONS}
    rows = [
        (
            _code(name),
            table.section_description(name),
            str(len(in_section)),
            str(sum(bool(row.decided) for row in in_section)),
        )
        for name, in_section in sections.items()
    ]
    rows.append(("all", "", str(len(every_row)), str(sum(bool(row.decided) for row in every_row))))
    return _table(("section", "what its rows are about", "rows", "of them †"), rows)


BLOCKS: dict[str, Callable[[], Iterator[str]]] = {
    "conformance": conformance,
    "commands": command_table,
    "environment": environment_table,
    "exit-codes": exit_codes,
    "formats": formats,
    "manifest": lambda: _command_output("help", "manifest"),
    "refusals": refusal_table,
    "scopes": scope_table,
}
"""The blocks by name."""


def fill_blocks(text: str) -> str:
    return _BLOCK.sub(lambda block: f"{block[1]}{chr(10).join(BLOCKS[block[2]]())}\n{block[3]}", text)


def documents(root: Path) -> list[Path]:
    return [root / "README.md", *sorted((root / "gamcli" / "manual").glob("*.md"))]


def files(root: Path) -> dict[str, str]:
    return {
        **{str(path.relative_to(root)): fill_blocks(path.read_text(encoding="utf-8")) for path in documents(root)},
        "gamcli/commands/completion_table.tsv": completion_table.render_table(),
        **{f"completions/{name}": f"{completion.SCRIPTS[shell]}\n" for shell, name in completion.FILES.items()},
        **{f"completions/man/{name}": text for name, text in man_pages.render_pages().items()},
    }


def outdated(root: Path) -> dict[str, str]:
    """Return the new text of each file that is out of date."""
    return {
        name: text
        for name, text in files(root).items()
        if not (root / name).is_file() or (root / name).read_text(encoding="utf-8") != text
    }


def write(root: Path, contents: dict[str, str]) -> None:
    for name, text in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def run() -> int:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 when a file is out of date")
    only_check = parser.parse_args().check
    contents = outdated(ROOT)
    for name in contents:
        sys.stdout.write(f"{name} {'is out of date: python tests/written.py' if only_check else 'updated'}\n")
    if not only_check:
        write(ROOT, contents)
    return 1 if only_check and contents else 0


if __name__ == "__main__":
    sys.exit(run())
