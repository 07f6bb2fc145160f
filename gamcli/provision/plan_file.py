"""
Saved plans: what was decided, in a file, until somebody applies it to the state that it was decided on.

A saved plan is one JSON document that begins with its own name, so that it is told from a manifest by its content. It
holds what the manifests asked for, a fingerprint of the state, and a digest of the changes; never a secret.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from gamcli import store
from gamcli.errors import ConflictError, UsageError, command
from gamcli.model import App
from gamcli.provision.desired import Desired, DesiredKey, DesiredObject, Location, SourceFile
from gamcli.provision.proposal import Options, Proposal
from gamcli.store import Transaction

BEGINNING = '{"gamcli_plan":'
VERSION = 1

AGAIN = "plan again, and look at what has changed"


@dataclass(frozen=True, slots=True)
class Saved:
    """A plan that was saved: what is desired, how, on which state, and a digest of the changes that were shown."""

    desired: Desired
    options: Options
    fingerprint: str
    changes: str

    def require(self, tx: Transaction, proposal: Proposal | None) -> None:
        """Raise ConflictError when the store has moved since, or the same steps are no longer what leads there."""
        if proposal is None and fingerprint(tx) != self.fingerprint:
            raise ConflictError("the store has changed since this plan was saved", AGAIN)
        if proposal is not None and digest(proposal) != self.changes:
            raise ConflictError("time has passed, and this plan is no longer what there is to do", AGAIN)


def fingerprint(tx: Transaction) -> str:
    """Return what stands for the state of the store: grants and last use do not move it."""
    state = (store.repository.get(tx).guid, store.audit.load_last_change(tx))
    return hashlib.sha256(repr(state).encode("utf-8", "surrogatepass")).hexdigest()


def digest(proposal: Proposal) -> str:
    """Return what stands for the changes of a plan, and the keys that it ends."""
    plan = proposal.plan()
    ends = [(each.key, each.reason) for each in plan.invalidates]
    return hashlib.sha256(repr((plan.changes, ends)).encode("utf-8", "surrogatepass")).hexdigest()


def written(tx: Transaction, proposal: Proposal, options: Options) -> str:
    """Return the text that saves `proposal`; raises UsageError when it would have to hold a secret."""
    for step in proposal.draft.steps:
        brought = step.secret is None and isinstance(step.after, App)
        if brought and getattr(step.before, "secret_digest", None) != getattr(step.after, "secret_digest", None):
            raise UsageError(
                f"the plan sets the client secret of application '{step.name}', which no saved plan may hold",
                command("apply", "FILE"),
            )
    found = {
        "gamcli_plan": VERSION,
        "fingerprint": fingerprint(tx),
        "changes": digest(proposal),
        "options": asdict(options),
        "desired": _plain(proposal.draft.desired),
    }
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"), default=_plain) + "\n"


def is_one(path: str) -> bool:
    """Say whether the file holds a saved plan."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(BEGINNING)) == BEGINNING.encode()
    except OSError:
        return False  # who reads manifests tells what is wrong with it


def read(path: str) -> Saved:
    """Return the plan that was saved in the file; raises UsageError when it cannot be read."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        if found["gamcli_plan"] != VERSION:
            raise UsageError(f"{path} was saved by a newer gamcli", "plan again, or upgrade gamcli")
        return Saved(_desired(found["desired"]), Options(**found["options"]), found["fingerprint"], found["changes"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is no whole saved plan", command("plan", "--out", path, "FILE")) from error


def _plain(value: Any) -> object:  # noqa: ANN401 - any part of what is desired
    match value:
        case Desired():
            return {name: getattr(value, name) for name in value.__slots__}
        case DesiredObject():
            fields = {name: each for name, each in value.fields.items() if name != "client_secret"}
            return {"name": value.name, "fields": fields, "place": value.place, "owner": value.owner}
        case DesiredKey():
            return {name: getattr(value, name) for name in value.__slots__ if name != "api_key"}
        case timedelta():
            return value.total_seconds()
        case _:
            assert isinstance(value, SourceFile)
            return value.file


def _desired(found: Mapping[str, Any]) -> Desired:
    place = found["default_location"]
    return Desired(
        auth_types=tuple(map(_wanted, found["auth_types"])),
        apps=tuple(map(_wanted, found["apps"])),
        users=tuple(map(_wanted, found["users"])),
        keys=tuple(map(_wanted_key, found["keys"])),
        default_auth_type=found["default_auth_type"],
        default_location=None if place is None else _place(place),
        owners=tuple(found["owners"]),
    )


def _place(found: Any) -> Location:  # noqa: ANN401 - JSON
    return Location(SourceFile(found[0]), tuple(found[1]))


def _wanted(found: Mapping[str, Any]) -> DesiredObject:
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in found["fields"].items()}
    return DesiredObject(found["name"], fields, _place(found["place"]), found["owner"])


def _wanted_key(found: Mapping[str, Any]) -> DesiredKey:
    scopes, life = found["scopes"], found["expires_in"]
    changed = {
        "place": _place(found["place"]),
        "scopes": None if scopes is None else tuple(scopes),
        "expires_in": None if life is None else timedelta(seconds=life),
    }
    return DesiredKey(**{**found, **changed})
