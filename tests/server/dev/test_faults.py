"""Injected faults: their syntax, and the requests that they apply to."""

import pytest

from gamcli.errors import UsageError
from gamcli.server.dev.fault_syntax import ENDPOINTS, NO_FAULT, STATUSES, FaultDecision, Sender, parse_fault
from gamcli.server.dev.faults import Faults
from gamcli.server.endpoints import refusals
from tests.cases import for_each

TOKEN = "/oauth/gam/v2.0/access_token"
USERINFO = "/oauth/gam/v2.0/userinfo"


def fates(text: str, count: int = 200, seed: int = 0, path: str = TOKEN) -> list[FaultDecision]:
    faults = Faults([parse_fault(text)], seed)
    return [faults.decide(path) for _ in range(count)]


@for_each(
    ("text", "fate"),
    [
        ("token=503", FaultDecision("store_gone", detail="fault token=503")),
        ("token=500:1", FaultDecision("bug", detail="fault token=500:1")),
        ("token=429", FaultDecision("too_many_failures", detail="fault token=429")),
        ("token=401", FaultDecision("client_secret_wrong", detail="fault token=401")),
        ("all=401", FaultDecision("client_secret_wrong", detail="fault all=401")),
        ("token=key_expired", FaultDecision("key_expired", detail="fault token=key_expired")),
        ("token=close", FaultDecision(closes=True, detail="fault token=close")),
        ("latency=200ms", FaultDecision(delay_seconds=0.2, detail="fault latency=200ms")),
        ("token.latency=2s", FaultDecision(delay_seconds=2, detail="fault token.latency=2s")),
        ("all.latency=1ms", FaultDecision(delay_seconds=0.001, detail="fault all.latency=1ms")),
        ("userinfo=503", NO_FAULT),
        ("userinfo.latency=1s", NO_FAULT),
        ("token=503:0", NO_FAULT),
    ],
)
def test_a_fault_is_what_happens_at_an_endpoint(text: str, fate: FaultDecision) -> None:
    assert {*fates(text)} == {fate}


def test_a_status_means_at_each_endpoint_what_it_is_there() -> None:
    faults = Faults([parse_fault("all=401")])
    assert faults.decide(USERINFO).rule == "token_expired"
    assert faults.decide("/MyApp/oauth/gam/v2.0/UserInfo").rule == "token_expired"
    assert faults.decide("/healthz") == faults.decide("/else") == NO_FAULT
    for rule_of in STATUSES.values():
        assert {*rule_of} <= {*ENDPOINTS}
        assert {*rule_of.values()} <= {*refusals.TABLE}


def test_chance_falls_alike_in_every_run() -> None:
    struck = [bool(each.rule) for each in fates("token=503:0.1", 2000)]
    assert struck == [bool(each.rule) for each in fates("token=503:0.1", 2000)]
    assert struck != [bool(each.rule) for each in fates("token=503:0.1", 2000, seed=1)]
    assert 150 < sum(struck) < 250


def test_no_request_changes_the_fate_of_another() -> None:
    alone = [bool(each.rule) for each in fates("all=503:0.5")]
    both = Faults([parse_fault("token=401:0.5"), parse_fault("all=503:0.5"), parse_fault("latency=1s:0.5")])
    together = []
    for _ in alone:
        both.decide(USERINFO)
        both.decide("/nowhere")
        together.append("all=503:0.5" in both.decide(TOKEN).detail)
    assert together == alone


def test_the_first_requests_can_be_struck_for_certain() -> None:
    faults = Faults([parse_fault("all=503:2x")])
    assert [bool(faults.decide(TOKEN).rule) for _ in range(4)] == [True, True, False, False]
    assert [bool(faults.decide(USERINFO).rule) for _ in range(4)] == [True, True, False, False]


def test_the_first_fault_that_strikes_speaks_and_latencies_add_up() -> None:
    texts = ("latency=1s", "token=close:5x", "token=503:1", "token.latency=500ms")
    faults = Faults(map(parse_fault, texts))
    assert faults.decide(TOKEN) == FaultDecision(closes=True, delay_seconds=1.5, detail=f"fault {' '.join(texts)}")
    assert faults.decide(USERINFO) == FaultDecision(delay_seconds=1.0, detail="fault latency=1s")


def test_faults_come_and_go() -> None:
    faults = Faults()
    assert faults.decide(TOKEN) == NO_FAULT
    faults.add("token=503:1x")
    assert faults.decide(TOKEN).rule == "store_gone"
    assert faults.decide(TOKEN) == NO_FAULT
    faults.clear()
    faults.add("token=503:1x")
    assert faults.decide(TOKEN).rule == "store_gone"
    faults.clear()
    faults.add("token=500:0.5")
    begun = [faults.decide(TOKEN).rule for _ in range(20)]
    faults.clear()
    faults.add("token=500:0.5")
    assert [faults.decide(TOKEN).rule for _ in range(20)] == begun


@for_each(
    ("text", "message", "hint"),
    [
        ("", "invalid fault ''", "token=503:0.1"),
        ("token", "invalid fault 'token'", "token=503:0.1"),
        ("token=", "invalid fault 'token='", "token=503:0.1"),
        ("tokn=503", "unknown endpoint 'tokn' in 'tokn=503'", "token, userinfo, healthz, all"),
        ("token=504", "invalid fault '504' in 'token=504'", "401, 429, 500, 503, close; or the rule"),
        ("token=200ms", "invalid fault '200ms' in", "401, 429, 500, 503, close; or the rule"),
        ("token=store_busy", "invalid fault 'store_busy' in", "401, 429"),
        ("healthz=401", "invalid fault '401' in 'healthz=401'", "one of: 429, 500, 503, close"),
        ("token=503:2", "invalid probability '2' in 'token=503:2'", "from 0 to 1"),
        ("token=503:1.5", "invalid probability '1.5' in", "from 0 to 1"),
        ("token=503:.", "invalid probability '.' in", "from 0 to 1"),
        ("token=503:0x", "invalid probability '0x' in", "2x for the first two"),
        ("token=503:0.5x", "invalid probability '0.5x' in", "2x for the first two"),
        ("token=503:-1", "invalid fault 'token=503:-1'", "token=503:0.1"),
        ("latency=200", "invalid latency '200' in 'latency=200'", "latency=200ms"),
        ("latency=601s", "invalid latency '601s' in", "up to 600s"),
        ("nowhere.latency=1s", "unknown endpoint 'nowhere' in", "token, userinfo"),
    ],
)
def test_what_is_no_fault_is_refused_with_what_is_possible(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_fault(text)
    assert message in refused.value.message
    assert refused.value.hint
    assert hint in refused.value.hint


def test_faults_with_a_count_queue() -> None:
    faults = Faults(map(parse_fault, ("token=503:2x", "token=429:1x")))
    assert [faults.decide(TOKEN).rule for _ in range(4)] == ["store_gone", "store_gone", "too_many_failures", ""]


def test_a_fault_can_apply_to_the_third_request_alone() -> None:
    faults = Faults([parse_fault("token=503:@3")])
    assert [bool(faults.decide(TOKEN).rule) for _ in range(5)] == [False, False, True, False, False]


@for_each(
    ("text", "sender", "applies"),
    [
        ("token=503,client=Shop", Sender(frozenset({"shop", "4a06"})), True),
        ("token=503,client=4A06", Sender(frozenset({"shop", "4a06"})), True),
        ("token=503,client=gate", Sender(frozenset({"shop"})), False),
        ("token=user_blocked:1x,user=ana", Sender(users=frozenset({"ana"})), True),
        ("token=503,client=shop,user=bea", Sender(frozenset({"shop"}), frozenset({"ana"})), False),
        ("token=503,user=ana", Sender(), False),
    ],
)
def test_a_fault_can_be_limited_to_a_client_or_user(text: str, sender: Sender, applies: bool) -> None:  # noqa: FBT001
    faults = Faults([parse_fault(text)])
    assert bool(faults.decide(TOKEN, lambda: sender).rule) == applies


def test_the_count_of_a_limited_fault_is_for_its_own_requests() -> None:
    faults = Faults([parse_fault("token=503:@2,user=ana")])
    ana, bea = Sender(users=frozenset({"ana"})), Sender(users=frozenset({"bea"}))
    assert [bool(faults.decide(TOKEN, lambda who=who: who).rule) for who in (ana, bea, ana)] == [False, False, True]  # type: ignore[misc]


def test_who_sent_a_request_is_asked_only_for_limited_faults() -> None:
    def identify() -> Sender:
        raise AssertionError

    faults = Faults([parse_fault("token=503:0"), parse_fault("userinfo=503,user=ana")])
    assert faults.decide(TOKEN, identify) == NO_FAULT
    with pytest.raises(AssertionError):
        faults.decide(USERINFO, identify)


@for_each(
    ("first", "second"),
    [
        ("token=503", "token=429:1x"),
        ("all=close", "userinfo=503"),
        ("token=503,client=shop", "token=429,client=shop,user=ana"),
        ("token=503:@3", "token=429:@3"),
    ],
)
def test_a_fault_that_can_never_apply_is_refused(first: str, second: str) -> None:
    faults = Faults([parse_fault(first)])
    with pytest.raises(UsageError, match="never applies"):
        faults.add(second)
    assert len([*faults]) == 1


@for_each(
    ("first", "second"),
    [
        ("token=503,client=a", "token=429"),
        ("token=503:2x", "token=429"),
        ("token=503:@3", "token=429:@4"),
        ("token=503,client=a", "token=429,client=b"),
    ],
)
def test_a_fault_behind_a_limited_one_is_accepted(first: str, second: str) -> None:
    assert [*Faults(map(parse_fault, (first, second)))] == [first, second]


def test_the_same_fault_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="'token=503:2x' is already injected"):
        Faults(map(parse_fault, ("token=503:2x", "token=503:2x")))


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("token=token_expired", "the rule token_expired of 'token=token_expired' does not apply to token", "userinfo="),
        ("userinfo=key_expired", "does not apply to userinfo", "use token=key_expired"),
        ("healthz=user_blocked", "does not apply to healthz", "use token=user_blocked"),
    ],
)
def test_a_rule_of_another_endpoint_is_refused(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        parse_fault(text)
    assert hint in str(refused.value.hint)


def test_a_rule_of_one_endpoint_leaves_the_others_alone() -> None:
    assert {*parse_fault("all=token_expired").decisions} == {"userinfo"}
    assert {*parse_fault("all=bug").decisions} == {"token", "userinfo", "healthz"}


@for_each(
    ("text", "message"),
    [
        ("healthz=503,client=shop", "but requests to healthz have neither"),
        ("token=503,app=shop", "invalid condition 'app=shop'"),
        ("token=503,client=", "invalid condition 'client='"),
        ("token=503,user=a,user=b", "invalid condition 'user=b'"),
        ("token=503:@0", "invalid probability '@0'"),
        ("token=503:@2x", "invalid probability '@2x'"),
    ],
)
def test_an_invalid_limit_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_fault(text)
