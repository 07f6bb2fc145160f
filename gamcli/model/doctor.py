"""What a doctor looks at, and what it finds: files, settings, counts of the store; facts without a verdict."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from gamcli.model.overviews import CountWithNames

OK, WARN, WRONG = "ok", "warn", "wrong"
STATUSES = (OK, WARN, WRONG)
"""All is well; worth a look, and perhaps meant so; not as it should be."""


@dataclass(frozen=True, slots=True)
class DoctorFinding:
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
    uid: int
    size: int
    is_secret: bool = True


class ReadProblem(NamedTuple):
    """What could not be looked at, and why."""

    message: str
    fix: str | None


class ShadowedSetting(NamedTuple):
    """A setting that is given twice: from where it comes, and where else it stands in vain."""

    name: str
    value: object
    origin: str
    shadowed_value: object
    shadowed_origin: str


class Certificate(NamedTuple):
    """A TLS certificate of a file: until when it is valid, or what is wrong with the file."""

    path: str
    ends_at: datetime | None
    problem: str = ""


class DisabledAuthType(NamedTuple):
    """A disabled authentication type, how many live keys need it (or `more`), the applications that allow no other."""

    name: str
    keys: int
    apps: tuple[str, ...]
    has_more: bool = False


class StoreContents(NamedTuple):
    """
    What the store holds, as far as it can be counted in a moment; `users_idle` None = too many to count.

    `keeps_log` says that SQLite writes to a log beside it first (WAL). `lasting_key` is one that its application would
    bound today. `orphans` are those that a prune deletes.
    """

    uses_wal: bool
    latest_timestamps: tuple[tuple[str, datetime], ...]
    clock_step: tuple[int, int] | None
    default_auth_type: tuple[str, bool]
    disabled_auth_types: tuple[DisabledAuthType, ...]
    apps_without_rest: CountWithNames
    unlimited_keys: int
    unlimited_key: str | None
    apps_without_timeout: tuple[str, ...]
    idle_apps: CountWithNames
    idle_users: CountWithNames | None
    orphaned_tokens: int


@dataclass(frozen=True, slots=True)
class DoctorFacts:
    """
    All that the checks judge.

    `store` is what keeps the store from being looked into, None when nothing does; `version` and `known_version` are
    of its schema. `user` is the number of the user who asks, 0 for root. `free` is the room on the disk in bytes.
    `tls_keys` are what is wrong with those that were named.
    """

    now: datetime
    uid: int
    path: str
    store_problem: ReadProblem | None = None
    version: int = 0
    supported_version: int = 0
    files: tuple[FileFacts, ...] = ()
    free_bytes: int | None = None
    settings_problem: ReadProblem | None = None
    shadowed_settings: tuple[ShadowedSetting, ...] = ()
    exposed_variables: tuple[str, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    tls_key_problems: tuple[ReadProblem, ...] = ()
    contents: StoreContents | None = None
