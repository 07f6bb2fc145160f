"""Issue a key, and report the result: which key, where its secret went, and warnings."""

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from gamcli.actions import Gam, key_lookup, keys
from gamcli.actions.changes import SaveSecret
from gamcli.commands import delivery
from gamcli.commands.context import CliContext
from gamcli.errors import command
from gamcli.model import Key
from gamcli.render.output import Output, add_global_options
from gamcli.rules.credentials import Secret, parse_api_key_id
from gamcli.rules.keys import is_shortened

if TYPE_CHECKING:
    from gamcli.actions.request_ids import RequestedKey


class NewKey(NamedTuple):
    """A key that was issued by this run."""

    record: Key
    secret: Secret
    is_repeat: bool = False


def report_existing(cli: CliContext, out: Output, spec: keys.KeySpec) -> bool:
    """Print the active key of the user and application, and return whether there is one."""
    with cli.open_gam() as gam:
        key = key_lookup.find_matching(gam, spec)
    if key is not None:
        delivery.print_result(out, key, None, f"already exists: {describe_key(key)}")
    return key is not None


def issue_key(
    gam: Gam, spec: keys.KeySpec, request_id: str | None, save_secret: SaveSecret[Key]
) -> "NewKey | RequestedKey":
    """Issue a key, or return the one that an earlier request with the same ID issued."""
    if request_id is None:
        return NewKey(*keys.generate(gam, spec, save_secret))
    from gamcli.actions import request_ids  # noqa: PLC0415 - start-up: most requests have no ID

    return request_ids.generate(gam, spec, request_id, save_secret)


def report_issued(out: Output, issued: "NewKey | RequestedKey", lifetime: timedelta | None, path: str | None) -> None:
    key = issued.record
    delivery.print_result(out, key, issued.secret, _describe_outcome(issued), path)
    if issued.secret is None:
        _explain_missing_secret(out, key)
    else:
        _print_warnings(out, key, lifetime)


def _describe_outcome(issued: "NewKey | RequestedKey") -> str:
    key = issued.record
    if not issued.is_repeat:
        return describe_key(key)
    if issued.secret is None:
        return f"this request already issued {describe_key(key)}"
    return f"repeated request: a new secret for {describe_key(key)}; the earlier secret is invalid"


def _explain_missing_secret(out: Output, key: Key) -> None:
    if key.is_valid(out.now()):
        hint = add_global_options(command("key", "rotate", key.id, "--overlap", "7d"), out.global_options)
        out.print_note(f"the key has been used, so its secret is not issued again; for a new one: {hint}")
    else:
        hint = add_global_options(command("key", "generate", "--user", key.user, "--app", key.app), out.global_options)
        status = key.status(out.now())
        out.print_warning(f"key {key.id} is {status}; for a new one use another request ID, or none: {hint}")


def print_import_warnings(out: Output, key: Key, secret: Secret, lifetime: timedelta | None) -> None:
    if parse_api_key_id(secret) is None:
        out.print_warning("gamcli scan cannot recognize this key in files: it does not begin with gamkey_")
    _print_warnings(out, key, lifetime)


def _print_warnings(out: Output, key: Key, lifetime: timedelta | None) -> None:
    if is_shortened(key, lifetime):
        until = f"{key.expires_at:%Y-%m-%d %H:%M}Z"
        out.print_warning(f"application '{key.app}' limits the lifetime of keys: this one expires {until}")
    if key.expires_at is None:
        hint = add_global_options(command("app", "update", key.app, "--api-key-timeout"), out.global_options)
        out.print_warning(f"keys of application '{key.app}' never expire; to limit them: {hint} HOURS")
    if not key.scopes:
        out.print_warning(f"application '{key.app}' publishes no scopes: the key gives access to no data")


def describe_key(key: Key) -> str:
    expiry = f"expires {key.expires_at:%Y-%m-%d %H:%M}Z" if key.expires_at else "never expires"
    return f"key {key.id} of {key.user} for {key.app}, {expiry}"
