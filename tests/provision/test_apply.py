"""`apply`: everything in one transaction, or nothing."""

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

ApplyManifest = Callable[..., Applied]
ReadOwned = Callable[..., Desired]


def everything(gam: Gam) -> list[str]:
    return [*gam.store._connection.iterdump()]  # type: ignore[attr-defined]  # noqa: SLF001 - all of it


def audit_entries(gam: Gam) -> list[tuple[str, str]]:
    with gam.store.reading() as tx:
        return [(each.action, each.target) for each in audit.search(tx)]


def test_created_objects_are_in_the_audit_log(apply_manifest: ApplyManifest, gam: Gam) -> None:
    done = apply_manifest(TEXT)
    ((key, secret),) = done.issued.keys
    assert audit_entries(gam)[1:] == [
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


def test_changes_are_in_the_audit_log(apply_manifest: ApplyManifest, gam: Gam) -> None:
    apps.create(gam, AppSpec("old", {}))
    apply_manifest(TEXT)
    before = len(audit_entries(gam))
    text = TEXT.replace('"APIkey"', '"APIkey"\ndescription = "x"').replace('"m2m"\n[app', '"apikey"\n[app')
    text = text.replace("ana@", "a@").replace("remote_rest = true", 'description = "x"\nremote_rest = true')
    apply_manifest(f"{text}[app.old]\n[user.kept]\n")
    assert audit_entries(gam)[before:] == [
        ("app.adopt", "old"),
        ("auth_type.update", "m2m"),
        ("auth_type.set_default", "apikey"),
        ("app.update", "portal"),
        ("user.update", "ana"),
        ("user.create", "kept"),
    ]
    apply_manifest("[user.kept]", prune=True)
    assert ("app.release", "old") in audit_entries(gam)
    assert auth_types.show(gam, "apikey").default


def test_nothing_is_applied_without_a_place_for_new_secrets(read_owned: ReadOwned, gam: Gam) -> None:
    before = everything(gam)
    with pytest.raises(UsageError) as caught:
        apply(gam, read_owned(TEXT), ApplyOptions())
    assert (caught.value.hint, everything(gam)) == ("--secrets-out FILE, or -o json", before)
    assert apply(gam, read_owned("[user.ana]\n"), ApplyOptions()).plan.steps


@pytest.mark.parametrize("accept", [None, 0, 2])
def test_invalidating_keys_requires_their_exact_number(
    read_owned: ReadOwned, apply_manifest: ApplyManifest, gam: Gam, accept: int | None
) -> None:
    apply_manifest(TEXT)
    before = everything(gam)
    desired = read_owned(TEXT.replace('app = "portal"', 'app = "portal"\nscopes = ["user_email"]'))
    with pytest.raises(InvalidatesKeysError) as caught:
        apply(gam, desired, ApplyOptions(accept=accept, save_secrets=lambda _: None))
    assert (len(caught.value.impacts), everything(gam)) == (1, before)
    apply(gam, desired, ApplyOptions(accept=1, save_secrets=lambda _: None))


def test_a_repeated_apply_accepts_the_same_number(
    read_owned: ReadOwned, apply_manifest: ApplyManifest, gam: Gam
) -> None:
    apply_manifest(TEXT)
    desired = read_owned(TEXT.replace('app = "portal"', 'app = "portal"\nscopes = ["user_email"]'))
    order = ApplyOptions(accept=1, save_secrets=lambda _: None)
    apply(gam, desired, order)
    before = everything(gam)
    assert (apply(gam, desired, order).plan.steps, everything(gam)) == ((), before)


def test_secrets_that_cannot_be_saved_are_never_issued(read_owned: ReadOwned, gam: Gam) -> None:
    before = everything(gam)

    def fail(issued: IssuedSecrets) -> None:
        assert len(issued.keys) == len(issued.apps) == 1
        raise FailedError("the disk is full")

    with pytest.raises(FailedError):
        apply(gam, read_owned(TEXT), ApplyOptions(save_secrets=fail))
    assert everything(gam) == before


def test_a_second_apply_changes_nothing(read_owned: ReadOwned, apply_manifest: ApplyManifest, gam: Gam) -> None:
    apply_manifest(TEXT)
    before = everything(gam)
    done = apply(gam, read_owned(TEXT), ApplyOptions())
    assert (done.plan.steps, bool(done.issued), everything(gam)) == ((), False, before)


SCOPES = ["gam_user_roles", "user_email", "user_phone", "session_initial_prop", "user_Area"]


def flag(rng: Random, odds: float = 0.9) -> str:
    return str(rng.random() < odds).lower()


def some(rng: Random, odds: float, *lines: str) -> list[str]:
    return [line for line in lines if rng.random() < odds]


def user_table(rng: Random, name: str, email: int) -> list[str]:
    return [
        f'[user."{name}"]',
        *some(rng, 0.8, 'attributes = { Area = ["north"] }'),
        *some(rng, 0.5, f'email = "{email}@x"', f"blocked = {flag(rng, 0.1)}", f"enabled = {flag(rng)}"),
        *some(rng, 0.3, f"verified_email = {flag(rng, 0.5)}", 'roles = ["b", "a"]', 'first_name = "日本"'),
    ]


def app_table(rng: Random, name: str) -> list[str]:
    allowed = rng.choice(["any", "any", "APIKEY", "m2m"])
    return [
        f'[app."{name}"]',
        f"scopes = {['gam_user_data', *rng.sample(SCOPES, rng.randint(0, 4))]}",
        f"remote_rest = {flag(rng)}",
        f"api_keys = {{ enabled = {flag(rng)}, auth_type = '{allowed}', scope_choice = {flag(rng)} }}",
        *some(rng, 0.5, f"enabled = {flag(rng)}", "token = { renewals = 2 }"),
    ]


def key_table(rng: Random, user: str, app: str) -> list[str]:
    chosen = rng.sample(["user_email", "user_phone", "gam_user_data"], rng.randint(1, 2))
    kind = rng.choice(["m2m", "apikey"])
    return [
        "[[key]]",
        f'user = "{user}"',
        f'app = "{app}"',
        *some(rng, 0.3, f"scopes = {chosen}", f"auth_type = '{kind}'", "expires_in = '1h'", "label = 'night'"),
    ]


def drawn(rng: Random) -> str:
    people = rng.sample(["ana", "bob", "Eva+1", "é", "x y"], rng.randint(1, 5))
    programs = rng.sample(["portal", "shop", "old one"], rng.randint(1, 3))
    tables = [user_table(rng, name, email) for name, email in zip(people, rng.sample(range(12), 5), strict=False)]
    tables += [app_table(rng, name) for name in programs]
    if rng.random() < 0.9:
        kind = rng.choice(["m2m", "apikey"])
        tables.append(["[auth_type.m2m]", "type = 'APIkey'", f"enabled = {flag(rng)}"])
        tables.append(["[repository]", f"default_auth_type = '{kind}'"])
    pairs = [(user, app) for user in people for app in programs]
    tables += [key_table(rng, *pair) for pair in rng.sample(pairs, rng.randint(0, min(4, len(pairs))))]
    rng.shuffle(tables)
    return "\n".join(line for table in tables for line in [*table, ""])


def problem_texts(plan: ExecutionPlan) -> set[tuple[str, bool]]:
    return {(each.key.id, each.is_permanent) for each in plan.impacts}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_after_an_apply_there_is_nothing_to_plan(
    read_owned: ReadOwned, gam: Gam, forward: Callable[[timedelta], object], seed: int
) -> None:
    rng = Random(seed)
    for _ in range(4):
        options = PlanOptions(prune=rng.random() < 0.4, adopt=rng.random() < 0.8)
        before = everything(gam)
        try:
            desired = read_owned(drawn(rng), rng.choice("aaab"))
            with gam.store.reading() as tx:
                plan = make_plan(tx, gam, desired, options)
        except GamcliError:
            assert everything(gam) == before
            continue
        live = active(gam)
        done = apply(gam, desired, ApplyOptions(options, len(plan.invalidated), lambda _: None))
        assert problem_texts(done.plan) == problem_texts(plan)
        assert live - active(gam) == {each.key.id for each in plan.invalidated}
        with gam.store.reading() as tx:
            again = make_plan(tx, gam, desired, options)
        assert (again.summary().changes, again.impacts, again.adoptions) == ((), (), ())
        forward(timedelta(minutes=rng.randint(0, 40)))


def active(gam: Gam) -> set[str]:
    with keys.search(gam, keys.KeySearch(statuses=("active", "retiring"))) as found:
        return {each.id for each in found}
