"""`apply`: all of it in one transaction, or nothing."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamcli.actions import Gam, apps, auth_types, keys, users
from gamcli.actions.apps import AppWish
from gamcli.errors import EndsKeysError, FailedError, GamcliError, UsageError
from gamcli.provision.apply import Applied, Order, apply
from gamcli.provision.desired import Desired
from gamcli.provision.issued import Issued
from gamcli.provision.proposal import Options, Proposal, propose
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
    """Return the whole content of the store."""
    return [*gam.store._connection.iterdump()]  # noqa: SLF001 - all of it


def trail(gam: Gam) -> list[tuple[str, str]]:
    """Return action and target of each audit entry."""
    with gam.store.reading() as tx:
        return [(each.action, each.target) for each in audit.each(tx)]


def test_everything_is_made_and_written_to_the_audit_trail(applied: Do, gam: Gam) -> None:
    """As by the commands, one entry each."""
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


def test_changes_are_written_to_the_audit_trail_too(applied: Do, gam: Gam) -> None:
    """Those of every kind, and who took over what."""
    apps.create(gam, AppWish("old", {}))
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
    """Where none are issued, none is needed."""
    before = everything(gam)
    with pytest.raises(UsageError) as caught:
        apply(gam, asked(TEXT), Order())
    assert (caught.value.hint, everything(gam)) == ("--secrets-out FILE, or -o json", before)
    assert apply(gam, asked("[user.ana]\n"), Order()).proposal.changes


@pytest.mark.parametrize("accept", [None, 0, 2])
def test_keys_that_would_end_need_their_number(asked: Asked, applied: Do, gam: Gam, accept: int | None) -> None:
    """The right one."""
    applied(TEXT)
    before = everything(gam)
    desired = asked(TEXT.replace('app = "portal"', 'app = "portal"\nscopes = ["user_email"]'))
    with pytest.raises(EndsKeysError) as caught:
        apply(gam, desired, Order(accept=accept, keep=lambda _: None))
    assert (len(caught.value.impacts), everything(gam)) == (1, before)
    apply(gam, desired, Order(accept=1, keep=lambda _: None))


def test_secrets_that_cannot_be_kept_are_never_issued(asked: Asked, gam: Gam) -> None:
    """They are handed over before the commit."""
    before = everything(gam)

    def fail(issued: Issued) -> None:
        assert len(issued.keys) == len(issued.apps) == 1
        raise FailedError("the disk is full")

    with pytest.raises(FailedError):
        apply(gam, asked(TEXT), Order(keep=fail))
    assert everything(gam) == before


def test_a_second_apply_changes_nothing(asked: Asked, applied: Do, gam: Gam) -> None:
    """Not an entry of the audit trail."""
    applied(TEXT)
    before = everything(gam)
    done = apply(gam, asked(TEXT), Order())
    assert (done.proposal.changes, bool(done.issued), everything(gam)) == (False, False, before)


NAMES = st.sampled_from(["ana", "bob", "Eva+1", "é"])
APPS = st.sampled_from(["portal", "shop", "old one"])
SCOPES = ["gam_user_roles", "user_email", "user_phone", "session_initial_prop"]
BOOLEANS = st.sampled_from(["true", "false"])
MOSTLY = st.sampled_from(["true", "true", "true", "true", "true", "true", "false"])
USER_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "email": st.sampled_from(['""', *(f'"{number}@x"' for number in range(12))]),
        "verified_email": BOOLEANS,
        "enabled": MOSTLY,
        "blocked": st.sampled_from(["false", "false", "true"]),
        "first_name": st.sampled_from(['""', '"Ana"', '"日本"']),
        "roles": st.sampled_from(["[]", '["operator"]', '["b", "a"]']),
        "attributes": st.sampled_from(["{}", '{ Area = "north" }', '{ Area = ["a", "b"], Zone = "" }']),
    },
)
APP_FIELDS = st.fixed_dictionaries(
    {
        "scopes": st.lists(st.sampled_from(SCOPES), max_size=4).map(lambda more: str(["gam_user_data", *more])),
        "remote_rest": MOSTLY,
        "api_keys": st.builds(
            "{{ enabled = {}, timeout_hours = {}, auth_type = '{}', scope_choice = {} }}".format,
            MOSTLY,
            st.sampled_from([0, 24]),
            st.sampled_from(["any", "any", "any", "apikey", "m2m", "APIKEY"]),
            MOSTLY,
        ),
    },
    optional={
        "enabled": MOSTLY,
        "token": st.sampled_from(["{ timeout_minutes = 5 }", "{ renewals = 2 }"]),
        "share_user_ids": BOOLEANS,
    },
)
KEY_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "scopes": st.lists(st.sampled_from(SCOPES[:3]), max_size=2).map(str),
        "auth_type": st.sampled_from(["'m2m'", "'apikey'"]),
        "label": st.sampled_from(["''", "'night'"]),
        "expires_in": st.sampled_from(["'1h'", "'90d'"]),
    },
)


def table(head: str, fields: dict[str, str]) -> str:
    """Return the lines of one table of a manifest."""
    return "\n".join((head, *(f"{name} = {value}" for name, value in fields.items()), ""))


@st.composite
def manifests(draw: st.DrawFn) -> str:
    """Draw a manifest, most often one that can be."""
    people = draw(st.dictionaries(NAMES, USER_FIELDS, min_size=1, max_size=4))
    programs = draw(st.dictionaries(APPS, APP_FIELDS, min_size=1, max_size=3))
    parts = [table(f'[user."{name}"]', fields) for name, fields in people.items()]
    parts += [table(f'[app."{name}"]', fields) for name, fields in programs.items()]
    if draw(MOSTLY) == "true":
        kind = {"type": "'APIkey'", "enabled": draw(MOSTLY)}
        parts.append(table("[auth_type.m2m]", kind))
        parts.append(table("[repository]", {"default_auth_type": draw(st.sampled_from(["'m2m'", "'apikey'"]))}))
    pairs = draw(st.sets(st.tuples(st.sampled_from([*people]), st.sampled_from([*programs])), max_size=3))
    for user, app in sorted(pairs):
        parts.append(table("[[key]]", {"user": f'"{user}"', "app": f'"{app}"', **draw(KEY_FIELDS)}))
    return "\n".join(draw(st.permutations(parts)))


def told(proposal: Proposal) -> set[tuple[str, bool]]:
    """Return the keys that a proposal touches, and whether they end."""
    return {(each.key.id, each.ends) for each in proposal.impacts}


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(manifests(), min_size=1, max_size=4), prune=st.booleans(), hours=st.integers(0, 2))
def test_after_an_apply_there_is_nothing_to_plan(
    asked: Asked, gam: Gam, forward: Callable[[timedelta], object], texts: list[str], *, prune: bool, hours: int
) -> None:
    """
    Whatever the manifest, and whatever the store held before.

    What cannot be is refused and leaves the store as it was; the keys that end are those that the plan names.
    """
    options = Options(prune=prune)
    for text in texts:
        before = everything(gam)
        try:
            desired = asked(text)
            with gam.store.reading() as tx:
                plan = propose(tx, gam, desired, options)
        except GamcliError:
            assert everything(gam) == before
            continue
        live = active(gam)
        done = apply(gam, desired, Order(options, len(plan.ending), lambda _: None))
        assert told(done.proposal) == told(plan)
        assert live - active(gam) == {each.key.id for each in plan.ending}
        with gam.store.reading() as tx:
            again = propose(tx, gam, desired, options)
        assert (again.plan().changes, again.impacts, again.draft.adopts) == ((), (), [])
    forward(timedelta(hours=hours))


def active(gam: Gam) -> set[str]:
    """Return the ids of the keys that live."""
    with keys.listed(gam, keys.KeySearch(statuses=("active", "retiring"))) as found:
        return {each.id for each in found}
