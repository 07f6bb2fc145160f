"""Each rule is reported, with the same result as at the token endpoint."""

from datetime import timedelta

import pytest

from gamcli.errors import RefusedError
from gamcli.rules import api_key_grant, diagnosis
from gamcli.rules.credentials import NO_SECRET
from gamcli.rules.grants import GrantFacts


def test_every_rule_of_the_grant_has_a_question_in_the_order_of_the_protocol() -> None:
    names = [rule.name for rule in api_key_grant.API_KEY_GRANT]
    assert list(diagnosis.RULE_DESCRIPTIONS) == names
    numbers = [number for number, _ in diagnosis.RULE_DESCRIPTIONS.values()]
    assert numbers == sorted(numbers)


def test_each_question_has_the_number_of_its_rule() -> None:
    numbers = [number for number, _ in diagnosis.RULE_DESCRIPTIONS.values()]
    assert numbers == [4, 4, 5, 6, 7, 8, 9, 9, 10, 11, 12, 13, 13, 13, 13, 13, 14, 14, 15]


def test_a_sound_key_breaks_no_rule_and_leaves_the_request_open(facts: GrantFacts) -> None:
    judged = diagnosis.explain(facts._replace(request=None))
    assert [each.rule for each in judged] == list(diagnosis.RULE_DESCRIPTIONS)
    assert {each.rule for each in judged if each.holds is None} == {
        "client_id_missing",
        "client_unknown",
        "client_secret_wrong",
        "repository_wrong",
        "auth_type_missing",
        "key_unproven",
        "scope_beyond",
    }
    assert all(each.holds for each in judged if each.holds is not None)


def test_two_broken_rules_both_speak_each_with_its_fix(facts: GrantFacts) -> None:
    assert facts.app is not None
    assert facts.user is not None
    broken = facts._replace(app=facts.app._replace(enabled=False), user=facts.user._replace(blocked=True))
    said = {each.rule: each.mend for each in diagnosis.explain(broken) if each.holds is False}
    assert said == {
        "app_disabled": f"gamcli app enable {facts.app.name}",
        "user_blocked": f"gamcli user unblock {facts.user.name}",
    }


def test_anyone_who_holds_the_key_learns_whether_it_may_be_used(facts: GrantFacts) -> None:
    verdict = diagnosis.verify(facts)
    assert (verdict.valid, verdict.rule, verdict.key) == (True, None, facts.key)


@pytest.mark.parametrize("secret", ["client_secret", "api_key"])
def test_a_key_that_is_not_proven_shows_no_record(facts: GrantFacts, secret: str) -> None:
    assert facts.request is not None
    without = {
        "client_secret": facts.request._replace(client_secret=NO_SECRET),
        "api_key": facts.request._replace(api_key=NO_SECRET),
    }
    verdict = diagnosis.verify(facts._replace(request=without[secret]))
    assert verdict.valid is (secret == "client_secret")
    assert (verdict.key is None) is (secret == "api_key")


def test_an_unknown_key_is_not_proven(facts: GrantFacts) -> None:
    assert diagnosis.verify(facts._replace(key=None, user=None)).rule == "key_unproven"


def test_verify_and_the_endpoint_name_the_same_rule(facts: GrantFacts) -> None:
    assert facts.key is not None
    late = facts._replace(now=facts.now + timedelta(days=99_999))
    late = late._replace(key=facts.key._replace(expires_at=facts.now + timedelta(days=1)))
    with pytest.raises(RefusedError) as refused:
        api_key_grant.decide(late)
    assert diagnosis.verify(late).rule == refused.value.rule == "key_expired"
