"""Keys that an input of many rows wants: all of it is checked, and every fault found, before any key is made."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import NamedTuple, TypeVar

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.problems import MAX_PROBLEMS, ProblemList, error_message
from gamcli.actions.request_ids import CanonicalRequest, check_id, is_unused, require_same_request
from gamcli.errors import ConflictError, GamcliError, NotFoundError, command
from gamcli.model import Key, normalize_name
from gamcli.rules import durations, scopes
from gamcli.rules.grants import GrantFacts
from gamcli.rules.keys import KeyOptions, approve, choose_auth_type
from gamcli.rules.names import check_text, escape_unprintable
from gamcli.store import Transaction
from gamcli.store.batches import Batch
from gamcli.store.bulk_rows import RENEWED, REPEATED, BulkChunk, BulkCounts, BulkRow, BulkUser, KeyTerms
from gamcli.store.request_ids import KeyRequest

GROUP_ROWS = 10_000
"""So many rows are looked up together."""

MAX_CACHED_USERS = 50_000
"""So many users are remembered by the names that the input has for them."""

MAX_CACHED_TERMS = 16_384
"""So many different wishes are remembered."""

RERUN_HINT = "mend it and run the same command again: it makes what is missing"
MICROSECOND = timedelta(microseconds=1)

Item = TypeVar("Item")


class KeyRow(NamedTuple):
    """A row of the input, which begins at `line`; what is not asked for is empty."""

    line: int
    user: str
    app: str
    scopes: str = ""
    expires_in: str = ""
    label: str = ""
    request_id: str = ""


class ValidatedInput(NamedTuple):
    """
    An input without faults; the first rows are `there` already, the store was at audit entry `head`.

    `has_requests` says that rows ask under ids of their own, `repeated` how many of these have their keys already.
    """

    batch: Batch | None
    delivered_rows: int
    audit_seq: int
    counts: BulkCounts
    has_requests: bool = False
    repeated: int = 0


def iter_groups(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items in lists of `most`."""
    rest = iter(items)
    return iter(lambda: list(islice(rest, size)), [])


class TermsResolver:
    """Says what keys the users and applications of one state of the store may have; `keep` takes each new answer."""

    def __init__(self, tx: Transaction, now: datetime, save_terms: Callable[[KeyTerms], None]) -> None:
        self.now = now
        self.has_existing_keys = False
        self._tx = tx
        self._save_terms = save_terms
        self._default_auth_type = store.repository.get(tx).default_auth_type
        self._count = 0
        self._cache: dict[tuple[str, str, str], KeyTerms] = {}

    def resolve(self, user: BulkUser, app: str, words: str, expires_in: str) -> KeyTerms:
        """Return what a key of that user may be, or raise the refusal of the rule that says no."""
        asked = (app, words, expires_in)
        found = self._cache.get(asked)
        if found is None or user.blocked or not user.enabled:  # other than that, the rules look at no user
            found = self._compute_terms(user, *asked)
            if len(self._cache) >= MAX_CACHED_TERMS:
                self._cache.clear()
            self._cache[asked] = found
            self._save_terms(found)
        return found

    def _compute_terms(self, user: BulkUser, app_name: str, words: str, expires_in: str) -> KeyTerms:
        tx, app = self._tx, store.apps.get(self._tx, app_name)
        auth_type = store.auth_types.get(tx, choose_auth_type(app, None, self._default_auth_type))
        facts = GrantFacts(self.now, app=app, user=store.users.find_by_guid(tx, user.guid), auth_type=auth_type)
        known = partial(store.users.is_attribute_known, tx, app.scopes)
        chosen = scopes.parse([words], known) if words else None
        asked = durations.parse(expires_in) if expires_in else None
        agreed = approve(facts, KeyOptions(chosen, asked))
        number, has_keys = store.bulk_rows.find_app_number(tx, app.client_id)
        life = None if agreed.expires_at is None else agreed.expires_at - self.now
        self.has_existing_keys |= has_keys
        self._count += 1
        return KeyTerms(
            id=self._count,
            app=number,
            name=app.name,
            client_id=app.client_id,
            auth_type=agreed.auth_type,
            scopes=scopes.join(agreed.scopes),
            lifetime_us=None if life is None else life // MICROSECOND,
            requested_scopes=words,
            expires_in=expires_in,
            is_shortened=asked is not None and life is not None and life < asked,
        )


def validate_rows(
    gam: Gam, problems: ProblemList, rows: Iterable[KeyRow], batch: Batch | None, delivered_rows: int
) -> ValidatedInput:
    """
    Check the rows of an input behind the `there` first, which an earlier run of its `batch` has delivered.

    Raises FaultsError with all that is wrong. What is right lies in the store's temporary table afterwards.
    """
    with gam.store.reading() as tx:
        store.bulk_rows.create_tables(tx)
        judge = TermsResolver(tx, gam.now(), partial(store.bulk_rows.add_terms, tx))
        reader, total = _RowReader(tx, judge, problems), 0
        for number, group in enumerate(iter_groups(rows, GROUP_ROWS)):
            skipped = max(0, delivered_rows - number * GROUP_ROWS)
            store.bulk_rows.add(tx, reader.read(group[skipped:], number * GROUP_ROWS + skipped + 1))
            store.request_ids.add_pending(tx, reader.pop_requests())
            total += len(group)
        for line, first in store.bulk_rows.find_duplicate_pairs(tx, MAX_PROBLEMS):
            problems.add(line, f"the same user and application as in line {first}")
        firsts, repeated = range(delivered_rows + 1, total + 1, GROUP_ROWS), 0
        if reader.has_requests:
            for line, first in store.request_ids.find_duplicates(tx, MAX_PROBLEMS):
                problems.add(line, f"the same request id as in line {first}")
            repeated = sum(_resolve_requests(tx, judge.now, problems, first) for first in firsts)
        if judge.has_existing_keys:
            _resolve_existing_keys(tx, judge.now, problems, _EarlierRuns(tx, batch, delivered_rows), firsts)
        problems.require_none()
        counts = store.bulk_rows.count_rows(tx)
        return ValidatedInput(
            batch, delivered_rows, store.batches.load_last_change_seq(tx), counts, reader.has_requests, repeated
        )


class _RowReader:
    """Finds the users of rows and what each row may have."""

    def __init__(self, tx: Transaction, resolver: TermsResolver, problems: ProblemList) -> None:
        self._tx = tx
        self._resolver = resolver
        self._problems = problems
        self._users: dict[str, BulkUser] = {}
        self._requests: list[tuple[int, int, str, str]] = []
        self.has_requests = False

    def read(self, rows: Sequence[KeyRow], first: int) -> list[tuple[int, int, int, str, int, int, str]]:
        """Return what the store keeps of the rows that have no fault; `first` is the number of the first one."""
        self._look_up_users({row.user for row in rows})
        found = []
        for number, row in enumerate(rows, first):
            person = self._users.get(row.user)
            try:
                if person is None:
                    raise NotFoundError(f"no user named '{escape_unprintable(row.user)}'")
                terms = self._resolver.resolve(person, row.app, row.scopes, row.expires_in)
                label = row.label and check_text("the label", row.label)
                if row.request_id:
                    self._add_request(number, row, CanonicalRequest(person.guid, terms.client_id, label=label))
                found.append((number, row.line, person.number, person.name, terms.app, terms.id, label))
            except GamcliError as error:
                self._problems.add(row.line, error_message(error))
        return found

    def _add_request(self, number: int, row: KeyRow, asked: CanonicalRequest) -> None:
        words = [row.scopes] if row.scopes else None
        expires_in = durations.parse(row.expires_in) if row.expires_in else None
        whole = asked._replace(scopes=words, expires_in=expires_in)
        self._requests.append((number, row.line, check_id(row.request_id), whole.json()))

    def pop_requests(self) -> list[tuple[int, int, str, str]]:
        """Return the requests of the rows that were read since the last time."""
        found, self._requests = self._requests, []
        self.has_requests |= bool(found)
        return found

    def _look_up_users(self, names: set[str]) -> None:
        if len(self._users) > MAX_CACHED_USERS:
            self._users.clear()
        folded = {name: normalize_name(name) for name in names if name not in self._users}
        found = store.bulk_rows.find_users(self._tx, sorted(folded.values()))
        self._users.update((name, found[text]) for name, text in folded.items() if text in found)


class _EarlierRuns:
    """What earlier runs of the input have made, and which of it was never delivered."""

    def __init__(self, tx: Transaction, batch: Batch | None, delivered_rows: int) -> None:
        self.batch = batch
        self._delivered_rows = max(delivered_rows, batch.delivered) if batch else 0
        self._parts = store.batches.load_parts(tx, batch) if batch else []

    def has_issued(self, key: Key, row: int) -> bool:
        """Say whether an earlier run made `key` for that row."""
        return any(
            part.first <= row <= part.last and part.created_at == key.created_at and key.id.startswith(part.id_prefix)
            for part in self._parts
        )

    def is_undelivered(self, key: Key, row: int) -> bool:
        """Say whether the secret of `key` reached nobody."""
        return row > self._delivered_rows and key.last_used_at is None and self.has_issued(key, row)


def _resolve_requests(tx: Transaction, now: datetime, problems: ProblemList, first: int) -> int:
    """Note the keys of requests that were made before, and return how many of them get no fresh secret."""
    held = []
    for row, line, asked, request in list(store.request_ids.find_repeated(tx, first, first + GROUP_ROWS - 1)):
        try:
            held.append((request.key_id, _repeat_outcome(tx, now, request, asked), row))
        except ConflictError as error:
            problems.add(line, error.message)
    store.bulk_rows.set_outcomes(tx, held)
    return sum(becomes == REPEATED for _, becomes, _ in held)


def _repeat_outcome(tx: Transaction, now: datetime, request: KeyRequest, request_json: str) -> int:
    require_same_request(request, request_json)
    key = store.keys.find(tx, request.key_id)
    return RENEWED if key and is_unused(key, now) else REPEATED


def _resolve_existing_keys(
    tx: Transaction, now: datetime, problems: ProblemList, earlier: _EarlierRuns, firsts: Iterable[int]
) -> None:
    """Note the keys that pairs have already: a dead one steps back, one that reached nobody is renewed."""
    for first in firsts:
        held: list[tuple[str, int, int]] = []
        settled = store.bulk_rows.find_decided_rows(tx, first, first + GROUP_ROWS - 1)
        for row, line, key in list(store.bulk_rows.find_current_keys(tx, first, first + GROUP_ROWS - 1)):
            if row in settled:
                continue
            if not key.is_valid(now) or earlier.is_undelivered(key, row):
                held.append((key.id, key.is_valid(now), row))
            else:
                problems.add(line, _conflict_message(key, earlier.batch if earlier.has_issued(key, row) else None))
        store.bulk_rows.set_outcomes(tx, held)


def _conflict_message(key: Key, batch: Batch | None) -> str:
    if batch is None:
        return f"user '{key.user}' has a live key for application '{key.app}' already: {key.id}"
    anew = command("key", "rotate", key.id, "--overlap", "0")
    return f"an earlier run of this input made key {key.id} for {batch.output}: take it from there, or {anew}"


def revalidate_chunk(tx: Transaction, now: datetime, chunk: BulkChunk) -> BulkChunk:
    """Return checked rows as they are after the store changed; raises ConflictError when one is right no more."""
    terms: list[KeyTerms] = []
    judge = TermsResolver(tx, now, terms.append)
    people = store.bulk_rows.find_users_by_number(tx, list({row.user for row in chunk.rows}))
    held = {row: key for row, _, key in store.bulk_rows.find_current_keys(tx, chunk.first, chunk.last)}
    met = {
        row: (asked, request) for row, _, asked, request in store.request_ids.find_repeated(tx, chunk.first, chunk.last)
    }
    rows = []
    for row in chunk.rows:
        was, person = chunk.terms[row.terms], people.get(row.user)
        if row.row in met:
            row = _revalidate_request(tx, now, row, *met[row.row])  # noqa: PLW2901 - the row as it is now
            rows.append(_revalidate_row(judge, row, was, person, None)._replace(current_key=row.current_key))
        else:
            rows.append(_revalidate_row(judge, row, was, person, held.get(row.row)))
    return chunk._replace(rows=rows, terms={each.id: each for each in terms})


def _revalidate_request(
    tx: Transaction, now: datetime, row: BulkRow, request_json: str, request: KeyRequest
) -> BulkRow:
    try:
        return row._replace(current_key=request.key_id, outcome=_repeat_outcome(tx, now, request, request_json))
    except ConflictError as error:
        raise ConflictError(f"line {row.line} is right no more: {error.message}", RERUN_HINT) from error


def _revalidate_row(
    resolver: TermsResolver, row: BulkRow, earlier: KeyTerms, user: BulkUser | None, key: Key | None
) -> BulkRow:
    if user is None:
        raise ConflictError(f"line {row.line} is right no more: user '{row.name}' is gone", RERUN_HINT)
    try:
        terms = resolver.resolve(user, earlier.client_id, earlier.requested_scopes, earlier.expires_in)
    except GamcliError as error:
        raise ConflictError(f"line {row.line} is right no more: {error.message}", RERUN_HINT) from error
    if key is not None and key.is_valid(resolver.now) and not (row.outcome and key.id == row.current_key):
        raise ConflictError(f"line {row.line} is right no more: {_conflict_message(key, None)}", RERUN_HINT)
    return row._replace(terms=terms.id, current_key=None if key is None else key.id)
