"""
Saved plans: files that hold a plan until it is applied to the same state.

A saved plan is one JSON document that begins with `gamcli_plan`, which distinguishes it from a manifest. It has the
desired state, a fingerprint of the store and a digest of the changes, and never a secret.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from gamcli import store
from gamcli.errors import ConflictError, UsageError, command
from gamcli.model import App
from gamcli.provision.desired import Desired, DesiredKey, DesiredObject, Location, SourceFile
from gamcli.provision.plan import ExecutionPlan, PlanOptions
from gamcli.store import Transaction

PREFIX = '{"gamcli_plan":'
VERSION = 2

HINT = "create the plan again and review the changes"


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """The desired state and options of a plan, with the state of the store and the changes that were shown."""

    desired: Desired
    options: PlanOptions
    fingerprint: str
    changes: str

    def require(self, tx: Transaction, plan: ExecutionPlan | None) -> None:
        """Raise ConflictError if the store, or the plan for it, has changed since the plan was saved."""
        if plan is None and fingerprint(tx) != self.fingerprint:
            raise ConflictError("the store has changed since this plan was saved", HINT)
        if plan is not None and digest(plan) != self.changes:
            raise ConflictError("this plan is out of date: the same manifests now lead to other changes", HINT)


def fingerprint(tx: Transaction) -> str:
    """Return a hash of the state of the store; grants and last-used times do not change it."""
    state = (store.repository.get(tx).guid, store.audit.load_last_change(tx))
    return hashlib.sha256(repr(state).encode("utf-8", "surrogatepass")).hexdigest()


def digest(plan: ExecutionPlan) -> str:
    """Return a hash of the changes of a plan and of the keys that it invalidates."""
    summary = plan.summary()
    invalidates = [(each.key, each.reason) for each in summary.invalidates]
    return hashlib.sha256(repr((summary.changes, invalidates)).encode("utf-8", "surrogatepass")).hexdigest()


def serialize(tx: Transaction, plan: ExecutionPlan, options: PlanOptions) -> str:
    """Return the text of a saved plan; raises UsageError if it would have to contain a secret."""
    for step in plan.steps:
        is_provided = step.secret is None and isinstance(step.after, App)
        if is_provided and getattr(step.before, "secret_digest", None) != getattr(step.after, "secret_digest", None):
            raise UsageError(
                f"the plan sets the client secret of application '{step.name}', which a saved plan must not contain",
                command("apply", "FILE"),
            )
    document = {
        "gamcli_plan": VERSION,
        "fingerprint": fingerprint(tx),
        "changes": digest(plan),
        "options": options._asdict(),
        "desired": _to_json(plan.desired),
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=_to_json) + "\n"


def is_saved_plan(path: str) -> bool:
    """Return whether the file is a saved plan; a file that cannot be read is not, and is reported as a manifest."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(PREFIX)) == PREFIX.encode()
    except OSError:
        return False


def read(path: str) -> SavedPlan:
    """Return the plan of a file; raises UsageError."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        if document["gamcli_plan"] != VERSION:
            raise UsageError(f"{path} was saved by another version of gamcli", "create the plan again")
        return SavedPlan(
            _read_desired(document["desired"]),
            PlanOptions(**document["options"]),
            document["fingerprint"],
            document["changes"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is not a complete saved plan", command("plan", "--out", path, "FILE")) from error


def _to_json(value: Any) -> object:  # noqa: ANN401 - any part of the desired state
    match value:
        case Desired():
            return {name: getattr(value, name) for name in value.__slots__}
        case DesiredObject():
            fields = {name: each for name, each in value.fields.items() if name != "client_secret"}
            return {"name": value.name, "fields": fields, "location": value.location, "owner": value.owner}
        case DesiredKey():
            return {name: getattr(value, name) for name in value.__slots__ if name != "api_key"}
        case timedelta():
            return value.total_seconds()
        case _:
            assert isinstance(value, SourceFile)
            return value.file


def _read_desired(document: Mapping[str, Any]) -> Desired:
    location = document["default_location"]
    return Desired(
        auth_types=tuple(map(_read_object, document["auth_types"])),
        apps=tuple(map(_read_object, document["apps"])),
        users=tuple(map(_read_object, document["users"])),
        keys=tuple(map(_read_key, document["keys"])),
        default_auth_type=document["default_auth_type"],
        default_location=None if location is None else _read_location(location),
        owners=tuple(document["owners"]),
    )


def _read_location(location: Any) -> Location:  # noqa: ANN401 - JSON
    return Location(SourceFile(location[0]), tuple(location[1]))


def _read_object(item: Mapping[str, Any]) -> DesiredObject:
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in item["fields"].items()}
    return DesiredObject(item["name"], fields, _read_location(item["location"]), item["owner"])


def _read_key(item: Mapping[str, Any]) -> DesiredKey:
    scopes, expires_in = item["scopes"], item["expires_in"]
    parsed = {
        "location": _read_location(item["location"]),
        "scopes": None if scopes is None else tuple(scopes),
        "expires_in": None if expires_in is None else timedelta(seconds=expires_in),
    }
    return DesiredKey(**{**item, **parsed})
