"""What a doctor looks at, and what it finds: files, settings, counts of the store; facts without a verdict."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from gamcli.model.overviews import Shut

OK, WARN, WRONG = "ok", "warn", "wrong"
STATUSES = (OK, WARN, WRONG)
"""All is well; worth a look, and perhaps meant so; not as it should be."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check came to; `mend` is a command line, None when nothing is to be done or nothing can be typed."""

    check: str
    status: str
    message: str
    mend: str | None = None


class FileFacts(NamedTuple):
    """A file as it lies there: `role` says what it is, `secret` that some of what it holds is for its owner alone."""

    role: str
    path: str
    mode: int
    owner: int
    size: int
    secret: bool = True


class Trouble(NamedTuple):
    """What could not be looked at, and why."""

    message: str
    mend: str | None


class Hidden(NamedTuple):
    """A setting that is given twice: from where it comes, and where else it stands in vain."""

    name: str
    value: object
    origin: str
    lost: object
    lost_origin: str


class Certificate(NamedTuple):
    """A TLS certificate of a file: until when it is valid, or what is wrong with the file."""

    path: str
    ends_at: datetime | None
    trouble: str = ""


class ShutType(NamedTuple):
    """A disabled authentication type, how many live keys need it (or `more`), the applications that allow no other."""

    name: str
    keys: int
    apps: tuple[str, ...]
    more: bool = False


class Contents(NamedTuple):
    """
    What the store holds, as far as it can be counted in a moment; `users_idle` None = too many to count.

    `keeps_log` says that SQLite writes to a log beside it first (WAL). `lasting_key` is one that its application would
    bound today. `orphans` are those that a prune deletes.
    """

    keeps_log: bool
    latest: tuple[tuple[str, datetime], ...]
    stepped_back: tuple[int, int] | None
    default_type: tuple[str, bool]
    shut_types: tuple[ShutType, ...]
    no_rest: Shut
    lasting: int
    lasting_key: str | None
    lasting_apps: tuple[str, ...]
    apps_idle: Shut
    users_idle: Shut | None
    orphans: int


@dataclass(frozen=True, slots=True)
class Facts:
    """
    All that the checks judge.

    `store` is what keeps the store from being looked into, None when nothing does; `version` and `known_version` are
    of its schema. `user` is the number of the user who asks, 0 for root. `free` is the room on the disk in bytes.
    `tls_keys` are what is wrong with those that were named.
    """

    now: datetime
    user: int
    path: str
    store: Trouble | None = None
    version: int = 0
    known_version: int = 0
    files: tuple[FileFacts, ...] = ()
    free: int | None = None
    settings: Trouble | None = None
    hidden: tuple[Hidden, ...] = ()
    variables: tuple[str, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    tls_keys: tuple[Trouble, ...] = ()
    contents: Contents | None = None
