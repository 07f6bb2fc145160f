"""`apply`: all of it in one transaction, or nothing."""

from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamcli.actions import Gam, apps, auth_types, keys, users
from gamcli.actions.apps import AppSpec
from gamcli.errors import FailedError, GamcliError, InvalidatesKeysError, UsageError
from gamcli.provision.apply import Applied, ApplyOptions, apply, make_plan
from gamcli.provision.desired import Desired
from gamcli.provision.issued import IssuedSecrets
from gamcli.provision.plan import ExecutionPlan, PlanOptions
from gamcli.store import audit

TEXT = """
[auth_type.m2m]
type = "APIkey"
[repository]
default_auth_type = "m2m"
[app.portal]
scopes = ["gam_user_data"]
remote_rest = true
api_keys = { enabled = true, scope_choice = true }
[user.ana]
email = "ana@example.com"
[[key]]
user = "ana"
app = "portal"
"""

Do = Callable[..., Applied]
Asked = Callable[..., Desired]


def everything(gam: Gam) -> list[str]:
    return [*gam.store._connection.iterdump()]  # noqa: SLF001 - all of it


def trail(gam: Gam) -> list[tuple[str, str]]:
    with gam.store.reading() as tx:
        return [(each.action, each.target) for each in audit.search(tx)]


def test_everything_is_made_and_written_to_the_audit_log(applied: Do, gam: Gam) -> None:
    done = applied(TEXT)
    ((key, secret),) = done.issued.keys
    assert trail(gam)[1:] == [
        ("auth_type.create", "m2m"),
        ("auth_type.set_default", "m2m"),
        ("app.create", "portal"),
        ("user.create", "ana"),
        ("key.generate", key.id),
    ]
    assert secret.matches(keys.show(gam, key.id).digest)
    ((app, app_secret),) = done.issued.apps
    assert app_secret.matches(apps.show(gam, app.name).secret_digest)
    assert {apps.show(gam, "portal").managed_by, users.show(gam, "ana").managed_by, key.managed_by} == {"m.toml"}


def test_changes_are_written_to_the_audit_log_too(applied: Do, gam: Gam) -> None:
    apps.create(gam, AppSpec("old", {}))
    applied(TEXT)
    before = len(trail(gam))
    text = TEXT.replace('"APIkey"', '"APIkey"\ndescription = "x"').replace('"m2m"\n[app', '"apikey"\n[app')
    text = text.replace("ana@", "a@").replace("remote_rest = true", 'description = "x"\nremote_rest = true')
    applied(f"{text}[app.old]\n")
    assert trail(gam)[before:] == [
        ("app.adopt", "old"),
        ("auth_type.update", "m2m"),
        ("auth_type.set_default", "apikey"),
        ("app.update", "portal"),
        ("user.update", "ana"),
    ]
    applied("", prune=True)
    assert ("app.release", "old") in trail(gam)
    assert auth_types.show(gam, "apikey").default


def test_without_a_place_for_new_secrets_nothing_is_done(asked: Asked, gam: Gam) -> None:
    before = everything(gam)
    with pytest.raises(UsageError) as caught:
        apply(gam, asked(TEXT), ApplyOptions())
    assert (caught.value.hint, everything(gam)) == ("--secrets-out FILE, or -o json", before)
    assert apply(gam, asked("[user.ana]\n"), ApplyOptions()).plan.steps


@pytest.mark.parametrize("accept", [None, 0, 2])
def test_keys_that_would_end_need_their_number(asked: Asked, applied: Do, gam: Gam, accept: int | None) -> None:
    applied(TEXT)
    before = everything(gam)
    desired = asked(TEXT.replace('app = "portal"', 'app = "portal"\nscopes = ["user_email"]'))
    with pytest.raises(InvalidatesKeysError) as caught:
        apply(gam, desired, ApplyOptions(accept=accept, save_secrets=lambda _: None))
    assert (len(caught.value.impacts), everything(gam)) == (1, before)
    apply(gam, desired, ApplyOptions(accept=1, save_secrets=lambda _: None))


def test_what_was_applied_with_a_number_can_be_applied_again_with_it(asked: Asked, applied: Do, gam: Gam) -> None:
    applied(TEXT)
    desired = asked(TEXT.replace('app = "portal"', 'app = "portal"\nscopes = ["user_email"]'))
    order = ApplyOptions(accept=1, save_secrets=lambda _: None)
    apply(gam, desired, order)
    before = everything(gam)
    assert (apply(gam, desired, order).plan.steps, everything(gam)) == ((), before)


def test_secrets_that_cannot_be_saved_are_never_issued(asked: Asked, gam: Gam) -> None:
    before = everything(gam)

    def fail(issued: IssuedSecrets) -> None:
        assert len(issued.keys) == len(issued.apps) == 1
        raise FailedError("the disk is full")

    with pytest.raises(FailedError):
        apply(gam, asked(TEXT), ApplyOptions(save_secrets=fail))
    assert everything(gam) == before


def test_a_second_apply_changes_nothing(asked: Asked, applied: Do, gam: Gam) -> None:
    applied(TEXT)
    before = everything(gam)
    done = apply(gam, asked(TEXT), ApplyOptions())
    assert (done.plan.steps, bool(done.issued), everything(gam)) == ((), False, before)


SCOPES = ["gam_user_roles", "user_email", "user_phone", "session_initial_prop", "user_Area"]


def flag(dice: Random, odds: float = 0.9) -> str:
    return str(dice.random() < odds).lower()


def some(dice: Random, odds: float, *lines: str) -> list[str]:
    return [line for line in lines if dice.random() < odds]


def user_table(dice: Random, name: str, email: int) -> list[str]:
    return [
        f'[user."{name}"]',
        *some(dice, 0.8, 'attributes = { Area = ["north"] }'),
        *some(dice, 0.5, f'email = "{email}@x"', f"blocked = {flag(dice, 0.1)}", f"enabled = {flag(dice)}"),
        *some(dice, 0.3, f"verified_email = {flag(dice, 0.5)}", 'roles = ["b", "a"]', 'first_name = "日本"'),
    ]


def app_table(dice: Random, name: str) -> list[str]:
    allowed = dice.choice(["any", "any", "APIKEY", "m2m"])
    return [
        f'[app."{name}"]',
        f"scopes = {['gam_user_data', *dice.sample(SCOPES, dice.randint(0, 4))]}",
        f"remote_rest = {flag(dice)}",
        f"api_keys = {{ enabled = {flag(dice)}, auth_type = '{allowed}', scope_choice = {flag(dice)} }}",
        *some(dice, 0.5, f"enabled = {flag(dice)}", "token = { renewals = 2 }"),
    ]


def key_table(dice: Random, user: str, app: str) -> list[str]:
    chosen = dice.sample(["user_email", "user_phone", "gam_user_data"], dice.randint(1, 2))
    kind = dice.choice(["m2m", "apikey"])
    return [
        "[[key]]",
        f'user = "{user}"',
        f'app = "{app}"',
        *some(dice, 0.3, f"scopes = {chosen}", f"auth_type = '{kind}'", "expires_in = '1h'", "label = 'night'"),
    ]


def drawn(dice: Random) -> str:
    people = dice.sample(["ana", "bob", "Eva+1", "é", "x y"], dice.randint(1, 5))
    programs = dice.sample(["portal", "shop", "old one"], dice.randint(1, 3))
    tables = [user_table(dice, name, email) for name, email in zip(people, dice.sample(range(12), 5), strict=False)]
    tables += [app_table(dice, name) for name in programs]
    if dice.random() < 0.9:
        kind = dice.choice(["m2m", "apikey"])
        tables.append(["[auth_type.m2m]", "type = 'APIkey'", f"enabled = {flag(dice)}"])
        tables.append(["[repository]", f"default_auth_type = '{kind}'"])
    pairs = [(user, app) for user in people for app in programs]
    tables += [key_table(dice, *pair) for pair in dice.sample(pairs, dice.randint(0, min(4, len(pairs))))]
    dice.shuffle(tables)
    return "\n".join(line for table in tables for line in [*table, ""])


def told(plan: ExecutionPlan) -> set[tuple[str, bool]]:
    return {(each.key.id, each.is_permanent) for each in plan.impacts}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_after_an_apply_there_is_nothing_to_plan(
    asked: Asked, gam: Gam, forward: Callable[[timedelta], object], seed: int
) -> None:
    dice = Random(seed)
    for _ in range(4):
        options = PlanOptions(prune=dice.random() < 0.4, adopt=dice.random() < 0.8)
        before = everything(gam)
        try:
            desired = asked(drawn(dice), dice.choice("aaab"))
            with gam.store.reading() as tx:
                plan = make_plan(tx, gam, desired, options)
        except GamcliError:
            assert everything(gam) == before
            continue
        live = active(gam)
        done = apply(gam, desired, ApplyOptions(options, len(plan.invalidated), lambda _: None))
        assert told(done.plan) == told(plan)
        assert live - active(gam) == {each.key.id for each in plan.invalidated}
        with gam.store.reading() as tx:
            again = make_plan(tx, gam, desired, options)
        assert (again.summary().changes, again.impacts, again.adoptions) == ((), (), ())
        forward(timedelta(minutes=dice.randint(0, 40)))


def active(gam: Gam) -> set[str]:
    with keys.search(gam, keys.KeySearch(statuses=("active", "retiring"))) as found:
        return {each.id for each in found}
