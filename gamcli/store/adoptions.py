"""What manifests took over instead of making it."""

from gamcli.store.database import Transaction


def add(tx: Transaction, kind: str, identity: str) -> None:
    """Record that a manifest took over what has that identity."""
    tx.run("INSERT INTO adoption (kind, id) VALUES (?, ?) ON CONFLICT DO NOTHING", kind, identity)


def remove(tx: Transaction, kind: str, identity: str) -> None:
    """Forget that it was taken over."""
    tx.run("DELETE FROM adoption WHERE kind = ? AND id = ?", kind, identity)


def everything(tx: Transaction) -> frozenset[tuple[str, str]]:
    """Return kind and identity of all that was taken over."""
    return frozenset((str(kind), str(identity)) for kind, identity in tx.each("SELECT kind, id FROM adoption"))
