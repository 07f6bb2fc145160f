"""Which active keys a change affects."""

from collections.abc import Callable
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from gamcli.model import APIKEY, GAMLOCAL, ApiKeyPolicy
from gamcli.rules import impact
from gamcli.rules.grants import GrantFacts
from tests.cases import for_each

SCOPES = st.lists(
    st.sampled_from(["gam_user_data", "gam_user_roles", "user_email", "user_Area", "fullcontrol"]), unique=True
).map(tuple)
ENDS = st.none() | st.integers(-2, 2)


@st.composite
def standings(draw: st.DrawFn, facts: GrantFacts) -> GrantFacts:
    assert facts.app is not None
    assert facts.key is not None
    end = draw(st.sampled_from([None, None, None, "revoked", "replaced", "invalidated"]))
    expires, retires = draw(ENDS), draw(ENDS)
    key = facts.key._replace(
        scopes=draw(SCOPES),
        end=end,
        expires_at=None if expires is None else facts.now + timedelta(hours=expires),
        retires_at=None if retires is None else facts.now + timedelta(hours=retires),
    )
    return draw(worlds(facts))._replace(key=key)


@st.composite
def worlds(draw: st.DrawFn, facts: GrantFacts) -> GrantFacts:
    assert facts.app is not None
    assert facts.user is not None
    assert facts.auth_type is not None
    mostly = st.sampled_from([True, True, True, False])
    policy = ApiKeyPolicy(enabled=draw(mostly), auth_type=draw(st.sampled_from([None, "apikey", "other"])))
    app = facts.app._replace(
        enabled=draw(mostly),
        remote_rest=draw(mostly),
        scopes=draw(SCOPES | st.just(("fullcontrol",))),
        api_keys=policy,
        description=draw(st.sampled_from(["", "changed"])),
    )
    user = facts.user._replace(enabled=draw(mostly), blocked=not draw(mostly))
    kind = draw(st.sampled_from([APIKEY, APIKEY, APIKEY, GAMLOCAL]))
    auth_type = facts.auth_type._replace(enabled=draw(mostly), type=kind)
    return facts._replace(app=app, user=user, auth_type=draw(st.just(auth_type) | st.none()))


COVERS = {
    "gam_user_data": {"user_email"},
    "fullcontrol": {"gam_user_data", "gam_user_roles", "user_email", "user_Area"},
}


def lost(facts: GrantFacts) -> bool:
    assert facts.app is not None
    assert facts.key is not None
    allowed = set(facts.app.scopes).union(*(COVERS.get(scope, ()) for scope in facts.app.scopes))
    return not set(facts.key.scopes) <= allowed


def live(facts: GrantFacts) -> bool:
    key = facts.key
    assert key is not None
    return key.end is None and all(at is None or at > facts.now for at in (key.expires_at, key.retires_at))


def usable(facts: GrantFacts) -> bool:
    app, auth_type, user, key = facts.app, facts.auth_type, facts.user, facts.key
    if app is None or auth_type is None or user is None or key is None:
        return False
    allowed = app.enabled and app.remote_rest and app.api_keys.enabled and user.enabled and not user.blocked
    of_type = auth_type.enabled and auth_type.type == APIKEY and app.api_keys.auth_type in (None, auth_type.name)
    return allowed and of_type and live(facts) and not lost(facts)


@given(st.data())
def test_the_keys_reported_are_those_that_lose_a_scope_and_those_that_can_no_longer_be_used(
    facts: GrantFacts, data: st.DataObject
) -> None:
    before = data.draw(st.lists(standings(facts), max_size=4))
    world = data.draw(worlds(facts))

    def change(one: GrantFacts) -> GrantFacts:
        return world._replace(key=one.key)

    told = [(each.key, each.is_permanent) for each in impact.find_impacts(change, before)]
    expected = [
        (one.key, lost(change(one)))
        for one in before
        if live(one) and (lost(change(one)) or (usable(one) and not usable(change(one))))
    ]
    assert told == expected


@given(st.data())
def test_no_change_touches_no_key(facts: GrantFacts, data: st.DataObject) -> None:
    before = data.draw(standings(facts).filter(lambda one: not lost(one)))
    assert list(impact.find_impacts(lambda one: one, [before])) == []


@given(st.data())
def test_a_key_that_loses_its_application_or_user_is_invalidated_for_the_given_reason(
    facts: GrantFacts, data: st.DataObject
) -> None:
    before = data.draw(standings(facts))
    told = list(impact.find_impacts(lambda _: "deletion of application 'portal'", [before]))
    assert [(each.is_permanent, each.reason) for each in told] == [(True, "deletion of application 'portal'")] * live(
        before
    )


CHANGES: dict[str, tuple[Callable[[GrantFacts], GrantFacts], bool, str]] = {
    "scope withdrawn": (
        lambda facts: facts._replace(app=facts.app and facts.app._replace(scopes=("user_email",))),
        True,
        "scope withdrawn: gam_user_data",
    ),
    "application disabled": (
        lambda facts: facts._replace(app=facts.app and facts.app._replace(enabled=False)),
        False,
        "application 'portal' is disabled",
    ),
    "user blocked": (
        lambda facts: facts._replace(user=facts.user and facts.user._replace(blocked=True)),
        False,
        "user 'ana' is blocked",
    ),
    "type disabled": (
        lambda facts: facts._replace(auth_type=facts.auth_type and facts.auth_type._replace(enabled=False)),
        False,
        "authentication type 'apikey' is unknown or disabled",
    ),
    "application gone": (lambda facts: facts._replace(app=None), True, "scope withdrawn: gam_user_data"),
}


@for_each(("change", "ends", "reason"), CHANGES.values())
def test_the_reason_says_what_the_change_does(
    facts: GrantFacts,
    change: Callable[[GrantFacts], GrantFacts],
    ends: bool,  # noqa: FBT001 - a column of the table
    reason: str,
) -> None:
    assert [(each.is_permanent, each.reason) for each in impact.find_impacts(change, [facts])] == [(ends, reason)]


def test_facts_without_a_key_are_no_key(facts: GrantFacts) -> None:
    assert list(impact.find_impacts(lambda _: "gone", [facts._replace(key=None)])) == []


def test_keys_feel_only_what_they_stand_on(facts: GrantFacts) -> None:
    assert facts.app is not None
    assert facts.user is not None
    assert facts.auth_type is not None
    felt = [
        impact.affects_keys(facts.app, facts.app._replace(scopes=())),
        impact.affects_keys(facts.app, facts.app._replace(remote_rest=False)),
        impact.affects_keys(facts.user, facts.user._replace(blocked=True)),
        impact.affects_keys(facts.auth_type, facts.auth_type._replace(enabled=False)),
    ]
    unfelt = [
        impact.affects_keys(facts.app, facts.app._replace(description="new")),
        impact.affects_keys(facts.user, facts.user._replace(first_name="new")),
        impact.affects_keys(facts.auth_type, facts.auth_type._replace(description="new")),
    ]
    assert (felt, unfelt) == ([True] * 4, [False] * 3)
