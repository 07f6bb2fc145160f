"""The claims of the userinfo endpoint: whether a token may read them, and which of them (GAM wiki 55623)."""

import hmac
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from gamcli.errors import RefusedError
from gamcli.model import App, AttributeValue, User
from gamcli.rules import scopes
from gamcli.rules.credentials import NO_DIGEST, Secret, format_guid

if TYPE_CHECKING:
    from gamcli.model.tokens import InitialProperty, Token

CLAIM_ORDER = (
    "guid", "username", "email", "verified_email", "first_name", "last_name", "external_id", "birthday", "gender",
    "url_image", "url_profile", "phone", "address", "city", "state", "post_code", "language", "timezone",
    "application_data", "CustomInfo", "roles", "attributes", "initial_properties",
)  # fmt: skip
"""The claims in GAM's order."""


class UserinfoFacts(NamedTuple):
    """What the store holds about an access token that was sent; None if it holds nothing."""

    now: datetime
    secret: Secret
    token: "Token | None"
    app: App | None
    user: User | None
    pairwise_key: bytes

    def __repr__(self) -> str:
        return f"UserinfoFacts({self.token!r}, {self.app!r}, {self.user!r})"


def decide(facts: UserinfoFacts) -> dict[str, object]:
    """Return the claims for the token's scopes, or raise RefusedError for the first violated rule."""
    token, app, user = facts.token, facts.app, facts.user
    matches = facts.secret.matches(token.digest if token else NO_DIGEST)
    if not matches or token is None or app is None or user is None:
        raise RefusedError("token_unknown", "the access token is unknown")
    status = token.status(facts.now)
    if status != "active":
        raise RefusedError(f"token_{status}", f"the access token is {status}")
    if not app.enabled:
        raise RefusedError("token_app_disabled", f"application '{app.name}' is disabled")
    if user.blocked:
        raise RefusedError("token_user_blocked", f"user '{user.name}' is blocked")
    if not user.enabled:
        raise RefusedError("token_user_inactive", f"user '{user.name}' is not active")
    withdrawn = scopes.find_disallowed(token.scopes, app.scopes)  # can happen to sessions that began with a password
    granted = [scope for scope in token.scopes if scope not in withdrawn]
    return build_claims(user, app, granted, facts.pairwise_key, token.initial_properties)


def decide_with_subject(facts: UserinfoFacts) -> dict[str, object]:
    """Return the claims as `decide` does, after `sub`: the GUID of the user, or the pairwise one (OpenID Connect)."""
    revealed = decide(facts)
    assert facts.user is not None, "a token without a user is refused"
    assert facts.app is not None, "a token without an application is refused"
    return {"sub": public_guid(facts.user, facts.app, facts.pairwise_key), **revealed}


def build_claims(
    user: User,
    app: App,
    granted_scopes: Iterable[str],
    pairwise_key: bytes,
    initial_properties: "Iterable[InitialProperty]" = (),
) -> dict[str, object]:
    """Return the claims of `user` for `app` that the granted scopes include, in GAM's order."""
    names, attribute_names = _select_claims(tuple(granted_scopes))
    if not app.share_user_ids:
        user = user._replace(guid="", external_id=public_guid(user, app, pairwise_key))
        names = tuple(claim for claim in CLAIM_ORDER if claim in names or claim in PAIRWISE_CLAIMS)
    claims = {claim: _CLAIM_VALUES[claim](user) for claim in names}
    if claims.get("birthday") == "":
        del claims["birthday"]
    if attribute_names and "attributes" not in claims:
        attributes = [
            _attribute_claim(name, value) for name, value in user.attributes.items() if name in attribute_names
        ]
        claims |= {"attributes": attributes} if attributes else {}
    if "initial_properties" in claims:
        del claims["initial_properties"]  # last, even after attributes
        claims["initial_properties"] = [{"Id": each.id, "Value": each.value} for each in initial_properties]
    return claims


@lru_cache(maxsize=1024)
def _select_claims(granted_scopes: tuple[str, ...]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the claims that these scopes include, in GAM's order, and the attributes that they name."""
    claims = {claim for scope in granted_scopes if scope in scopes.TABLE for claim in scopes.TABLE[scope].claims}
    attribute_names = frozenset(filter(None, map(scopes.attribute_id, granted_scopes)))
    return tuple(claim for claim in CLAIM_ORDER if claim in claims), attribute_names


PAIRWISE_CLAIMS = ("guid", "external_id")
"""Present whatever the scopes when the application does not share user IDs (GAM wiki 55603, 56035)."""


def public_guid(user: User, app: App, key: bytes) -> str:
    """
    Return the GUID by which the application knows the user: the pairwise one if it does not share user IDs.

    That one is stable, and cannot be linked across applications. `key` is the repository's secret: without it, anyone
    who knows a user's GUID could compute the others.
    """
    if app.share_user_ids:
        return user.guid
    return format_guid(hmac.digest(key, f"{user.guid}\n{app.client_id}".encode(), "sha256")[:16])


def _attribute_claim(name: str, value: AttributeValue) -> dict[str, object]:
    """Return the claim of an attribute; the values of a list get numbers as IDs."""
    if isinstance(value, str):
        return {"Id": name, "IsMultiValue": False, "Value": value}
    pairs = value.items() if isinstance(value, dict) else ((str(place), item) for place, item in enumerate(value, 1))
    return {"Id": name, "IsMultiValue": True, "MultiValues": [{"Id": each, "Value": item} for each, item in pairs]}


_CLAIM_VALUES: dict[str, Callable[[User], object]] = {
    **{name: attrgetter(name) for name in CLAIM_ORDER},
    "username": lambda user: user.name,
    "application_data": lambda _: "",
    "CustomInfo": lambda user: user.custom_info,
    "roles": lambda user: list(user.roles),
    "attributes": lambda user: [_attribute_claim(name, value) for name, value in user.attributes.items()],
    "initial_properties": lambda _: [],
}
