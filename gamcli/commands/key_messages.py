"""How a new key is told: what it is, where its secret went, and what is odd about it."""

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from gamcli.actions import Gam, keys
from gamcli.actions.changes import Keep
from gamcli.commands import delivery
from gamcli.errors import UsageError, command
from gamcli.model import Key
from gamcli.render.output import Output, hinted
from gamcli.rules.credentials import Secret
from gamcli.rules.keys import is_cut_short

if TYPE_CHECKING:
    from gamcli.actions.request_ids import Answer


class New(NamedTuple):
    """A key that was made now."""

    record: Key
    secret: Secret
    again: bool = False


def require_pair(user: str | None, app: str | None) -> tuple[str, str]:
    """Return user and application; raises UsageError that names what is missing."""
    if user and app:
        return user, app
    missing = [name for name, value in (("'--user'", user), ("'--app'", app)) if not value]
    raise UsageError(f"missing option {' and '.join(missing)}", "--user USER --app APP, or --from FILE.csv")


def require_many(out: Output) -> None:
    """Raise UsageError when the format shows the credentials of one key alone."""
    if out.format in ("env", "github"):
        raise UsageError(f"-o {out.format} shows one key, --from makes many", "leave -o out: --out FILE.csv has them")


def make(gam: Gam, wish: keys.KeyWish, request_id: str | None, keep: Keep[Key]) -> "New | Answer":
    """Make a key, or return the one that was made for the same request."""
    if request_id is None:
        return New(*keys.generate(gam, wish, keep))
    from gamcli.actions import request_ids  # noqa: PLC0415 - start-up: most requests have no id

    return request_ids.generate(gam, wish, request_id, keep)


def tell(out: Output, found: "New | Answer", asked: timedelta | None, path: str | None) -> None:
    """Show the key, and warn of what may not be meant."""
    key = found.record
    delivery.answer(out, key, ("api_key", found.secret), _what(found), path)
    if found.secret is None:
        _tell_kept(out, key)
    else:
        _warn(out, key, asked)


def _what(found: "New | Answer") -> str:
    key = found.record
    if not found.again:
        return told(key)
    if found.secret is None:
        return f"nothing to make, the same request made {told(key)}"
    return f"the same request again: a fresh secret for {told(key)}; the one before has ended"


def _tell_kept(out: Output, key: Key) -> None:
    """Say why a request that was made before gets no secret, and how to get one."""
    if key.is_live(out.now()):
        anew = command("key", "rotate", key.id, "--overlap", "7d")
        out.note(f"it is in use, so its secret stays; for another one: {hinted(anew, out.before)}")
    else:
        anew = hinted(command("key", "generate", "--user", key.user, "--app", key.app), out.before)
        out.warn(f"key {key.id} is {key.status(out.now())}; for another one, with another request id or none: {anew}")


def _warn(out: Output, key: Key, asked: timedelta | None) -> None:
    if is_cut_short(key, asked):
        out.warn(f"application '{key.app}' lets keys live no longer than until {key.expires_at:%Y-%m-%d %H:%M}Z")
    if key.expires_at is None:
        limit = hinted(f"{command('app', 'update', key.app, '--api-key-timeout')} HOURS", out.before)
        out.warn(f"keys of application '{key.app}' never expire; {limit}")
    if not key.scopes:
        out.warn(f"application '{key.app}' publishes no scope: the key reveals nothing")


def told(key: Key) -> str:
    """Return a key in a few words."""
    until = f"until {key.expires_at:%Y-%m-%d %H:%M}Z" if key.expires_at else "never expires"
    return f"key {key.id} of {key.user} for {key.app}, {until}"
