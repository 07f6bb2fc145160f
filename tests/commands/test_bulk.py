"""Many keys and many users of a CSV file, and what a run leaves behind when it is ended."""

import csv
import os
import random
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from gamcli.actions import Gam, bulk_issue, request_ids
from gamcli.actions.keys import KeySpec
from gamcli.bulk import results_file, results_folder
from gamcli.commands.bulk import KEY_COLUMNS
from gamcli.rules.credentials import Secret, parse_api_key_id
from gamcli.store import Store, keys
from gamcli.store.keys import KeyFilter
from tests.cases import for_each

Run = Callable[..., Any]

USER_COUNT = 12
APPS = ("portal", "gate")

SMALL_CHUNKS = """
import sys
from gamcli.actions import bulk_issue
from gamcli.commands import main
bulk_issue.CHUNK_ROWS = 40
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def town(world: Run, place: Path) -> Run:
    assert world("app", "create", "gate", "--scope", "user_email", "--remote-rest", "--api-keys").code == 0
    names = "\n".join(["name", *(f"user{number}" for number in range(USER_COUNT))])
    (place / "users.csv").write_text(names, encoding="utf-8")
    assert world("user", "create", "--from", "users.csv").code == 0
    return world


@pytest.fixture
def pairs(place: Path) -> list[tuple[str, str]]:
    found = [(f"user{number}", app) for number in range(USER_COUNT) for app in APPS]
    random.Random(3).shuffle(found)
    text = "".join(f"{user},{app}\n" for user, app in found)
    (place / "keys.csv").write_text(f"user,app\n{text}", encoding="utf-8")
    return found


@pytest.fixture
def generate(town: Run) -> Run:
    def run(*more: str, out: str = "out.csv") -> Any:  # noqa: ANN401 - what the fixture of commands returns
        return town("key", "generate", "--from", "keys.csv", "--out", out, *more)

    return run


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def require_complete(store_path: Path, out: Path, pairs: list[tuple[str, str]]) -> None:
    found = rows(out)
    assert [(row["user"], row["app"]) for row in found] == pairs
    with Store.open(store_path) as store, store.reading() as tx:
        kept = {key.id: key for key in keys.search(tx, KeyFilter(not_ended=True))}
    assert kept.keys() == {row["id"] for row in found}
    for row in found:
        secret, key = Secret(row["api_key"]), kept[row["id"]]
        assert secret.matches(key.digest)
        assert parse_api_key_id(secret) == key.id
        assert (key.user, key.app, key.client_id) == (row["user"], row["app"], row["client_id"])
        assert row["scopes"] == "+".join(key.scopes)


def test_each_row_gets_a_key_in_the_order_of_the_input(
    generate: Run, place: Path, file: Path, pairs: list[tuple[str, str]]
) -> None:
    ran = generate()
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "gamcli: issued 24 new keys; out.csv has 24 keys\n"
    require_complete(file, place / "out.csv", pairs)
    assert stat.S_IMODE((place / "out.csv").stat().st_mode) == 0o600
    assert (place / "out.csv").read_text().splitlines()[0] == "id,user,app,client_id,api_key,scopes,expires_at"


def test_rows_choose_scopes_expiry_and_label(town: Run, place: Path) -> None:
    assert town("app", "update", "portal", "--api-key-scope-choice", "--api-key-timeout", "48").code == 0
    text = '\ufefflabel,app,expires_in,user,scopes\r\n"one, two",gate,,ana,\r\n'
    text += "x,PORTAL,90d,ana@example.com,user_email+user_guid\r\n"
    (place / "keys.csv").write_bytes(text.encode())
    ran = town("key", "generate", "--from", "keys.csv", "--out", "out.csv")
    assert "warning: applications limit the lifetime of 1 key" in ran.err
    first, second = town("key", "list", "-o", "json", "--sort", "label").json
    assert (first["label"], first["app"], first["expires_at"]) == ("one, two", "gate", None)
    assert (second["label"], second["scopes"]) == ("x", ["user_guid", "user_email"])
    written = rows(place / "out.csv")
    assert [row["expires_at"] for row in written] == ["", second["expires_at"]]
    assert written[1]["scopes"] == "user_guid+user_email"


INVALID_ROWS = """user,app,scopes,expires_in,label
nobody,portal,,,
ana,nothing,,,
ana,closed,,,
cy,gate,,,
ana,gate,user_email,,
ana,portal,user_emial,,
ana,portal,,9x,
ana,portal,,0,
bob,portal,,,"a
label"
bob,gate,,,
"BOB",gate,,,
bob,gate
ana,portal,gam_user_roles+fullcontrol,,
"a"b,gate,,,
"""

PROBLEMS = """keys.csv:2: no user named 'nobody'
keys.csv:3: no application named 'nothing'; gamcli app list
keys.csv:4: application 'closed' does not allow remote REST authentication; gamcli app update closed --remote-rest
keys.csv:5: user 'cy' is blocked; gamcli user unblock cy
keys.csv:6: application 'gate' does not let users choose scopes
keys.csv:7: unknown scope 'user_emial'; did you mean user_email? To list all: gamcli scope list
keys.csv:8: invalid duration '9x'; use a number and a unit, such as 90d, 12h or 30m
keys.csv:9: the lifetime of a key must be greater than 0; use a duration such as 90d, or omit it
keys.csv:10: the label contains an unprintable character: 'a\\nlabel'
keys.csv:13: same user and application as in line 12
keys.csv:14: 2 fields, but the header has 5
keys.csv:15: application 'portal' does not publish fullcontrol; gamcli app update portal --add-scope fullcontrol
keys.csv:16: text follows the closing quote of a field: double a quote inside a field, as in ""
"""


def test_every_fault_is_reported_with_its_line_before_any_key_is_made(town: Run, place: Path, sql: Run) -> None:
    for line in (
        ("app", "create", "closed"),
        ("app", "update", "portal", "--api-key-scope-choice"),
        ("user", "create", "bob"),
        ("user", "create", "cy"),
        ("user", "block", "cy"),
    ):
        assert town(*line).code == 0
    (place / "keys.csv").write_text(INVALID_ROWS, encoding="utf-8")
    ran = town("key", "generate", "--from", "keys.csv", "--out", "out.csv")
    assert ran.code == 2
    head, *message, hint = ran.err.splitlines(keepends=True)
    assert "".join(message) == PROBLEMS
    assert (head, hint[:12]) == ("gamcli: error: found 13 problems; nothing was changed\n", "gamcli: hint")
    assert not (place / "out.csv").exists()
    assert sql("SELECT (SELECT count(*) FROM key), (SELECT count(*) FROM batch)") == [(0, 0)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "1: missing column 'user': the first line must name the columns, such as user,app"),
        (b"user|app\nana|gate\n", "1: the whole header is one column, 'user|app': try --delimiter '|'"),
        (b"usr,app\nana,gate\n", "1: unknown column 'usr'; did you mean user? To skip it: --ignore-column usr"),
        (b"user,app,app\nana,gate,x\n", "1: duplicate column 'app'"),
        (
            b"user,app,hue\n",
            f"1: unknown column 'hue'; use {', '.join(KEY_COLUMNS.known)}; to skip it: --ignore-column hue",
        ),
        (b"user,app\nana,gate\n\nb\xe9b,gate\n", "4: not UTF-8 text (character 2 of the line): try --encoding cp1252"),
        (b'user,app\nana,"gate\nbob,gate\n', "2: the quote that opens a field here is never closed"),
        (b"user,app\na\x00na,gate\n", "2: no user named 'a\\x00na'"),
    ],
)
def test_what_is_not_a_table_is_reported_with_its_line(town: Run, place: Path, data: bytes, message: str) -> None:
    (place / "keys.csv").write_bytes(data)
    ran = town("key", "generate", "--from", "keys.csv", "--out", "out.csv")
    assert ran.code == 2
    assert f"\nkeys.csv:{message}\n" in ran.err
    assert not (place / "out.csv").exists()


def test_a_header_alone_asks_for_no_key(town: Run, place: Path) -> None:
    (place / "keys.csv").write_text("user,app", encoding="utf-8")
    assert town("key", "generate", "--from", "keys.csv", "--out", "out.csv").code == 0
    assert (place / "out.csv").read_bytes() == results_file.HEADER


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--from", "keys.csv"), 2, "--from requires --out"),
        (("--from", "keys.csv", "--out", "keys.csv"), 2, "--from and --out are the same file"),
        (("--from", "missing.csv", "--out", "o"), 2, "cannot read --from missing.csv: No such file or directory"),
        (("--from", ".", "--out", "o"), 2, "cannot read --from .: Is a directory"),
        (("--from", "keys.csv", "--out", "no/o"), 1, "cannot create no/o: No such file or directory"),
        (("--from", "keys.csv", "--out", "/dev/null"), 2, "/dev/null is not a regular file"),
        (("--from", "keys.csv", "--out", "."), 1, "cannot write .: Is a directory"),
        (("--from", "keys.csv", "--out", "other.csv"), 5, "the file other.csv already exists"),
        (("--from", "keys.csv", "--out", "o", "--user", "ana"), 2, "--from and --user cannot be combined"),
        (("--from", "keys.csv", "--out", "o", "--label", "x"), 2, "--from and --label cannot be combined"),
        (("--user", "ana"), 2, "missing option '--app'"),
    ],
)
@pytest.mark.usefixtures("pairs")
def test_what_cannot_be_is_reported(
    town: Run, place: Path, sql: Run, words: tuple[str, ...], code: int, message: str
) -> None:
    (place / "other.csv").write_text("id\n", encoding="utf-8")
    ran = town("key", "generate", *words)
    assert ran.code == code
    assert f"error: {message}\n" in ran.err
    assert (place / "other.csv").read_text() == "id\n"
    assert sql("SELECT count(*) FROM key") == [(0,)]


def test_stdin_is_read_as_a_file_is(town: Run, program: Run, place: Path, file: Path) -> None:
    assert town("user", "list").code == 0
    ran = program("key", "generate", "--from", "-", "--out", "out.csv", stdin=b"user,app\nuser1,gate\n")
    assert ran.code == 0, ran.err
    require_complete(file, place / "out.csv", [("user1", "gate")])
    ran = program("key", "generate", "--from", "-", "--out", "b.csv", stdin=b"user,app\nx,gate\n")
    assert "stdin:2: no user named 'x'" in ran.err


@pytest.mark.usefixtures("pairs")
def test_a_dry_run_counts_and_makes_nothing(generate: Run, place: Path, sql: Run) -> None:
    assert generate("--dry-run").err == "gamcli: would issue 24 new keys; nothing was changed\n"
    assert generate("--dry-run", "-o", "json").json["summary"]["create"] == 24
    assert not (place / "out.csv").exists()
    assert sql("SELECT (SELECT count(*) FROM key), (SELECT count(*) FROM batch)") == [(0, 0)]


def test_a_pair_with_an_active_key_is_a_fault_and_one_with_an_inactive_key_is_not(
    generate: Run, town: Run, place: Path, file: Path, pairs: list[tuple[str, str]]
) -> None:
    user, app = pairs[7]
    held = town("key", "generate", "--user", user, "--app", app, "--field", "id").out.strip()
    ran = generate()
    assert ran.code == 2
    assert f"keys.csv:9: user '{user}' already has an active key for application '{app}': {held}\n" in ran.err
    assert town("key", "revoke", held).code == 0
    assert generate().code == 0
    require_complete(file, place / "out.csv", pairs)


@pytest.fixture
def generate_requests(town: Run, place: Path) -> Callable[..., Any]:
    def run(*lines: str, out: str = "out.csv", dry_run: bool = False, reissue: int = 0) -> Any:  # noqa: ANN401 - as `generate`
        text = "".join(f"{line}\n" for line in ("user,app,label,request_id", *lines))
        (place / "wanted.csv").write_text(text, encoding="utf-8")
        more = [*(["--dry-run"] if dry_run else []), *(["--reissue", str(reissue)] if reissue else [])]
        return town("key", "generate", "--from", "wanted.csv", "--out", out, *more)

    return run


def test_a_row_may_say_under_which_id_it_asks(generate_requests: Run, town: Run, place: Path, sql: Run) -> None:
    asked = ("user1,portal,,r1", "user2,portal,,r2", "user3,portal,x,r3")
    assert generate_requests(*asked).code == 0
    first = rows(place / "out.csv")
    assert len({row["id"] for row in first}) == 3
    sql("UPDATE key SET last_used_at = created_at WHERE id = ?", first[1]["id"])
    town("key", "revoke", first[2]["id"])
    more = (*asked, "user4,portal,,", "user5,portal,,r5")
    ran = generate_requests(*more, out="o.csv", dry_run=True)
    assert (ran.code, f"wanted.csv:2: key {first[0]['id']} was delivered to" in ran.err) == (5, True)
    ran = generate_requests(*more, out="o.csv", reissue=1)
    message = "issued 2 new keys, 1 with a new secret, 2 without secrets, which were delivered before; o.csv has 5 keys"
    assert ran.err == f"gamcli: {message}\n"
    again = rows(place / "o.csv")
    assert [row["id"] for row in again[:3]] == [row["id"] for row in first]
    assert [bool(row["api_key"]) for row in again] == [True, False, False, True, True]
    assert [row["scopes"] for row in again[:3]] == [row["scopes"] for row in first]
    assert town("key", "verify", "--api-key-file", "-", stdin=first[0]["api_key"]).code == 4
    assert town("key", "verify", "--api-key-file", "-", stdin=again[0]["api_key"]).code == 0
    assert sql("SELECT id FROM key_request ORDER BY id") == [("r1",), ("r2",), ("r3",), ("r5",)]
    before = (place / "o.csv").read_bytes()
    assert (
        generate_requests(*more, out="o.csv").err
        == "gamcli: issued 0 new keys, 5 already in the file; o.csv has 5 keys\n"
    )
    assert (place / "o.csv").read_bytes() == before


def test_one_key_and_many_know_the_same_requests(generate_requests: Run, town: Run, place: Path) -> None:
    single = ("key", "generate", "--user", "user1", "--app", "portal", "--request-id")
    made = town(*single, "r1", "-o", "json").json["id"]
    assert generate_requests("USER1,portal,,r1").code == 0
    assert rows(place / "out.csv")[0]["id"] == made
    assert town(*single, "r1", "-o", "json").json["id"] == made


def test_requests_of_a_file_that_contradict_each_other_are_problems(
    generate_requests: Run, town: Run, sql: Run
) -> None:
    made = town("key", "generate", "--user", "user1", "--app", "portal", "--request-id", "r1").out[7:15]
    long = "x" * 101
    ran = generate_requests("user1,portal,other,r1", "user2,portal,,r2", "user3,portal,,r2", f"user4,portal,,{long}")
    assert ran.code == 2
    assert "wanted.csv:4: same request ID as in line 3\n" in ran.err
    assert "wanted.csv:5: the request ID is too long: 101 characters" in ran.err
    ran = generate_requests("user1,portal,other,r1", "user2,portal,,")
    assert f"wanted.csv:2: request 'r1' issued key {made} with different settings: label\n" in ran.err
    assert sql("SELECT count(*) FROM key") == [(1,)]


@pytest.mark.usefixtures("small_chunks")
def test_requests_that_others_make_in_the_meantime_are_respected(
    generate_requests: Run, town: Run, place: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = results_file.ResultsFile.append_keys
    made: list[str] = []

    def ask(self: results_file.ResultsFile, keys: Any) -> None:  # noqa: ANN401 - passed on
        add(self, keys)
        if not made:
            with Store.open(file) as other:
                gam = Gam(other, lambda: datetime.now(UTC), os.urandom, "tester")
                made.append(request_ids.generate(gam, KeySpec("user8", "portal"), "r8").record.id)
                request_ids.generate(gam, KeySpec("user11", "portal", label="other"), "r11")

    asked = [f"user{number},portal,,r{number}" for number in range(USER_COUNT)]
    with monkeypatch.context() as patch:
        patch.setattr(results_file.ResultsFile, "append_keys", ask)
        ran = generate_requests(*asked)
    assert ran.code == 5
    assert "line 13 is no longer valid: request 'r11' issued key" in ran.err
    found = rows(place / "out.csv")
    assert [row["user"] for row in found] == [f"user{number}" for number in range(len(found))]
    assert found[8]["id"] == made[0]
    assert town("key", "verify", "--api-key-file", "-", stdin=found[8]["api_key"]).code == 0
    count = int(generate_requests(*asked[:11], out="rest.csv").hint.split("--reissue ")[1].split()[0])
    assert generate_requests(*asked[:11], out="rest.csv", reissue=count).code == 0
    assert [row["id"] for row in rows(place / "rest.csv")[: len(found)]] == [row["id"] for row in found]


def test_a_second_run_makes_nothing_more(generate: Run, place: Path, file: Path, pairs: list[tuple[str, str]]) -> None:
    assert generate().code == 0
    before = (place / "out.csv").read_bytes()
    assert generate().err == "gamcli: issued 0 new keys, 24 already in the file; out.csv has 24 keys\n"
    assert (place / "out.csv").read_bytes() == before
    require_complete(file, place / "out.csv", pairs)


def test_keys_whose_output_is_gone_are_problems_until_they_end(
    generate: Run, town: Run, place: Path, file: Path, pairs: list[tuple[str, str]]
) -> None:
    assert generate().code == 0
    first = rows(place / "out.csv")[0]["id"]
    ran = generate(out="new.csv")
    assert (ran.code, ran.hint[:43]) == (5, "use the earlier output, or --reissue 24 to ")
    assert f"keys.csv:2: key {first} was delivered to {place}/out.csv: use that file" in ran.err
    assert generate("--reissue", "23", out="new.csv").code == 5
    assert not (place / "new.csv").exists()
    for app in APPS:
        assert town("key", "revoke", "--app", app, "--accept-invalidating", "12").code == 0
    assert generate(out="new.csv").code == 0
    require_complete(file, place / "new.csv", pairs)


@pytest.mark.usefixtures("pairs")
def test_a_file_that_another_input_led_to_is_left_alone(generate: Run, town: Run, place: Path) -> None:
    assert generate().code == 0
    whole = (place / "out.csv").read_text()
    (place / "keys.csv").write_text("user,app\nana,gate\n", encoding="utf-8")
    assert "the file out.csv already exists" in generate().err
    assert town("key", "generate", "--from", "keys.csv", "--out", "ana.csv").code == 0
    line = (place / "ana.csv").read_text().splitlines()[1]
    for damaged in (line.replace(line[40:80], line[50:90]), line.replace(",", ";"), '"', whole.splitlines()[1]):
        (place / "ana.csv").write_text(results_file.HEADER.decode() + damaged + "\n")
        ran = town("key", "generate", "--from", "keys.csv", "--out", "ana.csv")
        assert ran.code == 5
        assert "line 2 of ana.csv does not match this input" in ran.err


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_issue, "CHUNK_ROWS", 5)


class InterruptedWrite(Exception):  # noqa: N818 - no error of gamcli
    """What ends a run."""


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("room", [0, 1, 46, 47, 48, 200, 560, 561, 900, 1500, 2600])
def test_a_full_disk_loses_nothing(
    generate: Run, place: Path, file: Path, pairs: list[tuple[str, str]], room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [room]
    write = os.write

    def limited(descriptor: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(28, "No space left on device")
        count = write(descriptor, bytes(data)[: left[0]])
        left[0] -= count
        return count

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", limited)
        ran = generate()
    assert ran.code == 1
    line = (place / "out.csv").read_bytes().count(b"\n") + 1
    assert f"error: cannot write line {line} of out.csv: No space left on device\n" in ran.err
    assert generate().code == 0
    require_complete(file, place / "out.csv", pairs)


@pytest.mark.usefixtures("town")
@pytest.mark.parametrize("size", [1000, 20_000])
def test_a_limit_on_files_is_reported_and_loses_nothing(
    line: list[str], generate: Run, place: Path, file: Path, pairs: list[tuple[str, str]], size: int
) -> None:
    words = [*line, "key", "generate", "--from", "keys.csv", "--out", "out.csv"]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}  # Python 3.11 keeps compiled modules that are cut short
    found = subprocess.run(words, capture_output=True, check=False, preexec_fn=limit, env=environ)
    assert found.returncode in (1, 8)
    assert b"gamcli: error: " in found.stderr
    assert generate().code == 0
    require_complete(file, place / "out.csv", pairs)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(
    "point", [(0, "before"), (0, "after"), (1, "before"), (1, "after"), (3, "before"), (3, "after")]
)
def test_what_was_never_delivered_gets_a_fresh_secret(
    generate: Run, place: Path, file: Path, pairs: list[tuple[str, str]], point: tuple[int, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (delivered, when), add, count = point, results_file.ResultsFile.append_keys, [0]

    def ended(self: results_file.ResultsFile, made: Any) -> None:  # noqa: ANN401 - passed on
        if count[0] == delivered:
            if when == "after":
                add(self, made)
            raise InterruptedWrite
        count[0] += 1
        add(self, made)

    with monkeypatch.context() as patch:
        patch.setattr(results_file.ResultsFile, "append_keys", ended)
        with pytest.raises(InterruptedWrite):
            generate()
    before = rows(place / "out.csv")
    assert len(before) == 5 * (delivered + (when == "after"))
    ids = ids_of(file)
    message = generate().err
    assert ("5 with a new secret" in message) == (when == "before")
    assert set(ids) <= set(ids_of(file))
    assert rows(place / "out.csv")[: len(before)] == before
    require_complete(file, place / "out.csv", pairs)


def ids_of(file: Path) -> list[str]:
    with Store.open(file) as store, store.reading() as tx:
        return [key.id for key in keys.search(tx, KeyFilter())]


@pytest.mark.usefixtures("small_chunks", "pairs")
def test_a_key_that_was_used_keeps_its_secret_even_when_its_row_is_lost(generate: Run, place: Path, sql: Run) -> None:
    assert generate().code == 0
    whole = (place / "out.csv").read_text().splitlines(keepends=True)
    (place / "out.csv").write_text("".join(whole[:21]))
    sql("UPDATE batch SET delivered = 20")
    lost = sorted(line.split(",")[0] for line in whole[21:])
    sql("UPDATE key SET last_used_at = 7 WHERE id = ?", lost[0])
    ran = generate()
    assert ran.code == 2
    assert f"issued key {lost[0]} to" in ran.err
    assert all(other not in ran.err for other in lost[1:])


@pytest.mark.usefixtures("small_chunks", "pairs")
def test_an_output_that_was_cut_short_is_reported(generate: Run, place: Path) -> None:
    assert generate().code == 0
    whole = (place / "out.csv").read_text().splitlines(keepends=True)
    (place / "out.csv").write_text("".join(whole[:20]))
    ran = generate()
    assert ran.code == 5
    assert ran.err.count("was delivered to") == 5


@pytest.mark.usefixtures("small_chunks", "pairs")
def test_an_input_whose_output_was_begun_elsewhere_is_completed_there(
    generate: Run, place: Path, file: Path, pairs: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(bulk_issue, "_issue_chunk", lambda *_: (_ for _ in ()).throw(InterruptedWrite()))
        with pytest.raises(InterruptedWrite):
            generate()
    ran = generate(out="other.csv")
    assert ran.code == 5
    assert ran.hint == f"--out {place}/out.csv"
    (place / "out.csv").unlink()
    assert generate(out="other.csv").code == 0
    require_complete(file, place / "other.csv", pairs)


@pytest.mark.usefixtures("small_chunks", "pairs")
def test_a_change_of_the_store_in_the_meantime_counts(
    generate: Run, town: Run, place: Path, file: Path, pairs: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    add, blocked = results_file.ResultsFile.append_keys, pairs[12][0]

    def block(self: results_file.ResultsFile, made: Any) -> None:  # noqa: ANN401 - passed on
        add(self, made)
        if made[0].row == 1:
            with Store.open(file) as store, store.writing() as tx:
                tx.run("UPDATE user SET blocked = 1 WHERE name = ?", blocked)
                tx.run("INSERT INTO audit SELECT max(seq) + 1, '', '', '', '', '{}', NULL FROM audit")

    with monkeypatch.context() as patch:
        patch.setattr(results_file.ResultsFile, "append_keys", block)
        ran = generate()
    assert ran.code == 5
    assert f"is no longer valid: user '{blocked}' is blocked" in ran.err
    assert 5 <= len(rows(place / "out.csv")) < len(pairs)
    assert town("user", "unblock", blocked).code == 0
    assert generate().code == 0
    require_complete(file, place / "out.csv", pairs)


@pytest.mark.usefixtures("small_chunks", "pairs")
def test_only_one_run_of_an_input_goes_on(
    generate: Run, place: Path, sql: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = results_file.ResultsFile.append_keys

    def overtake(self: results_file.ResultsFile, made: Any) -> None:  # noqa: ANN401 - passed on
        add(self, made)
        second.append(generate())
        sql("UPDATE batch SET run = run + 1")

    second: list[Any] = []
    with monkeypatch.context() as patch:
        patch.setattr(results_file.ResultsFile, "append_keys", overtake)
        ran = generate()
    assert (ran.code, second[0].code) == (5, 5)
    assert "another run is writing to out.csv" in second[0].err
    assert "another run of the same input has started" in ran.err
    assert len(rows(place / "out.csv")) == 5


def test_a_run_that_is_killed_is_completed_by_the_next(town: Run, place: Path, file: Path) -> None:
    found = [(f"user{number % USER_COUNT}", f"app{number // USER_COUNT}") for number in range(USER_COUNT * 30)]
    for number in range(30):
        made = town("app", "create", f"app{number}", "--scope", "user_email", "--remote-rest", "--api-keys")
        assert made.code == 0
    randomness = random.Random()
    for turn in range(2):
        out = place / f"out{turn}.csv"
        some = found[turn * 180 : turn * 180 + 180]
        text = "".join(f"{user},{app}\n" for user, app in some)
        (place / "keys.csv").write_text(f"user,app\n{text}", encoding="utf-8")
        words = [sys.executable, "-c", SMALL_CHUNKS, "key", "generate", "--from", "keys.csv", "--out", out.name]
        for attempt in count():  # ever later, or a slow machine would kill each run before it begins
            process = subprocess.Popen(words, stderr=subprocess.PIPE)
            sleep(randomness.uniform(0.15, 0.4 + attempt / 10))
            process.send_signal(signal.SIGKILL)
            message = process.communicate()[1].decode()
            assert process.returncode in (0, -signal.SIGKILL), message
            if process.returncode == 0:
                break
    with Store.open(file) as store, store.reading() as tx:
        assert sum(1 for _ in keys.search(tx, KeyFilter())) == len(found)
        for turn in range(2):
            written = rows(place / f"out{turn}.csv")
            assert [(row["user"], row["app"]) for row in written] == found[turn * 180 : turn * 180 + 180]
            for row in written:
                key = keys.get_by_prefix(tx, row["id"])
                assert Secret(row["api_key"]).matches(key.digest)
                assert (key.user, key.app) == (row["user"], row["app"])


@pytest.mark.usefixtures("pairs", "town")
def test_a_terminal_sees_how_far_it_has_come(terminal: Run) -> None:
    ran = terminal("key", "generate", "--from", "keys.csv", "--out", "out.csv")
    assert ran.code == 0
    assert "gamcli: issuing keys" in ran.out
    assert "gamcli: issued 24 new keys; out.csv has 24 keys" in ran.out


def begun(generate: Run, place: Path) -> Path:
    assert generate().code == 0
    output = place / "out.csv"
    lines = output.read_text(encoding="utf-8").splitlines(keepends=True)
    output.write_text("".join(lines[:-1]), encoding="utf-8")
    return output


@pytest.mark.usefixtures("pairs")
def test_no_keys_are_added_to_a_file_that_others_can_read(generate: Run, place: Path) -> None:
    output = begun(generate, place)
    before = output.read_bytes()
    output.chmod(0o640)
    ran = generate()
    assert (ran.code, ran.hint) == (5, "chmod 600 out.csv")
    assert output.read_bytes() == before
    output.chmod(0o600)
    assert "other users can read" not in generate().err


@pytest.mark.usefixtures("pairs")
def test_no_keys_are_added_to_a_file_of_another_user(
    generate: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = begun(generate, place)
    before = output.read_bytes()
    if os.geteuid() == 0:
        os.chown(output, 1234, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 1234)
    ran = generate()
    assert ran.code == 5
    assert "error: the file out.csv is owned by another user\n" in ran.err
    assert output.read_bytes() == before


@pytest.mark.usefixtures("pairs")
def test_no_keys_are_written_through_a_link(generate: Run, place: Path) -> None:
    output = begun(generate, place)
    before = output.read_bytes()
    output.rename(place / "elsewhere.csv")
    output.symlink_to("elsewhere.csv")
    assert generate().code == 1
    assert output.read_bytes() == before


def test_names_that_begin_a_formula_are_written_as_text_and_read_back(world: Run, place: Path) -> None:
    assert world("user", "create", "=cmd").code == 0
    listed = list(csv.DictReader(world("user", "list", "-o", "csv").out.splitlines()))
    lines = [f"{row['name']},portal" for row in listed]
    assert lines == ["'=cmd,portal", "ana,portal"]
    (place / "in.csv").write_text("\n".join(["user,app", *lines, ""]), encoding="utf-8")
    assert world("key", "generate", "--from", "in.csv", "--out", "keys.csv").code == 0
    first, second = rows(place / "keys.csv")
    assert (first["user"], second["user"]) == ("'=cmd", "ana")
    assert world("key", "verify", "--api-key-file", "-", stdin=first["api_key"]).code == 0
    assert world("key", "generate", "--from", "in.csv", "--out", "keys.csv").code == 0


@pytest.mark.usefixtures("pairs")
def test_each_row_gets_a_file_in_a_folder(town: Run, place: Path, file: Path) -> None:
    words = ("key", "generate", "--from", "keys.csv", "--out-dir", "keys")
    assert town(*words, "--dry-run").code == 0
    assert not (place / "keys").exists()
    assert town(*words).err == "gamcli: issued 24 new keys; keys has 24 keys\n"
    assert stat.S_IMODE((place / "keys").stat().st_mode) == 0o700
    with Store.open(file) as store, store.reading() as tx:
        kept = {f"{key.user}-{key.app}-{key.id}.key": key for key in keys.search(tx, KeyFilter())}
    assert {path.name for path in (place / "keys").iterdir()} == set(kept)
    for path in (place / "keys").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert Secret(path.read_text().removesuffix("\n")).matches(kept[path.name].digest)
    before = {path: path.read_bytes() for path in (place / "keys").iterdir()}
    assert town(*words).err == "gamcli: issued 0 new keys, 24 already in the file; keys has 24 keys\n"
    assert {path: path.read_bytes() for path in (place / "keys").iterdir()} == before
    (place / "keys").rename(place / "moved")
    assert "wrote 24 keys to keys, which no longer exists" in town(*words).err


@pytest.mark.usefixtures("small_chunks", "pairs")
def test_an_interrupted_run_says_how_far_it_came_and_is_continued(
    town: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("key", "generate", "--from", "keys.csv", "--out-dir", "keys")
    write = results_folder.ResultsFolder.append_keys
    counted = count(1)

    def interrupt(self: Any, keys: Any) -> None:  # noqa: ANN401 - passed on
        is_third = next(counted) == 3
        write(self, keys[:2] if is_third else keys)
        if is_third:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(results_folder.ResultsFolder, "append_keys", interrupt)
        ran = town(*words)
    message = "interrupted: 10 of 24 keys issued; run the same command again to continue"
    assert (ran.code, ran.err) == (130, f"gamcli: {message}\n")
    assert town(*words).code == 0
    secrets = [path.read_text().strip() for path in (place / "keys").iterdir()]
    assert len(secrets) == 24
    for secret in secrets:
        assert town("key", "verify", "--api-key-file", "-", stdin=secret).code == 0


@for_each(
    ("user", "app", "name"),
    [
        ("ana", "portal", "ana-portal-3GqWOffF.key"),
        ("../evil", "a/b", "_evil-a_b-3GqWOffF.key"),
        ("-rf *", ".x", "_rf_-_x-3GqWOffF.key"),
        ("..", "...", "_-_-3GqWOffF.key"),
        ("ana@x.org", "ñandú", "ana@x.org-ñandú-3GqWOffF.key"),
        ("x" * 60, "y" * 254, f"{'x' * 60}-{'y' * 60}-3GqWOffF.key"),
    ],
)
def test_files_are_named_safely(user: str, app: str, name: str) -> None:
    assert results_folder.file_name(user, app, "3GqWOffF") == name


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--out", "o", "--out-dir", "d"), 2, "--out and --out-dir cannot be combined"),
        (("--out-dir", "keys.csv"), 1, "cannot write to the folder keys.csv: Not a directory"),
        (("--out-dir", "no/d"), 1, "cannot write to the folder no/d: No such file or directory"),
    ],
)
@pytest.mark.usefixtures("pairs")
def test_a_folder_that_cannot_be_is_reported(town: Run, words: tuple[str, ...], code: int, message: str) -> None:
    ran = town("key", "generate", "--from", "keys.csv", *words)
    assert (ran.code, message in ran.err) == (code, True)


def test_rows_may_name_the_date_at_which_a_key_expires(town: Run, place: Path) -> None:
    text = "user,app,expires_at,expires_in\nuser1,gate,2027-06-30,\nuser2,gate,2027-06-30T12:00:00Z,\n"
    (place / "keys.csv").write_text(text, encoding="utf-8")
    assert town("key", "generate", "--from", "keys.csv", "--out", "out.csv").code == 0
    assert [row["expires_at"][:13] for row in rows(place / "out.csv")] == ["2027-06-30T00", "2027-06-30T12"]
    (place / "both.csv").write_text(f"{text}user3,gate,2027-06-30,9d\nuser4,gate,2020-06-30,\n", encoding="utf-8")
    ran = town("key", "generate", "--from", "both.csv", "--out", "o.csv")
    assert "both.csv:4: expires_in and expires_at cannot be combined" in ran.err
    assert "both.csv:5: the lifetime of a key must be greater than 0" in ran.err


def test_delivered_keys_get_new_secrets_only_when_their_number_is_confirmed(
    generate: Run, town: Run, place: Path, file: Path, pairs: list[tuple[str, str]]
) -> None:
    assert generate().code == 0
    first = rows(place / "out.csv")
    assert generate("--reissue", "24", out="new.csv").code == 0
    require_complete(file, place / "new.csv", pairs)
    assert [row["id"] for row in rows(place / "new.csv")] == [row["id"] for row in first]
    assert town("key", "verify", "--api-key-file", "-", stdin=first[0]["api_key"]).code == 4
    assert "was delivered to" in generate(out="third.csv").err
    assert str(place / "new.csv") in generate(out="third.csv").err


def test_a_list_that_grew_issues_only_the_keys_of_its_new_rows(town: Run, place: Path) -> None:
    words = ("key", "generate", "--from", "keys.csv", "--if-missing", "--out")
    (place / "keys.csv").write_text("user,app\nuser1,gate\nuser2,gate\n", encoding="utf-8")
    assert town(*words, "one.csv").code == 0
    (place / "keys.csv").write_text("user,app\nuser1,gate\nuser3,gate\nuser2,gate\n", encoding="utf-8")
    assert town(*words, "two.csv").err == "gamcli: issued 1 new key; two.csv has 1 key\n"
    assert [row["user"] for row in rows(place / "two.csv")] == ["user3"]
    assert town(*words, "two.csv").err == "gamcli: issued 0 new keys, 1 already in the file; two.csv has 1 key\n"
    assert len(town("key", "list", "-o", "json").json) == 3


def test_a_column_imports_keys_and_the_output_does_not_repeat_them(world: Run, place: Path) -> None:
    for name in ("bob", "cy"):
        world("user", "create", name)
    legacy = "=legacy;key,of 'ana' 0001"
    (place / "in.csv").write_text(f'user,app,api_key\nana,portal,"{legacy}"\nbob,portal,\n')
    ran = world("key", "generate", "--from", "in.csv", "--out", "out.csv")
    assert ran.err.startswith(
        "gamcli: warning: gamcli scan cannot recognize 1 imported key: the format is that of another system\n"
        "gamcli: issued 1 new key, 1 imported; out.csv has 2 keys\n"
    )
    rows = list(csv.DictReader((place / "out.csv").read_text().splitlines()))
    assert [bool(row["api_key"]) for row in rows] == [False, True]
    assert world("key", "verify", "--api-key-file", "-", "--field", "key.id", stdin=legacy).out == rows[0]["id"] + "\n"
    again = world("key", "generate", "--from", "in.csv", "--out", "out.csv")
    assert (again.code, "2 already in the file" in again.err) == (0, True)
    (place / "out.csv").write_text("".join((place / "out.csv").read_text().splitlines(keepends=True)[:1]))
    resumed = world("key", "generate", "--from", "in.csv", "--out", "out.csv", "--reissue", "1")
    assert resumed.code == 0, resumed.err
    assert next(csv.DictReader((place / "out.csv").read_text().splitlines())) == rows[0]
