"""
The nouns of gamcli, as frozen records: what the store holds and the rules check.

Times are aware datetimes in UTC. Scopes are tuples in table order. Records know nothing of SQL, HTTP or terminals.

What the store holds in large numbers is a named tuple: a dataclass of 20 fields takes 3 ms to define, at every start of
gamcli, and four times as long to make.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from gamcli.normalization import normalize_name as normalize_name

APIKEY = "APIkey"
GAMLOCAL = "GAMLocal"
AUTH_TYPE_KINDS = (APIKEY, GAMLOCAL)
"""The supported kinds of authentication type (GAM: TypeId)."""

KEY_STATUSES = ("active", "retiring", "expired", "revoked", "replaced", "invalidated")
VALID_STATUSES = ("active", "retiring")
TOKEN_STATUSES = ("active", "expired", "revoked")

MAX_CLOCK_SKEW = timedelta(minutes=5)
"""The accepted difference between the clocks of machines that share a store; later times are in the future."""


SECRET_FIELDS = frozenset({"pairwise_key", "secret_digest", "retiring_digest", "password_hash", "digest"})
"""The fields whose values no `repr` and no audit entry shows."""


def repr_without_secrets(record: NamedTuple) -> str:
    """Return the `repr` of a record, without its secret fields."""
    shown = (f"{name}={getattr(record, name)!r}" for name in record._fields if name not in SECRET_FIELDS)
    return f"{type(record).__name__}({', '.join(shown)})"


class Repository(NamedTuple):
    """The repository of a store: every access token begins with its GUID; `pairwise_key` is for `rules.claims`."""

    guid: str
    default_auth_type: str
    created_at: datetime
    pairwise_key: bytes

    def __repr__(self) -> str:
        return repr_without_secrets(self)


class AuthType(NamedTuple):
    """An authentication type; `default` marks the repository's default."""

    name: str
    type: str
    description: str
    enabled: bool
    default: bool
    created_at: datetime
    updated_at: datetime
    managed_by: str | None = None


@dataclass(frozen=True, slots=True)
class ApiKeyPolicy:
    """GAM's API key settings of an application; `timeout_hours` 0 = never, `auth_type` None = any."""

    enabled: bool = False
    timeout_hours: int = 0
    auth_type: str | None = None
    scope_choice: bool = False


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """The lifetime (`timeout_minutes`, 0 = never) and the number of renewals of an application's access tokens."""

    timeout_minutes: int = 60
    renewals: int = 0


class App(NamedTuple):
    """An application (GAM: GAMApplication), identified by `name` or `client_id`."""

    name: str
    client_id: str
    secret_digest: bytes
    created_at: datetime
    updated_at: datetime
    description: str = ""
    enabled: bool = True
    scopes: tuple[str, ...] = ()
    grants: int = 0
    last_used_at: datetime | None = None
    remote_rest: bool = False
    api_keys: ApiKeyPolicy = ApiKeyPolicy()
    token: TokenPolicy = TokenPolicy()
    require_scope: bool = False
    share_user_ids: bool = True
    one_token_per_user: bool = False
    managed_by: str | None = None
    retiring_digest: bytes | None = None
    retiring_until: datetime | None = None

    def __repr__(self) -> str:
        return repr_without_secrets(self)

    def secret_retires_at(self, now: datetime) -> datetime | None:
        """Return until when the previous client secret stays valid; None if there is none."""
        return self.retiring_until if self.retiring_until is not None and now < self.retiring_until else None


AttributeValue = str | list[str] | dict[str, str]
"""The value of an attribute, or its values: a list, or by ID."""


class User(NamedTuple):
    """A user (GAM: GAMUser), identified by `name`, `email` or `guid`; no password if `password_set_at` is None."""

    guid: str
    name: str
    created_at: datetime
    updated_at: datetime
    email: str = ""
    verified_email: bool = False
    first_name: str = ""
    last_name: str = ""
    external_id: str = ""
    birthday: str = ""
    gender: str = "N"
    url_image: str = ""
    url_profile: str = ""
    phone: str = ""
    address: str = ""
    city: str = ""
    state: str = ""
    post_code: str = ""
    language: str = ""
    timezone: str = ""
    custom_info: str = ""
    roles: tuple[str, ...] = ()
    attributes: dict[str, AttributeValue] = {}  # noqa: RUF012 - never changed
    enabled: bool = True
    blocked: bool = False
    managed_by: str | None = None
    password_hash: str | None = None
    password_set_at: datetime | None = None
    password_must_change: bool = False
    password_expires_at: datetime | None = None

    def __repr__(self) -> str:
        return repr_without_secrets(self)

    def is_called(self, name: str) -> bool:
        """Return whether `name` is this user's name, email or GUID."""
        return normalize_name(name) in (normalize_name(self.name), normalize_name(self.email), self.guid) and name != ""


class Key(NamedTuple):
    """
    An API key: its user, application, scopes and lifetime; only a digest of the secret is stored.

    `auth_type` is the only authentication type that its application allows in requests, None = any. `grants` counts
    its access tokens; `last_used_from` is the client address of the last use, None if unknown or not recorded.
    """

    id: str
    user: str
    user_guid: str
    app: str
    client_id: str
    scopes: tuple[str, ...]
    digest: bytes
    created_at: datetime
    expires_at: datetime | None = None
    label: str = ""
    last_used_at: datetime | None = None
    retires_at: datetime | None = None
    ended_at: datetime | None = None
    end: str | None = None
    reason: str | None = None
    managed_by: str | None = None
    disabled_at: datetime | None = None
    auth_type: str | None = None
    replaces: str | None = None
    grants: int = 0
    last_used_from: str | None = None

    def __repr__(self) -> str:
        return repr_without_secrets(self)

    @property
    def enabled(self) -> bool:
        """Whether it is not disabled; a disabled key keeps its status, but is refused."""
        return self.disabled_at is None

    def status(self, now: datetime) -> str:
        """Return the status at `now`, one of KEY_STATUSES; the first event that made the key invalid counts."""
        if self.end is not None:
            return self.end
        if self.expires_at is not None and self.expires_at <= now:
            retired_first = self.retires_at is not None and self.retires_at < self.expires_at
            return "replaced" if retired_first else "expired"
        if self.retires_at is None:
            return "active"
        return "replaced" if self.retires_at <= now else "retiring"

    def displayed_status(self, now: datetime) -> str:
        """Return the status, or `disabled` for a valid key that is disabled."""
        return "disabled" if self.is_valid(now) and not self.enabled else self.status(now)

    def is_valid(self, now: datetime) -> bool:
        """Return whether the key can be used at `now` once it, its application and its user are enabled."""
        return self.status(now) in VALID_STATUSES


class JsonText(str):
    """A JSON document as text; output shows the parsed document."""

    __slots__ = ()


class AuditEntry(NamedTuple):
    """
    An audit entry as it was written: `at` is RFC 3339, `details` a JSON object.

    `hash` depends on all other fields and on the previous entry (`store.hash_chain`); None if it was tampered with.
    """

    seq: int
    at: str
    actor: str
    action: str
    target: str
    details: JsonText
    hash: str | None


class KeyImpact(NamedTuple):
    """The effect of a change on an active key: permanently invalidated, or suspended."""

    key: Key
    is_permanent: bool
    reason: str


def format_rfc3339(instant: datetime) -> str:
    """Format an instant in UTC as RFC 3339 with whole seconds, which `date` and `jq` can read."""
    return f"{instant.isoformat(timespec='seconds')[:19]}Z"  # without the offset, which is that of UTC
