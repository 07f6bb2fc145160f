"""What an application may be: its settings, their bounds, and how a change is laid over it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from gamcli.errors import UsageError
from gamcli.model import App
from gamcli.rules import durations, names, scopes
from gamcli.rules.credentials import MIN_SECRET_LENGTH, Secret

Changes = Mapping[str, object]
"""Settings by the names of the record, nested ones with a dot (`api_keys.timeout_hours`); what is absent stays."""

BOUNDS = {
    "api_keys.timeout_hours": (0, 999_999_999, "hours"),  # GAM: APIKeyTimeout is numeric(9)
    "token.timeout_minutes": (0, 999_999_999, "minutes"),
    "token.renewals": (0, 999, "renewals"),  # GAM: OauthTokenMaximumRenovations, wiki 19324
}
CLIENT_ID_LENGTH = 40  # GAM: ClientId is char(40)
SECRET_LENGTH = 120  # GAM: ClientSecret is char(120)


def create(name: str, client_id: str, secret: Secret, changes: Changes, now: datetime) -> App:
    """Return a new application with the defaults of GAM and `changes` laid over them; raises UsageError."""
    names.check_name("an application", name, names.APP_NAME_LENGTH)
    check_client_id(client_id)
    check_client_secret(secret)
    app = App(name=name, client_id=client_id, secret_digest=secret.digest(), created_at=now, updated_at=now)
    return apply_changes(app, changes, now)


def apply_changes(app: App, changes: Changes, now: datetime) -> App:
    """Return `app` with `changes` laid over it, or `app` itself when they change nothing; raises UsageError."""
    check_changes(changes)
    after = _replace_fields(app, changes)
    if changes.get("api_keys.enabled") and not after.remote_rest:
        raise UsageError(
            "API keys need remote REST authentication, which is off for this application",
            "add --remote-rest",
        )
    return app if after == app else replace(after, updated_at=now)


def rotate_secret(app: App, secret: Secret, now: datetime, overlap: timedelta = timedelta(0)) -> App:
    """
    Return `app` with the new client secret; the present one retires after `overlap`, or ends now without one.

    One that was retiring already ends now: two secrets are good at a time, never three.
    """
    until = durations.add_duration(now, overlap)
    retiring = None if until is None else app.secret_digest
    return replace(app, secret_digest=secret.digest(), retiring_digest=retiring, retiring_until=until, updated_at=now)


def check_changes(changes: Changes) -> None:
    """Raise UsageError unless each of `changes` is within its bounds."""
    names.check_text("the description", str(changes.get("description", "")))
    for name, (least, most, unit) in BOUNDS.items():
        value = changes.get(name, least)
        if not isinstance(value, int) or not least <= value <= most:
            raise UsageError(f"{name} cannot be {value}", f"{least} to {most} {unit}")


def _replace_fields(app: App, changes: Changes) -> App:
    flat: dict[str, object] = {}
    nested: dict[str, dict[str, object]] = {}
    for name, value in changes.items():
        group, dot, inner = name.partition(".")
        if dot:
            nested.setdefault(group, {})[inner] = value
        else:
            flat[name] = value
    policies = {group: replace(getattr(app, group), **values) for group, values in nested.items()}
    return replace(app, **flat, **policies)  # type: ignore[arg-type]


def edit_scopes(app: App, add: tuple[str, ...], remove: tuple[str, ...]) -> tuple[str, ...]:
    """Return the scopes that `app` publishes after `add` and `remove`; raises UsageError when they contradict."""
    both = set(add) & set(remove)
    if both:
        raise UsageError(f"{scopes.join(sorted(both))} is both added and removed", "name it once")
    return scopes.sort_scopes((set(app.scopes) | set(add)) - set(remove))


def is_client_id(text: str) -> bool:
    """Say whether `text` has the form of a client_id: 32 to 40 letters, digits or `-`."""
    return text.isascii() and text.replace("-", "").isalnum() and MIN_SECRET_LENGTH <= len(text) <= CLIENT_ID_LENGTH


def check_client_id(client_id: str) -> str:
    """Return `client_id` when it may be one, brought along from elsewhere; raises UsageError."""
    longest, least = CLIENT_ID_LENGTH, MIN_SECRET_LENGTH
    if not is_client_id(client_id):
        raise UsageError(
            f"'{names.escape_unprintable(client_id)}' is no client_id", f"{least} to {longest} letters, digits or '-'"
        )
    return client_id


def check_client_secret(secret: Secret) -> Secret:
    """Return `secret` when it may be one: 32 to 120 visible ASCII characters."""
    text = secret.reveal()
    visible = all("!" <= letter <= "~" for letter in text)
    if not visible or not MIN_SECRET_LENGTH <= len(text) <= SECRET_LENGTH:
        raise UsageError(
            "the client secret does not have the form of one",
            f"{MIN_SECRET_LENGTH} to {SECRET_LENGTH} visible ASCII characters, without blanks",
        )
    return secret
