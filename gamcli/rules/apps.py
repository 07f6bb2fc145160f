"""Applications: the valid settings, and how changes apply to them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from gamcli.errors import UsageError
from gamcli.model import App
from gamcli.rules import durations, names, scopes
from gamcli.rules.credentials import MIN_SECRET_LENGTH, Secret

Changes = Mapping[str, object]
"""New values by field name, nested ones with a dot (`api_keys.timeout_hours`)."""

BOUNDS = {
    "api_keys.timeout_hours": (0, 999_999_999, "hours"),  # GAM: APIKeyTimeout is numeric(9)
    "token.timeout_minutes": (0, 999_999_999, "minutes"),
    "token.renewals": (0, 999, "renewals"),  # GAM: OauthTokenMaximumRenovations, wiki 19324
}
CLIENT_ID_LENGTH = 40  # GAM: ClientId is char(40)
SECRET_LENGTH = 120  # GAM: ClientSecret is char(120)


def create(name: str, client_id: str, secret: Secret, changes: Changes, now: datetime) -> App:
    """Return a new application with GAM's defaults and `changes` applied; raises UsageError."""
    check_client_id(client_id)
    check_client_secret(secret)
    return build(name, client_id, secret, changes, now)


def build(name: str, client_id: str, secret: Secret, changes: Changes, now: datetime) -> App:
    """Return a new application whose client ID and secret were checked by the caller; raises UsageError."""
    names.check_name("an application", name, names.APP_NAME_LENGTH)
    app = App(name=name, client_id=client_id, secret_digest=secret.digest(), created_at=now, updated_at=now)
    return apply_changes(app, changes, now)


def apply_changes(app: App, changes: Changes, now: datetime) -> App:
    """Return `app` with `changes` applied, or `app` itself if nothing changes; raises UsageError."""
    check_changes(changes)
    after = _replace_fields(app, changes)
    if changes.get("api_keys.enabled") and not after.remote_rest:
        raise UsageError(
            "API keys require remote REST authentication, which is disabled for this application",
            "add --remote-rest",
        )
    return app if after == app else after._replace(updated_at=now)


def rotate_secret(app: App, secret: Secret, now: datetime, overlap: timedelta = timedelta(0)) -> App:
    """
    Return `app` with the new client secret; the current one stays valid for `overlap`.

    A secret that is already retiring is invalidated: at most two secrets are valid at a time.
    """
    until = durations.add_duration(now, overlap)
    retiring = None if until is None else app.secret_digest
    return app._replace(secret_digest=secret.digest(), retiring_digest=retiring, retiring_until=until, updated_at=now)


def check_changes(changes: Changes) -> None:
    """Raise UsageError if one of `changes` is out of bounds."""
    names.check_text("the description", str(changes.get("description", "")))
    for name, (low, high, unit) in BOUNDS.items():
        value = changes.get(name, low)
        if not isinstance(value, int) or not low <= value <= high:
            raise UsageError(f"invalid {name} '{value}'", f"use {low} to {high} {unit}")


def _replace_fields(app: App, changes: Changes) -> App:
    for name, value in changes.items():
        group, dot, inner = name.partition(".")
        app = app._replace(**{group: replace(getattr(app, group), **{inner: value}) if dot else value})  # type: ignore[arg-type]
    return app


def edit_scopes(app: App, add: tuple[str, ...], remove: tuple[str, ...]) -> tuple[str, ...]:
    """Return the scopes of `app` after adding and removing; raises UsageError if a scope is in both lists."""
    both = set(add) & set(remove)
    if both:
        raise UsageError(
            f"{scopes.join(sorted(both))} is both added and removed", "use --add-scope or --remove-scope, not both"
        )
    return scopes.sort_scopes((set(app.scopes) | set(add)) - set(remove))


def is_client_id(text: str) -> bool:
    """Return whether `text` has the form of a client ID: 32 to 40 letters, digits or `-`."""
    return text.isascii() and text.replace("-", "").isalnum() and MIN_SECRET_LENGTH <= len(text) <= CLIENT_ID_LENGTH


def check_client_id(client_id: str) -> str:
    """Return `client_id`, or raise UsageError if it is invalid."""
    if not is_client_id(client_id):
        raise UsageError(
            f"invalid client ID '{names.escape_unprintable(client_id)}'",
            f"use {MIN_SECRET_LENGTH} to {CLIENT_ID_LENGTH} letters, digits or '-'",
        )
    return client_id


def check_client_secret(secret: Secret) -> Secret:
    """Return `secret`, or raise UsageError unless it has 32 to 120 visible ASCII characters."""
    text = secret.reveal()
    is_visible = all("!" <= letter <= "~" for letter in text)
    if not is_visible or not MIN_SECRET_LENGTH <= len(text) <= SECRET_LENGTH:
        raise UsageError(
            "invalid client secret",
            f"use {MIN_SECRET_LENGTH} to {SECRET_LENGTH} visible ASCII characters, without spaces",
        )
    return secret
