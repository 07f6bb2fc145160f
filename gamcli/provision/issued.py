"""
The new secrets of one apply, under names that stay the same from run to run, as variables or JSON.

`GAM_CLIENT_ID_PORTAL`, `GAM_CLIENT_SECRET_PORTAL`, `GAM_API_KEY_ANA_PORTAL`: names in capitals, whatever is no letter
or digit as `_`. Names that would be the same get `_2`, `_3` and so on, counted in the order of the manifests.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gamcli.model import App, Key, normalize_name
from gamcli.provision.draft import Draft
from gamcli.rules.credentials import Secret

_OTHER = re.compile(r"[^0-9A-Za-z]")


@dataclass(frozen=True, slots=True)
class IssuedSecrets:
    """What was issued: new applications with their secrets, new keys with theirs, and a name for each application."""

    apps: tuple[tuple[App, Secret], ...]
    keys: tuple[tuple[Key, Secret], ...]
    app_names: dict[str, str]
    key_names: dict[tuple[str, str], str]

    def __bool__(self) -> bool:
        return bool(self.apps or self.keys)

    def variables(self) -> Iterator[tuple[str, str]]:
        """Yield names and values: the client_id of every application that has to do with it, secrets and keys."""
        for client_id in dict.fromkeys(
            [*(app.client_id for app, _ in self.apps), *(key.client_id for key, _ in self.keys)]
        ):
            yield f"GAM_CLIENT_ID_{self.app_names[client_id]}", client_id
        for app, secret in self.apps:
            yield f"GAM_CLIENT_SECRET_{self.app_names[app.client_id]}", secret.reveal()
        for key, secret in self.keys:
            yield f"GAM_API_KEY_{self.key_names[key.user_guid, key.client_id]}", secret.reveal()

    def secrets(self) -> list[Secret]:
        """Return what must be hidden of it."""
        return [secret for _, secret in (*self.apps, *self.keys)]

    def plain(self) -> dict[str, list[dict[str, str]]]:
        """Return what JSON has: `apps` and `keys`."""
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

    def json(self) -> str:
        """Return one JSON document."""
        return json.dumps(self.plain(), ensure_ascii=False, indent=2) + "\n"


def issued(draft: Draft) -> IssuedSecrets:
    """Return the secrets that the steps of `draft` issue."""
    new = [(step.after, step.secret) for step in draft.steps if step.secret is not None]
    apps = [draft.apps[normalize_name(each.name)] for each in draft.desired.apps]
    named = {app.client_id: app.name for app in apps}
    for app in draft.apps.values():
        named.setdefault(app.client_id, app.name)
    people = {guid: name for (guid, _), name in draft.pairs.items()}
    pairs = {(guid, client_id): f"{people[guid]}_{named[client_id]}" for guid, client_id in draft.pairs}
    return IssuedSecrets(
        tuple((record, secret) for record, secret in new if isinstance(record, App)),
        tuple((record, secret) for record, secret in new if isinstance(record, Key)),
        dict(zip(named, _unique(named.values()), strict=True)),
        dict(zip(pairs, _unique(pairs.values()), strict=True)),
    )


def _unique(texts: Iterable[str]) -> Iterator[str]:
    taken: dict[str, int] = {}
    used: set[str] = set()
    for text in texts:
        name = wanted = _OTHER.sub("_", text).upper()
        while name in used:
            taken[wanted] = taken.get(wanted, 1) + 1
            name = f"{wanted}_{taken[wanted]}"
        used.add(name)
        yield name
