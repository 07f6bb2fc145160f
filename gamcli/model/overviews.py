"""What a screen shows about an application, user, key, or the store as a whole."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from gamcli.model import App, Key, User

StatusCounts = Mapping[str, int]
"""The number of keys by status; statuses without keys may be missing."""


class NextStep(NamedTuple):
    """A suggested command, and what it does."""

    description: str
    command: str


class AppOverview(NamedTuple):
    """An application and its keys."""

    app: App
    keys: StatusCounts
    first_to_expire: Key | None
    first_to_retire: Key | None
    last_used_keys: tuple[Key, ...]
    next_steps: tuple[NextStep, ...]


class UserOverview(NamedTuple):
    """A user, the first of their keys (active ones first), and the applications they can get a key for."""

    user: User
    keys: StatusCounts
    first_keys: tuple[Key, ...]
    available_apps: tuple[str, ...]
    next_steps: tuple[NextStep, ...]


class KeyOverview(NamedTuple):
    """A key, and why it is refused at the moment, None if it can be used."""

    key: Key
    refusal: str | None
    next_steps: tuple[NextStep, ...]


class CountWithNames(NamedTuple):
    """A number of objects, and the first of their names."""

    number: int
    names: tuple[str, ...]


class StoreOverview(NamedTuple):
    """A store as a whole; `never_used_keys` is None if counting would take too long."""

    path: str
    apps: int
    users: int
    keys: StatusCounts
    expiring_keys: int
    expiring_until: datetime
    disabled_keys: int
    expired_keys: int
    never_used_keys: int | None
    disabled_apps: CountWithNames
    locked_out_users: CountWithNames
    next_steps: tuple[NextStep, ...]
