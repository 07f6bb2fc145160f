"""Objects that manifests adopted, in the store."""

from datetime import datetime

from gamcli.model import APIKEY, App, AuthType, Key, User
from gamcli.store import Store, adoptions


def test_what_was_taken_over_is_remembered_until_it_is_released(
    store: Store, ana: User, portal: App, key: Key, now: datetime
) -> None:
    kind = AuthType("Machines", APIKEY, "", enabled=True, default=False, created_at=now, updated_at=now)
    with store.writing() as tx:
        for record in (ana, ana, portal, key, kind):
            adoptions.add(tx, record)
        adoptions.remove(tx, portal)
        assert adoptions.load_all(tx) == {("user", ana.guid), ("key", key.id), ("auth-type", "machines")}
