"""Fixtures: an application that accepts API keys, its user, their key, and the audit log."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gamcli.actions import Gam, apps, keys, users
from gamcli.actions.apps import AppSpec
from gamcli.actions.changes import CreateResult
from gamcli.actions.keys import KeySpec
from gamcli.model import App, AuditEntry, User
from gamcli.rules.grants import TokenRequest
from gamcli.rules.keys import IssuedKey
from gamcli.store import audit
from gamcli.store.postgres.database import PostgresStore

OPEN = {"remote_rest": True, "api_keys.enabled": True, "api_keys.scope_choice": True}
"""The settings of an application that accepts API keys."""


@pytest.fixture
def audit_log(gam: Gam) -> Callable[[], list[AuditEntry]]:
    def read() -> list[AuditEntry]:
        with gam.store.reading() as tx:
            return list(audit.search(tx))

    return read


@pytest.fixture
def portal(gam: Gam) -> CreateResult[App]:
    return apps.create(gam, AppSpec("portal", OPEN, ("gam_user_data+gam_user_roles",)))


@pytest.fixture
def ana(gam: Gam) -> User:
    return users.create(gam, "ana", {"email": "ana@example.com", "roles": ("operator",)}).record


@pytest.fixture
def issued(gam: Gam, portal: CreateResult[App], ana: User) -> IssuedKey:
    return keys.generate(gam, KeySpec(ana.name, portal.record.name))


@pytest.fixture
def asked(portal: CreateResult[App], issued: IssuedKey) -> TokenRequest:
    assert portal.secret is not None
    return TokenRequest(
        client_id=portal.record.client_id,
        client_secret=portal.secret,
        api_key=issued.secret,
        authentication_type_name="apikey",
    )


def count_round_trips(store: PostgresStore, trace: Path, task: Callable[[], object]) -> int:
    """Run the task, and return how often libpq waits for PostgreSQL."""
    with trace.open("w+") as file:
        connection = store._connections.get(0)  # noqa: SLF001 - what libpq sends over it
        connection.pgconn.trace(file.fileno())
        task()
        connection.pgconn.untrace()
        file.seek(0)
        sent = [line.rstrip().split("\t")[3] for line in file if "\tF\t" in line]
    waits = [at for at, each in enumerate(sent) if each in ("Sync", "Query", "Flush")]
    return sum(sent[at - 1] != "Sync" or sent[at] != "Flush" for at in waits)  # psycopg sends both at the end
