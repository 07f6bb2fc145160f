"""The rows of a bulk input that import API keys."""

from collections.abc import Callable

from gamcli import store
from gamcli.actions.bulk_terms import KeyRow
from gamcli.actions.keys import exists_message
from gamcli.actions.problems import MAX_PROBLEMS, ProblemList
from gamcli.errors import ConflictError, format_count
from gamcli.model import Key
from gamcli.rules.credentials import NO_SECRET, api_key_lookup_id, parse_api_key_id
from gamcli.rules.keys import check_imported
from gamcli.store import Transaction
from gamcli.store.bulk_rows import REPEATED, BulkRow


class ImportReader:
    """Reads the column `api_key`, and counts the keys that `gamcli scan` cannot recognize."""

    def __init__(self) -> None:
        self.has_imports = False
        self._unrecognizable = 0

    def read(self, row: KeyRow) -> tuple[str | None, str | None]:
        """Return the ID and the digest of the key to import, None if the row has none."""
        if row.api_key == NO_SECRET:
            return None, None
        api_key = check_imported(row.api_key)
        self.has_imports = True
        self._unrecognizable += parse_api_key_id(api_key) is None
        return api_key_lookup_id(api_key), api_key.digest().hex()

    def resolve(
        self, tx: Transaction, problems: ProblemList, has_issued: Callable[[Key, int], bool], rows: range
    ) -> None:
        """Report keys that exist already, except those that an earlier run of the input imported."""
        for line, first in store.bulk_rows.find_duplicate_imports(tx, MAX_PROBLEMS):
            problems.add(line, f"same API key as in line {first}")
        for first in rows:
            outcomes = []
            existing = list(store.bulk_rows.find_existing_imports(tx, first, first + rows.step - 1))
            for row, line, digest, key in existing:
                if key.digest.hex() == digest and has_issued(key, row):
                    outcomes.append((key.id, REPEATED, row))
                else:
                    problems.add(line, exists_message(key, bytes.fromhex(digest)))
            store.bulk_rows.set_outcomes(tx, outcomes)
        if self._unrecognizable:
            count = format_count(self._unrecognizable, "imported key")
            problems.warnings.append(f"gamcli scan cannot recognize {count}: the format is that of another system")


def require_new(tx: Transaction, row: BulkRow) -> None:
    """Raise ConflictError if the key that a row imports was issued or imported meanwhile."""
    existing = store.keys.find(tx, row.key_id) if row.key_id is not None and row.outcome is None else None
    if existing is not None and row.digest is not None:
        raise ConflictError(exists_message(existing, bytes.fromhex(row.digest)))
