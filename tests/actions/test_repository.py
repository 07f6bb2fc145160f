"""The repository, which is created once."""

from collections.abc import Callable
from uuid import UUID

from gamcli.actions import Gam, auth_types, repository
from gamcli.model import APIKEY, GAMLOCAL, AuditEntry
from gamcli.store import Store


def test_a_new_repository_has_a_guid_and_its_first_types(
    store: Store, gam: Gam, audit_log: Callable[[], list[AuditEntry]]
) -> None:
    with store.reading() as tx:
        assert tx.one("SELECT count(*) FROM repository") == (1,)
    with auth_types.search(gam, kind=None, enabled=None, sort=None) as found:
        initial = [(each.name, each.type, each.enabled, each.default) for each in found]
    assert initial == [("apikey", APIKEY, True, False), ("local", GAMLOCAL, False, True)]
    (entry,) = audit_log()
    assert (entry.seq, entry.action) == (1, "repository.init")
    assert UUID(entry.target).version == 4


def test_initialising_again_returns_the_existing_repository(
    gam: Gam, audit_log: Callable[[], list[AuditEntry]]
) -> None:
    before = audit_log()
    again = repository.initialise(gam)
    assert (again.is_new, again.record.guid, again.record.default_auth_type) == (False, before[0].target, "local")
    assert audit_log() == before


def test_every_repository_has_another_guid(gam: Gam) -> None:
    guid = repository.initialise(gam).record.guid
    with Store.in_memory() as other:
        made = repository.initialise(Gam(other, gam.now, gam.entropy, "tester"))
    assert made.is_new
    assert made.record.guid != guid


def test_every_repository_has_a_secret_for_pairwise_ids(gam: Gam, store: Store) -> None:
    made = repository.initialise(gam).record
    with Store.in_memory() as other:
        another = repository.initialise(Gam(other, gam.now, gam.entropy, "tester")).record
    assert len(made.pairwise_key) == len(another.pairwise_key) == 32
    assert made.pairwise_key != another.pairwise_key
    assert "pairwise_key" not in repr(made)
    with store.reading() as tx:
        assert tx.one("SELECT 1 FROM audit WHERE details LIKE '%pairwise%'") is None
