"""No secret is saved or shown: not in the audit log, a repr, an error, or the files of the store."""

import traceback
from collections.abc import Callable

import pytest

from gamcli.actions import Gam, apps, issuance, keys, userinfo, users
from gamcli.actions.apps import AppSpec
from gamcli.actions.keys import KeySpec
from gamcli.errors import GamcliError
from gamcli.model import AuditEntry
from gamcli.rules.credentials import Secret
from gamcli.rules.grants import TokenRequest
from gamcli.rules.passwords import TEST_COST

PASSWORD = Secret("correct horse battery staple")
BROUGHT = Secret("a-secret-that-was-brought-along-from-elsewhere")
OPEN = {"remote_rest": True, "api_keys.enabled": True}


class Scenario:
    """Runs every action that issues or accepts a secret, and collects the secrets and the results."""

    def __init__(self, gam: Gam) -> None:
        self.gam = gam
        self.secrets: list[Secret] = [PASSWORD, BROUGHT]
        self.returned: list[object] = []
        self.run()

    def keep(self, secret: Secret | None, returned: object) -> Secret:
        assert secret is not None
        self.secrets.append(secret)
        self.returned.append(returned)
        return secret

    def run(self) -> None:
        gam = self.gam
        users.create(gam, "ana", {"email": "ana@example.com"})
        self.returned.append(users.set_password(gam, "ana", PASSWORD, TEST_COST))
        self.returned.append(apps.create(gam, AppSpec("gate", {}, client_secret=BROUGHT)))
        made = apps.create(gam, AppSpec("portal", OPEN, ("gam_user_data",)))
        self.keep(made.secret, made)
        rotated = apps.rotate_secret(gam, "portal")
        client_secret = self.keep(rotated.secret, rotated)
        first = keys.generate(gam, KeySpec("ana", "portal"))
        self.keep(first.secret, first)
        issued = keys.generate(gam, KeySpec("ana", "portal", replace=True))
        api_key = self.keep(issued.secret, issued)
        asked = TokenRequest(made.record.client_id, client_secret, api_key, "apikey")
        self.returned.append(asked)
        token = issuance.exchange(gam, asked)
        self.keep(token.secret, token)
        userinfo.userinfo(gam, token.secret)
        self.returned.append(keys.revoke_by_secret(gam, api_key, "done"))
        self.asked = asked

    def texts(self) -> list[str]:
        whole = [secret.reveal() for secret in self.secrets]
        return whole + [text[16:48] for text in whole if len(text) > 48]


@pytest.fixture
def scenario(gam: Gam) -> Scenario:
    return Scenario(gam)


def test_no_secret_is_in_the_audit_log(scenario: Scenario, audit_log: Callable[[], list[AuditEntry]]) -> None:
    output = "\n".join(map(str, audit_log()))
    assert len(audit_log()) >= 9
    assert [text for text in scenario.texts() if text in output] == []
    assert "scrypt" not in output
    assert not any(secret.digest().hex() in output for secret in scenario.secrets)


def test_no_secret_is_in_the_repr_of_results(scenario: Scenario) -> None:
    shown = repr(scenario.returned) + str(scenario.returned)
    assert [text for text in scenario.texts() if text in shown] == []


@pytest.mark.needs_file
def test_no_secret_is_in_the_files_of_the_store(scenario: Scenario) -> None:
    path = scenario.gam.store.path
    for closed in (False, True):
        if closed:
            scenario.gam.store.close()
        lying = b"".join(each.read_bytes() for each in path.parent.iterdir())
        assert b"ana@example.com" in lying
        assert [text for text in scenario.texts() if text.encode() in lying] == []


def test_no_secret_is_in_an_error_or_its_traceback(scenario: Scenario) -> None:
    gam, asked = scenario.gam, scenario.asked
    attempts: list[Callable[[], object]] = [
        lambda: issuance.exchange(gam, asked),
        lambda: issuance.exchange(gam, asked._replace(client_secret=asked.api_key)),
        lambda: issuance.exchange(gam, asked._replace(api_key=PASSWORD)),
        lambda: userinfo.userinfo(gam, asked.api_key),
        lambda: keys.revoke_by_secret(gam, asked.client_secret, None),
        lambda: users.set_password(gam, "ana", Secret(PASSWORD.reveal() * 3), TEST_COST),
        lambda: apps.create(gam, AppSpec("third", {}, client_secret=PASSWORD)),
        lambda: apps.create(gam, AppSpec("gate", {}, client_secret=asked.client_secret), if_missing=True),
    ]
    for attempt in attempts:
        with pytest.raises(GamcliError) as caught:
            attempt()
        output = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + str(caught.value.hint)
        assert [text for text in scenario.texts() if text in output] == []
