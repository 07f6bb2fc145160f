"""The rows of an input file of many keys, and the terms of the keys that they ask for."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from gamcli import store
from gamcli.actions.changes import parse_scopes
from gamcli.actions.keys import KeySpec
from gamcli.errors import UsageError
from gamcli.rules import durations, scopes
from gamcli.rules.api_key_grant import find_auth_type
from gamcli.rules.credentials import NO_SECRET, Secret
from gamcli.rules.grants import GrantFacts
from gamcli.rules.keys import KeyOptions, approve
from gamcli.store import Transaction
from gamcli.store.bulk_rows import BulkUser, KeyTerms

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

    def build_spec(self, user_guid: str, client_id: str) -> KeySpec:
        """Return the settings that a repeated request must have."""
        words = (self.scopes,) if self.scopes else None
        expires_in = durations.parse(self.expires_in) if self.expires_in else None
        api_key = None if self.api_key is NO_SECRET else self.api_key
        return KeySpec(user_guid, client_id, words, expires_in, self.label, api_key=api_key)


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
        requested_scopes = parse_scopes(tx, app.scopes, [words]) if words else None
        requested_lifetime = None
        if expires_in:  # a duration or a date
            is_date = "-" in expires_in
            requested_lifetime = (
                durations.parse_instant(expires_in) - self.now if is_date else durations.parse(expires_in)
            )
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
