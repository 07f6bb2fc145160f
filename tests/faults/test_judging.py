"""The judge of responses during changes: strict after the acknowledgement, lenient while a change is in progress."""

import pytest

from tests.faults.judging import GRANT, USERINFO, Answer, Thing

BEGUN, ACKNOWLEDGED = 10.0, 12.0


@pytest.fixture
def key() -> Thing:
    key = Thing("key", "of ana")
    key.changed(BEGUN, ACKNOWLEDGED, good=False)
    return key


@pytest.mark.parametrize(
    ("begun", "ended", "code", "right"),
    [
        (1, 9, "", True),
        (1, 9, "11", False),
        (9, 11, "", True),
        (9, 11, "11", True),
        (9, 99, "", True),
        (11, 99, "11", True),
        (12.1, 99, "", False),
        (12.1, 99, "11", True),
        (12.1, 99, "503", False),
    ],
)
def test_a_grant_goes_by_the_state_that_was_acknowledged_before_it(
    key: Thing, *, begun: float, ended: float, code: str, right: bool
) -> None:
    assert (Answer(GRANT, (key,), begun, ended, code).wrong() == "") is right


def test_what_is_good_again_is_accepted_again(key: Thing) -> None:
    key.changed(20, 21, good=True)
    assert not Answer(GRANT, (key,), 22, 23, "").wrong()
    assert Answer(GRANT, (key,), 22, 23, "11").wrong() == "grant refused with 11, and not for all is good"


def test_a_refusal_reports_a_cause_that_there_is(key: Thing) -> None:
    user = Thing("user", "ana")
    assert not Answer(USERINFO, (user, key), 13, 14, "102").wrong()
    assert Answer(USERINFO, (user, key), 13, 14, "9").wrong() == "userinfo refused with 9, and not for 102"


def test_what_matters_to_grants_alone_does_not_end_tokens() -> None:
    secret = Thing("client secret", "of portal")
    secret.changed(BEGUN, ACKNOWLEDGED, good=False)
    assert (
        Answer(GRANT, (secret,), 13, 14, "").wrong()
        == "grant accepted, though client secret of portal ended 1000.0 ms before"
    )
    assert not Answer(USERINFO, (secret,), 13, 14, "").wrong()


def test_a_token_that_is_issued_after_the_acknowledgement_is_wrong_however_early_it_was_asked_for(key: Thing) -> None:
    asked, issued = 9.0, 12.5
    assert not Answer(GRANT, (key,), asked, 13, "").wrong()
    assert "ended 500.0 ms before" in Answer(GRANT, (key,), issued, 13, "").wrong()
