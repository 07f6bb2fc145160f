"""Validating an input file of many keys: finds every problem before any key is issued."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.bulk_terms import ImportReader, KeyRow, TermsResolver, require_new_import
from gamcli.actions.keys import KeySpec
from gamcli.actions.problems import MAX_PROBLEMS, ProblemList, error_message
from gamcli.actions.request_ids import canonical_json, check_id, is_import, is_unused, require_same_request
from gamcli.errors import ConflictError, DeliveredKeysError, GamcliError, NotFoundError, Problem, command
from gamcli.model import Key, normalize_name
from gamcli.rules import bulk_minting, durations
from gamcli.rules.credentials import NO_SECRET
from gamcli.rules.names import check_text, escape_unprintable
from gamcli.store import Transaction
from gamcli.store.batches import Batch
from gamcli.store.bulk_rows import RENEWED, REPEATED, BulkChunk, BulkCounts, BulkRow, BulkUser, KeyTerms, NewRow
from gamcli.store.request_ids import KeyRequest

GROUP_ROWS = 10_000
"""How many rows are looked up in one query."""

MAX_CACHED_USERS = 50_000

RERUN_HINT = "fix it and run the same command again: it issues the missing keys"
Item = TypeVar("Item")


class BulkTarget(NamedTuple):
    """
    Where a run writes its keys: the absolute path of a file or folder; `batch` is that of an earlier run of the input.

    `reissue` confirms the number of keys that get a new secret although the one before was delivered. With
    `only_missing`, rows whose user has an active key for the application are passed over.
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
    batch = target.batch
    with gam.store.reading() as tx:
        store.bulk_rows.create_tables(tx)
        resolver = TermsResolver(tx, gam.now(), partial(store.bulk_rows.add_terms, tx))
        reader, total = _RowReader(tx, resolver, problems), 0
        earlier = _EarlierRuns(tx, target, delivered_rows)
        asked = _iter_missing(tx, resolver.now, rows, earlier) if target.only_missing else rows
        for number, group in enumerate(iter_groups(asked, GROUP_ROWS)):
            skipped = max(0, delivered_rows - number * GROUP_ROWS)
            store.bulk_rows.add(tx, reader.read(group[skipped:], number * GROUP_ROWS + skipped + 1))
            store.request_ids.add_pending(tx, reader.pop_requests())
            total += len(group)
        for line, first in store.bulk_rows.find_duplicate_pairs(tx, MAX_PROBLEMS):
            problems.add(line, f"same user and application as in line {first}")
        firsts, repeated = range(delivered_rows + 1, total + 1, GROUP_ROWS), 0
        if reader.has_requests:
            for line, first in store.request_ids.find_duplicates(tx, MAX_PROBLEMS):
                problems.add(line, f"same request ID as in line {first}")
            repeated = sum(_resolve_requests(tx, resolver.now, problems, earlier, first) for first in firsts)
        if reader.imports.has_imports:
            reader.imports.resolve(tx, problems, earlier.has_issued, firsts)
        if resolver.has_existing_keys:
            _resolve_existing_keys(tx, resolver.now, problems, earlier, firsts)
        problems.require_none()
        earlier.require_confirmed(problems.file)
        counts = store.bulk_rows.count_rows(tx)
        return ValidatedInput(
            batch, delivered_rows, store.batches.load_last_change_seq(tx), counts, reader.has_requests, repeated
        )


def _iter_missing(tx: Transaction, now: datetime, rows: Iterable[KeyRow], earlier: "_EarlierRuns") -> Iterator[KeyRow]:
    """Yield the rows without an active key, and those whose keys earlier runs of this input issued."""
    for group in iter_groups(rows, GROUP_ROWS):
        users = store.bulk_rows.find_users(tx, sorted({normalize_name(row.user) for row in group}))
        apps = {name: store.apps.find(tx, name) for name in {row.app for row in group}}
        for row in group:
            user, app = users.get(normalize_name(row.user)), apps[row.app]
            key = store.keys.find_current(tx, user.guid, app.client_id) if user and app else None
            if key is None or not key.is_valid(now) or earlier.is_of_input(key):
                yield row


class _RowReader:
    """Looks up the users of rows and decides the terms of their keys."""

    def __init__(self, tx: Transaction, resolver: TermsResolver, problems: ProblemList) -> None:
        self._tx = tx
        self._resolver = resolver
        self._problems = problems
        self._users: dict[str, BulkUser] = {}
        self._requests: list[tuple[int, int, str, str]] = []
        self.has_requests = False
        self.imports = ImportReader()

    def read(self, rows: Sequence[KeyRow], first: int) -> list[NewRow]:
        """Return the values to store for the valid rows, which are numbered from `first`."""
        self._look_up_users({row.user for row in rows})
        values: list[NewRow] = []
        for number, row in enumerate(rows, first):
            user = self._users.get(row.user)
            try:
                if user is None:
                    raise NotFoundError(f"no user named '{escape_unprintable(row.user)}'")
                terms = self._resolver.resolve(user, row.app, row.scopes, row.expiry())
                label = row.label and check_text("the label", row.label)
                if row.request_id:
                    self._add_request(number, row, KeySpec(user.guid, terms.client_id, label=label))
                key_id, digest = self.imports.read(row)
                values.append((number, row.line, user.number, user.name, terms.app, terms.id, label, key_id, digest))
            except GamcliError as error:
                self._problems.add(row.line, error_message(error))
        return values

    def _add_request(self, number: int, row: KeyRow, request: KeySpec) -> None:
        words = (row.scopes,) if row.scopes else None
        expires_in = durations.parse(row.expires_in) if row.expires_in else None
        api_key = None if row.api_key is NO_SECRET else row.api_key
        request = request._replace(scopes=words, expires_in=expires_in, api_key=api_key)
        self._requests.append((number, row.line, check_id(row.request_id), canonical_json(request)))

    def pop_requests(self) -> list[tuple[int, int, str, str]]:
        """Return the requests of the rows read since the last call."""
        requests, self._requests = self._requests, []
        self.has_requests |= bool(requests)
        return requests

    def _look_up_users(self, names: set[str]) -> None:
        if len(self._users) > MAX_CACHED_USERS:
            self._users.clear()
        normalized = {name: normalize_name(name) for name in names if name not in self._users}
        users = store.bulk_rows.find_users(self._tx, sorted(normalized.values()))
        self._users.update((name, users[text]) for name, text in normalized.items() if text in users)


class _EarlierRuns:
    """The keys that earlier runs issued, and those whose secrets were delivered to another file or folder."""

    def __init__(self, tx: Transaction, target: BulkTarget, delivered_rows: int) -> None:
        batch = self.batch = target.batch
        self._target = target
        self._delivered_rows = max(delivered_rows, batch.delivered) if batch else 0
        self._parts = store.batches.load_parts(tx, batch) if batch else []
        self._outputs = store.batches.load_delivered_outputs(tx)
        self._delivered: list[tuple[int, str]] = []

    def is_of_input(self, key: Key) -> bool:
        return any(part.created_at == key.created_at and key.id.startswith(part.id_prefix) for part in self._parts)

    def has_issued(self, key: Key, row: int) -> bool:
        return any(
            part.first <= row <= part.last and part.created_at == key.created_at and key.id.startswith(part.id_prefix)
            for part in self._parts
        )

    def find_output(self, key: Key, row: int) -> str | None:
        """Return where the secret of a key was delivered, as far as is known; None if it was not."""
        batch = self.batch
        if batch is not None and self.has_issued(key, row):
            is_elsewhere = batch.output != self._target.output and Path(batch.output).exists()
            return batch.output if row <= self._delivered_rows or is_elsewhere else None
        return self._outputs.get((key.id[: bulk_minting.ID_PREFIX_LENGTH], key.created_at))

    def add_delivered(self, line: int, key: Key, output: str) -> None:
        """Note a row whose key was delivered to another file."""
        rotate = command("key", "rotate", key.id, "--overlap", "0")
        self._delivered.append((line, f"key {key.id} was delivered to {output}: use that file, or {rotate}"))

    def require_confirmed(self, file: str) -> None:
        count = len(self._delivered)
        if count and count != self._target.reissue:
            found = [Problem(file, line, message) for line, message in sorted(self._delivered)[:MAX_PROBLEMS]]
            raise DeliveredKeysError(count, found)


def _resolve_requests(tx: Transaction, now: datetime, problems: ProblemList, earlier: _EarlierRuns, first: int) -> int:
    """Find the keys of repeated requests, and return how many of them get no new secret."""
    outcomes, without_secret = [], 0
    for row, line, request_json, request in list(store.request_ids.find_repeated(tx, first, first + GROUP_ROWS - 1)):
        try:
            outcome = _repeat_outcome(tx, now, request, request_json)
            outcomes.append((request.key_id, outcome, row))
            without_secret += outcome == REPEATED and not is_import(request)
            key = store.keys.find(tx, request.key_id) if outcome == RENEWED else None
            if key is not None and (output := earlier.find_output(key, row)) is not None:
                earlier.add_delivered(line, key, output)
        except ConflictError as error:
            problems.add(line, error.message)
    store.bulk_rows.set_outcomes(tx, outcomes)
    return without_secret


def _repeat_outcome(tx: Transaction, now: datetime, request: KeyRequest, request_json: str) -> int:
    require_same_request(request, request_json)
    key = store.keys.find(tx, request.key_id)
    return RENEWED if key and is_unused(key, now) and not is_import(request) else REPEATED


def _resolve_existing_keys(
    tx: Transaction, now: datetime, problems: ProblemList, earlier: _EarlierRuns, firsts: Iterable[int]
) -> None:
    """Find the current keys: inactive ones are succeeded, undelivered ones get new secrets, others are problems."""
    for first in firsts:
        outcomes: list[tuple[str, int | None, int]] = []
        decided = store.bulk_rows.find_decided_rows(tx, first, first + GROUP_ROWS - 1)
        for row, line, key in list(store.bulk_rows.find_current_keys(tx, first, first + GROUP_ROWS - 1)):
            if row in decided:
                continue
            output = earlier.find_output(key, row)
            is_unused = key.last_used_at is None and earlier.has_issued(key, row)
            if not key.is_valid(now) or is_unused:
                outcomes.append((key.id, RENEWED if key.is_valid(now) else None, row))
                if key.is_valid(now) and output is not None:
                    earlier.add_delivered(line, key, output)
            else:
                problems.add(line, _conflict_message(key, earlier.batch if earlier.has_issued(key, row) else None))
        store.bulk_rows.set_outcomes(tx, outcomes)


def _conflict_message(key: Key, batch: Batch | None = None) -> str:
    if batch is None:
        return f"user '{key.user}' already has an active key for application '{key.app}': {key.id}"
    rotate = command("key", "rotate", key.id, "--overlap", "0")
    return f"an earlier run of this input issued key {key.id} to {batch.output}, and it was used since; {rotate}"


def revalidate_chunk(tx: Transaction, now: datetime, chunk: BulkChunk) -> BulkChunk:
    """Validate a chunk again after a change of the store; raises ConflictError if a row is no longer valid."""
    terms: list[KeyTerms] = []
    resolver = TermsResolver(tx, now, terms.append)
    users = store.bulk_rows.find_users_by_number(tx, list({row.user for row in chunk.rows}))
    current = {row: key for row, _, key in store.bulk_rows.find_current_keys(tx, chunk.first, chunk.last)}
    repeated = {
        row: (request_json, request)
        for row, _, request_json, request in store.request_ids.find_repeated(tx, chunk.first, chunk.last)
    }
    rows = []
    for row in chunk.rows:
        earlier, user = chunk.terms[row.terms], users.get(row.user)
        try:
            if row.row in repeated:
                request_json, request = repeated[row.row]
                outcome = _repeat_outcome(tx, now, request, request_json)
                valid = _revalidate_row(resolver, row, earlier, user, None)
                rows.append(valid._replace(current_key=request.key_id, outcome=outcome))
            else:
                rows.append(_revalidate_row(resolver, row, earlier, user, current.get(row.row)))
        except GamcliError as error:
            raise ConflictError(f"line {row.line} is no longer valid: {error.message}", RERUN_HINT) from error
    return chunk._replace(rows=rows, terms={each.id: each for each in terms})


def _revalidate_row(
    resolver: TermsResolver, row: BulkRow, earlier: KeyTerms, user: BulkUser | None, key: Key | None
) -> BulkRow:
    if user is None:
        raise NotFoundError(f"user '{row.name}' was deleted")
    require_new_import(resolver.tx, row)
    terms = resolver.resolve(user, earlier.client_id, earlier.requested_scopes, earlier.expires_in)
    if key is not None and key.is_valid(resolver.now) and not (row.outcome and key.id == row.current_key):
        raise ConflictError(_conflict_message(key))
    return row._replace(terms=terms.id, current_key=None if key is None else key.id)
