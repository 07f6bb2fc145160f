"""What manifests took over, in the store."""

from gamcli.store import Store, adoptions


def test_what_was_taken_over_is_remembered_until_it_is_let_go(store: Store) -> None:
    """Once, however often; of every kind apart."""
    with store.writing() as tx:
        for _ in range(2):
            adoptions.add(tx, "app", "c")
        adoptions.add(tx, "user", "c")
        assert adoptions.everything(tx) == {("app", "c"), ("user", "c")}
        adoptions.remove(tx, "app", "c")
        assert adoptions.everything(tx) == {("user", "c")}
