"""
A turn asks once and writes once: what it costs does not depend on the number of requests.

On SQLite the cost is the number of statements, and on PostgreSQL the number of round trips.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gamcli.actions import Gam, apps, auth_types, issuance, keys, repository, userinfo, users
from gamcli.actions.grant_cache import GrantCache
from gamcli.actions.issuance import GrantAttempt, IssuedToken, Turn
from gamcli.actions.keys import KeySpec
from gamcli.actions.userinfo import ClaimsCache
from gamcli.errors import RefusedError, StoreChangedError
from gamcli.rules import grants
from gamcli.rules.credentials import Secret
from gamcli.rules.grants import TokenRequest
from gamcli.store import Store, Transaction
from gamcli.store.postgres.database import PostgresStore
from gamcli.store.postgres.url import parse_url
from gamcli.store.sqlite.database import SqliteStore
from gamcli.store.sqlite.transaction import SqliteTransaction
from tests.actions.conftest import count_round_trips

pytestmark = pytest.mark.both_engines

PASSWORD = Secret("correct horse battery staple")
SIZES = (1, 8, 64)


class CountingTransaction(SqliteTransaction):
    """Counts the statements that read and those that write; many rows of one statement are one."""

    __slots__ = ("reads", "writes")

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401 - as those of Transaction
        super().__init__(*arguments)
        self.reads: list[str] = []
        self.writes: list[str] = []

    def one(self, sql: str, *values: object) -> Any:  # noqa: ANN401 - as Transaction
        self.reads.append(sql)
        return super().one(sql, *values)

    def each(self, sql: str, values: Sequence[object] = ()) -> Iterator[Any]:
        self.reads.append(sql)
        return super().each(sql, values)

    def run(self, sql: str, *values: object) -> int:
        self.writes.append(sql)
        return super().run(sql, *values)

    def save(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        self.writes.append(sql)
        super().save(sql, rows)

    def run_many(self, sql: str, rows: Iterable[Sequence[object]]) -> int:
        self.writes.append(sql)
        return super().run_many(sql, rows)


class Estate:
    """Users with a key, a password and a refresh token each."""

    def __init__(self, gam: Gam) -> None:
        self.gam = gam
        self.cache = GrantCache()
        wanted = {"remote_rest": True, "api_keys.enabled": True, "api_keys.scope_choice": True, "token.renewals": 9}
        auth_types.update(gam, "local", {"enabled": True})
        app = apps.create(gam, apps.AppSpec("portal", wanted, ("gam_user_data", "gam_user_additional_data")))
        assert app.secret is not None
        self.client = TokenRequest(app.record.client_id, app.secret)

    def requests(self, grant: str, count: int, scope: str = "") -> list[GrantAttempt]:
        return [self.request(grant, scope) for _ in range(count)]

    def request(self, grant: str, scope: str = "") -> GrantAttempt:
        name = f"u{len(list_users(self.gam))}"
        users.create(self.gam, name, {"attributes": {"team": "one"}})
        key = keys.generate(self.gam, KeySpec(name, "portal")).secret
        assert key is not None
        by_key = self.client._replace(api_key=key, authentication_type_name="apikey", scope=scope)
        if grant == grants.API_KEY:
            return GrantAttempt(by_key, digest=name.encode())
        if grant == grants.REFRESH:
            return GrantAttempt(
                self.client._replace(grant=grant, refresh_token=issuance.exchange(self.gam, by_key).refresh_token)
            )
        users.set_password(self.gam, name, PASSWORD)
        login = self.client._replace(
            grant=grant, username=name, password=PASSWORD, authentication_type_name="local", scope=scope
        )
        return GrantAttempt(login, password=issuance.verify_password(self.gam, login))

    def requests_of_all_kinds(self, count: int) -> list[GrantAttempt]:
        return [each for kind in KINDS for each in self.requests(kind, count)]

    def issue(self, attempts: Sequence[GrantAttempt]) -> tuple[int, int]:
        """Issue the tokens in one turn, and return how many statements read and wrote."""
        with self.gam.store.writing() as tx:
            counting = CountingTransaction(tx._connection)  # type: ignore[attr-defined]  # noqa: SLF001 - the connection of the transaction
            outcomes = Turn(self.gam, attempts, self.cache).issue_tokens(counting)
        assert all(isinstance(each, IssuedToken) for each in outcomes), outcomes
        return len(counting.reads), len(counting.writes)


def list_users(gam: Gam) -> list[object]:
    with gam.store.reading() as tx:
        return [*tx.each("SELECT 1 FROM user")]


@pytest.fixture
def estate(gam: Gam) -> Estate:
    return Estate(gam)


KINDS = (grants.API_KEY, grants.PASSWORD, grants.REFRESH)


@pytest.mark.needs_file
@pytest.mark.parametrize("count", SIZES)
def test_the_statements_of_a_turn_do_not_depend_on_its_size(estate: Estate, count: int) -> None:
    """The head of the audit log with the last ID, the applications, and the keys, users or refresh tokens."""
    apps.update(estate.gam, "portal", {"token.renewals": 0})
    by_key = estate.requests(grants.API_KEY, count)
    assert estate.issue(by_key) == (3, 3)
    assert estate.issue(by_key) == (1, 2)  # all is cached, and the last use of the keys is recorded
    # Users were added: what was cached is read again.
    assert estate.issue(estate.requests(grants.PASSWORD, count)) == (6, 3)
    estate.cache = GrantCache()
    assert estate.issue(estate.requests(grants.API_KEY, count, "user_team")) == (4, 3)  # and whether users have it
    apps.update(estate.gam, "portal", {"token.renewals": 9})
    estate.cache = GrantCache()
    assert estate.issue(estate.requests(grants.REFRESH, count)) == (3, 4)
    estate.cache = GrantCache()
    # The token, the session and its refresh token; the used refresh token; the uses of the key and the application.
    assert estate.issue(estate.requests_of_all_kinds(count)) == (5, 6)


@pytest.mark.parametrize("count", SIZES)
def test_on_postgresql_a_turn_is_two_round_trips(count: int, postgres_url: str, now: datetime, tmp_path: Path) -> None:
    """It begins with the head of the audit log and reads what is not cached; it writes all rows with the commit."""
    with Store.create(parse_url(postgres_url)) as store:
        assert isinstance(store, PostgresStore)
        gam = Gam(store, lambda: now, os.urandom, "test")
        repository.initialise(gam)
        estate = Estate(gam)
        turns = [estate.requests(kind, count) for kind in KINDS]
        turns += [estate.requests(grants.API_KEY, count, "user_team"), estate.requests_of_all_kinds(count)]
        # The first turn of a process also reads the types of columns, and that of a connection takes a slot.
        round_trips(store, estate, estate.requests_of_all_kinds(1), tmp_path / "trace")
        for turn in turns:
            estate.cache = GrantCache()
            assert round_trips(store, estate, turn, tmp_path / "trace") == 2
        by_key = turns[0]
        assert round_trips(store, estate, by_key, tmp_path / "trace") == 2
        assert round_trips(store, estate, by_key, tmp_path / "trace") == 1  # all is cached: it begins with the commit
        users.update(gam, "u0", {"city": "Montevideo"})
        assert round_trips(store, estate, by_key, tmp_path / "trace") == 3  # what was cached is read again


def round_trips(store: PostgresStore, estate: Estate, turn: Sequence[GrantAttempt], trace: Path) -> int:
    """Issue the tokens in one turn, and return how often libpq waits for PostgreSQL."""

    def issue() -> None:
        planned = Turn(estate.gam, turn, estate.cache)
        outcomes = planned.issue_tokens(store.begin(planned.queries, planned.head))
        try:
            store.commit()
        except StoreChangedError:
            estate.cache.clear()
            issue()
        assert all(isinstance(each, IssuedToken) for each in outcomes), outcomes

    return count_round_trips(store, trace, issue)


@pytest.mark.parametrize("count", SIZES)
def test_on_postgresql_the_claims_of_a_turn_are_one_round_trip_when_they_are_cached(
    count: int, postgres_url: str, now: datetime, tmp_path: Path
) -> None:
    """The first time the tokens are read, and then their applications and users."""
    with Store.create(parse_url(postgres_url)) as store:
        assert isinstance(store, PostgresStore)
        gam = Gam(store, lambda: now, os.urandom, "test")
        repository.initialise(gam)
        estate = Estate(gam)
        apps.update(gam, "portal", {"token.renewals": 0})
        secrets = [issuance.exchange(gam, each.request).secret for each in estate.requests(grants.API_KEY, count)]
        cache = ClaimsCache[dict[str, object]]()

        def load() -> None:
            results = userinfo.load_claims(gam, secrets, cache, lambda built: built)
            assert not any(isinstance(each.response, RefusedError) for each in results)

        assert [count_round_trips(store, tmp_path / "trace", load) for _ in range(3)] == [2, 1, 1]


def test_a_turn_needs_no_reading_when_all_decisions_are_cached_and_their_order_does_not_matter(estate: Estate) -> None:
    def needs_reading(turn: Sequence[GrantAttempt]) -> bool:
        return Turn(estate.gam, turn, estate.cache).head is None

    def issue(turn: Sequence[GrantAttempt]) -> None:
        with estate.gam.store.writing() as tx:
            Turn(estate.gam, turn, estate.cache).issue_tokens(tx)

    by_key, by_password = estate.requests(grants.API_KEY, 2), estate.requests(grants.PASSWORD, 1)
    assert needs_reading(by_key)
    issue(by_key[:1])
    assert [needs_reading(each) for each in (by_key[:1], by_key, [], by_password)] == [False, True, True, True]
    estate.cache.clear()
    assert needs_reading(by_key[:1])
    apps.update(estate.gam, "portal", {"one_token_per_user": True})
    issue(by_key)  # a token with a lower ID than the one before would be invalid
    assert needs_reading(by_key)


@pytest.mark.needs_file
def test_the_claims_of_a_turn_are_read_in_one_statement(
    estate: Estate, monkeypatch: pytest.MonkeyPatch, forward: Callable[[timedelta], None]
) -> None:
    gam, statements = estate.gam, list[str]()
    apps.update(gam, "portal", {"token.renewals": 0})
    secrets = [issuance.exchange(gam, each.request).secret for each in estate.requests(grants.API_KEY, 64)]
    read = SqliteStore.read_without_transaction

    def counting(store: SqliteStore, query: Callable[[Transaction], Any]) -> Any:  # noqa: ANN401 - as what it counts
        counted = CountingTransaction(store._connection)  # noqa: SLF001 - as above
        result = read(store, lambda _: query(counted))
        statements.extend(sql for sql in counted.reads if not sql.startswith("PRAGMA"))
        return result

    monkeypatch.setattr(SqliteStore, "read_without_transaction", counting)
    cache = ClaimsCache[dict[str, object]]()

    def statements_for(count: int) -> int:
        statements.clear()
        results = userinfo.load_claims(gam, secrets[:count], cache, lambda claims: claims)
        assert [each.response["username"] for each in results] == [each.token.user for each in results]  # type: ignore[index, union-attr]
        return len(statements)

    assert [statements_for(1), statements_for(1)] == [3, 0]  # tokens, applications, users
    assert statements_for(64) == 2  # the application is known
    assert statements_for(64) == 0
    issuance.exchange(gam, estate.request(grants.API_KEY).request)
    # A response may hold at the old head, so the head comes first where tokens are not read anyway.
    assert [statements_for(count) for count in (1, 8, 64)] == [4, 2, 2]
    with Store.open(gam.store.path) as other, other.writing() as tx:  # as issuing a token, which writes no audit entry
        tx.run("UPDATE app_use SET grants = grants + 1")
    assert [statements_for(count) for count in SIZES] == [1, 1, 1]
    assert "FROM token" not in statements[0]  # only the head of the audit log
    forward(userinfo.READ_AGAIN_AFTER)
    assert [statements_for(64), statements_for(64)] == [1, 0]
