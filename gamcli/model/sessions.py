"""Sessions: what a login begins, its properties, and its refresh tokens."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple


class InitialProperty(NamedTuple):
    """One of the initial properties of a login (GAM wiki 44824)."""

    id: str
    value: str


@dataclass(frozen=True, slots=True)
class Session:
    """A session that began with a password or the API key `key`; all its tokens have `scopes`."""

    id: int
    user_guid: str
    client_id: str
    auth_type: str
    scopes: tuple[str, ...]
    key: str | None = None
    initial_properties: tuple[InitialProperty, ...] = ()
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """
    A refresh token, valid for one use; only its digest is stored.

    `counter` is the number of the renewal, `token` the row of the access token issued with it. `is_superseded` means
    that a newer token replaced it.
    """

    session: int
    counter: int
    token: int
    digest: bytes = field(repr=False)
    expires_at: datetime
    used_at: datetime | None = None
    is_superseded: bool = False
