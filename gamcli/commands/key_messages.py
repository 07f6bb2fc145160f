"""How a new key is told: what it is, where its secret went, and what is odd about it."""

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from gamcli.actions import Gam, keys
from gamcli.actions.changes import SaveSecret
from gamcli.commands import delivery
from gamcli.errors import UsageError, command
from gamcli.model import Key
from gamcli.render.output import Output, add_global_options
from gamcli.rules.credentials import Secret
from gamcli.rules.keys import is_shortened

if TYPE_CHECKING:
    from gamcli.actions.request_ids import RequestedKey


class NewKey(NamedTuple):
    """A key that was made now."""

    record: Key
    secret: Secret
    is_repeat: bool = False


def require_user_and_app(user: str | None, app: str | None) -> tuple[str, str]:
    """Return user and application; raises UsageError that names what is missing."""
    if user and app:
        return user, app
    missing = [name for name, value in (("'--user'", user), ("'--app'", app)) if not value]
    raise UsageError(f"missing option {' and '.join(missing)}", "--user USER --app APP, or --from FILE.csv")


def require_bulk_format(out: Output) -> None:
    """Raise UsageError when the format shows the credentials of one key alone."""
    if out.format in ("env", "github"):
        raise UsageError(f"-o {out.format} shows one key, --from makes many", "leave -o out: --out FILE.csv has them")


def issue_key(
    gam: Gam, wish: keys.KeySpec, request_id: str | None, deliver: SaveSecret[Key]
) -> "NewKey | RequestedKey":
    """Make a key, or return the one that was made for the same request."""
    if request_id is None:
        return NewKey(*keys.generate(gam, wish, deliver))
    from gamcli.actions import request_ids  # noqa: PLC0415 - start-up: most requests have no id

    return request_ids.generate(gam, wish, request_id, deliver)


def report_issued(out: Output, issued: "NewKey | RequestedKey", expires_in: timedelta | None, path: str | None) -> None:
    """Show the key, and warn of what may not be meant."""
    key = issued.record
    delivery.print_result(out, key, ("api_key", issued.secret), _describe_outcome(issued), path)
    if issued.secret is None:
        _explain_missing_secret(out, key)
    else:
        _print_warnings(out, key, expires_in)


def _describe_outcome(issued: "NewKey | RequestedKey") -> str:
    key = issued.record
    if not issued.is_repeat:
        return describe_key(key)
    if issued.secret is None:
        return f"nothing to make, the same request made {describe_key(key)}"
    return f"the same request again: a fresh secret for {describe_key(key)}; the one before has ended"


def _explain_missing_secret(out: Output, key: Key) -> None:
    """Say why a request that was made before gets no secret, and how to get one."""
    if key.is_valid(out.now()):
        anew = command("key", "rotate", key.id, "--overlap", "7d")
        out.print_note(
            f"it is in use, so its secret stays; for another one: {add_global_options(anew, out.global_options)}"
        )
    else:
        anew = add_global_options(command("key", "generate", "--user", key.user, "--app", key.app), out.global_options)
        out.print_warning(
            f"key {key.id} is {key.status(out.now())}; for another one, with another request id or none: {anew}"
        )


def _print_warnings(out: Output, key: Key, expires_in: timedelta | None) -> None:
    if is_shortened(key, expires_in):
        out.print_warning(
            f"application '{key.app}' lets keys live no longer than until {key.expires_at:%Y-%m-%d %H:%M}Z"
        )
    if key.expires_at is None:
        limit = add_global_options(
            f"{command('app', 'update', key.app, '--api-key-timeout')} HOURS", out.global_options
        )
        out.print_warning(f"keys of application '{key.app}' never expire; {limit}")
    if not key.scopes:
        out.print_warning(f"application '{key.app}' publishes no scope: the key reveals nothing")


def describe_key(key: Key) -> str:
    """Return a key in a few words."""
    until = f"until {key.expires_at:%Y-%m-%d %H:%M}Z" if key.expires_at else "never expires"
    return f"key {key.id} of {key.user} for {key.app}, {until}"
