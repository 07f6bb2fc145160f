"""What a screen tells of one thing, and of the store as a whole: records beside their surroundings."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from gamcli.model import App, Key, User

StatusCounts = Mapping[str, int]
"""How many keys have each status; one that none has may be missing."""


class NextStep(NamedTuple):
    """What to type next, and what it does."""

    description: str
    command: str


class AppOverview(NamedTuple):
    """An application, its keys by status, which expires first, which rotated one ends first, who used it last."""

    app: App
    keys: StatusCounts
    first_to_expire: Key | None
    first_to_retire: Key | None
    last_used_keys: tuple[Key, ...]
    next_steps: tuple[NextStep, ...]


class UserOverview(NamedTuple):
    """A user, the first of their keys (live ones before others), and applications they may have a key for."""

    user: User
    keys: StatusCounts
    first_keys: tuple[Key, ...]
    available_apps: tuple[str, ...]
    next_steps: tuple[NextStep, ...]


class KeyOverview(NamedTuple):
    """A key, and the first rule that keeps it from being used, None when none does."""

    key: Key
    refusal: str | None
    next_steps: tuple[NextStep, ...]


class CountWithNames(NamedTuple):
    """How many let nobody in, and the first of their names."""

    number: int
    names: tuple[str, ...]


class StoreOverview(NamedTuple):
    """A store as a whole; `never_used` is None where counting takes too long."""

    path: str
    apps: int
    users: int
    keys: StatusCounts
    expiring_keys: int
    expiring_until: datetime
    never_used_keys: int | None
    disabled_apps: CountWithNames
    locked_out_users: CountWithNames
    next_steps: tuple[NextStep, ...]
