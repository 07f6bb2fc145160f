"""An audit entry as one sentence: `revoked key SJaSBDpD of ana for portal: leaked`."""

from collections.abc import Callable
from typing import Any

from gamcli.errors import format_count

Details = dict[str, Any]

NOUNS = {"app": "application", "auth_type": "authentication type", "repository": "store"}
"""How nouns of actions read; the others as they are."""

VERBS = {
    "adopt": "adopted", "block": "blocked", "create": "created", "delete": "deleted", "disable": "disabled",
    "enable": "enabled", "generate": "issued", "import": "imported", "init": "created", "prune": "deleted",
    "refuse": "refused", "reissue": "issued a new secret for", "release": "released", "rename": "renamed",
    "restore": "restored", "retire": "retired", "revoke": "revoked", "rotate": "rotated",
    "set_default": "set as default", "unblock": "unblocked", "update": "updated",
}  # fmt: skip
"""The past tense of the verbs of actions."""


def describe_entry(entry: dict[str, Any]) -> str:
    """Return the sentence of an entry as `machine.to_dict` returns it."""
    noun, _, verb = str(entry["action"]).partition(".")
    title = NOUNS.get(noun, noun)
    details = entry["details"] if isinstance(entry["details"], dict) else {}
    if entry["action"] in _SENTENCES:
        sentence = _SENTENCES[entry["action"]](entry["target"], details)
    elif noun in ("app", "user", "auth_type") and verb in _CHANGES:
        sentence = _CHANGES[verb](title, entry["target"], details)
    else:
        sentence = f"{VERBS.get(verb, verb)} {title} {entry['target']}{_owner(details) if noun == 'key' else ''}"
    reason = details.get("reason")
    return f"{sentence}: {reason}" if isinstance(reason, str) and reason else sentence


def _owner(details: Details) -> str:
    user, app = details.get("user"), details.get("app")
    return (f" of {user}" if user else "") + (f" for {app}" if app else "")


def _count(number: Any, noun: str) -> str:  # noqa: ANN401 - from JSON
    return format_count(number, noun) if isinstance(number, int) else f"{noun}s"


def _issued(target: str, details: Details) -> str:
    if "made" in details:
        renewed = details.get("renewed")
        return f"issued {_count(details['made'], 'key')} in {target}" + (
            f", and new secrets for {_count(renewed, 'key')}" if renewed else ""
        )
    instead = f", which replaces {details['replaces']}" if details.get("replaces") else ""
    return f"issued key {target}{_owner(details)}{instead}"


def _imported(target: str, details: Details) -> str:
    if "made" in details:
        return f"imported {_count(details['made'], 'key')} in {target}"
    return f"imported key {target}{_owner(details)}"


def _rotated(target: str, details: Details) -> str:
    return f"rotated key {details.get('replaces')}{_owner(details)}: the new key is {target}"


def _updated(noun: str, target: str, details: Details) -> str:
    fields = [name for name, value in details.items() if isinstance(value, list) and name != "invalidated"]
    if fields == ["enabled"]:
        return f"{'enabled' if details['enabled'][-1] else 'disabled'} {noun} {target}"
    return f"updated {noun} {target}{': ' if fields else ''}{', '.join(fields)}{_invalidated(details)}"


def _deleted(noun: str, target: str, details: Details) -> str:
    return f"deleted {noun} {target}{_invalidated(details)}"


def _renamed(noun: str, target: str, details: Details) -> str:
    names = details.get("name")
    old, new = names if isinstance(names, list) and len(names) == 2 else (target, "")  # noqa: PLR2004 - a pair
    return f"renamed {noun} {old}" + (f" to {new}" if new else "")


def _invalidated(details: Details) -> str:
    ids = details.get("invalidated")
    return f"; invalidated {_count(len(ids), 'key')}" if isinstance(ids, list) and ids else ""


def _refused(target: str, details: Details) -> str:
    rules = details.get("refused")
    number = sum(rules.values()) if isinstance(rules, dict) else None
    return f"refused {_count(number, 'request')}" + ("" if target == "-" else f" of application {target}")


_CHANGES = {"update": _updated, "delete": _deleted, "rename": _renamed}
"""The sentences of the verbs that applications, users and authentication types share."""

_SENTENCES: dict[str, Callable[[str, Details], str]] = {
    "key.generate": _issued,
    "key.import": _imported,
    "key.rotate": _rotated,
    "app.rotate_secret": lambda target, _: f"rotated the client secret of application {target}",
    "user.set_password": lambda target, _: f"set the password of user {target}",
    "auth_type.set_default": lambda target, _: f"set authentication type {target} as default",
    "repository.init": lambda target, _: f"created the store {target}",
    "store.restore": lambda _, details: f"restored the store from {details.get('source')}",
    "token.prune": lambda target, details: f"deleted {_count(details.get('tokens'), 'token')} {target}",
    "token.revoke": lambda target, details: f"revoked token {target}{_owner(details)}",
    "endpoint.refuse": _refused,
}
