"""Copying a store to another engine, with its keys, tokens and audit log."""

from gamcli import store
from gamcli.errors import ConflictError, UsageError
from gamcli.model.maintenance import CopyResult
from gamcli.store import Location, Store, audit, copies, counts


def copy_store(source: Location, target: Location) -> CopyResult:
    """
    Copy everything to a store that does not exist yet, in one transaction.

    Nothing is written to the source meanwhile. Raises ConflictError when the target has a repository already.
    """
    if source == target:
        raise UsageError("a store cannot be copied to itself", "choose another target")
    with Store.open(source) as opened, opened.writing() as tx:
        repository = store.repository.get(tx)
        with Store.create(target) as created, created.writing() as target_tx:
            if store.repository.find(target_tx) is not None:
                raise ConflictError(f"the store {created.name} already exists", "choose another target")
            rows = copies.copy_rows(tx, target_tx)
            head = audit.verify(target_tx)
            keys = counts.count_rows(target_tx, "key")
        return CopyResult(created.name, opened.name, repository.guid, rows, keys, head.hash)
