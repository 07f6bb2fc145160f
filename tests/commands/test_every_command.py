"""
Every command, run as `every_command.tsv` says: no secret where it does not belong, and no text that drives a terminal.

A command that is not in that table fails the first test: add a line for it.
"""

import io
import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest

from gamcli.commands import complete
from gamcli.model.token_ids import format_token_id
from gamcli.rules.credentials import checksum

Run = Callable[..., Any]

TABLE = Path(__file__).parent / "every_command.tsv"
ROWS = complete.read_table()
CLIENT_SECRET = "MARKEDclientsecretMARKEDclientsecretMARKED01"
THIRD_SECRET = "MARKEDthirdsecretMARKEDthirdsecretMARKED0123"
LEGACY_KEY = "MARKED legacy key of another system"
PASSWORD = "MARKED correct horse battery staple"
SEED_KEY = "gamkey_SEEDseed_MARKEDmarkedMARKEDmarkedMARKED012"[: 7 + 8 + 1 + 32]
ISSUED = re.compile(r"gamkey_\w{8}_\w{38}|gamsec_\w{46}|[0-9a-f-]{36}![0-9A-Za-z]{78}")
"""Keys, client secrets and access tokens."""

FILES_WITH_SECRETS = {
    "csecret", "third", "legacy", "password", "seed.toml", "key", "tokens", "gate.secret", "new.key", "keys.csv",
    "applied.env", "github",
}  # fmt: skip
"""Files that were made to hold secrets: inputs of ours, and outputs that a line of the table asks for."""

PEEK = """
import json, os, sys, urllib.error, urllib.parse, urllib.request
from pathlib import Path
os.umask(0o077)
with open("cmdlines", "ab") as seen:
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            seen.write(each.read_bytes() + b"\\n")
        except OSError:
            pass
names = ("GAM_ACCESS_TOKEN", "GAM_API_KEY", "GAM_CLIENT_SECRET")
found = [value for name, value in os.environ.items() if name in names]
key, secret = (Path(name).read_text().strip() for name in ("key", "csecret"))
client = (sys.argv[1:] or [os.environ.get("GAM_CLIENT_ID", "")])[0]
hostile = "\\x1b]0;x\\x07\\u202e" + key
def ask(path, form, **headers):
    url = os.environ["GAM_URL"] + path
    data = urllib.parse.urlencode(form).encode() if form else None
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        error.read()
        return {}
if "GAM_URL" in os.environ:
    for form in (
        {"grant_type": "password", "authentication_type_name": "apikey",
    "client_id": client, "client_secret": secret, "api_key": key},
        {"grant_type": "password", "authentication_type_name": "apikey",
    "client_id": hostile, "client_secret": key, "api_key": secret},
        {"grant_type": "password", "authentication_type_name": "apikey",
    "client_id": key, "client_secret": secret, "api_key": client},
        {"grant_type": key, "client_id": client, "client_secret": secret, "api_key": key, "scope": hostile},
    ):
        found += [value for name, value in ask("/oauth/gam/v2.0/access_token", form).items() if name == "access_token"]
    quoted = urllib.parse.quote(hostile)
    for path in (f"/{quoted}", f"/oauth/gam/v2.0/userinfo?access_token={quoted}", f"/oauth/gam/v2.0/{secret}"):
        ask(path, None, Authorization=f"Bearer {key}")
    ask("/oauth/gam/v2.0/userinfo", None, Authorization="Basic " + secret)
with open("tokens", "a") as tokens:
    tokens.writelines(f"{each}\\n" for each in found)
"""
"""A program beside gamcli: notes every process's words, sends secrets where they belong and where they do not."""


@dataclass(frozen=True)
class Line:
    """A line of the table."""

    codes: frozenset[int]
    marks: frozenset[str]
    words: tuple[str, ...]
    stdin: str | None

    @cached_property
    def leaf(self) -> str:
        return complete.parse_words(ROWS, self.words)[0]


@cache
def lines() -> list[Line]:
    rows = [text.split("\t") for text in TABLE.read_text(encoding="utf-8").splitlines() if not text.startswith("#")]
    return [
        Line(
            frozenset(map(int, codes)),
            frozenset(marks.split()),
            tuple(shlex.split(words)),
            None if stdin == "-" else stdin,
        )
        for codes, marks, words, stdin in rows
    ]


def leaves() -> set[str]:
    paths = {f"{row.path} {row.text}".strip() for row in ROWS if row.text[:1] not in ("-", "<")}
    return {path for path in paths if not any(other.startswith(f"{path} ") for other in paths)}


def test_every_command_is_in_the_table() -> None:
    missing = sorted(leaves() - {line.leaf for line in lines()})
    assert missing == [], f"add a line to {TABLE.name} for each of these"


@pytest.fixture
def files(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    key = SEED_KEY + checksum(SEED_KEY)
    seed = f"""
        [app.portal]
        scopes = ["gam_user_data"]
        remote_rest = true
        api_keys = {{ enabled = true }}
        client_secret = "{CLIENT_SECRET}"
        [user.ana]
        password = "{PASSWORD}"
        [[key]]
        user = "ana"
        app = "portal"
        api_key = "{key}"
    """
    manifest = """
        [app.sixth]
        scopes = ["gam_user_data"]
        remote_rest = true
        api_keys = { enabled = true }
        client_secret = "${file:third}"
        [[key]]
        user = "ana"
        app = "sixth"
    """
    for name, text in (
        ("csecret", CLIENT_SECRET), ("third", THIRD_SECRET), ("password", PASSWORD), ("seed.toml", seed),
        ("gam.toml", manifest), ("other.toml", "[user.dan]\n"),
        ("in.csv", "user,app\ncy,gate\n"), ("users.csv", "name\ncy\n"), ("legacy", LEGACY_KEY), ("peek.py", PEEK),
    ):  # fmt: skip
        (place / name).write_text(text, encoding="utf-8")
    (place / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(place / "tmp"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(place / "github"))
    return place


@pytest.fixture
def ask(gamcli: Run, program: Run, files: Path, sql: Run) -> Callable[[Line, tuple[str, ...]], Any]:
    def filled(words: tuple[str, ...]) -> Iterator[str]:
        for word in words:
            match word:
                case "{python}":
                    yield sys.executable
                case "{client_id}":
                    yield sql("SELECT client_id FROM app ORDER BY number LIMIT 1")[0][0]
                case "{guid}":
                    yield sql("SELECT guid FROM user ORDER BY number LIMIT 1")[0][0]
                case "{key}":
                    yield sql("SELECT id FROM key WHERE ended_at IS NULL ORDER BY created_at LIMIT 1")[0][0]
                case "{token}":
                    yield format_token_id(sql("SELECT min(id) FROM token")[0][0])
                case _:
                    yield word

    def run(line: Line, more: tuple[str, ...] = ()) -> Any:  # noqa: ANN401 - what the fixtures return
        text = (files / line.stdin).read_text(encoding="utf-8") if line.stdin else ""
        words = (*filled(line.words), *more)
        return program(*words, stdin=text.encode()) if "program" in line.marks else gamcli(*words, stdin=text)

    return run


def contents(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and path.name not in FILES_WITH_SECRETS:
                yield path, path.read_bytes()


def found_in(files: Path) -> set[str]:
    texts = [(files / name).read_text(encoding="utf-8") for name in FILES_WITH_SECRETS if (files / name).exists()]
    return {*ISSUED.findall("\n".join(texts))}


HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT * FROM audit").fetchall()
print(flush=True)
sys.stdin.read()
"""


@contextmanager
def held_open(file: Path) -> Iterator[None]:
    """Keep a connection open in another process: reading the files here would release its locks."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(file)], stdin=pipe, stdout=pipe) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        yield
        process.stdin.close()


def test_no_command_leaves_a_secret_where_it_does_not_belong(
    ask: Callable[[Line, tuple[str, ...]], Any], files: Path, file: Path
) -> None:
    secrets = {CLIENT_SECRET, THIRD_SECRET, PASSWORD, SEED_KEY}
    with ExitStack() as holding:
        for line in lines():
            ran = ask(line, ())
            assert ran.code in line.codes, (line.words, ran)
            if line.words == ("init",) and file.exists():  # as long as it is open, its log stays
                holding.enter_context(held_open(file))
            known = secrets | found_in(files)
            fresh = set(ISSUED.findall(ran.out)) - known
            assert not fresh or "secret" in line.marks, f"{line.words} prints a secret"
            secrets |= known | fresh
            require_none(secrets, ran.err, f"stderr of {line.words}")
            require_none(secrets - fresh, ran.out, f"stdout of {line.words}", unless="secret" in line.marks)
            for path, data in contents(files, file.parent / "home"):
                require_none(secrets, data.decode("latin-1"), f"{path} after {line.words}")
            for path in file.parent.glob("store.db*"):
                require_none(secrets, path.read_bytes().decode("latin-1"), f"{path} after {line.words}")
        assert Path(f"{file}-wal").exists()
    assert len(secrets) > 15
    assert b"peek.py" in (files / "cmdlines").read_bytes()
    assert [*(files / "tmp").iterdir()] == []


def require_none(secrets: set[str], text: str, where: str, *, unless: bool = False) -> None:
    assert unless or not [secret for secret in secrets if secret.rpartition("_")[2] in text], where


PUBLIC = {"gamcli.toml", "ready.json"}
"""Files that hold no secret and that other users can read; to write is for nobody else."""


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    found: dict[str, int] = {}
    real_os, real_io, real_mkdir = os.open, io.open, os.mkdir

    def noted(path: object, mode: int) -> None:
        name = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
        if "__pycache__" not in name and mode & (0o022 if Path(name).name in PUBLIC else 0o077):
            found[name] = mode

    def os_open(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:  # noqa: ANN401 - as os.open
        if flags & os.O_CREAT and not os.path.lexists(path):
            noted(path, mode)
        return real_os(path, flags, mode, **more)

    def io_open(path: Any, mode: str = "r", *more: Any, **named: Any) -> Any:  # noqa: ANN401 - as open
        if {*mode} & {*"wax"} and not isinstance(path, int) and not os.path.lexists(path):
            noted(path, 0o666)
        return real_io(path, mode, *more, **named)

    def mkdir(path: Any, mode: int = 0o777, **more: Any) -> None:  # noqa: ANN401 - as os.mkdir
        noted(path, mode)
        real_mkdir(path, mode, **more)

    before = os.umask(0)
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", os_open)
        patched.setattr(io, "open", io_open)
        patched.setattr(os, "mkdir", mkdir)
        yield found
    os.umask(before)


def test_no_command_makes_a_file_that_is_open_to_others(
    ask: Callable[[Line, tuple[str, ...]], Any], files: Path, file: Path, watched: dict[str, int]
) -> None:
    inputs = {path for path in files.rglob("*") if path != files / "github"}
    for line in lines():
        ask(line, ())
        assert watched == {}, line.words
        for path in {
            *files.rglob("*"),
            *(file.parent / "data").rglob("*"),
            *(file.parent / "home").rglob("*"),
        } - inputs:
            mode = path.stat().st_mode & 0o777
            assert not mode & (0o022 if path.name in PUBLIC else 0o077), (path, oct(mode), line.words)


HOSTILE = "\x1b]0;x\x07\x1b[31m\x9b1m\u202e\u200b\u2066\u061c\ufeff\r\n\tend"
"""Escape sequences, C1, bidirectional overrides, letters without width, line ends."""

UNCHANGED_COLUMNS = {
    ("app", "client_id"), ("app", "api_key_auth_type"), ("app_use", "client_id"), ("auth_type", "fold"),
    ("auth_type", "type"), ("key", "id"), ("key", "end_status"), ("key_request", "key"),
    ("repository", "default_auth_type"),
    ("token", "user_guid"), ("token", "client_id"), ("token", "key"), ("user", "guid"), ("user", "birthday"),
    ("user_attribute", "user_guid"), ("audit", "at"),
}  # fmt: skip
"""Columns that find rows, or that hold no free text."""


def poison(file: Path) -> int:
    count = 0
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for _, column, kind, *_ in connection.execute(f"PRAGMA table_info({table})").fetchall():
                if kind != "TEXT" or (table, column) in UNCHANGED_COLUMNS or table.startswith("sqlite_"):
                    continue
                value = json.dumps({HOSTILE: HOSTILE}) if column in ("attributes", "details") else HOSTILE
                unique = "" if column in ("attributes", "details") else f" || {connection_key(connection, table)}"
                connection.execute(f"UPDATE {table} SET {column} = ?{unique} WHERE {column} IS NOT NULL", (value,))
                count += 1
    return count


def connection_key(connection: sqlite3.Connection, table: str) -> str:
    columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
    return (
        " || ".join(row[1] for row in columns if row[5] and (table, row[1]) in UNCHANGED_COLUMNS | {("audit", "seq")})
        or "''"
    )


def formats(leaf: str) -> Iterator[tuple[str, ...]]:
    yield ()
    for row in ROWS:
        if row.path == leaf and row.text == "--output":
            yield from (("-o", name) for name in row.metavar.split("|") if name not in ("value", "github"))


def control_characters(text: str) -> set[str]:
    return {letter for letter in text if not letter.isprintable()} - {"\n"}


def test_no_text_of_the_store_drives_a_terminal(
    ask: Callable[[Line, tuple[str, ...]], Any], file: Path, files: Path
) -> None:
    asked = [line for line in lines() if line.leaf not in ("init", "quickstart", "conformance", "try")]
    for line in lines():
        if line.leaf in ("init", "app create", "user create", "key generate", "apply", "auth-type create", "run"):
            assert ask(line, ()).code in line.codes
        for name in ("gate.secret", "new.key", "keys.csv", "applied.env"):
            (files / name).unlink(missing_ok=True)
    assert poison(file) > 40
    shown = 0
    for line in asked:
        begin = [form for form in formats(line.leaf) if "-o" not in line.words] or [()]
        for more in [()] if "program" in line.marks or line.leaf in CHANGING else begin:
            ran = ask(line, more)
            assert control_characters(ran.out + ran.err) == set(), (line.words, more)
            shown += "?]0;x??[31m" in ran.out
    assert shown > 30


CHANGING = {"app delete", "user delete", "auth-type delete", "key revoke", "key rotate", "app rotate-secret"}
"""Commands after which less is left to show: they run once."""


def test_no_name_of_the_store_drives_the_shell_that_completes_it(
    ask: Callable[[Line, tuple[str, ...]], Any], gamcli: Run, file: Path
) -> None:
    for line in lines():
        if line.leaf in ("init", "app create", "user create"):
            ask(line, ())
    poison(file)
    for words in (("app", "show", ""), ("user", "show", ""), ("key", "list", "--user", "")):
        ran = gamcli("__complete", *words)
        assert control_characters(ran.out.replace("\t", "")) == set()


def test_the_environment_of_these_tests_holds_no_secret() -> None:
    assert not [name for name, value in os.environ.items() if ISSUED.search(value)]


def test_no_command_goes_through_a_planted_link_to_the_store(
    ask: Callable[[Line, tuple[str, ...]], Any], gamcli: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for line in lines():
        if line.leaf in ("init", "app create", "user create", "key generate", "run", "store backup"):
            ask(line, ())
    Path("copy.db").rename("backup.db")
    shared = file.parent / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (shared / "store.db").symlink_to(file)
    monkeypatch.setenv("GAMCLI_STORE", str(shared / "store.db"))
    before = file.read_bytes()
    refused, asked = set(), {line for line in lines() if "--store" not in line.words}
    for line in sorted(asked, key=lambda line: line.words):
        ran = ask(line, ())
        refused |= {line.leaf} if "which another user could have created" in ran.err + ran.out else set()
    assert file.read_bytes() == before
    assert gamcli("store", "restore", "backup.db", "--replace").code == 8
    assert {line.leaf for line in asked} - refused <= STORELESS, "goes through a planted link"


STORELESS = {
    "quickstart", "scope list", "conformance", "config list", "config get", "config set", "config unset", "config path",
    "completion", "help", "key inspect",
}  # fmt: skip
"""Commands that open no store, or a temporary one."""
