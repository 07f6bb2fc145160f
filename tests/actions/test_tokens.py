"""Access tokens: a key traded for one, claims read with it, and its end."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import pytest

from gamcli.actions import Gam, apps, issuance, key_changes, keys, tokens, userinfo, users
from gamcli.actions.apps import ScopeEdit
from gamcli.actions.keys import KeySpec
from gamcli.actions.tokens import TokenSearch
from gamcli.errors import NotFoundError, RefusedError, StoreMissingError
from gamcli.model import AuditEntry
from gamcli.rules.credentials import NO_SECRET, Secret, checksum
from gamcli.rules.grants import TokenRequest
from gamcli.rules.keys import IssuedKey
from gamcli.store import Store, Transaction
from gamcli.store.engine import Row

pytestmark = pytest.mark.both_engines

ReadAuditLog = Callable[[], list[AuditEntry]]
Forward = Callable[[timedelta], datetime]


def refused(ask: Callable[[], object]) -> str:
    with pytest.raises(RefusedError) as caught:
        ask()
    return caught.value.rule


def ids(gam: Gam, search: TokenSearch) -> list[str]:
    with tokens.search(gam, search) as found:
        return [each.id for each in found]


def token_id(secret: Secret) -> str:
    return secret.reveal().partition("!")[2][:12]


def test_a_key_is_exchanged_for_a_token_that_reads_claims(
    gam: Gam, asked: TokenRequest, audit_log: ReadAuditLog
) -> None:
    before = audit_log()
    issued = issuance.exchange(gam, asked)
    assert issued.secret.reveal().startswith(f"{before[0].target}!")
    assert (issued.grant.scopes, issued.expires_in) == (("gam_user_data", "gam_user_roles"), 3600)
    claims = userinfo.userinfo(gam, issued.secret)
    assert (claims["username"], claims["roles"]) == ("ana", ["operator"])
    assert audit_log() == before
    kept = tokens.show(gam, token_id(issued.secret))
    assert issued.grant.key is not None
    assert (kept.user, kept.app, kept.key, kept.status(gam.now())) == ("ana", "portal", issued.grant.key.id, "active")
    assert issued.secret.matches(kept.digest)


def test_every_exchange_gives_another_token(gam: Gam, asked: TokenRequest) -> None:
    issued = [issuance.exchange(gam, asked).secret for _ in range(3)]
    assert len({secret.reveal() for secret in issued}) == 3
    assert [token_id(secret) for secret in issued] == sorted(token_id(secret) for secret in issued)
    assert [userinfo.userinfo(gam, secret)["username"] for secret in issued] == ["ana"] * 3


def test_a_token_may_be_narrower_than_its_key(gam: Gam, asked: TokenRequest) -> None:
    issued = issuance.exchange(gam, asked._replace(scope="user_mail"))
    assert userinfo.userinfo(gam, issued.secret) == {"email": "ana@example.com", "verified_email": False}


@pytest.mark.parametrize(
    ("sent", "rule"),
    [
        ({"client_id": ""}, "client_id_missing"),
        ({"client_id": "portal"}, "client_unknown"),
        ({"client_secret": NO_SECRET}, "client_secret_wrong"),
        ({"repository": "another"}, "repository_wrong"),
        ({"authentication_type_name": "ldap"}, "auth_type_unavailable"),
        ({"authentication_type_name": "local"}, "auth_type_unavailable"),
        ({"api_key": NO_SECRET}, "key_unproven"),
        ({"username": "bob"}, "key_unproven"),
        ({"scope": "session_initial_prop"}, "scope_beyond"),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused_and_keeps_no_token(
    gam: Gam, asked: TokenRequest, sent: dict[str, object], rule: str
) -> None:
    wrong = asked._replace(**sent)  # type: ignore[arg-type]
    assert refused(lambda: issuance.exchange(gam, wrong)) == rule
    assert ids(gam, TokenSearch()) == []


def disable_app(gam: Gam, _: IssuedKey) -> None:
    apps.update(gam, "portal", {"enabled": False})


def withdraw(gam: Gam, _: IssuedKey) -> None:
    apps.update(gam, "portal", {}, ScopeEdit(remove=("gam_user_roles",)), accept=1)


def revoke_key(gam: Gam, issued: IssuedKey) -> None:
    keys.revoke(gam, [issued.record.id], None)


def replace_key(gam: Gam, _: IssuedKey) -> None:
    keys.generate(gam, KeySpec("ana", "portal", replace=True))


def block_user(gam: Gam, _: IssuedKey) -> None:
    users.update(gam, "ana", {"blocked": True})


def disable_user(gam: Gam, _: IssuedKey) -> None:
    users.update(gam, "ana", {"enabled": False})


def delete_user(gam: Gam, _: IssuedKey) -> None:
    users.delete(gam, "ana", 1)


def delete_app(gam: Gam, _: IssuedKey) -> None:
    apps.delete(gam, "portal", 1)


def disable_key(gam: Gam, issued: IssuedKey) -> None:
    key_changes.disable(gam, issued.record.id, None)


ENDS: dict[str, tuple[Callable[[Gam, IssuedKey], None], str, str]] = {
    "application disabled": (disable_app, "app_disabled", "token_app_disabled"),
    "scope withdrawn": (withdraw, "key_invalidated", "token_revoked"),
    "key revoked": (revoke_key, "key_revoked", "token_revoked"),
    "key disabled": (disable_key, "key_disabled", "token_revoked"),
    "key replaced": (replace_key, "key_replaced", "token_revoked"),
    "user blocked": (block_user, "user_blocked", "token_user_blocked"),
    "user disabled": (disable_user, "user_inactive", "token_user_inactive"),
    "user deleted": (delete_user, "key_unproven", "token_unknown"),
    "application deleted": (delete_app, "client_unknown", "token_unknown"),
}
"""What ends a token: how, the rule that refuses the next one, and the rule that refuses its claims."""


@pytest.mark.parametrize(("end", "next_rule", "rule"), ENDS.values(), ids=ENDS.keys())
def test_a_token_is_invalidated_with_its_key_its_application_and_its_user(
    gam: Gam, asked: TokenRequest, issued: IssuedKey, end: Callable[[Gam, IssuedKey], None], next_rule: str, rule: str
) -> None:
    token = issuance.exchange(gam, asked)
    end(gam, issued)
    assert refused(lambda: userinfo.userinfo(gam, token.secret)) == rule
    assert refused(lambda: issuance.exchange(gam, asked)) == next_rule


def test_a_token_expires(gam: Gam, asked: TokenRequest, forward: Forward) -> None:
    token = issuance.exchange(gam, asked)
    forward(timedelta(seconds=3599))
    assert userinfo.userinfo(gam, token.secret)
    forward(timedelta(seconds=1))
    assert refused(lambda: userinfo.userinfo(gam, token.secret)) == "token_expired"
    assert tokens.show(gam, token_id(token.secret)).status(gam.now()) == "expired"
    assert issuance.exchange(gam, asked)


def test_a_token_without_timeout_never_expires(gam: Gam, asked: TokenRequest, forward: Forward) -> None:
    apps.update(gam, "portal", {"token.timeout_minutes": 0})
    token = issuance.exchange(gam, asked)
    assert token.expires_in == 0
    forward(timedelta(days=36_500))
    assert userinfo.userinfo(gam, token.secret)


def test_one_token_per_user_ends_the_earlier_one_at_once(gam: Gam, asked: TokenRequest) -> None:
    apps.update(gam, "portal", {"one_token_per_user": True})
    first, second = issuance.exchange(gam, asked), issuance.exchange(gam, asked)
    assert refused(lambda: userinfo.userinfo(gam, first.secret)) == "token_revoked"
    assert userinfo.userinfo(gam, second.secret)


def test_what_is_no_token_of_this_store_is_unknown(gam: Gam, asked: TokenRequest) -> None:
    token = issuance.exchange(gam, asked).secret.reveal()
    changed = token[:-1] + ("0" if token[-1] != "0" else "1")
    foreign = "00000000-0000-4000-8000-000000000000" + token[36:]
    for text in ("", "x", token[:-1], changed, foreign, token.upper()):
        assert refused(lambda text=text: userinfo.userinfo(gam, Secret(text))) == "token_unknown"  # type: ignore[misc]


def test_user_ids_stay_hidden_when_the_application_does_not_share_them(gam: Gam, asked: TokenRequest) -> None:
    apps.update(gam, "portal", {"share_user_ids": False})
    token = issuance.exchange(gam, asked)
    claims = userinfo.userinfo(gam, token.secret)
    assert (token.grant.user_guid, claims["guid"]) == (claims["external_id"], "")
    guid = users.show(gam, "ana").guid
    assert claims["external_id"] not in ("", guid)
    computed = UUID(bytes=sha256(f"{guid}\n{asked.client_id}".encode()).digest()[:16])
    assert claims["external_id"] != str(computed), "other applications know both"


def test_a_revoked_token_is_inactive_and_reported(gam: Gam, asked: TokenRequest, audit_log: ReadAuditLog) -> None:
    token, other = issuance.exchange(gam, asked), issuance.exchange(gam, asked)
    changed = tokens.revoke(gam, token_id(token.secret))
    assert (changed.is_changed, changed.record.status(gam.now())) == (True, "revoked")
    assert tokens.show(gam, changed.record.id) == changed.record
    assert refused(lambda: userinfo.userinfo(gam, token.secret)) == "token_revoked"
    assert userinfo.userinfo(gam, other.secret)
    assert (audit_log()[-1].action, audit_log()[-1].target) == ("token.revoke", changed.record.id)
    told = json.loads(audit_log()[-1].details)
    assert (told["user"], told["app"]) == ("ana", "portal")
    before = audit_log()
    assert not tokens.revoke(gam, changed.record.id).is_changed
    assert audit_log() == before


@pytest.mark.parametrize("wrong", ["", "0" * 12, "x" * 11, "é" * 12, "z" * 12])
def test_an_unknown_token_is_not_found(gam: Gam, wrong: str) -> None:
    for ask in (tokens.show, tokens.revoke):
        with pytest.raises(NotFoundError, match="no token with ID") as caught:
            ask(gam, wrong)
        assert caught.value.hint == "gamcli token list"


def test_a_store_that_was_never_initialised_grants_nothing(store: Store, now: datetime) -> None:
    bare = Gam(store, lambda: now, bytes, "tester")
    with pytest.raises(StoreMissingError, match="not initialized"):
        issuance.exchange(bare, TokenRequest(client_id="x"))


def test_a_grant_counts_for_its_application_and_its_key(
    gam: Gam, asked: TokenRequest, issued: IssuedKey, forward: Forward
) -> None:
    for _ in range(3):
        forward(timedelta(seconds=1))
        issuance.exchange(gam, asked)
    key, app = keys.show(gam, issued.record.id), apps.show(gam, "portal")
    assert (key.grants, key.last_used_at, key.last_used_from) == (3, gam.now(), None)
    assert (app.grants, app.last_used_at) == (3, gam.now())


def test_a_scope_for_an_attribute_needs_someone_who_carries_it(gam: Gam, asked: TokenRequest) -> None:
    apps.update(gam, "portal", {}, ScopeEdit(add=("fullcontrol",)))
    wide = keys.generate(gam, KeySpec("ana", "portal", replace=True, scopes=("fullcontrol",))).secret
    users.create(gam, "bea", {"attributes": {"team": "north"}})
    for scope, rule in (("user_nobody_has_this", "scope_beyond"), ("user_team+user_x", "scope_beyond")):
        sent = asked._replace(api_key=wide, scope=scope)
        assert refused(lambda sent=sent: issuance.exchange(gam, sent)) == rule  # type: ignore[misc]
    assert issuance.exchange(gam, asked._replace(api_key=wide, scope="user_team")).grant.scopes == ("user_team",)


def test_a_guesser_causes_the_same_reads_whether_the_key_exists_or_not(
    gam: Gam, asked: TokenRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[str]()
    one = Transaction.one

    def noticed(tx: Transaction, sql: str, *values: object) -> Row | None:
        row = one(tx, sql, *values)
        read.append(f"{sql.partition('FROM')[0]}: {row is not None}")
        return row

    monkeypatch.setattr(Transaction, "one", noticed)
    found = []
    for key_id in (asked.api_key.reveal().split("_")[1], "zzzzzzzz"):
        text = f"gamkey_{key_id}_{'0' * 32}"
        wrong = asked._replace(api_key=Secret(text + checksum(text)))
        read.clear()
        assert refused(lambda wrong=wrong: issuance.exchange(gam, wrong)) == "key_unproven"  # type: ignore[misc]
        found.append(tuple(read))
    assert found[0] == found[1]
