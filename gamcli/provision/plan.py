"""
What leads from the actual state to the desired one: `diff`, pure, top to bottom in the order of the steps.

Authentication types come first, then the default, applications, users and keys, so that each step finds what it needs;
what is deleted goes last, in the reverse order. The records of the steps are made by the rules, as in the commands.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from operator import attrgetter

from gamcli.errors import UsageError
from gamcli.model import APIKEY, App, AuthType, User, normalize_name
from gamcli.model.plan import CREATE, UPDATE
from gamcli.provision import diff_keys, pruning
from gamcli.provision.desired import Desired, DesiredObject
from gamcli.provision.draft import DiffOptions, Draft, Fields, Step, clashes, unknown
from gamcli.provision.snapshot import Actual
from gamcli.rules import apps as app_rules
from gamcli.rules import auth_types as auth_type_rules
from gamcli.rules import passwords, scopes
from gamcli.rules import users as user_rules
from gamcli.rules.credentials import Secret, mint_client_id, mint_client_secret, mint_guid
from gamcli.store.adoptions import Manageable

_field = cache(attrgetter)


def diff(desired: Desired, actual: Actual, terms: DiffOptions) -> Draft:
    """
    Return the steps that lead from `actual` to `desired`.

    Raises FaultsError with all that is wrong, each at its line, and ConflictError for what another owner manages.
    """
    there = ({**actual.auth_types}, actual.repository, {**actual.apps}, {**actual.users})
    draft = Draft(desired, terms, *there, actual.keys)
    unnamed = pruning.unnamed(draft, actual)
    parsed = _parser(desired, actual)
    for wanted in desired.auth_types:
        _auth_type(draft, wanted)
    _default(draft)
    for wanted in desired.apps:
        _app(draft, wanted, parsed)
    for wanted in desired.users:
        _user(draft, wanted)
    _tell_clashes(draft)
    diff_keys.settle(draft, actual, parsed)
    pruning.prune(draft, actual, unnamed)
    draft.require_sound()
    return draft


def _parser(desired: Desired, actual: Actual) -> diff_keys.Parsed:
    """Return what makes scopes of words, given those that the application publishes already."""
    carried = {*actual.attributes}
    for wanted in desired.users:
        attributes = wanted.fields.get("attributes")
        carried.update(attributes if isinstance(attributes, dict) else ())

    @cache
    def parsed(words: tuple[str, ...], published: tuple[str, ...]) -> tuple[str, ...]:
        return scopes.parse(words, lambda name: name in carried or f"user_{name}" in published)

    return parsed


def _differing(found: Manageable, fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if _field(name)(found) != value}


def _auth_type(draft: Draft, wanted: DesiredObject) -> None:
    found, now = draft.auth_types.get(normalize_name(wanted.name)), draft.terms.now

    def judge(fields: Fields) -> AuthType:
        settings = {**fields, "managed_by": wanted.owner}
        kind = str(settings.pop("type", found.type if found else ""))
        if found is None:
            return auth_type_rules.create(wanted.name, kind, settings, now)
        if normalize_name(kind) != normalize_name(found.type):
            raise UsageError(f"it is of kind {found.type}, and stays so")
        differing = _differing(found, settings)
        return auth_type_rules.apply_changes(found, settings, now) if {*differing} - {"managed_by"} else found

    if found is None and "type" not in wanted.fields:
        draft.refuse("auth-type", wanted, "it has no type: APIkey or GAMLocal")
        return
    after = draft.judged("auth-type", wanted, judge)
    if after is not None:
        draft.auth_types[normalize_name(wanted.name)] = after
        draft.settle(wanted, Step(UPDATE if found else CREATE, "auth-type", after.name, found, after))


def _default(draft: Draft) -> None:
    wanted, before = draft.desired.default_auth_type, draft.repository
    if wanted is None:
        return
    found = draft.auth_types.get(normalize_name(wanted))
    if found is None:
        assert draft.desired.default_location is not None
        what = unknown("authentication type", wanted, (each.name for each in draft.auth_types.values()))
        draft.faults.append(draft.desired.default_location.problem(what))
    elif normalize_name(found.name) != normalize_name(before.default_auth_type):
        draft.repository = replace(before, default_auth_type=found.name)
        draft.steps.append(Step(UPDATE, "repository", "repository", before, draft.repository))


def _app(draft: Draft, wanted: DesiredObject, parsed: diff_keys.Parsed) -> None:
    found, terms = draft.apps.get(normalize_name(wanted.name)), draft.terms
    minted = mint_client_secret(terms.entropy) if found is None else None

    def judge(fields: Fields) -> App:
        settings = _settings(draft, fields, found, parsed)
        client_id, secret = settings.pop("client_id", None), settings.pop("client_secret", minted)
        settings["managed_by"] = wanted.owner
        if found is None:
            assert isinstance(secret, Secret)
            return app_rules.create(
                wanted.name, str(client_id or mint_client_id(terms.entropy)), secret, settings, terms.now
            )
        if client_id not in (None, found.client_id):
            raise UsageError(f"its client_id is {found.client_id}, and stays so")
        return _with_secret(_changed_app(found, settings, draft), secret, wanted.owner, draft)

    after = draft.judged("app", wanted, judge)
    if after is not None:
        draft.apps[normalize_name(wanted.name)] = after
        issued = None if "client_secret" in wanted.fields else minted
        draft.settle(wanted, Step(UPDATE if found else CREATE, "app", after.name, found, after, issued))


def _changed_app(found: App, settings: Fields, draft: Draft) -> App:
    """Return `found` with what differs laid over it: what is so already is not judged anew."""
    differing = _differing(found, settings)
    return app_rules.apply_changes(found, differing, draft.terms.now) if {*differing} - {"managed_by"} else found


def _with_secret(app: App, secret: object, owner: str, draft: Draft) -> App:
    if not isinstance(secret, Secret) or secret.matches(app.secret_digest):
        return app
    rotated = app_rules.rotate_secret(app, app_rules.check_client_secret(secret), draft.terms.now)
    return replace(rotated, managed_by=owner)


def _settings(draft: Draft, fields: Fields, found: App | None, parsed: diff_keys.Parsed) -> Fields:
    """Return a copy of `fields` in which scopes and the authentication type have their own names."""
    settings = {**fields}
    if "scopes" in fields:
        words = fields["scopes"]
        assert isinstance(words, tuple)
        settings["scopes"] = parsed(words, found.scopes if found else ())
    asked = fields.get("api_keys.auth_type")
    if isinstance(asked, str):
        settings["api_keys.auth_type"] = _allowed(draft, asked)
    return settings


def _allowed(draft: Draft, asked: str) -> str:
    found = draft.auth_types.get(normalize_name(asked))
    if found is None:
        raise UsageError(unknown("authentication type", asked, (each.name for each in draft.auth_types.values())))
    if found.type != APIKEY:
        raise UsageError(f"authentication type '{found.name}' is of kind {found.type}, not {APIKEY}")
    return found.name


def _user(draft: Draft, wanted: DesiredObject) -> None:
    found, terms = draft.users.get(normalize_name(wanted.name)), draft.terms

    def judge(fields: Fields) -> User:
        settings = {**fields, "managed_by": wanted.owner}
        password = settings.pop("password", None)
        if found is None:
            made = user_rules.create(wanted.name, mint_guid(terms.entropy), settings, terms.now)
        else:
            differs = {*_differing(found, settings)} - {"managed_by"}
            made = user_rules.apply_changes(found, settings, terms.now) if differs else found
        return made if password is None else _with_password(made, password, draft)

    after = draft.judged("user", wanted, judge)
    if after is not None:
        draft.users[normalize_name(wanted.name)] = after
        draft.settle(wanted, Step(UPDATE if found else CREATE, "user", after.name, found, after))


def _with_password(user: User, password: object, draft: Draft) -> User:
    assert isinstance(password, Secret)
    if user.password_hash is not None and passwords.verify(password, user.password_hash):
        return user
    hashed = passwords.hash_password(password, draft.terms.entropy, passwords.SEED_COST)
    return replace(user, password_hash=hashed, password_set_at=draft.terms.now)


def _tell_clashes(draft: Draft) -> None:
    """Note what would name two users, or two applications: a name, an email or an id."""
    users, apps = draft.users, draft.apps
    of_users = {users[name].guid: each for each in draft.desired.users if (name := normalize_name(each.name)) in users}
    for text, *both in clashes(_claims_of_users(draft)):
        _tell(draft, text, [of_users[each] for each in both if each in of_users], "user")
    of_apps = {apps[name].client_id: each for each in draft.desired.apps if (name := normalize_name(each.name)) in apps}
    for text, *both in clashes(_claims_of_apps(draft)):
        _tell(draft, text, [of_apps[each] for each in both if each in of_apps], "application")


def _tell(draft: Draft, text: str, wanted: list[DesiredObject], noun: str) -> None:
    """Tell it where the text stands: in a field of the later one that says it, or else at the name of one."""
    fields = ((each, name) for each in reversed(wanted) for name in ("email", "client_id"))
    said = (place for place in fields if normalize_name(str(place[0].fields.get(place[1], ""))) == text)
    for each, name in [*said, *((each, "") for each in wanted)][:1]:
        draft.faults.append(each.problem(f"'{text}' names another {noun} already", name))


def _claims_of_users(draft: Draft) -> Iterator[tuple[str, str]]:
    for name, user in draft.users.items():
        yield name, user.guid
        yield user.guid, user.guid
        if user.email:
            yield normalize_name(user.email), user.guid


def _claims_of_apps(draft: Draft) -> Iterator[tuple[str, str]]:
    for name, app in draft.apps.items():
        yield name, app.client_id
        yield app.client_id.lower(), app.client_id
