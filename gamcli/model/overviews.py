"""What a screen tells of one thing, and of the store as a whole: records beside their surroundings."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from gamcli.model import App, Key, User

Statuses = Mapping[str, int]
"""How many keys have each status; one that none has may be missing."""


class Step(NamedTuple):
    """What to type next, and what it does."""

    what: str
    command: str


class AppOverview(NamedTuple):
    """An application, its keys by status, which expires first, which rotated one ends first, who used it last."""

    app: App
    keys: Statuses
    first_to_expire: Key | None
    first_to_retire: Key | None
    last_used: tuple[Key, ...]
    steps: tuple[Step, ...]


class UserOverview(NamedTuple):
    """A user, the first of their keys (live ones before others), and applications they may have a key for."""

    user: User
    keys: Statuses
    held: tuple[Key, ...]
    open_apps: tuple[str, ...]
    steps: tuple[Step, ...]


class KeyOverview(NamedTuple):
    """A key, and the first rule that keeps it from being used, None when none does."""

    key: Key
    broken: str | None
    steps: tuple[Step, ...]


class Shut(NamedTuple):
    """How many let nobody in, and the first of their names."""

    number: int
    names: tuple[str, ...]


class StoreOverview(NamedTuple):
    """A store as a whole; `never_used` is None where counting takes too long."""

    path: str
    apps: int
    users: int
    keys: Statuses
    due: int
    due_until: datetime
    never_used: int | None
    apps_shut: Shut
    users_shut: Shut
    steps: tuple[Step, ...]
