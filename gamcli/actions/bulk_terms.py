"""The rows of an input file of many keys: the terms of the keys that they ask for, and keys that they import."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from gamcli import store
from gamcli.actions.changes import parse_scopes
from gamcli.actions.keys import exists_message, require_new
from gamcli.actions.problems import MAX_PROBLEMS, ProblemList
from gamcli.errors import UsageError, format_count
from gamcli.model import Key
from gamcli.rules import durations, scopes
from gamcli.rules.api_key_grant import find_auth_type
from gamcli.rules.credentials import NO_SECRET, Secret, api_key_lookup_id, parse_api_key_id
from gamcli.rules.grants import GrantFacts
from gamcli.rules.keys import KeyOptions, approve, check_imported
from gamcli.store import Transaction
from gamcli.store.bulk_rows import REPEATED, BulkRow, BulkUser, KeyTerms

MAX_CACHED_TERMS = 16_384

MICROSECOND = timedelta(microseconds=1)


class KeyRow(NamedTuple):
    """A row of the input, which begins at `line`; optional fields are empty."""

    line: int
    user: str
    app: str
    scopes: str = ""
    expires_in: str = ""
    label: str = ""
    request_id: str = ""
    expires_at: str = ""
    api_key: Secret = NO_SECRET

    def expiry(self) -> str:
        """Return `expires_in` or `expires_at`; raises UsageError when the row has both."""
        if self.expires_in and self.expires_at:
            raise UsageError("expires_in and expires_at cannot be combined")
        return self.expires_in or self.expires_at


class TermsResolver:
    """Decides which keys users may have in one state of the store; rows with equal settings share their terms."""

    def __init__(self, tx: Transaction, now: datetime, save_terms: Callable[[KeyTerms], None]) -> None:
        self.now = now
        self.has_existing_keys = False
        self.tx = tx
        self._save_terms = save_terms
        self._auth_types = list(store.auth_types.search(tx))
        self._count = 0
        self._cache: dict[tuple[str, str, str], KeyTerms] = {}

    def resolve(self, user: BulkUser, app: str, words: str, expires_in: str) -> KeyTerms:
        """Return the terms of a key, or raise RefusedError."""
        settings = (app, words, expires_in)
        terms = self._cache.get(settings)
        if terms is None or user.blocked or not user.enabled:  # the rules check nothing else of a user
            terms = self._compute_terms(user, *settings)
            if len(self._cache) >= MAX_CACHED_TERMS:
                self._cache.clear()
            self._cache[settings] = terms
            self._save_terms(terms)
        return terms

    def _compute_terms(self, user: BulkUser, app_name: str, words: str, expires_in: str) -> KeyTerms:
        tx, app = self.tx, store.apps.get(self.tx, app_name)
        auth_type = find_auth_type(app, self._auth_types)
        facts = GrantFacts(self.now, app, auth_type, store.users.find_by_guid(tx, user.guid))
        requested_scopes = parse_scopes(tx, app, [words]) if words else None
        requested_lifetime = _parse_lifetime(expires_in, self.now)
        granted, expires_at = approve(facts, KeyOptions(requested_scopes, requested_lifetime))
        number, has_keys = store.bulk_rows.find_app_number(tx, app.client_id)
        lifetime = None if expires_at is None else expires_at - self.now
        self.has_existing_keys |= has_keys
        self._count += 1
        return KeyTerms(
            id=self._count,
            app=number,
            name=app.name,
            client_id=app.client_id,
            scopes=scopes.join(granted),
            lifetime_us=None if lifetime is None else lifetime // MICROSECOND,
            requested_scopes=words,
            expires_in=expires_in,
            is_shortened=requested_lifetime is not None and lifetime is not None and lifetime < requested_lifetime,
        )


def _parse_lifetime(text: str, now: datetime) -> timedelta | None:
    """Return the lifetime that a row asks for, as a duration or as a date."""
    if not text:
        return None
    return durations.parse_instant(text) - now if "-" in text else durations.parse(text)


class ImportReader:
    """Reads the column `api_key`, and counts the keys that `gamcli scan` cannot recognize."""

    def __init__(self) -> None:
        self.has_imports = False
        self._unrecognizable = 0

    def read(self, row: KeyRow) -> tuple[str | None, str | None]:
        """Return the ID and the digest of the key to import, None if the row has none."""
        if row.api_key is NO_SECRET:
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


def require_new_import(tx: Transaction, row: BulkRow) -> None:
    """Raise ConflictError if the key that a row imports was issued or imported meanwhile."""
    if row.key_id is not None and row.digest is not None and row.outcome is None:
        require_new(tx, row.key_id, bytes.fromhex(row.digest))
