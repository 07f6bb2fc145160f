"""What only a database can do: lose its connection, be used by many computers, have another clock."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Timer
from time import monotonic, sleep
from typing import Any

import pytest

from gamcli.actions import Gam, apps, maintenance, repository, users
from gamcli.errors import (
    ConflictError,
    StoreBusyError,
    StoreChangedError,
    StoreMissingError,
    StoreUnknownOutcomeError,
    StoreUnusableError,
    UsageError,
)
from gamcli.model import Key
from gamcli.store import Location, Store, audit, content_checks, copies, tokens
from gamcli.store import keys as store_keys
from gamcli.store.engine import Query, Transaction
from gamcli.store.hash_chain import ChainHead
from gamcli.store.postgres import connection, database, migration, schema
from gamcli.store.postgres.database import PostgresStore
from gamcli.store.postgres.url import PostgresUrl, parse_url
from gamcli.store.users import get as get_user
from tests.conftest import PostgresServer
from tests.faults.proxy import CuttingProxy


@pytest.fixture
def url(postgres_url: str) -> PostgresUrl:
    return parse_url(postgres_url)


@pytest.fixture
def created(url: PostgresUrl, gam: Gam) -> Iterator[Gam]:
    with Store.create(url) as store:
        made = Gam(store, gam.now, gam.entropy, "tester")
        repository.initialise(made)
        yield made


OTHER_SERVER = "SELECT FALSE, clock_timestamp(), clock_timestamp()::text"
"""Describes the database as if it was another one each time."""


def kill_connection(store: Store, url: PostgresUrl) -> None:
    """End the connection of a store as an administrator of the database would."""
    assert isinstance(store, database.PostgresStore)
    with store.reading() as tx:
        (pid,) = tx.one("SELECT pg_backend_pid()") or (0,)
    with Store.open(url) as other, other.writing() as tx:
        tx.one("SELECT pg_terminate_backend(?::int)", pid)


def test_a_store_that_was_not_created_is_missing(url: PostgresUrl) -> None:
    with pytest.raises(StoreMissingError) as missing:
        Store.open(url)
    assert str(url) in str(missing.value)


def create_at_once(url: PostgresUrl) -> list[Store]:
    with ThreadPoolExecutor(10) as pool:
        return [*pool.map(lambda _: Store.create(url), range(10))]


def test_ten_connections_create_one_store(url: PostgresUrl) -> None:
    for store in create_at_once(url):
        store.close()
    with Store.open(url) as store, store.reading() as tx:
        assert [*tx.each("SELECT version FROM migration")] == [(migration.CURRENT,)]


def test_ten_connections_migrate_a_store_once(url: PostgresUrl, monkeypatch: pytest.MonkeyPatch) -> None:
    Store.create(url).close()
    monkeypatch.setattr(migration, "CURRENT", migration.CURRENT + 1)
    monkeypatch.setitem(schema.MIGRATIONS, migration.CURRENT, "CREATE TABLE later (id INTEGER PRIMARY KEY);\n")
    with ThreadPoolExecutor(10) as pool:
        stores = [*pool.map(lambda _: Store.open(url), range(10))]
    migrated = [store.migrated for store in stores if store.migrated is not None]
    for store in stores:
        store.close()
    assert [each.version_before for each in migrated] == [migration.CURRENT - 1]


def test_both_engines_have_the_same_tables_and_columns(created: Gam) -> None:
    with Store.in_memory() as memory, memory.reading() as ours, created.store.reading() as theirs:
        for table in copies.TABLES:
            columns = {name for name in theirs.columns(table) if name != "node"}
            assert columns == set(ours.columns(table)), table


@pytest.mark.needs_file
def test_a_copy_has_the_same_rows_and_head_in_both_directions(gam: Gam, url: PostgresUrl, tmp_path: Any) -> None:  # noqa: ANN401 - a path
    users.create(gam, "ana", {"email": "ana@example.org", "blocked": True})
    back = tmp_path / "back.db"
    first = maintenance.copy_store(gam.store.path, url)
    second = maintenance.copy_store(url, back)
    assert first.head == second.head
    with pytest.raises(ConflictError, match="already exists"):
        maintenance.copy_store(gam.store.path, url)
    with gam.store.reading() as ours, Store.open(back) as copy, copy.reading() as theirs:
        for table in copies.TABLES:
            assert [*copies.read_all(theirs, table)] == [*copies.read_all(ours, table)], table


def test_changes_wait_for_each_other_and_grants_do_not(created: Gam, url: PostgresUrl) -> None:
    with (
        created.store.open_again(durable=True, timeout=0.05) as other,
        created.store.open_again(durable=True, timeout=0.05) as node,
        created.store.writing(),
    ):
        with pytest.raises(StoreBusyError), other.writing():
            pass
        tx = node.begin()
        tx.run("INSERT INTO adoption (kind, id) VALUES ('app', ?)", str(url))
        node.commit()


def test_an_optimistic_transaction_is_saved_only_if_the_audit_log_has_not_grown(created: Gam, url: PostgresUrl) -> None:
    with Store.open(url) as node:
        head = read_head(created)
        for name in ("kept", "again"):
            adopt_optimistically(node, head, name)
            node.commit()
        adopt_optimistically(node, head, "lost")
        users.create(created, "ana", {})
        with pytest.raises(StoreChangedError):
            node.commit()
        tx = adopt_optimistically(node, head, "lost")
        with pytest.raises(StoreChangedError):  # a query compares the head before it runs
            node.run(lambda: tx.one("SELECT 1"))
        node.rollback()
        adopt_optimistically(node, read_head(created), "last")
        node.commit()
    assert list_adopted(created) == ["again", "kept", "last"]


@pytest.mark.parametrize(("seconds", "is_saved"), [(1.5, True), (-1.5, True), (2.5, False), (-2.5, False)])
def test_an_optimistic_transaction_is_not_saved_when_a_clock_was_set(
    created: Gam, url: PostgresUrl, seconds: float, *, is_saved: bool
) -> None:
    with Store.open(url) as node:
        assert isinstance(node, PostgresStore)
        node.clock.difference += timedelta(seconds=seconds)
        adopt_optimistically(node, read_head(created), "app")
        with nullcontext() if is_saved else pytest.raises(StoreChangedError):
            node.commit()
    assert list_adopted(created) == (["app"] if is_saved else [])


def read_head(gam: Gam) -> ChainHead | None:
    with gam.store.reading() as tx:
        return audit.load_head(tx)


def adopt_optimistically(node: Store, head: ChainHead | None, name: str) -> Transaction:
    tx = node.begin((), head)
    assert tx.is_optimistic
    tx.save("INSERT INTO adoption (kind, id) VALUES ('app', ?)", [(name,)])
    return tx


def list_adopted(gam: Gam) -> list[object]:
    with gam.store.reading() as tx:
        return [name for (name,) in tx.each("SELECT id FROM adoption ORDER BY id")]


def test_ids_of_nodes_differ_at_the_same_microsecond(created: Gam) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    with created.store.open_again(durable=True, timeout=1) as other:
        ids = []
        for store in (created.store, other):
            tx = store.begin()
            ids += [tokens.next_id(tx, now, 0) for _ in range(3)]
            store.rollback()
    assert len({*ids}) == 6
    assert all(0 <= each - ids[0] // 64 * 64 < 64 * 4 for each in ids)


def test_statements_are_planned_again_while_a_transaction_adds_many_keys(created: Gam) -> None:
    users.create(created, "ana", {})
    apps.create(created, apps.AppSpec("portal", {"remote_rest": True, "api_keys.enabled": True}, (), "c" * 32))
    others = """INSERT INTO key (id, user_number, app_number, scopes, digest, created_at, label)
        SELECT 'other' || n, 1, 1, '', '', 1, '' FROM generate_series(1, 3000) AS n"""
    read = "SELECT sum(idx_tup_fetch + seq_tup_read)::int FROM pg_stat_xact_user_tables WHERE relname = 'key'"
    with created.store.writing() as tx:
        ana = get_user(tx, "ana")
        counts: list[Any] = []
        for number in range(100):
            if number == 20:  # the plans are those for a small table
                tx.run(others)
            if number == 60:
                counts += tx.each(read)
            key = Key(f"key{number}", "ana", ana.guid, "portal", "c" * 32, (), b"", created.now())
            store_keys.add(tx, key)
        counts += tx.each(read)
    (before,), (after,) = counts
    assert int(str(after)) - int(str(before)) < 40 * 300


def test_a_lost_connection_is_replaced_before_the_next_transaction(created: Gam, url: PostgresUrl) -> None:
    kill_connection(created.store, url)
    users.create(created, "ana", {})
    kill_connection(created.store, url)
    assert created.store.read_without_transaction(audit.load_head) is not None


def test_a_connection_that_is_lost_in_a_transaction_changes_nothing(created: Gam, url: PostgresUrl) -> None:
    def lose_connection() -> None:
        with created.store.writing() as tx:
            (pid,) = tx.one("SELECT pg_backend_pid()") or (0,)
            tx.run("DELETE FROM audit")
            with Store.open(url) as other, other.reading() as killer:
                killer.one("SELECT pg_terminate_backend(?::int)", pid)

    with pytest.raises(StoreBusyError, match="nothing was changed"):
        lose_connection()
    with created.store.reading() as tx:
        assert audit.load_head(tx) is not None


def start_proxy(url: PostgresUrl, *, arrives: bool) -> tuple[CuttingProxy, PostgresUrl]:
    """Return a proxy of the database that can cut connections off, and the URL through it."""
    proxy = CuttingProxy(int(url.conninfo.rpartition(":")[2].partition("/")[0]), arrives=arrives)
    return proxy, parse_url(str(url).replace(f":{proxy.database_port}/", f":{proxy.port}/"))


@pytest.mark.parametrize("arrives", [True, False])
def test_a_commit_whose_answer_was_cut_off_is_looked_up(created: Gam, url: PostgresUrl, arrives: bool) -> None:  # noqa: FBT001 - a parameter
    proxy, through = start_proxy(url, arrives=arrives)
    with Store.open(through) as store:
        cut = Gam(store, created.now, created.entropy, "tester")
        proxy.is_cutting = True
        if arrives:
            users.create(cut, "ana", {})
        else:
            with pytest.raises(StoreBusyError, match="nothing was changed"):
                users.create(cut, "ana", {})
    proxy.close()
    with created.store.reading() as tx:
        assert (tx.one("SELECT 1 FROM user WHERE name = 'ana'") is not None) == arrives


def test_a_commit_after_a_query_that_failed_is_not_taken_for_the_one_before(created: Gam, url: PostgresUrl) -> None:
    proxy, through = start_proxy(url, arrives=True)
    with Store.open(through) as store:
        store.begin()
        store.commit()
        tx = store.begin([Query("SELECT 1 / ?", [0], list)])
        tx.save("DELETE FROM audit", [()])
        proxy.is_cutting = True
        with pytest.raises(StoreBusyError, match="nothing was changed"):
            store.commit()
    proxy.close()
    with created.store.reading() as tx:
        assert audit.load_head(tx) is not None


def test_an_outcome_that_nobody_can_tell_is_reported_as_unknown(
    created: Gam, url: PostgresUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "RESOLVE_SECONDS", 0.2)
    proxy, through = start_proxy(url, arrives=True)
    with Store.open(through) as store:
        proxy.is_cutting = True
        proxy.close()  # nobody can connect again
        with pytest.raises(StoreUnknownOutcomeError, match="it is not known whether"):
            users.create(Gam(store, created.now, created.entropy, "tester"), "ana", {})


def test_a_statement_that_a_stopped_database_does_not_answer_fails_in_time(
    created: Gam, postgres: PostgresServer
) -> None:
    created.store.limit_statements(0.2)
    changing, stopped = created.store.writing(), postgres.stopped()
    with pytest.raises(StoreBusyError, match=r"0\.2 seconds; nothing was changed"), changing as tx, stopped:
        tx.run("DELETE FROM audit")
    created.store.limit_statements(20)
    with created.store.reading() as tx:
        assert audit.load_head(tx) is not None


def test_only_one_connection_of_a_process_waits_for_the_answer_of_a_stopped_database(
    created: Gam, postgres: PostgresServer
) -> None:
    stopped = ExitStack()

    def read_while_stopped() -> None:
        with created.store.reading() as tx:
            stopped.enter_context(postgres.stopped())
            tx.number("SELECT 1")

    with created.store.open_again(durable=True, timeout=0) as other:
        for store in (created.store, other):
            store.limit_statements(1)
        with stopped:
            with pytest.raises(StoreBusyError, match="did not answer"):
                read_while_stopped()
            started = monotonic()
            with pytest.raises(StoreBusyError, match="at the moment"):
                other.begin()
            assert monotonic() - started < 0.5
        wait_until(lambda: can_begin(other))


def can_begin(store: Store) -> bool:
    with suppress(StoreBusyError):
        store.begin()
        store.rollback()
        return True
    return False


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end
        sleep(0.01)


def test_the_outcome_of_a_commit_that_a_stopped_database_does_not_answer_is_unknown_until_it_goes_on(
    created: Gam, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    created.store.limit_statements(0.2)
    monkeypatch.setattr(connection, "RESOLVE_SECONDS", 0.2)
    stopped = ExitStack()

    def commit_while_stopped() -> None:
        with created.store.writing() as tx:
            tx.run("INSERT INTO adoption (kind, id) VALUES ('app', 'unknown')")
            stopped.enter_context(postgres.stopped())

    with stopped, pytest.raises(StoreUnknownOutcomeError):
        commit_while_stopped()
    monkeypatch.setattr(connection, "RESOLVE_SECONDS", 20)
    with created.store.writing() as tx:
        tx.run("INSERT INTO adoption (kind, id) VALUES ('app', 'kept')")
        stopped.enter_context(postgres.stopped())
        Timer(0.5, stopped.close).start()
    with created.store.reading() as tx:
        assert tx.one("SELECT 1 FROM adoption WHERE id = 'kept'") is not None


def test_after_a_crash_of_the_database_the_id_of_a_transaction_may_be_that_of_another_one(
    created: Gam, url: PostgresUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, through = start_proxy(url, arrives=True)
    monkeypatch.setattr(connection, "_SERVER", OTHER_SERVER)  # as if it crashed
    with Store.open(through) as store:
        proxy.is_cutting = True
        with pytest.raises(StoreUnknownOutcomeError):
            add_adoption(store)
        assert isinstance(store, database.PostgresStore)
        future, other = str(2**40 + 5), read_transaction_id(created.store)
        find_outcome = store._connections.find_outcome  # noqa: SLF001 - what the store does then
        assert find_outcome(future, "", None) is False  # a database that lost it says so
        assert find_outcome(other, "", None) is None
        assert find_outcome(other, "", ("SELECT 1 FROM audit WHERE hash = $1", ["lost"])) is False
    proxy.close()


def add_adoption(store: Store) -> None:
    with store.writing() as tx:
        tx.run("INSERT INTO adoption (kind, id) VALUES ('app', 'unknown')")


def read_transaction_id(store: Store) -> str:
    """Return the ID of a transaction that is committed."""
    with store.writing() as tx:
        (found,) = tx.one("SELECT pg_current_xact_id()::text") or ("",)
    return str(found)


def test_a_change_that_a_crash_cut_off_is_known_by_its_audit_entry(
    created: Gam, url: PostgresUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, through = start_proxy(url, arrives=True)
    monkeypatch.setattr(connection, "_SERVER", OTHER_SERVER)  # as if it crashed
    with Store.open(through) as store:
        proxy.is_cutting = True
        users.create(Gam(store, created.now, created.entropy, "tester"), "ana", {})
    proxy.close()
    with created.store.reading() as tx:
        assert get_user(tx, "ana").name == "ana"


def test_a_node_whose_clock_is_off_uses_the_clock_of_the_database(created: Gam) -> None:
    def slow() -> datetime:
        return datetime.now(UTC) - timedelta(minutes=10)

    store = created.store
    assert isinstance(store, database.PostgresStore)
    store.clock._read = slow  # noqa: SLF001 - the clock of this computer
    with store.writing():
        pass
    assert abs(store.corrected_clock(slow)() - datetime.now(UTC)) < timedelta(seconds=2)
    assert store.clock_difference > timedelta(minutes=9)


def test_a_database_that_cannot_be_reached_is_8_and_says_why(url: PostgresUrl) -> None:
    unreachable: Location = parse_url(str(url).replace("@127.0.0.1", "@127.0.0.1:1,127.0.0.1"))
    Store.create(url).close()
    Store.open(unreachable).close()  # libpq tries one address after the other
    with pytest.raises(StoreUnusableError, match="cannot be reached"):
        Store.open(parse_url("postgresql://gam@127.0.0.1:1/postgres"))


@pytest.fixture
def certificate(postgres: PostgresServer) -> Iterator[Path]:
    """Let the database accept TLS connections for a while, with a certificate of 127.0.0.1 that signs itself."""
    files = cert, key = postgres.folder / "cert.pem", postgres.folder / "key.pem"
    kind = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(cert), "-days", "2"]
    names = ["-subj", "/CN=db", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(["openssl", "req", "-x509", *kind, *names], check=True, capture_output=True)
    for file in files:
        shutil.chown(file, postgres.folder.stat().st_uid)
    settings = {"ssl": "on", "ssl_cert_file": cert, "ssl_key_file": key}
    postgres.set(settings)
    yield cert
    postgres.set(dict.fromkeys(settings))


def test_tls_that_fails_says_which_parameter_helps(
    created: Gam, url: PostgresUrl, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    def hint(parameters: str) -> str:
        with pytest.raises(StoreUnusableError) as failed:
            Store.open(parse_url(f"{url}&{parameters}"))
        return failed.value.hint or ""

    assert created.store.name == str(url)
    assert "ssl = on" in hint("sslmode=require")
    cert: Path = request.getfixturevalue("certificate")
    Store.open(parse_url(f"{url}&sslmode=verify-full&sslrootcert={cert}")).close()
    other = str(url).replace("127.0.0.1", "localhost")
    with pytest.raises(StoreUnusableError) as named:
        Store.open(parse_url(f"{other}&sslmode=verify-full&sslrootcert={cert}"))
    assert "sslmode=verify-ca" in str(named.value.hint)
    assert "sslrootcert=FILE" in hint(f"sslmode=verify-full&sslrootcert={tmp_path}/none.crt")
    foreign = tmp_path / "foreign.pem"
    kind = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(tmp_path / "key"), "-out", str(foreign), "-subj", "/CN=x"]
    subprocess.run(["openssl", "req", "-x509", *kind], check=True, capture_output=True)
    refused = hint(f"sslmode=verify-full&sslrootcert={foreign}")
    assert ("sslrootcert=FILE" in refused, "expired" in refused) == (True, True)


def test_the_hint_for_a_user_without_a_line_in_pg_hba_is_to_add_one(url: PostgresUrl, postgres: PostgresServer) -> None:
    lines = postgres.folder / "data" / "pg_hba.conf"
    before = lines.read_text()
    try:
        lines.write_text("host all gam 127.0.0.1/32 trust\n")
        postgres.set({})
        with pytest.raises(StoreUnusableError, match="no pg_hba") as failed:
            Store.open(parse_url(str(url).replace("gam@", "stranger@")))
    finally:
        lines.write_text(before)
        postgres.set({})
    assert str(failed.value.hint).startswith("allow this user and address in pg_hba.conf")


def test_checks_of_content_join_tables_of_any_size(created: Gam) -> None:
    with created.store.reading() as tx:
        for sql in content_checks.INVARIANTS.values():
            assert "SubPlan" not in str([*tx.each(f"EXPLAIN {sql}")]), sql


@pytest.mark.usefixtures("created")
def test_a_check_and_a_migration_may_take_longer_than_other_statements(
    url: PostgresUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "STATEMENT_SECONDS", 1.0)
    monkeypatch.setattr(content_checks, "INVARIANTS", {"patience": "SELECT count(pg_sleep(1.5)) - 1"})
    assert all(each.ok for each in maintenance.check(url))
    monkeypatch.setattr(migration, "CURRENT", migration.CURRENT + 1)
    monkeypatch.setitem(schema.MIGRATIONS, migration.CURRENT, "CREATE TABLE later AS SELECT pg_sleep(1.5)::text;\n")
    with Store.open(url) as store:
        assert store.migrated is not None
        with pytest.raises(StoreBusyError, match="did not answer within 1 seconds"), store.reading() as tx:
            tx.one("SELECT pg_sleep(1.5)")


def test_text_with_nul_is_found_nowhere_and_refused_when_it_is_stored(created: Gam) -> None:
    with created.store.reading() as tx:
        assert tx.one("SELECT 1 FROM user WHERE name = ?", "a\0b") is None
    with pytest.raises(UsageError, match="NUL"), created.store.writing() as tx:
        tx.run("INSERT INTO adoption (kind, id) VALUES ('app', ?)", "a\0b")


def test_the_driver_is_imported_for_databases_only() -> None:
    script = "import sys, gamcli.commands.root, gamcli.store.sqlite.database; print('psycopg' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_a_user_without_rights_to_the_schema_gets_the_reason(created: Gam, url: PostgresUrl) -> None:
    with created.store.writing() as tx:
        tx.run("CREATE ROLE stranger LOGIN")
    try:
        with pytest.raises(StoreUnusableError, match="permission denied for schema"):
            Store.open(parse_url(str(url).replace("gam@", "stranger@")))
    finally:
        with created.store.writing() as tx:
            tx.run("DROP ROLE stranger")


@pytest.mark.parametrize(
    "setting", ["DateStyle = 'German'", "array_nulls = off", "search_path = public", "lock_timeout = '1ms'"]
)
def test_the_settings_of_the_role_change_nothing(created: Gam, url: PostgresUrl, setting: str) -> None:
    with created.store.writing() as tx:
        tx.run("CREATE ROLE odd LOGIN SUPERUSER")
        tx.run(f"ALTER ROLE odd SET {setting}")
    try:
        with Store.open(parse_url(str(url).replace("gam@", "odd@"))) as store:
            gam = Gam(store, created.now, created.entropy, "tester")
            apps.create(gam, apps.AppSpec("portal", {}, ()))
            assert apps.show(gam, "portal").last_used_at is None
            assert abs(store.clock_difference) < timedelta(minutes=1)
    finally:
        with created.store.writing() as tx:
            tx.run("DROP ROLE odd")


def test_a_database_that_cannot_store_every_character_is_refused(created: Gam, url: PostgresUrl) -> None:
    def run(statement: str) -> None:
        created.store.read_without_transaction(lambda tx: tx.run(statement))

    run("CREATE DATABASE western ENCODING 'LATIN1' TEMPLATE template0")
    try:
        with pytest.raises(StoreUnusableError, match="encoding LATIN1"):
            Store.create(parse_url(str(url).replace("/postgres", "/western")))
    finally:
        run("DROP DATABASE western")


def test_a_table_that_others_use_fails_a_migration_soon(
    created: Gam, url: PostgresUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it waits for the table, so would all nodes."""
    monkeypatch.setattr(migration, "TABLE_LOCK_SECONDS", 0.2)
    monkeypatch.setattr(migration, "CURRENT", migration.CURRENT + 1)
    monkeypatch.setitem(schema.MIGRATIONS, migration.CURRENT, "ALTER TABLE token ADD COLUMN later INTEGER;\n")
    with created.store.reading() as tx:
        assert tx.number("SELECT count(*) FROM token") == 0
        with pytest.raises(StoreBusyError, match="in use"):
            Store.open(url)


def test_a_reader_that_must_not_wait_fails_soon_while_a_table_is_locked(created: Gam) -> None:
    with created.store.open_again(durable=True, timeout=0) as node, created.store.writing() as tx:
        tx.run("LOCK TABLE token")
        started = monotonic()
        with pytest.raises(StoreBusyError):
            node.read_without_transaction(lambda tx: tx.number("SELECT count(*) FROM token"))
        assert monotonic() - started < 1


@pytest.fixture
def standby(url: PostgresUrl) -> Iterator[PostgresUrl]:
    """Return the URL of a store on a server that accepts no changes."""
    with closing(PostgresServer(fsync=False)) as server:
        copy = parse_url(server.url(url.schema))
        with Store.create(copy) as store:
            repository.initialise(Gam(store, lambda: datetime.now(UTC), os.urandom, "tester"))
        server.stop("fast")
        (server.folder / "data" / "standby.signal").touch()
        server.start()
        yield copy


def test_a_standby_is_not_read_because_it_may_lack_a_revocation(standby: PostgresUrl) -> None:
    with pytest.raises(StoreUnusableError, match="the database is a standby") as refused:
        Store.open(standby)
    assert "target_session_attrs" in str(refused.value.hint)
