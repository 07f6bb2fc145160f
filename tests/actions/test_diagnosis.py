"""Explaining why a key is accepted or refused."""

import pytest

from gamcli.actions import Gam, apps, diagnosis, keys, users
from gamcli.actions.apps import AppSpec
from gamcli.errors import NotFoundError
from gamcli.rules.credentials import NO_SECRET, Secret
from gamcli.rules.keys import IssuedKey


def test_an_active_key_is_accepted(gam: Gam, issued: IssuedKey) -> None:
    verdict = diagnosis.verify(gam, issued.secret)
    assert (verdict.valid, verdict.rule) == (True, None)
    assert verdict.key == issued.record


def test_a_key_is_refused_for_another_application(gam: Gam, issued: IssuedKey) -> None:
    apps.create(gam, AppSpec("gate", {"remote_rest": True, "api_keys.enabled": True}))
    assert diagnosis.verify(gam, issued.secret, "gate").rule == "key_unproven"
    with pytest.raises(NotFoundError):
        diagnosis.verify(gam, issued.secret, "nobody")


@pytest.mark.parametrize("secret", [NO_SECRET, Secret("gamkey_"), Secret("hello")])
def test_text_that_is_not_a_key_is_unproven(gam: Gam, issued: IssuedKey, secret: Secret) -> None:
    verdict = diagnosis.verify(gam, secret)
    assert (verdict.valid, verdict.rule, verdict.key) == (False, "key_unproven", None)
    assert diagnosis.explain_secret(gam, secret) == ()
    assert issued.record.id


def test_suspension_and_revocation_are_explained(gam: Gam, issued: IssuedKey) -> None:
    users.update(gam, "ana", {"blocked": True})
    keys.revoke(gam, [issued.record.id], None)
    for judged in (diagnosis.explain(gam, issued.record.id[:5]), diagnosis.explain_secret(gam, issued.secret)):
        assert [each.rule for each in judged if each.holds is False] == ["key_revoked", "user_blocked"]
    assert diagnosis.verify(gam, issued.secret).rule == "key_revoked"
    with pytest.raises(NotFoundError):
        diagnosis.explain(gam, "zzzz")
