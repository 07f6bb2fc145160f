"""Access tokens, refresh tokens, and the sessions to which they belong."""

from datetime import datetime
from typing import NamedTuple

from gamcli.model import MAX_CLOCK_SKEW, repr_without_secrets
from gamcli.model.token_ids import format_token_id


class InitialProperty(NamedTuple):
    """One of the initial properties of a login (GAM wiki 44824)."""

    id: str
    value: str


class Token(NamedTuple):
    """
    An access token; `ended_at` is the earliest end of the token, its key, its session, or its replacement.

    `reason` says which of these ended it. `is_revoked` means revoked even if the clock is set back, `is_suspended` that
    its key is disabled at the moment.
    """

    row: int
    user: str
    user_guid: str
    app: str
    client_id: str
    key: str | None
    scopes: tuple[str, ...]
    digest: bytes
    issued_at: datetime
    expires_at: datetime | None = None
    ended_at: datetime | None = None
    session_row: int | None = None
    initial_properties: tuple[InitialProperty, ...] = ()
    is_revoked: bool = False
    reason: str | None = None
    is_suspended: bool = False

    def __repr__(self) -> str:
        return repr_without_secrets(self)

    @property
    def id(self) -> str:
        return format_token_id(self.row)

    @property
    def session(self) -> str | None:
        """The ID of its session, shared by all tokens of the session; None if it has none."""
        return None if self.session_row is None else format_token_id(self.session_row)

    def status(self, now: datetime) -> str:
        """
        Return the status at `now`, one of TOKEN_STATUSES.

        A token issued in the future, by a clock that was ahead, is expired: otherwise it would be valid for too long.
        """
        if self.expires_at is not None and not self.issued_at - MAX_CLOCK_SKEW <= now < self.expires_at:
            return "expired"
        has_ended = self.is_revoked or (self.ended_at is not None and self.ended_at <= now)
        return "revoked" if has_ended or self.is_suspended else "active"


class Session(NamedTuple):
    """A session that began with a password or the API key `key`; all its tokens have `scopes`."""

    id: int
    user_guid: str
    client_id: str
    auth_type: str
    scopes: tuple[str, ...]
    key: str | None = None
    initial_properties: tuple[InitialProperty, ...] = ()
    revoked_at: datetime | None = None


class RefreshToken(NamedTuple):
    """
    A refresh token, valid for one use; only its digest is stored.

    `counter` is the number of the renewal, `token` the row of the access token issued with it. `is_superseded` means
    that a newer token replaced it.
    """

    session: int
    counter: int
    token: int
    digest: bytes
    expires_at: datetime
    used_at: datetime | None = None
    is_superseded: bool = False

    def __repr__(self) -> str:
        return repr_without_secrets(self)
