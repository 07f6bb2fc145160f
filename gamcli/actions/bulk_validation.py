"""Keys that an input of many rows wants: all of it is checked, and every fault found, before any key is made."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import NamedTuple, TypeVar

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.problems import MOST_FAULTS, Faults, told
from gamcli.actions.request_ids import Asked, awaits_use, check_id, require_same
from gamcli.errors import ConflictError, GamcliError, NotFoundError, command
from gamcli.model import Key, fold
from gamcli.rules import durations, scopes
from gamcli.rules.grants import Facts
from gamcli.rules.keys import KeyTerms, agree, auth_type_for
from gamcli.rules.names import check_text, shown
from gamcli.store import Transaction
from gamcli.store.batches import Batch
from gamcli.store.bulk_rows import RENEWED, REPEATED, Chunk, Counts, Person, Terms, Wanted
from gamcli.store.request_ids import Request

SOME = 10_000
"""So many rows are looked up together."""

MOST_PEOPLE = 50_000
"""So many users are remembered by the names that the input has for them."""

MOST_TERMS = 16_384
"""So many different wishes are remembered."""

AGAIN = "mend it and run the same command again: it makes what is missing"
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


class Checked(NamedTuple):
    """
    An input without faults; the first rows are `there` already, the store was at audit entry `head`.

    `has_requests` says that rows ask under ids of their own, `repeated` how many of these have their keys already.
    """

    batch: Batch | None
    there: int
    head: int
    counts: Counts
    has_requests: bool = False
    repeated: int = 0


def some(items: Iterable[Item], most: int) -> Iterator[list[Item]]:
    """Yield the items in lists of `most`."""
    rest = iter(items)
    return iter(lambda: list(islice(rest, most)), [])


class Judge:
    """Says what keys the users and applications of one state of the store may have; `keep` takes each new answer."""

    def __init__(self, tx: Transaction, now: datetime, keep: Callable[[Terms], None]) -> None:
        self.now = now
        self.meets_keys = False
        self._tx = tx
        self._keep = keep
        self._default = store.repository.the(tx).default_auth_type
        self._count = 0
        self._known: dict[tuple[str, str, str], Terms] = {}

    def terms(self, person: Person, app: str, words: str, expires_in: str) -> Terms:
        """Return what a key of that user may be, or raise the refusal of the rule that says no."""
        asked = (app, words, expires_in)
        found = self._known.get(asked)
        if found is None or person.blocked or not person.enabled:  # other than that, the rules look at no user
            found = self._judged(person, *asked)
            if len(self._known) >= MOST_TERMS:
                self._known.clear()
            self._known[asked] = found
            self._keep(found)
        return found

    def _judged(self, person: Person, name: str, words: str, expires_in: str) -> Terms:
        tx, app = self._tx, store.apps.named(self._tx, name)
        auth_type = store.auth_types.named(tx, auth_type_for(app, None, self._default))
        facts = Facts(self.now, app=app, user=store.users.with_guid(tx, person.guid), auth_type=auth_type)
        known = partial(store.users.knows_attribute, tx, app.scopes)
        chosen = scopes.parse([words], known) if words else None
        asked = durations.parse(expires_in) if expires_in else None
        agreed = agree(facts, KeyTerms(chosen, asked))
        number, has_keys = store.bulk_rows.app_number(tx, app.client_id)
        life = None if agreed.expires_at is None else agreed.expires_at - self.now
        self.meets_keys |= has_keys
        self._count += 1
        return Terms(
            id=self._count,
            app=number,
            name=app.name,
            client_id=app.client_id,
            auth_type=agreed.auth_type,
            scopes=scopes.join(agreed.scopes),
            life=None if life is None else life // MICROSECOND,
            words=words,
            expires_in=expires_in,
            is_cut=asked is not None and life is not None and life < asked,
        )


def check(gam: Gam, faults: Faults, rows: Iterable[KeyRow], batch: Batch | None, there: int) -> Checked:
    """
    Check the rows of an input behind the `there` first, which an earlier run of its `batch` has delivered.

    Raises FaultsError with all that is wrong. What is right lies in the store's temporary table afterwards.
    """
    with gam.store.reading() as tx:
        store.bulk_rows.clear(tx)
        judge = Judge(tx, gam.now(), partial(store.bulk_rows.agree, tx))
        reader, total = _Reader(tx, judge, faults), 0
        for number, group in enumerate(some(rows, SOME)):
            skipped = max(0, there - number * SOME)
            store.bulk_rows.add(tx, reader.read(group[skipped:], number * SOME + skipped + 1))
            store.request_ids.want(tx, reader.requests())
            total += len(group)
        for line, first in store.bulk_rows.twice(tx, MOST_FAULTS):
            faults.add(line, f"the same user and application as in line {first}")
        firsts, repeated = range(there + 1, total + 1, SOME), 0
        if reader.has_requests:
            for line, first in store.request_ids.twice(tx, MOST_FAULTS):
                faults.add(line, f"the same request id as in line {first}")
            repeated = sum(_settle(tx, judge.now, faults, first) for first in firsts)
        if judge.meets_keys:
            _hold(tx, judge.now, faults, _Past(tx, batch, there), firsts)
        faults.require_none()
        counts = store.bulk_rows.counts(tx)
        return Checked(batch, there, store.batches.changes(tx), counts, reader.has_requests, repeated)


class _Reader:
    """Finds the users of rows and what each row may have."""

    def __init__(self, tx: Transaction, judge: Judge, faults: Faults) -> None:
        self._tx = tx
        self._judge = judge
        self._faults = faults
        self._people: dict[str, Person] = {}
        self._requests: list[tuple[int, int, str, str]] = []
        self.has_requests = False

    def read(self, rows: Sequence[KeyRow], first: int) -> list[tuple[int, int, int, str, int, int, str]]:
        """Return what the store keeps of the rows that have no fault; `first` is the number of the first one."""
        self._meet({row.user for row in rows})
        found = []
        for number, row in enumerate(rows, first):
            person = self._people.get(row.user)
            try:
                if person is None:
                    raise NotFoundError(f"no user named '{shown(row.user)}'")
                terms = self._judge.terms(person, row.app, row.scopes, row.expires_in)
                label = row.label and check_text("the label", row.label)
                if row.request_id:
                    self._request(number, row, Asked(person.guid, terms.client_id, label=label))
                found.append((number, row.line, person.number, person.name, terms.app, terms.id, label))
            except GamcliError as error:
                self._faults.add(row.line, told(error))
        return found

    def _request(self, number: int, row: KeyRow, asked: Asked) -> None:
        words = [row.scopes] if row.scopes else None
        expires_in = durations.parse(row.expires_in) if row.expires_in else None
        whole = asked._replace(scopes=words, expires_in=expires_in)
        self._requests.append((number, row.line, check_id(row.request_id), whole.json()))

    def requests(self) -> list[tuple[int, int, str, str]]:
        """Return the requests of the rows that were read since the last time."""
        found, self._requests = self._requests, []
        self.has_requests |= bool(found)
        return found

    def _meet(self, names: set[str]) -> None:
        if len(self._people) > MOST_PEOPLE:
            self._people.clear()
        folded = {name: fold(name) for name in names if name not in self._people}
        found = store.bulk_rows.people(self._tx, sorted(folded.values()))
        self._people.update((name, found[text]) for name, text in folded.items() if text in found)


class _Past:
    """What earlier runs of the input have made, and which of it was never delivered."""

    def __init__(self, tx: Transaction, batch: Batch | None, there: int) -> None:
        self.batch = batch
        self._mark = max(there, batch.delivered) if batch else 0
        self._parts = store.batches.parts(tx, batch) if batch else []

    def made(self, key: Key, row: int) -> bool:
        """Say whether an earlier run made `key` for that row."""
        return any(
            part.first <= row <= part.last and part.created_at == key.created_at and key.id.startswith(part.beginning)
            for part in self._parts
        )

    def lost(self, key: Key, row: int) -> bool:
        """Say whether the secret of `key` reached nobody."""
        return row > self._mark and key.last_used_at is None and self.made(key, row)


def _settle(tx: Transaction, now: datetime, faults: Faults, first: int) -> int:
    """Note the keys of requests that were made before, and return how many of them get no fresh secret."""
    held = []
    for row, line, asked, request in list(store.request_ids.met(tx, first, first + SOME - 1)):
        try:
            held.append((request.key, _becomes(tx, now, request, asked), row))
        except ConflictError as error:
            faults.add(line, error.message)
    store.bulk_rows.hold(tx, held)
    return sum(becomes == REPEATED for _, becomes, _ in held)


def _becomes(tx: Transaction, now: datetime, request: Request, asked: str) -> int:
    require_same(request, asked)
    key = store.keys.find(tx, request.key)
    return RENEWED if key and awaits_use(key, now) else REPEATED


def _hold(tx: Transaction, now: datetime, faults: Faults, past: _Past, firsts: Iterable[int]) -> None:
    """Note the keys that pairs have already: a dead one steps back, one that reached nobody is renewed."""
    for first in firsts:
        held: list[tuple[str, int, int]] = []
        settled = store.bulk_rows.settled(tx, first, first + SOME - 1)
        for row, line, key in list(store.bulk_rows.held(tx, first, first + SOME - 1)):
            if row in settled:
                continue
            if not key.is_live(now) or past.lost(key, row):
                held.append((key.id, key.is_live(now), row))
            else:
                faults.add(line, _in_the_way(key, past.batch if past.made(key, row) else None))
        store.bulk_rows.hold(tx, held)


def _in_the_way(key: Key, batch: Batch | None) -> str:
    if batch is None:
        return f"user '{key.user}' has a live key for application '{key.app}' already: {key.id}"
    anew = command("key", "rotate", key.id, "--overlap", "0")
    return f"an earlier run of this input made key {key.id} for {batch.output}: take it from there, or {anew}"


def require_right(tx: Transaction, now: datetime, chunk: Chunk) -> Chunk:
    """Return checked rows as they are after the store changed; raises ConflictError when one is right no more."""
    terms: list[Terms] = []
    judge = Judge(tx, now, terms.append)
    people = store.bulk_rows.numbered(tx, list({row.user for row in chunk.rows}))
    held = {row: key for row, _, key in store.bulk_rows.held(tx, chunk.first, chunk.last)}
    met = {row: (asked, request) for row, _, asked, request in store.request_ids.met(tx, chunk.first, chunk.last)}
    rows = []
    for row in chunk.rows:
        was, person = chunk.terms[row.terms], people.get(row.user)
        if row.row in met:
            row = _require_same(tx, now, row, *met[row.row])  # noqa: PLW2901 - the row as it is now
            rows.append(_require_right(judge, row, was, person, None)._replace(held=row.held))
        else:
            rows.append(_require_right(judge, row, was, person, held.get(row.row)))
    return chunk._replace(rows=rows, terms={each.id: each for each in terms})


def _require_same(tx: Transaction, now: datetime, row: Wanted, asked: str, request: Request) -> Wanted:
    try:
        return row._replace(held=request.key, renewed=_becomes(tx, now, request, asked))
    except ConflictError as error:
        raise ConflictError(f"line {row.line} is right no more: {error.message}", AGAIN) from error


def _require_right(judge: Judge, row: Wanted, was: Terms, person: Person | None, key: Key | None) -> Wanted:
    if person is None:
        raise ConflictError(f"line {row.line} is right no more: user '{row.name}' is gone", AGAIN)
    try:
        terms = judge.terms(person, was.client_id, was.words, was.expires_in)
    except GamcliError as error:
        raise ConflictError(f"line {row.line} is right no more: {error.message}", AGAIN) from error
    if key is not None and key.is_live(judge.now) and not (row.renewed and key.id == row.held):
        raise ConflictError(f"line {row.line} is right no more: {_in_the_way(key, None)}", AGAIN)
    return row._replace(terms=terms.id, held=None if key is None else key.id)
