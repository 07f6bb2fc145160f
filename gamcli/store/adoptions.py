"""What manifests took over instead of making it."""

from gamcli.model import App, AuthType, Key, User, normalize_name
from gamcli.store.sqlite.database import Transaction

Manageable = AuthType | App | User | Key


def identity(record: Manageable) -> tuple[str, str]:
    """Return the noun of a record and what tells it from all others of its kind, for good where it has an id."""
    match record:
        case App():
            return "app", record.client_id
        case User():
            return "user", record.guid
        case Key():
            return "key", record.id
        case AuthType():
            return "auth-type", normalize_name(record.name)


def add(tx: Transaction, record: Manageable) -> None:
    """Record that a manifest took over `record`."""
    tx.run("INSERT INTO adoption (kind, id) VALUES (?, ?) ON CONFLICT DO NOTHING", *identity(record))


def remove(tx: Transaction, record: Manageable) -> None:
    """Forget that it was taken over."""
    tx.run("DELETE FROM adoption WHERE kind = ? AND id = ?", *identity(record))


def load_all(tx: Transaction) -> frozenset[tuple[str, str]]:
    """Return the identity of all that was taken over."""
    return frozenset((str(kind), str(name)) for kind, name in tx.each("SELECT kind, id FROM adoption"))
