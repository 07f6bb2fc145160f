"""What a change comes to: the records that actions return, and the keys that a change touches."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

from gamcli import store
from gamcli.actions import Gam
from gamcli.errors import InvalidatesKeysError, UnconfirmedError
from gamcli.model import KeyImpact
from gamcli.rules import impact
from gamcli.rules.credentials import Secret
from gamcli.rules.grants import GrantFacts
from gamcli.store import Transaction
from gamcli.store.keys import KeyFilter

Record = TypeVar("Record")

SaveSecret = Callable[[Record, Secret], None]
"""Puts the secret of a record where it belongs, within the transaction that makes it: both are kept, or neither."""


def discard_secret(_: object, __: Secret) -> None:
    """Leave the secret to the one who asked for it."""


class CreateResult(NamedTuple, Generic[Record]):
    """A record that was made now (`fresh`) or was there already as asked; `secret` only when issued."""

    record: Record
    is_new: bool = True
    secret: Secret | None = None


class ChangeResult(NamedTuple, Generic[Record]):
    """A record after a change; `differs` is False when there was nothing to change, `impacts` the keys touched."""

    record: Record
    is_changed: bool = True
    impacts: tuple[KeyImpact, ...] = ()
    secret: Secret | None = None

    @property
    def suspended_count(self) -> int:
        """How many live keys the change suspends."""
        return sum(not each.is_permanent for each in self.impacts)


def load_key_facts(tx: Transaction, gam: Gam, criteria: KeyFilter) -> Iterator[GrantFacts]:
    """Yield, for each key that has not ended, the facts that it stands on."""
    apps = lru_cache(maxsize=256)(lambda client_id: store.apps.find_by_client_id(tx, client_id))
    users = lru_cache(maxsize=256)(lambda guid: store.users.find_by_guid(tx, guid))
    auth_types = lru_cache(maxsize=256)(lambda name: store.auth_types.find(tx, name))
    now = gam.now()
    for key in store.keys.search(tx, criteria._replace(not_ended=True)):
        yield GrantFacts(
            now=now, key=key, app=apps(key.client_id), user=users(key.user_guid), auth_type=auth_types(key.auth_type)
        )


def assess_impact(
    tx: Transaction, gam: Gam, criteria: KeyFilter, change: impact.FactsChange, accept: int | None
) -> tuple[KeyImpact, ...]:
    """
    Return the live keys that `change` touches, and end those that it ends for good.

    Raises EndsKeysError when it ends any and `accept` is not their number.
    """
    impacts = tuple(impact.find_impacts(change, load_key_facts(tx, gam, criteria)))
    ending = [each for each in impacts if each.is_permanent]
    if gam.dry_run is None:
        require_accepted(ending, accept)
    gam.record_impact(*impacts)
    for each in ending:
        store.keys.record_end(tx, each.key.id, "invalidated", gam.now(), each.reason)
    return impacts


def require_accepted(invalidated: list[KeyImpact], accept: int | None) -> None:
    """Raise EndsKeysError unless `accept` is the number of `ending`; where nothing ends, nobody need accept it."""
    if len(invalidated) != (accept or 0) or (invalidated and accept is None):
        raise invalidates_keys_error(invalidated, accept)


def invalidates_keys_error(invalidated: list[KeyImpact], accept: int | None) -> InvalidatesKeysError:
    """Return the refusal to end `ending`, with the count that would accept it."""
    count = "1 live key" if len(invalidated) == 1 else f"{len(invalidated)} live keys"
    instead = f", not {accept}" if accept is not None else ""
    return InvalidatesKeysError(
        f"this ends {count} for good{instead}", f"add --accept-invalidating {len(invalidated)} to do it", invalidated
    )


def require_confirmation(gam: Gam, subject: str, accept: int | None, *, yes: bool) -> None:
    """Raise UnconfirmedError unless somebody said yes, or accepted the keys that end, or it is only tried."""
    if not yes and accept is None and gam.dry_run is None:
        raise UnconfirmedError(f"this deletes {subject} for good", "add --yes to do it")
