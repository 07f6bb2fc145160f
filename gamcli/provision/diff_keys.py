"""Which of the keys that manifests ask for are to be issued: a pair has one live key, with these scopes and type."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from gamcli.errors import RefusedError, UsageError
from gamcli.model import App, AuthType, Key, User, normalize_name
from gamcli.model.plan import CREATE, UPDATE
from gamcli.provision.desired import DesiredKey
from gamcli.provision.draft import Draft, Step, unknown
from gamcli.provision.snapshot import Actual, called
from gamcli.rules import keys as rules
from gamcli.rules import scopes
from gamcli.rules.credentials import Secret, parse_api_key_id
from gamcli.rules.grants import GrantFacts

Parsed = Callable[[tuple[str, ...], tuple[str, ...]], tuple[str, ...]]
"""Makes scopes of words, given those that the application publishes."""

FIELD_OF = {
    "scope_choice_off": "scopes", "scope_beyond": "scopes",
    "auth_type_unavailable": "auth_type", "auth_type_wrong": "auth_type",
}  # fmt: skip
"""Which field of a wanted key a rule refuses, where it is one."""

NAMES_OF = {"authentication type": "auth_type", "scope": "scopes", "label": "label", "api_key": "api_key"}
"""The fields of a wanted key by the words that a refusal of their values has."""


class _Known(NamedTuple):
    """Whom keys can be for, by every text that names them."""

    users: dict[str, User]
    apps: dict[str, App]


def settle(draft: Draft, actual: Actual, parsed: Parsed) -> None:
    """Add the steps that issue the keys which are wanted and not there."""
    apps = {app.client_id.lower(): app for app in draft.apps.values()} | draft.apps
    known = _Known(called(draft.users.values()), apps)
    first: dict[tuple[str, str], DesiredKey] = {}
    for wanted in draft.desired.keys:
        pair = _pair(draft, wanted, known)
        if pair is None:
            continue
        user, app = pair
        earlier = first.setdefault((user.guid, app.client_id), wanted)
        if earlier is not wanted:
            draft.faults.append(wanted.problem(f"{earlier.place.file}:{earlier.place.line} asks for this key already"))
            continue
        draft.pairs[user.guid, app.client_id] = user.name
        live = actual.keys.get((user.guid, app.client_id))
        _settle_one(draft, wanted, GrantFacts(draft.terms.now, app=app, user=user, key=live), parsed)


def _pair(draft: Draft, wanted: DesiredKey, known: _Known) -> tuple[User, App] | None:
    user, app = known.users.get(normalize_name(wanted.user)), known.apps.get(normalize_name(wanted.app))
    if user is None and ("user", normalize_name(wanted.user)) not in draft.broken:
        what = unknown("user", wanted.user, (each.name for each in draft.users.values()))
        draft.faults.append(wanted.problem(what, "user"))
    if app is None and ("app", normalize_name(wanted.app)) not in draft.broken:
        what = unknown("application", wanted.app, (each.name for each in draft.apps.values()))
        draft.faults.append(wanted.problem(what, "app"))
    return None if user is None or app is None else (user, app)


def _settle_one(draft: Draft, wanted: DesiredKey, facts: GrantFacts, parsed: Parsed) -> None:
    app, user, live = facts.app, facts.user, facts.key
    assert app is not None
    assert user is not None
    name = f"{user.name} for {app.name}"
    try:
        asked = None if wanted.scopes is None else parsed(wanted.scopes, app.scopes)
        if live is not None and _stands(draft, live, app):
            if _is_as_wanted(live, wanted, asked):
                draft.own(wanted, "key", name, live)
                return
        else:
            live = None
        issued = _issued(draft, wanted, facts, None if asked == app.scopes else asked)
    except UsageError as error:
        field = next((name for word, name in NAMES_OF.items() if word in error.message), "expires_in")
        draft.faults.append(wanted.problem(error.message, field))
    except RefusedError as error:
        draft.faults.append(wanted.problem(error.message, FIELD_OF.get(error.rule, "")))
    else:
        draft.settle(wanted, Step(UPDATE if live else CREATE, "key", name, live, *issued))


def _stands(draft: Draft, key: Key, app: App) -> bool:
    """Say whether the key is live, and stays so when applications and authentication types are as wanted."""
    if not key.is_valid(draft.terms.now) or normalize_name(key.auth_type) not in draft.auth_types:
        return False
    return not scopes.find_disallowed(key.scopes, app.scopes)


def _is_as_wanted(key: Key, wanted: DesiredKey, asked: tuple[str, ...] | None) -> bool:
    return (
        asked in (None, key.scopes)
        and (wanted.auth_type is None or normalize_name(wanted.auth_type) == normalize_name(key.auth_type))
        and (wanted.api_key is None or wanted.api_key.matches(key.digest))
    )


def _issued(
    draft: Draft, wanted: DesiredKey, facts: GrantFacts, asked: tuple[str, ...] | None
) -> tuple[Key, Secret | None]:
    """Return the new key, and its secret unless that was brought along."""
    assert facts.app is not None
    name = rules.choose_auth_type(facts.app, wanted.auth_type, draft.repository.default_auth_type)
    auth_type: AuthType | None = draft.auth_types.get(normalize_name(name))
    if auth_type is None:
        raise UsageError(unknown("authentication type", name, (each.name for each in draft.auth_types.values())))
    terms = rules.KeyOptions(asked, wanted.expires_in, wanted.label, managed_by=wanted.owner)
    entropy = draft.terms.entropy
    issued = rules.issue(GrantFacts(facts.now, app=facts.app, user=facts.user, auth_type=auth_type), terms, entropy)
    if wanted.api_key is None:
        return issued
    key_id = parse_api_key_id(wanted.api_key)
    if key_id is None:
        raise UsageError("api_key has not the form of a key, or its checksum is wrong")
    return replace(issued.record, id=key_id, digest=wanted.api_key.digest()), None
