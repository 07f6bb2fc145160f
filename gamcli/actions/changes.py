"""What a change comes to: the records that actions return, and the keys that a change touches."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

from gamcli import store
from gamcli.actions import Gam
from gamcli.errors import EndsKeysError, UnconfirmedError
from gamcli.model import Impact
from gamcli.rules import impact
from gamcli.rules.credentials import Secret
from gamcli.rules.grants import Facts
from gamcli.store import Transaction
from gamcli.store.keys import KeyFilter

Record = TypeVar("Record")

Keep = Callable[[Record, Secret], None]
"""Puts the secret of a record where it belongs, within the transaction that makes it: both are kept, or neither."""


def keep_nowhere(_: object, __: Secret) -> None:
    """Leave the secret to the one who asked for it."""


class Created(NamedTuple, Generic[Record]):
    """A record that was made now (`fresh`) or was there already as asked; `secret` only when issued."""

    record: Record
    fresh: bool = True
    secret: Secret | None = None


class Changed(NamedTuple, Generic[Record]):
    """A record after a change; `differs` is False when there was nothing to change, `impacts` the keys touched."""

    record: Record
    differs: bool = True
    impacts: tuple[Impact, ...] = ()
    secret: Secret | None = None

    @property
    def suspended(self) -> int:
        """How many live keys the change suspends."""
        return sum(not each.ends for each in self.impacts)


def standing(tx: Transaction, gam: Gam, wanted: KeyFilter) -> Iterator[Facts]:
    """Yield, for each key that has not ended, the facts that it stands on."""
    apps = lru_cache(maxsize=256)(lambda client_id: store.apps.of_client(tx, client_id))
    users = lru_cache(maxsize=256)(lambda guid: store.users.with_guid(tx, guid))
    auth_types = lru_cache(maxsize=256)(lambda name: store.auth_types.find(tx, name))
    now = gam.now()
    for key in store.keys.each(tx, wanted._replace(not_ended=True)):
        yield Facts(
            now=now, key=key, app=apps(key.client_id), user=users(key.user_guid), auth_type=auth_types(key.auth_type)
        )


def weigh(
    tx: Transaction, gam: Gam, wanted: KeyFilter, change: impact.Change, accept: int | None
) -> tuple[Impact, ...]:
    """
    Return the live keys that `change` touches, and end those that it ends for good.

    Raises EndsKeysError when it ends any and `accept` is not their number.
    """
    impacts = tuple(impact.of(change, standing(tx, gam, wanted)))
    ending = [each for each in impacts if each.ends]
    if gam.rehearsal is None:
        require_accepted(ending, accept)
    gam.touch(*impacts)
    for each in ending:
        store.keys.end(tx, each.key.id, "invalidated", gam.now(), each.reason)
    return impacts


def require_accepted(ending: list[Impact], accept: int | None) -> None:
    """Raise EndsKeysError unless `accept` is the number of `ending`; where nothing ends, nobody need accept it."""
    if len(ending) != (accept or 0) or (ending and accept is None):
        raise ends_keys(ending, accept)


def ends_keys(ending: list[Impact], accept: int | None) -> EndsKeysError:
    """Return the refusal to end `ending`, with the count that would accept it."""
    count = "1 live key" if len(ending) == 1 else f"{len(ending)} live keys"
    instead = f", not {accept}" if accept is not None else ""
    return EndsKeysError(
        f"this ends {count} for good{instead}", f"add --accept-invalidating {len(ending)} to do it", ending
    )


def require_yes(gam: Gam, what: str, accept: int | None, *, yes: bool) -> None:
    """Raise UnconfirmedError unless somebody said yes, or accepted the keys that end, or it is only tried."""
    if not yes and accept is None and gam.rehearsal is None:
        raise UnconfirmedError(f"this deletes {what} for good", "add --yes to do it")
