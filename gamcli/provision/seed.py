"""The initial content of an ephemeral server: manifests that can contain secrets, applied to a new store."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from gamcli import store
from gamcli.actions import Gam
from gamcli.errors import UsageError
from gamcli.model import App, Key, normalize_name
from gamcli.provision import manifest
from gamcli.provision.apply import ApplyOptions, apply
from gamcli.provision.desired import Desired, DesiredKey
from gamcli.provision.issued import IssuedSecrets
from gamcli.provision.plan import ExecutionPlan, PlanOptions
from gamcli.rules.credentials import Secret, api_key_lookup_id

PREFIXES = ("GAM_CLIENT_ID", "GAM_CLIENT_SECRET", "GAM_API_KEY", "GAM_USERNAME", "GAM_PASSWORD")


def apply_seed(gam: Gam, paths: Iterable[str | Path], environment: Mapping[str, str]) -> IssuedSecrets:
    """Apply the manifests and return all credentials, those of the manifests too; raises ProblemsError."""
    return apply_desired(gam, read(paths, environment))


def read(paths: Iterable[str | Path], environment: Mapping[str, str]) -> Desired:
    """Return the content of the manifests, with warnings of weak credentials; raises ProblemsError."""
    return manifest.read(paths, environment, seed=True)


def apply_desired(gam: Gam, desired: Desired) -> IssuedSecrets:
    """Apply what `read` returned and return all credentials; raises ProblemsError and UsageError."""
    with gam.store.reading() as tx:
        existing = store.repository.get(tx).guid
    if desired.repository_guid not in (None, existing):
        raise UsageError(f"the GUID of the repository is {existing} and cannot be changed", "remove it")
    applied = apply(gam, desired, ApplyOptions(PlanOptions(adopt=True), save_secrets=lambda _: None))
    return _add_provided(applied.issued, applied.plan)


def _add_provided(issued: IssuedSecrets, plan: ExecutionPlan) -> IssuedSecrets:
    """Return new secrets together with those that the manifests provide."""
    client_secrets = {normalize_name(app.name): app.fields.get("client_secret") for app in plan.desired.apps}
    api_keys = {api_key_lookup_id(key.api_key): key.api_key for key in plan.desired.keys if key.api_key is not None}
    logins = ((user.name, user.fields.get("password")) for user in plan.desired.users)
    apps, keys, key_statuses = list[tuple[App, Secret]](), list[tuple[Key, Secret]](), dict[str, str]()
    for step in plan.steps:
        if isinstance(step.after, App):
            secret = step.secret or client_secrets[normalize_name(step.after.name)]
            assert isinstance(secret, Secret)
            apps.append((step.after, secret))
        elif isinstance(step.after, Key):
            keys.append((step.after, step.secret or api_keys[step.after.id]))
            if isinstance(step.item, DesiredKey) and step.item.status != "active":
                key_statuses[step.after.id] = step.item.status
    return replace(
        issued,
        apps=tuple(apps),
        keys=tuple(keys),
        logins=tuple((name, password) for name, password in logins if isinstance(password, Secret)),
        key_statuses=key_statuses,
    )


def environment(issued: IssuedSecrets) -> dict[str, str]:
    """
    Return environment variables for all credentials.

    Every name ends in the application, or the user, or both: `GAM_API_KEY_ANA_PORTAL`, and the status of a key that
    cannot be used: `GAM_API_KEY_ANA_PORTAL_REVOKED`. A value that is the only one of its kind also has a name without
    that suffix; of keys, the only active one, or else the only one.
    """
    variables, short = dict(issued.variables()), dict[str, str]()
    for prefix in PREFIXES:
        values = [value for name, value in variables.items() if name.startswith(f"{prefix}_")]
        if prefix == "GAM_API_KEY":
            active = [secret.reveal() for key, secret in issued.keys if key.id not in issued.key_statuses]
            values = active or values
        if len(values) == 1:
            short[prefix] = values[0]
    return short | variables
