"""What a login begins: a session, the properties that came with it, and the refresh tokens that renew its access."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple


class InitialProperty(NamedTuple):
    """One of the initial properties of a login (GAM wiki 44824)."""

    id: str
    value: str


@dataclass(frozen=True, slots=True)
class Session:
    """What a login with a password, or with the API key of that id, began; `scopes` are those of all its tokens."""

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
    A refresh token: good for the renewal of that number, once; only a digest of it is kept.

    `token` is the row of the access token that it came with; `superseded` says that a newer token took its place.
    """

    session: int
    counter: int
    token: int
    digest: bytes = field(repr=False)
    expires_at: datetime
    used_at: datetime | None = None
    is_superseded: bool = False
