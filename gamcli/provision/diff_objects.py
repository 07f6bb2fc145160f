"""Compares desired authentication types, applications and users with the existing records."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from operator import attrgetter
from typing import Generic, NamedTuple, TypeVar

from gamcli.errors import Problem, UsageError
from gamcli.model import APIKEY, App, AuthType, User, normalize_name
from gamcli.model.plan import CREATE, UPDATE
from gamcli.provision.desired import DesiredObject
from gamcli.provision.plan import Step
from gamcli.rules import apps as app_rules
from gamcli.rules import auth_types as auth_type_rules
from gamcli.rules import names, passwords
from gamcli.rules import users as user_rules
from gamcli.rules.credentials import Entropy, Secret, mint_client_id, mint_guid
from gamcli.store.adoptions import Manageable

Fields = dict[str, object]
Record = TypeVar("Record", AuthType, App, User)
Build = Callable[[DesiredObject, Record | None, Fields], Record]
"""Returns the record that an object leads to, given the present one; raises UsageError."""

_getter = cache(attrgetter)


ScopeParser = Callable[[tuple[str, ...], tuple[str, ...]], tuple[str, ...]]
"""Parses the words of a scope list, given the scopes that the application publishes."""

MAX_COMPARED_NAMES = 2000
"""How many names are searched for the one that is most like an unknown name."""


class DiffOptions(NamedTuple):
    """
    The time, the random source, and whether to delete unlisted objects (`prune`) or take over others' (`adopt`).

    The keys of a seed are issued even if a rule suspends them. `broken` applications and users, by kind and normalized
    name, have problems already, and are not compared.
    """

    now: datetime
    entropy: Entropy
    prune: bool = False
    adopt: bool = False
    is_seed: bool = False
    broken: frozenset[tuple[str, str]] = frozenset()


class Match(NamedTuple):
    """The owner of a desired object, and the step that it leads to; `before is after` when nothing changes."""

    owner: str
    step: Step


class KindDiff(NamedTuple, Generic[Record]):
    """The records of one kind as they will be, and the normalized names of objects that have problems."""

    records: dict[str, Record]
    matches: list[Match]
    problems: list[Problem]
    failed: set[str]


def unknown_name(noun: str, name: str, records: Iterable[App | AuthType | User]) -> str:
    """Return an error message with the most similar name of `records`."""
    near = names.closest_match(name, (record.name for record in islice(records, MAX_COMPARED_NAMES)))
    return f"no {noun} named '{name}'" + (f"; did you mean '{near}'?" if near else "")


def diff_kind(
    kind: str,
    objects: Iterable[DesiredObject],
    existing: Mapping[str, Record],
    build: Build[Record],
    secrets: Mapping[str, Secret] | None = None,
    broken: Iterable[tuple[str, str]] = (),
) -> KindDiff[Record]:
    """Match the desired objects of one kind with the existing records; `secrets` are those of new records."""
    failed = {name for each, name in broken if each == kind}
    result = KindDiff({**existing}, list[Match](), list[Problem](), failed)
    for item in objects:
        name = normalize_name(item.name)
        if name in failed:
            continue
        before = _find_existing(item, result)
        after, problems = _build_or_explain(item, before, build)
        if problems:
            result.problems.extend(problems)
            result.failed.add(name)
        if after is not None:
            result.records[name] = after
            secret = None if "client_secret" in item.fields else (secrets or {}).get(name)
            step = Step(UPDATE if before else CREATE, kind, after.name, before, after, secret, item)
            result.matches.append(Match(item.owner, step))
    return result


def _find_existing(item: DesiredObject, result: KindDiff[Record]) -> Record | None:
    """Return the record of an object, under its name or the earlier one, which is then free."""
    record, moved_from = result.records.get(normalize_name(item.name)), item.moved_from
    if moved_from is None:
        return record
    if record is None:
        return result.records.pop(normalize_name(moved_from), None)
    if normalize_name(moved_from) in result.records:
        message = f"both '{item.name}' and '{moved_from}' exist; remove moved_from, or delete or rename one of them"
        result.problems.append(item.problem(message, "moved_from"))
    return record


def _build_or_explain(
    item: DesiredObject, before: Record | None, build: Build[Record]
) -> tuple[Record | None, list[Problem]]:
    """
    Return the record, and every problem at the field that causes it.

    A field that causes an error is left out for the next attempt, so that the other fields are checked too.
    """
    fields, problems = {name: each for name, each in item.fields.items() if name != "moved_from"}, list[Problem]()
    while True:
        try:
            return build(item, before, fields), problems
        except UsageError as error:
            message = error.message
            candidates = () if _error_message(item, before, {}, build) == message else fields
            culprit = next(
                (name for name in candidates if _error_message(item, before, {name: fields[name]}, build) == message),
                None,
            )
            suggestion = f"; {error.hint}" if error.hint and error.hint.startswith("did you mean") else ""
            problems.append(item.problem(f"{message}{suggestion}", culprit or ""))
            if culprit is None:
                return None, problems
            del fields[culprit]


def _error_message(item: DesiredObject, before: Record | None, fields: Fields, build: Build[Record]) -> str | None:
    try:
        build(item, before, fields)
    except UsageError as error:
        return error.message
    return None


def _differing(record: Manageable, fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if not _is_same(name, _getter(name)(record), value)}


def _is_same(name: str, stored: object, value: object) -> bool:
    """Return whether two values of a field mean the same; the order of roles means nothing."""
    if name == "roles" and isinstance(stored, tuple) and isinstance(value, tuple):
        return set(stored) == set(value)
    return stored == value


def build_auth_type(item: DesiredObject, before: AuthType | None, fields: Fields, options: DiffOptions) -> AuthType:
    if before is None and "type" not in item.fields:
        raise UsageError("type is required for a new authentication type: APIkey or GAMLocal")
    settings = {**fields, "managed_by": item.owner}
    kind = str(settings.pop("type", before.type if before else ""))
    if before is None:
        return auth_type_rules.create(item.name, kind, settings, options.now)
    if normalize_name(kind) != normalize_name(before.type):
        raise UsageError(f"the type is {before.type} and cannot be changed")
    if _differing(before, settings).keys() - {"managed_by"}:
        return auth_type_rules.apply_changes(before, settings, options.now)
    return before


def build_app(
    item: DesiredObject, before: App | None, settings: Fields, new_secret: Secret | None, options: DiffOptions
) -> App:
    client_id, secret = settings.pop("client_id", None), settings.pop("client_secret", new_secret)
    settings["managed_by"] = item.owner
    if before is None:
        assert isinstance(secret, Secret)
        client_id = str(client_id or mint_client_id(options.entropy))
        return app_rules.build(item.name, client_id, secret, settings, options.now)  # checked when it was read
    if client_id not in (None, before.client_id):
        raise UsageError(f"the client_id is {before.client_id} and cannot be changed")
    changes = _differing(before, settings)  # values that are stored already are not checked again
    before = _rename(item, before, options.now)
    app = app_rules.apply_changes(before, changes, options.now) if changes.keys() - {"managed_by"} else before
    if not isinstance(secret, Secret) or secret.matches(app.secret_digest):
        return app
    rotated = app_rules.rotate_secret(app, secret, options.now)
    return rotated._replace(managed_by=item.owner)


def resolve_settings(
    fields: Fields, before: App | None, auth_types: Mapping[str, AuthType], parse_scopes: ScopeParser
) -> Fields:
    """Return a copy of `fields` with the canonical names of scopes and of the authentication type."""
    settings = {**fields}
    if "scopes" in fields:
        words = fields["scopes"]
        assert isinstance(words, tuple)
        settings["scopes"] = parse_scopes(words, before.scopes if before else ())
    name = fields.get("api_keys.auth_type")
    if isinstance(name, str):
        auth_type = auth_types.get(normalize_name(name))
        if auth_type is None:
            raise UsageError(unknown_name("authentication type", name, auth_types.values()))
        if auth_type.type != APIKEY:
            raise UsageError(f"authentication type '{auth_type.name}' has type {auth_type.type}, not {APIKEY}")
        settings["api_keys.auth_type"] = auth_type.name
    return settings


def _rename(item: DesiredObject, before: Record, now: datetime) -> Record:
    """Return the record under its new name, if the object has moved."""
    if normalize_name(item.name) == normalize_name(before.name):
        return before
    return before._replace(name=item.name, updated_at=now)


def build_user(item: DesiredObject, before: User | None, fields: Fields, options: DiffOptions) -> User:
    settings = {**fields, "managed_by": item.owner}
    password, status = settings.pop("password", None), str(settings.pop("password_status", "valid"))
    guid = settings.pop("guid", None)
    if before is None:
        user = user_rules.create(item.name, str(guid or mint_guid(options.entropy)), settings, options.now)
    elif guid not in (None, before.guid):
        raise UsageError(f"the GUID is {before.guid} and cannot be changed")
    else:
        user = _rename(item, before, options.now)
        if _differing(before, settings).keys() - {"managed_by"}:
            user = user_rules.apply_changes(user, settings, options.now)
    if status != "valid" and "password" not in item.fields:
        raise UsageError("password_status requires a password")
    return _set_password(user, password, status, options) if isinstance(password, Secret) else user


def _set_password(user: User, password: Secret, status: str, options: DiffOptions) -> User:
    """Return the user with this password, unless it is set already; an expired one expired an hour ago."""
    if user.password_hash is not None and passwords.verify(password, user.password_hash):
        return user
    return user._replace(
        password_hash=passwords.hash_password(password, options.entropy, passwords.SEED_COST),
        password_set_at=options.now,
        password_must_change=status == "must_change",
        password_expires_at=options.now - timedelta(hours=1) if status == "expired" else None,
    )
