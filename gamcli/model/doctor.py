"""What `gamcli doctor` reads and finds: files, settings, contents of the store, and findings."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from gamcli.model.files import FileFacts, is_network_file_system
from gamcli.model.overviews import CountWithNames

OK, WARN, WRONG = "ok", "warn", "wrong"
STATUSES = (OK, WARN, WRONG)
"""No problem; needs attention, but may be intended; a problem."""


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """The result of a check; `mend` is a suggested command (the name is part of the JSON output)."""

    check: str
    status: str
    message: str
    mend: str | None = None


class ReadProblem(NamedTuple):
    """Something that could not be read, and why."""

    message: str
    fix: str | None


class ShadowedSetting(NamedTuple):
    """A setting with two values: the one in effect, and the one that it overrides."""

    name: str
    value: object
    origin: str
    shadowed_value: object
    shadowed_origin: str


class Certificate(NamedTuple):
    """A TLS certificate file: its expiry date, or the problem with the file."""

    path: str
    ends_at: datetime | None
    problem: str = ""


class DisabledAuthType(NamedTuple):
    """
    A disabled authentication type with its uses.

    `keys` is the number of active keys that need it (or more, see `has_more`), `apps` are the applications that allow
    no other.
    """

    name: str
    keys: int
    apps: tuple[str, ...]
    has_more: bool = False


class StoreContents(NamedTuple):
    """
    Counts of the store's contents that are quick to compute; `idle_users` is None if there are too many users.

    `unlimited_key` is a key without expiry whose application has a timeout now. `orphaned_tokens` are those that
    `token prune` deletes. `orphaned_sessions` have no application or no user, which no action causes.
    """

    uses_wal: bool
    latest_timestamps: tuple[tuple[str, datetime], ...]
    clock_step: tuple[int, int] | None
    default_auth_type: tuple[str, bool]
    default_type_uses: int
    disabled_auth_types: tuple[DisabledAuthType, ...]
    apps_without_rest: CountWithNames
    unlimited_keys: int
    unlimited_key: str | None
    apps_without_timeout: tuple[str, ...]
    idle_apps: CountWithNames
    idle_users: CountWithNames | None
    orphaned_tokens: int
    orphaned_sessions: int = 0
    disabled_keys: int = 0
    expired_keys: int = 0


@dataclass(frozen=True, slots=True)
class DoctorFacts:
    """
    Everything that the checks read.

    `store_problem` is why the store cannot be read. `version` and `supported_version` are schema versions. `uid` is the
    user who runs the command, 0 for root. `clock_difference` is how far the clock of the database is ahead; `has_file`
    is false for a store in a database.
    """

    now: datetime
    uid: int
    path: str
    store_problem: ReadProblem | None = None
    version: int = 0
    supported_version: int = 0
    files: tuple[FileFacts, ...] = ()
    free_bytes: int | None = None
    file_system: str | None = None
    settings_problem: ReadProblem | None = None
    shadowed_settings: tuple[ShadowedSetting, ...] = ()
    exposed_variables: tuple[str, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    tls_key_problems: tuple[ReadProblem, ...] = ()
    contents: StoreContents | None = None
    clock_difference: timedelta = timedelta()
    has_file: bool = True

    @property
    def is_on_network(self) -> bool:
        return self.file_system is not None and is_network_file_system(self.file_system)

    @property
    def known_contents(self) -> StoreContents:
        assert self.contents is not None, "checked only when the store could be read"
        return self.contents
