"""Objects that a manifest adopted instead of creating them."""

from gamcli.model import App, AuthType, Key, User, normalize_name
from gamcli.store.engine import Transaction

Manageable = AuthType | App | User | Key


def identity(record: Manageable) -> tuple[str, str]:
    """Return the kind of an object and its permanent id; for an authentication type, its name."""
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
    tx.change("INSERT INTO adoption (kind, id) VALUES (?, ?) ON CONFLICT DO NOTHING", *identity(record))


def inherit(tx: Transaction, old: Manageable, new: Manageable) -> None:
    """Remember `new` as adopted if `old` is: it succeeds `old`."""
    kind, record_id = identity(old)
    tx.change(
        "INSERT INTO adoption (kind, id) SELECT kind, ? FROM adoption WHERE kind = ? AND id = ? ON CONFLICT DO NOTHING",
        identity(new)[1],
        kind,
        record_id,
    )


def remove(tx: Transaction, record: Manageable) -> None:
    tx.change("DELETE FROM adoption WHERE kind = ? AND id = ?", *identity(record))


def load_all(tx: Transaction) -> frozenset[tuple[str, str]]:
    return frozenset((str(kind), str(name)) for kind, name in tx.each("SELECT kind, id FROM adoption"))
