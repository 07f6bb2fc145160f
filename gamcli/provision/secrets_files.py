"""Recognizes files with secrets whose apply was never committed, for example because it was killed."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from gamcli import store
from gamcli.rules.credentials import Secret, parse_api_key_id
from gamcli.store import Store, Transaction

MAX_SIZE = 64 * 2**20
"""In bytes: more than a million secrets are written in bulk, not by manifests."""

_LINE = re.compile(r"GAM_(CLIENT_ID|CLIENT_SECRET|API_KEY)_(\w+)=(.*)")

Credential = tuple[str, str]
"""An API key with its own ID, or a client secret with the client ID of its application."""


def is_uncommitted(opened: Store, path: str) -> bool:
    """Return whether the file has only secrets of new applications and keys that the store does not have."""
    try:
        with Path(path).open("rb") as file:
            text = file.read(MAX_SIZE + 1).decode()
        found = [*_read_credentials(text)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    if not found or len(text) > MAX_SIZE:
        return False
    with opened.reading() as tx:
        return not any(_is_known(tx, *each) for each in found)


def _is_known(tx: Transaction, kind: str, identifier: str) -> bool:
    find = store.keys.find if kind == "key" else store.apps.find_by_client_id
    return find(tx, identifier) is not None


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
