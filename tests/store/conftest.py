"""Fixtures of the store tests: transactions that are rolled back, and records."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime

import pytest

from gamcli.model import APIKEY, GAMLOCAL, App, AuthType, Key, User
from gamcli.store import Store, Transaction, apps, auth_types, keys, users

Trial = Callable[[], AbstractContextManager[Transaction]]


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, now: datetime) -> Iterator[Trial]:
    with Store.create(tmp_path_factory.mktemp("trial") / "store.db") as store:
        with store.writing() as tx:
            for name, kind in (("apikey", APIKEY), ("local", GAMLOCAL)):
                auth_types.add(
                    tx, AuthType(name, kind, "", enabled=True, default=False, created_at=now, updated_at=now)
                )

        @contextmanager
        def undone() -> Iterator[Transaction]:
            with store.writing() as tx:
                tx.run("SAVEPOINT trial")
                yield tx
                tx.run("ROLLBACK TO trial")

        yield undone


@pytest.fixture(scope="session")
def ana(now: datetime) -> User:
    return User(
        guid="6f1b4a52-0d0e-4b5e-9c1f-0a1b2c3d4e5f", name="Ana", created_at=now, updated_at=now, email="ana@x.org"
    )


@pytest.fixture(scope="session")
def portal(now: datetime) -> App:
    return App(name="Portal", client_id="c" * 32, secret_digest=b"s" * 32, created_at=now, updated_at=now)


@pytest.fixture(scope="session")
def key(now: datetime, ana: User, portal: App) -> Key:
    return Key(
        id="K1234567",
        user=ana.name,
        user_guid=ana.guid,
        app=portal.name,
        client_id=portal.client_id,
        scopes=("gam_user_data",),
        digest=b"k" * 32,
        created_at=now,
    )


@pytest.fixture
def peopled(store: Store, ana: User, portal: App, key: Key) -> Store:
    with store.writing() as tx:
        users.add(tx, ana)
        apps.add(tx, portal)
        keys.add(tx, key)
    return store
