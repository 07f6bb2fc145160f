"""
The nouns, as frozen records: what the store keeps and the rules judge.

Times are aware datetimes in UTC. Scopes are tuples in the order of the scope table. Records know nothing of SQL, HTTP
or the terminal; the little that they can say follows from their own fields and an instant.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from unicodedata import normalize

from gamcli.model.sessions import InitialProperty

APIKEY = "APIkey"
GAMLOCAL = "GAMLocal"
AUTH_TYPE_KINDS = (APIKEY, GAMLOCAL)
"""The kinds of authentication type that gamcli knows, of GAM's TypeIds."""

KEY_STATUSES = ("active", "retiring", "expired", "revoked", "replaced", "invalidated")
VALID_STATUSES = ("active", "retiring")
TOKEN_STATUSES = ("active", "expired", "revoked")

MAX_CLOCK_SKEW = timedelta(minutes=5)
"""So far the clocks of machines that write to one store may differ; what is later than that is from the future."""


def normalize_name(name: str) -> str:
    """Return the form in which two equal names are equal: names are unique without regard to case."""
    return name.lower() if name.isascii() else normalize("NFC", normalize("NFC", name).casefold())


BASE62_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""Base62 in ASCII order: texts of one length sort as the numbers that they write."""

TOKEN_ID_LENGTH = 12

_PAIRS = [first + second for first in BASE62_ALPHABET for second in BASE62_ALPHABET]
_DIGIT_VALUES = {letter: place for place, letter in enumerate(BASE62_ALPHABET)}


def encode_base62(number: int, width: int) -> str:
    """Write `number` in base62, zero-padded to `width`."""
    text = ""
    while number:
        number, two = divmod(number, len(_PAIRS))
        text = _PAIRS[two] + text
    return text.lstrip("0").rjust(width, "0")


def format_token_id(row: int) -> str:
    """Return the id of the token in that row: the first twelve letters of its secret part."""
    return encode_base62(row, TOKEN_ID_LENGTH)


def parse_token_id(token: str) -> int | None:
    """Return the row of the token with that id, or None when no row can have it."""
    row = 0
    for letter in token:
        place = _DIGIT_VALUES.get(letter)
        if place is None:
            return None
        row = row * 62 + place
    return row if len(token) == TOKEN_ID_LENGTH and row < MAX_ROW else None


MAX_ROW = 2**63
"""Rows are 64-bit integers."""


@dataclass(frozen=True, slots=True)
class Repository:
    """The one repository of a store: its GUID begins every token, its `pairwise_key` makes ids for `rules.claims`."""

    guid: str
    default_auth_type: str
    created_at: datetime
    pairwise_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuthType:
    """An authentication type; `default` marks the repository's own."""

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
    """GAM's API key properties of an application; `timeout_hours` 0 = never, `auth_type` None = any."""

    enabled: bool = False
    timeout_hours: int = 0
    auth_type: str | None = None
    scope_choice: bool = False


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """How long an application's access tokens live (`timeout_minutes`, 0 = never) and how often they renew."""

    timeout_minutes: int = 60
    renewals: int = 0


@dataclass(frozen=True, slots=True)
class App:
    """An application (GAM: GAMApplication), named by `name` or `client_id`."""

    name: str
    client_id: str
    secret_digest: bytes = field(repr=False)
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
    retiring_digest: bytes | None = field(default=None, repr=False)
    retiring_until: datetime | None = None

    def secret_retires_at(self, now: datetime) -> datetime | None:
        """Return until when the client secret before this one is good too; None when there is none, or no longer."""
        return self.retiring_until if self.retiring_until is not None and now < self.retiring_until else None


@dataclass(frozen=True, slots=True)
class User:
    """A user (GAM: GAMUser), named by `name`, `email` or `guid`; without a password where `password_set_at` is None."""

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
    roles: tuple[str, ...] = ()
    attributes: dict[str, str | list[str]] = field(default_factory=dict)
    enabled: bool = True
    blocked: bool = False
    managed_by: str | None = None
    password_hash: str | None = field(default=None, repr=False)
    password_set_at: datetime | None = None
    password_must_change: bool = False
    password_expires_at: datetime | None = None

    def is_called(self, name: str) -> bool:
        """Say whether `name` is this user's name, email or GUID."""
        return normalize_name(name) in (normalize_name(self.name), normalize_name(self.email), self.guid) and name != ""


@dataclass(frozen=True, slots=True)
class Key:
    """An API key: who may use what, from when until when; only a digest of the secret is kept."""

    id: str
    user: str
    user_guid: str
    app: str
    client_id: str
    auth_type: str
    scopes: tuple[str, ...]
    digest: bytes = field(repr=False)
    created_at: datetime
    expires_at: datetime | None = None
    label: str = ""
    last_used_at: datetime | None = None
    retires_at: datetime | None = None
    ended_at: datetime | None = None
    end: str | None = None
    reason: str | None = None
    managed_by: str | None = None

    def status(self, now: datetime) -> str:
        """Return the status at `now`, one of KEY_STATUSES: what ended a key first is what it is."""
        if self.end is not None:
            return self.end
        if self.expires_at is not None and self.expires_at <= now:
            retired_first = self.retires_at is not None and self.retires_at < self.expires_at
            return "replaced" if retired_first else "expired"
        if self.retires_at is None:
            return "active"
        return "replaced" if self.retires_at <= now else "retiring"

    def is_valid(self, now: datetime) -> bool:
        """Say whether the key itself may still be used at `now`, whatever its application and owner say."""
        return self.status(now) in VALID_STATUSES


@dataclass(frozen=True, slots=True)
class Token:
    """
    An access token; `ended_at` is the earliest end of the token, its key or its session, or by a newer token.

    What was `ended` is so for good, whatever the clock says: it may have been set back since.
    """

    row: int
    user: str
    user_guid: str
    app: str
    client_id: str
    key: str | None
    scopes: tuple[str, ...]
    digest: bytes = field(repr=False)
    issued_at: datetime
    expires_at: datetime | None = None
    ended_at: datetime | None = None
    session_row: int | None = None
    initial_properties: tuple[InitialProperty, ...] = ()
    is_revoked: bool = False

    @property
    def id(self) -> str:
        """The id that people see."""
        return format_token_id(self.row)

    @property
    def session(self) -> str | None:
        """The id of its session, which all tokens of a session share; None when it has none."""
        return None if self.session_row is None else format_token_id(self.session_row)

    def status(self, now: datetime) -> str:
        """
        Return the status at `now`, one of TOKEN_STATUSES.

        A token from the future, of a clock that was ahead, has expired: it would live until that clock's time comes.
        """
        if self.expires_at is not None and not self.issued_at - MAX_CLOCK_SKEW <= now < self.expires_at:
            return "expired"
        return "revoked" if self.is_revoked or (self.ended_at is not None and self.ended_at <= now) else "active"


class JsonText(str):
    """A JSON document as text: people and programs are shown what it says."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """
    Who did what to which thing, when and from where, as it was written: `at` is RFC 3339, `details` a JSON object.

    `hash` follows from all of these and the entry before (`store.hash_chain`); None is of a store that was tampered with.
    """

    seq: int
    at: str
    actor: str
    action: str
    target: str
    details: JsonText
    hash: str | None


class KeyImpact(NamedTuple):
    """One live key that a change touches: ended for good, or only suspended."""

    key: Key
    is_permanent: bool
    reason: str


def format_rfc3339(instant: datetime) -> str:
    """Write an instant in UTC as RFC 3339 with whole seconds, the form that `date` and `jq` read."""
    return f"{instant.isoformat(timespec='seconds')[:19]}Z"  # without the offset, which is that of UTC
