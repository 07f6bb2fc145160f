"""Validating an input file of many keys: finds every problem before any key is issued."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.bulk_terms import KeyRow, TermsResolver
from gamcli.actions.keys import exists_message
from gamcli.actions.problems import MAX_PROBLEMS, ProblemList, error_message
from gamcli.actions.request_ids import canonical_json, check_id, is_import, is_unused, require_same_request
from gamcli.errors import ConflictError, DeliveredKeysError, GamcliError, NotFoundError, Problem, command, format_count
from gamcli.model import Key, normalize_name
from gamcli.rules.credentials import API_KEY_ID_PREFIX_LENGTH, NO_SECRET, Secret, api_key_lookup_id, parse_api_key_id
from gamcli.rules.keys import check_imported
from gamcli.rules.names import check_text, escape_unprintable
from gamcli.store import Transaction
from gamcli.store.batches import Batch
from gamcli.store.bulk_rows import RENEWED, REPEATED, BulkCounts, BulkUser, NewRow
from gamcli.store.request_ids import KeyRequest

GROUP_ROWS = 10_000
"""How many rows are looked up in one query."""

MAX_CACHED_USERS = 50_000
MAX_CACHED_APPS = 1000

RERUN_HINT = "fix it and run the same command again: it issues the missing keys"
Item = TypeVar("Item")


class BulkTarget(NamedTuple):
    """
    Where a run writes its keys: the absolute path of a file or folder; `batch` is that of an earlier run of the input.

    `reissue` confirms the number of keys that get a new secret although the one before was delivered. With
    `only_missing`, rows whose user has an active key for the application are skipped.
    """

    batch: Batch | None
    output: str
    reissue: int | None = None
    only_missing: bool = False


class ValidatedInput(NamedTuple):
    """
    An input without problems, valid as of the audit entry `audit_seq`.

    An earlier run delivered the first `delivered_rows`; `repeated` rows have request IDs whose keys are in use.
    """

    batch: Batch | None
    delivered_rows: int
    audit_seq: int
    counts: BulkCounts
    has_requests: bool = False
    repeated: int = 0


def iter_groups(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items in lists of at most `size`."""
    iterator = iter(items)
    return iter(lambda: list(islice(iterator, size)), [])


def validate_rows(
    gam: Gam, problems: ProblemList, rows: Iterable[KeyRow], target: BulkTarget, delivered_rows: int
) -> ValidatedInput:
    """
    Validate the rows of an input after those that an earlier run of its batch delivered to the target.

    Saves the valid rows in temporary tables of the store. Raises ProblemsError if there are problems, and
    DeliveredKeysError for keys that were delivered elsewhere unless the target confirms their number.
    """
    with gam.store.reading() as tx:
        store.bulk_rows.create_tables(tx)
        earlier, total = _EarlierRuns(tx, target, delivered_rows), 0
        validator = _Validator(tx, gam.now(), problems, earlier)
        asked = _iter_missing(tx, gam.now(), rows, earlier) if target.only_missing else rows
        for group in iter_groups(asked, GROUP_ROWS):
            validator.read(group[max(0, delivered_rows - total) :], max(delivered_rows, total) + 1)
            total += len(group)
        validator.report_duplicates()
        for first in range(delivered_rows + 1, total + 1, GROUP_ROWS):
            validator.find_existing_keys(first, first + GROUP_ROWS - 1)
        if validator.unrecognizable:
            count = format_count(validator.unrecognizable, "imported key")
            problems.warnings.append(f"gamcli scan cannot recognize {count}: the format is that of another system")
        problems.require_none()
        earlier.require_confirmed(problems.file)
        return ValidatedInput(
            target.batch,
            delivered_rows,
            store.batches.load_last_change_seq(tx),
            store.bulk_rows.count_rows(tx),
            validator.has_requests,
            validator.repeated,
        )


def _iter_missing(tx: Transaction, now: datetime, rows: Iterable[KeyRow], earlier: "_EarlierRuns") -> Iterator[KeyRow]:
    """Yield the rows without an active key, and those whose keys earlier runs of this input issued."""
    find_app = lru_cache(MAX_CACHED_APPS)(partial(store.apps.find, tx))
    for group in iter_groups(rows, GROUP_ROWS):
        users = store.bulk_rows.find_users(tx, sorted({normalize_name(row.user) for row in group}))
        owners = [(users.get(normalize_name(row.user)), find_app(row.app)) for row in group]
        pairs = {(user.guid, app.client_id) for user, app in owners if user and app}
        keys = store.keys.find_current_of_pairs(tx, pairs)
        for row, (user, app) in zip(group, owners, strict=True):
            key = keys.get((user.guid, app.client_id)) if user and app else None
            if key is None or not key.is_valid(now) or earlier.has_issued(key):
                yield row


RowOutcome = tuple[str, int | None, int]
"""A key that exists, RENEWED or REPEATED or None for one to replace, and the row."""


class _Validator:
    """Saves the valid rows of an input, then finds the keys that they have already."""

    def __init__(self, tx: Transaction, now: datetime, problems: ProblemList, earlier: "_EarlierRuns") -> None:
        self._tx, self._now, self._problems, self._earlier = tx, now, problems, earlier
        self._resolver = TermsResolver(tx, now, partial(store.bulk_rows.add_terms, tx))
        self._users: dict[str, BulkUser] = {}
        self._has_imports = self.has_requests = False
        self.unrecognizable = self.repeated = 0

    def read(self, rows: Sequence[KeyRow], first: int) -> None:
        """Save the valid ones of `rows`, which are numbered from `first`."""
        self._look_up_users({row.user for row in rows})
        values: list[NewRow] = []
        requests: list[tuple[int, int, str, str]] = []
        for number, row in enumerate(rows, first):
            user = self._users.get(row.user)
            try:
                if user is None:
                    raise NotFoundError(f"no user named '{escape_unprintable(row.user)}'")
                terms = self._resolver.resolve(user, row.app, row.scopes, row.expiry())
                label = row.label and check_text("the label", row.label)
                if row.request_id:
                    request = row.build_spec(user.guid, terms.client_id)
                    requests.append((number, row.line, check_id(row.request_id), canonical_json(request)))
                key_id, digest = self._read_import(row.api_key)
                values.append((number, row.line, user.number, user.name, terms.app, terms.id, label, key_id, digest))
            except GamcliError as error:
                self._problems.add(row.line, error_message(error))
        store.bulk_rows.add(self._tx, values)
        store.request_ids.add_pending(self._tx, requests)
        self.has_requests |= bool(requests)

    def _look_up_users(self, names: set[str]) -> None:
        if len(self._users) > MAX_CACHED_USERS:
            self._users.clear()
        normalized = {name: normalize_name(name) for name in names if name not in self._users}
        users = store.bulk_rows.find_users(self._tx, sorted(normalized.values()))
        self._users.update((name, users[text]) for name, text in normalized.items() if text in users)

    def _read_import(self, api_key: Secret) -> tuple[str | None, str | None]:
        """Return the ID and the digest of a key to import, None if there is none."""
        if api_key is NO_SECRET:
            return None, None
        check_imported(api_key)
        self._has_imports = True
        self.unrecognizable += parse_api_key_id(api_key) is None
        return api_key_lookup_id(api_key), api_key.digest().hex()

    def report_duplicates(self) -> None:
        """Report rows with the same user and application, request ID or API key."""
        for what, find, is_needed in (
            ("user and application", store.bulk_rows.find_duplicate_pairs, True),
            ("request ID", store.request_ids.find_duplicates, self.has_requests),
            ("API key", store.bulk_rows.find_duplicate_imports, self._has_imports),
        ):
            for line, first in find(self._tx, MAX_PROBLEMS) if is_needed else ():
                self._problems.add(line, f"same {what} as in line {first}")

    def find_existing_keys(self, first: int, last: int) -> None:
        """Decide about the rows that have a key already: by an earlier request, by an import, or for the same user."""
        for find, is_needed in (
            (self._find_repeated_requests, self.has_requests),
            (self._find_imported_keys, self._has_imports),
            (self._find_current_keys, self._resolver.has_existing_keys),
        ):
            if is_needed:
                store.bulk_rows.set_outcomes(self._tx, list(find(first, last)))

    def _find_repeated_requests(self, first: int, last: int) -> Iterator[RowOutcome]:
        for row, line, request_json, request, key in store.request_ids.find_repeated(self._tx, first, last):
            try:
                outcome = repeat_outcome(self._now, request, request_json, key)
            except ConflictError as error:
                self._problems.add(line, error.message)
                continue
            self.repeated += outcome == REPEATED and not is_import(request)
            if key is not None and outcome == RENEWED:
                self._earlier.note_renewal(line, key, row)
            yield request.key_id, outcome, row

    def _find_imported_keys(self, first: int, last: int) -> Iterator[RowOutcome]:
        """Report keys to import that exist already, except those that an earlier run of the input imported."""
        for row, line, digest, key in store.bulk_rows.find_existing_imports(self._tx, first, last):
            if key.digest.hex() == digest and self._earlier.has_issued(key, row):
                yield key.id, REPEATED, row
            else:
                self._problems.add(line, exists_message(key, bytes.fromhex(digest)))

    def _find_current_keys(self, first: int, last: int) -> Iterator[RowOutcome]:
        """Replace inactive keys, give unused keys of this input new secrets, and report all others."""
        decided = store.bulk_rows.find_decided_rows(self._tx, first, last)
        for row, line, key in store.bulk_rows.find_current_keys(self._tx, first, last):
            if row in decided:
                continue
            is_of_row = self._earlier.has_issued(key, row)
            if not key.is_valid(self._now):
                yield key.id, None, row
            elif is_of_row and key.last_used_at is None:
                self._earlier.note_renewal(line, key, row)
                yield key.id, RENEWED, row
            else:
                self._problems.add(line, conflict_message(key, self._earlier.batch if is_of_row else None))


class _EarlierRuns:
    """The keys that earlier runs issued, and those whose secrets were delivered to another file or folder."""

    def __init__(self, tx: Transaction, target: BulkTarget, delivered_rows: int) -> None:
        batch = self.batch = target.batch
        self._target = target
        self._delivered_rows = max(delivered_rows, batch.delivered) if batch else 0
        self._parts = store.batches.load_parts(tx, batch) if batch else []
        self._outputs = store.batches.load_delivered_outputs(tx)
        self._delivered: list[tuple[int, str]] = []

    def has_issued(self, key: Key, row: int | None = None) -> bool:
        """Return whether the key was issued for that row, or for any."""
        return any(
            part.created_at == key.created_at
            and key.id.startswith(part.id_prefix)
            and (row is None or part.first <= row <= part.last)
            for part in self._parts
        )

    def note_renewal(self, line: int, key: Key, row: int) -> None:
        """Note a key that gets a new secret, if its secret was delivered."""
        output = self._find_output(key, row)
        if output is not None:
            rotate = command("key", "rotate", key.id, "--overlap", "0")
            self._delivered.append((line, f"key {key.id} was delivered to {output}: use that file, or {rotate}"))

    def _find_output(self, key: Key, row: int) -> str | None:
        """Return where the secret of a key was delivered, as far as is known; None if it was not."""
        batch = self.batch
        if batch is not None and self.has_issued(key, row):
            is_elsewhere = batch.output != self._target.output and Path(batch.output).exists()
            return batch.output if row <= self._delivered_rows or is_elsewhere else None
        return self._outputs.get((key.id[:API_KEY_ID_PREFIX_LENGTH], key.created_at))

    def require_confirmed(self, file: str) -> None:
        count = len(self._delivered)
        if count and count != self._target.reissue:
            found = [Problem(file, line, message) for line, message in sorted(self._delivered)[:MAX_PROBLEMS]]
            raise DeliveredKeysError(count, found)


def repeat_outcome(now: datetime, request: KeyRequest, request_json: str, key: Key | None) -> int:
    """Return what happens to the key of a repeated request, RENEWED or REPEATED; raises ConflictError."""
    require_same_request(request, request_json)
    return RENEWED if key and is_unused(key, now) and not is_import(request) else REPEATED


def conflict_message(key: Key, batch: Batch | None = None) -> str:
    """Return why a row cannot get a key; `batch` is that of an earlier run that issued `key` for the row."""
    if batch is None:
        return f"user '{key.user}' already has an active key for application '{key.app}': {key.id}"
    rotate = command("key", "rotate", key.id, "--overlap", "0")
    return f"an earlier run of this input issued key {key.id} to {batch.output}, and it has been used since; {rotate}"
