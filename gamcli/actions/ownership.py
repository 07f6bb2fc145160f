"""Which manifest owns a record: adopting existing records and releasing them."""

from gamcli import store
from gamcli.actions import Gam, changes
from gamcli.model import Key
from gamcli.store import Transaction
from gamcli.store.adoptions import Manageable


def adopt(gam: Gam, tx: Transaction, record: Manageable, owner: str) -> None:
    """Make `owner` the owner of a record; the store remembers records that had no owner before."""
    if record.managed_by is None:
        store.adoptions.add(tx, record)
    _set_owner(gam, tx, record, owner, "adopt")


def release(gam: Gam, tx: Transaction, record: Manageable) -> None:
    """Remove the owner of an adopted record."""
    store.adoptions.remove(tx, record)
    _set_owner(gam, tx, record, None, "release")


def _set_owner(gam: Gam, tx: Transaction, record: Manageable, owner: str | None, verb: str) -> None:
    if isinstance(record, Key):
        store.keys.set_managed_by(tx, record.id, owner)
        gam.record(tx, f"key.{verb}", record.id, (record, record._replace(managed_by=owner)))
    else:
        changes.save(gam, tx, record, record._replace(managed_by=owner), verb=verb)
