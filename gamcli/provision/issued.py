"""
The new secrets of one apply, as environment variables or JSON, under names that are the same in every run.

`GAM_CLIENT_ID_PORTAL`, `GAM_CLIENT_SECRET_PORTAL`, `GAM_API_KEY_ANA_PORTAL`: names in capitals, with `_` for all
characters except ASCII letters and digits. Equal names get the suffixes `_2`, `_3` and so on, in the order of the
manifests.

`is_uncommitted` recognizes a file with secrets whose apply was never committed, for example because it was killed.
"""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gamcli import store
from gamcli.model import App, Key, normalize_name
from gamcli.provision.plan import ExecutionPlan
from gamcli.rules.credentials import Secret, parse_api_key_id
from gamcli.store import Store

_INVALID_CHARACTER = re.compile(r"[^0-9A-Za-z]")

MAX_SIZE = 64 * 2**20
"""In bytes: more than a million secrets are written in bulk, not by manifests."""

_LINE = re.compile(r"GAM_(CLIENT_ID|CLIENT_SECRET|API_KEY)_(\w+)=(.*)")

Credential = tuple[str, str]
"""An API key with its own ID, or a client secret with the client ID of its application."""


@dataclass(frozen=True, slots=True)
class IssuedSecrets:
    """
    New applications and keys with their secrets; the names are suffixes of variables.

    `logins` has the passwords of a seed, `key_statuses` the statuses of its keys that cannot be used, by key ID.
    """

    apps: tuple[tuple[App, Secret], ...]
    keys: tuple[tuple[Key, Secret], ...]
    app_names: dict[str, str]
    key_names: dict[tuple[str, str], str]
    logins: tuple[tuple[str, Secret], ...] = ()
    key_statuses: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.apps or self.keys)

    def variables(self) -> Iterator[tuple[str, str]]:
        """Yield names and values: the client IDs of all applications involved, then secrets and keys."""
        client_ids = [*(app.client_id for app, _ in self.apps), *(key.client_id for key, _ in self.keys)]
        for client_id in dict.fromkeys(client_ids):
            yield f"GAM_CLIENT_ID_{self.app_names[client_id]}", client_id
        for app, secret in self.apps:
            yield f"GAM_CLIENT_SECRET_{self.app_names[app.client_id]}", secret.reveal()
        for (_, secret), name in zip(self.keys, _unique_names(map(self._key_name, self.keys)), strict=True):
            yield f"GAM_API_KEY_{name}", secret.reveal()
        for (user, password), name in zip(self.logins, _unique_names(user for user, _ in self.logins), strict=True):
            yield f"GAM_USERNAME_{name}", user
            yield f"GAM_PASSWORD_{name}", password.reveal()

    def _key_name(self, issued: tuple[Key, Secret]) -> str:
        key, status = issued[0], self.key_statuses.get(issued[0].id)
        name = self.key_names[key.user_guid, key.client_id]
        return name if status is None else f"{name}_{status}"

    def secrets(self) -> list[Secret]:
        return [secret for _, secret in (*self.apps, *self.keys)]

    def to_dict(self) -> dict[str, list[dict[str, str]]]:
        return {
            "apps": [
                {"name": app.name, "client_id": app.client_id, "client_secret": secret.reveal()}
                for app, secret in self.apps
            ],
            "keys": [
                {"id": key.id, "user": key.user, "app": key.app, "client_id": key.client_id, "api_key": secret.reveal()}
                for key, secret in self.keys
            ],
        }

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=2) + "\n"


def collect_secrets(plan: ExecutionPlan) -> IssuedSecrets:
    new = [(step.after, step.secret) for step in plan.steps if step.secret is not None]
    listed = [plan.apps[normalize_name(app.name)] for app in plan.desired.apps]
    app_names = {app.client_id: app.name for app in [*listed, *plan.apps.values()]}
    user_names = {guid: name for (guid, _), name in plan.key_users.items()}
    pairs = {(guid, client_id): f"{user_names[guid]}_{app_names[client_id]}" for guid, client_id in plan.key_users}
    return IssuedSecrets(
        tuple((record, secret) for record, secret in new if isinstance(record, App)),
        tuple((record, secret) for record, secret in new if isinstance(record, Key)),
        dict(zip(app_names, _unique_names(app_names.values()), strict=True)),
        dict(zip(pairs, _unique_names(pairs.values()), strict=True)),
    )


def _unique_names(texts: Iterable[str]) -> Iterator[str]:
    counts: dict[str, int] = {}
    used: set[str] = set()
    for text in texts:
        name = base = _INVALID_CHARACTER.sub("_", text).upper()
        while name in used:
            counts[base] = counts.get(base, 1) + 1
            name = f"{base}_{counts[base]}"
        used.add(name)
        yield name


def is_uncommitted(opened: Store, path: str) -> bool:
    """Return whether the file has only secrets of new applications and keys that the store does not have."""
    if not Path(path).is_file():
        return False
    try:
        with Path(path).open("rb") as file:
            text = file.read(MAX_SIZE + 1).decode()
        found = [*_read_credentials(text)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
    if not found or len(text) > MAX_SIZE:
        return False
    with opened.reading() as tx:
        finders = {"key": store.keys.find, "app": store.apps.find_by_client_id}
        return all(finders[kind](tx, identifier) is None for kind, identifier in found)


def _read_credentials(text: str) -> Iterator[Credential]:
    """Yield what the file is about; raises ValueError and others if `apply` did not write it."""
    if text.startswith("{"):
        document = json.loads(text)
        yield from (("app", app["client_id"]) for app in document.pop("apps"))
        yield from (("key", key["id"]) for key in document.pop("keys"))
        if document:
            raise ValueError("other members")
        return
    variables: dict[tuple[str, str], str] = {}
    for line in text.splitlines():
        variable = _LINE.fullmatch(line)
        if variable is None:
            raise ValueError("another line")
        (variables[variable[1], variable[2]],) = shlex.split(variable[3])
    for (kind, name), value in variables.items():
        if kind == "CLIENT_SECRET":
            yield "app", variables["CLIENT_ID", name]
        elif kind == "API_KEY":
            yield "key", parse_api_key_id(Secret(value)) or ""
