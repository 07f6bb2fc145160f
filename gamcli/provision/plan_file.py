"""
Saved plans: files that hold a plan until it is applied to the same state.

A saved plan is one JSON document that begins with `gamcli_plan`, which distinguishes it from a manifest. It has the
desired state, a fingerprint of the store and a digest of the changes, and never a secret: a client secret or an API key
to import is a reference, such as `${file:PATH}`, which is read again.
"""

import hashlib
import json
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gamcli import store
from gamcli.errors import ConflictError, Problem, ProblemsError, UsageError, command
from gamcli.model import App
from gamcli.provision import field_checks
from gamcli.provision.desired import Desired, DesiredKey, DesiredObject, Location, SavedSource
from gamcli.provision.plan import ExecutionPlan, PlanOptions, Step
from gamcli.provision.reader import format_error
from gamcli.provision.variables import Variables
from gamcli.store import Transaction

PREFIX = '{"gamcli_plan":'
VERSION = 4

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
    items = {id(step.item): step for step in plan.steps if _sets_provided_secret(step)}
    for step in items.values():
        if step.item is not None and not step.item.references:
            secret = f"API key of {step.name}" if step.is_import else f"client secret of application '{step.name}'"
            raise UsageError(
                f"the plan sets the {secret}, which a saved plan must not contain", command("apply", "FILE")
            )
    apps = [app if id(app) in items else replace(app, references={}) for app in plan.desired.apps]
    keys = [key if id(key) in items else replace(key, references={}) for key in plan.desired.keys]
    document = {
        "gamcli_plan": VERSION,
        "fingerprint": fingerprint(tx),
        "changes": digest(plan),
        "options": options._asdict(),
        "desired": replace(plan.desired, apps=tuple(apps), keys=tuple(keys)),
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=_to_json) + "\n"


def _sets_provided_secret(step: Step) -> bool:
    if step.is_import:
        return True
    is_provided = step.secret is None and isinstance(step.after, App)
    return is_provided and getattr(step.before, "secret_digest", None) != getattr(step.after, "secret_digest", None)


def is_saved_plan(path: str) -> bool:
    """
    Return whether the file is a saved plan; one that cannot be read is not, and is reported as a manifest.

    A pipe is not looked into: it can be read only once, and its writer may never come.
    """
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            return False
        with Path(path).open("rb") as file:
            return file.read(len(PREFIX)) == PREFIX.encode()
    except OSError:
        return False


def read(path: str, environment: Mapping[str, str]) -> SavedPlan:
    """
    Return the plan of a file; raises UsageError.

    Secrets are read again from the variables and files that the manifest refers to; raises ProblemsError.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        if document["gamcli_plan"] != VERSION:
            raise UsageError(f"{path} was saved by another version of gamcli", "create the plan again")
        return SavedPlan(
            _read_desired(document["desired"], environment),
            PlanOptions(**document["options"]),
            document["fingerprint"],
            document["changes"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"{path} is not a complete saved plan", command("plan", "--out", path, "FILE")) from error


_NOT_SAVED = {"api_key", "warnings", "is_seed", "repository_guid"}


def _to_json(value: Any) -> object:  # noqa: ANN401 - any part of the desired state
    """Return a value as JSON has it; a location as file, key path and line, and never a secret."""
    match value:
        case Desired() | DesiredObject() | DesiredKey():
            document = {name: getattr(value, name) for name in value.__slots__ if name not in _NOT_SAVED}
            if isinstance(value, DesiredObject):
                document["fields"] = {name: each for name, each in value.fields.items() if name != "client_secret"}
            for name, each in document.items():
                if isinstance(each, Location):
                    document[name] = [each.file, each.keys, each.line]
            return document
        case datetime():
            return value.isoformat()
        case _:
            assert isinstance(value, timedelta)
            return value.total_seconds()


def _read_desired(document: Mapping[str, Any], environment: Mapping[str, str]) -> Desired:
    location, problems = document["default_location"], list[Problem]()
    apps = [_read_object(item) for item in document["apps"]]
    apps = [replace(app, fields={**app.fields, **_read_secrets(app, environment, problems)}) for app in apps]
    keys = [_read_key(item) for item in document["keys"]]
    keys = [replace(key, **_read_secrets(key, environment, problems)) for key in keys]
    if problems:
        raise ProblemsError(problems)
    return Desired(
        auth_types=tuple(map(_read_object, document["auth_types"])),
        apps=tuple(apps),
        users=tuple(map(_read_object, document["users"])),
        keys=tuple(keys),
        default_auth_type=document["default_auth_type"],
        default_location=None if location is None else _read_location(location),
        owners=tuple(document["owners"]),
    )


def _read_location(location: Any) -> Location:  # noqa: ANN401 - JSON
    return Location(SavedSource(location[0], location[2]), tuple(location[1]))


def _read_secrets(
    item: DesiredObject | DesiredKey, environment: Mapping[str, str], problems: list[Problem]
) -> dict[str, Any]:
    """Return the secrets that the references of an object lead to now; adds to `problems`."""
    variables, secrets = Variables(environment, Path(item.location.file).parent), dict[str, Any]()
    check = field_checks.api_key if isinstance(item, DesiredKey) else field_checks.client_secret
    for name, reference in item.references.items():
        try:
            secrets[name] = check(variables.expand(reference))
        except UsageError as error:
            problems.append(item.problem(f"{reference}: {format_error(error)}", name))
    return secrets


def _read_object(item: Mapping[str, Any]) -> DesiredObject:
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in item["fields"].items()}
    return DesiredObject(**{**item, "fields": fields, "location": _read_location(item["location"])})


def _read_key(item: Mapping[str, Any]) -> DesiredKey:
    parsers: dict[str, Callable[[Any], object]] = {
        **dict.fromkeys(("expires_in", "renew_within", "overlap"), lambda seconds: timedelta(seconds=seconds)),
        "expires_at": datetime.fromisoformat,
        "scopes": tuple,
    }
    parsed = {name: parse(item[name]) for name, parse in parsers.items() if item[name] is not None}
    return DesiredKey(**{**item, **parsed, "location": _read_location(item["location"])})
