"""Importing API keys that clients already hold."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from gamcli.actions import Gam, audit_history, issuance, key_lookup, keys, request_ids, rotation, users
from gamcli.actions.audit_history import HistorySubject
from gamcli.actions.changes import CreateResult
from gamcli.actions.keys import KeySpec
from gamcli.errors import ConflictError, NotFoundError, UsageError
from gamcli.model import App, AuditEntry, User
from gamcli.rules.credentials import Secret, mint_api_key, parse_api_key_id
from gamcli.rules.grants import TokenRequest
from gamcli.rules.keys import IssuedKey
from gamcli.store.audit import AuditFilter

LEGACY = Secret("legacy-key of another system")
SPEC = KeySpec("ana", "portal", label="legacy", api_key=LEGACY)


@pytest.fixture
def imported(gam: Gam, portal: CreateResult[App], ana: User) -> IssuedKey:
    assert (portal.is_new, ana.name) == (True, "ana")
    return keys.generate(gam, SPEC)


def test_an_imported_key_is_accepted_as_the_client_sends_it(
    gam: Gam, portal: CreateResult[App], imported: IssuedKey, audit_log: Callable[[], list[AuditEntry]]
) -> None:
    assert portal.secret is not None
    request = TokenRequest(portal.record.client_id, portal.secret, api_key=LEGACY, authentication_type_name="apikey")
    assert issuance.exchange(gam, request).grant.key_id == imported.record.id
    entry = next(entry for entry in audit_log() if entry.target == imported.record.id)
    assert (entry.action, json.loads(entry.details)["label"]) == ("key.import", "legacy")
    assert LEGACY.reveal() not in entry.details


def test_the_id_of_an_imported_key_depends_only_on_the_key(gam: Gam, imported: IssuedKey) -> None:
    keys.revoke_by_secret(gam, LEGACY, None)
    users.create(gam, "bob", {})
    with pytest.raises(ConflictError) as caught:
        keys.generate(gam, SPEC._replace(user="bob"))
    assert caught.value.message == f"this API key already exists: key {imported.record.id} of ana for portal"
    assert keys.generate(gam, SPEC._replace(api_key=Secret("x" * 20))).record.id != imported.record.id


def test_an_api_key_of_another_store_keeps_its_id(gam: Gam, imported: IssuedKey) -> None:
    key_id, secret = mint_api_key(gam.entropy)
    assert keys.generate(gam, SPEC._replace(api_key=secret, replace=True)).record.id == key_id
    assert keys.show(gam, imported.record.id).end == "replaced"


def test_a_key_whose_id_another_key_has_is_refused(gam: Gam, imported: IssuedKey) -> None:
    key_id, secret = mint_api_key(gam.entropy)
    with gam.store.writing() as tx:
        keys.add(gam, tx, imported.record._replace(id=key_id))
    with pytest.raises(ConflictError, match=f"another key has the ID of this API key: {key_id}"):
        keys.generate(gam, SPEC._replace(api_key=secret, replace=True))


def test_a_user_with_an_active_key_keeps_it_unless_asked(gam: Gam, imported: IssuedKey) -> None:
    other = SPEC._replace(api_key=Secret("another legacy key 1"))
    with pytest.raises(ConflictError, match="already has an active key"):
        keys.generate(gam, other)
    keys.generate(gam, other._replace(overlap=timedelta(days=7)))
    assert keys.show(gam, imported.record.id).status(gam.now()) == "retiring"


def test_the_successor_of_an_imported_key_is_a_new_key(gam: Gam, imported: IssuedKey) -> None:
    issued = rotation.rotate(gam, imported.record.id, timedelta(days=7))
    assert issued is not None
    assert parse_api_key_id(issued.secret) == issued.record.id
    with audit_history.search(gam, HistorySubject(key=imported.record.id), AuditFilter()) as entries:
        assert [entry.action for entry in entries] == ["key.import", "key.rotate"]


def test_an_imported_key_is_revoked_by_its_text(gam: Gam, imported: IssuedKey) -> None:
    assert keys.revoke_by_secret(gam, LEGACY, "leaked").record.id == imported.record.id
    with pytest.raises(UsageError, match="not a valid API key"):
        keys.revoke_by_secret(gam, Secret("legacy-key of another"), None)
    with pytest.raises(NotFoundError):
        keys.revoke_by_secret(gam, mint_api_key(gam.entropy)[1], None)


def test_a_key_that_is_imported_again_is_the_same_only_with_the_same_settings(gam: Gam, imported: IssuedKey) -> None:
    assert key_lookup.find_matching(gam, SPEC) == imported.record
    assert key_lookup.find_matching(gam, SPEC._replace(api_key=Secret("another legacy key 1"))) is None
    with pytest.raises(ConflictError, match="with different settings"):
        key_lookup.find_matching(gam, SPEC._replace(label="other"))


def test_a_repeated_request_does_not_change_an_imported_key(gam: Gam, portal: CreateResult[App], ana: User) -> None:
    assert (portal.is_new, ana.name) == (True, "ana")
    first = request_ids.generate(gam, SPEC, "move-1")
    again = request_ids.generate(gam, SPEC, "move-1")
    assert (again.record, again.secret, again.is_repeat) == (first.record, None, True)
    for other in (SPEC._replace(api_key=Secret("another legacy key 1")), SPEC._replace(api_key=None)):
        with pytest.raises(ConflictError, match="with different settings: api_key"):
            request_ids.generate(gam, other, "move-1")
