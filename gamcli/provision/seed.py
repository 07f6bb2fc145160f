"""The initial content of an ephemeral server: manifests that can contain secrets, applied to a new store."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from gamcli.actions import Gam
from gamcli.model import App, Key, normalize_name
from gamcli.provision import manifest
from gamcli.provision.apply import ApplyOptions, apply
from gamcli.provision.issued import IssuedSecrets
from gamcli.provision.plan import ExecutionPlan
from gamcli.rules.credentials import Secret, parse_api_key_id

PREFIXES = ("GAM_CLIENT_ID", "GAM_CLIENT_SECRET", "GAM_API_KEY", "GAM_USERNAME", "GAM_PASSWORD")


def apply_seed(gam: Gam, paths: Iterable[str | Path], environment: Mapping[str, str]) -> IssuedSecrets:
    """Apply the manifests and return all credentials, those of the manifests too; raises ProblemsError."""
    desired = manifest.read(paths, environment, seed=True)
    applied = apply(gam, desired, ApplyOptions(save_secrets=lambda _: None))
    plan = applied.plan
    return replace(
        applied.issued, apps=tuple(_app_secrets(plan)), keys=tuple(_key_secrets(plan)), logins=tuple(_logins(plan))
    )


def _app_secrets(plan: ExecutionPlan) -> Iterator[tuple[App, Secret]]:
    provided = {normalize_name(app.name): app.fields.get("client_secret") for app in plan.desired.apps}
    for step in plan.steps:
        if isinstance(step.after, App):
            secret = step.secret or provided[normalize_name(step.after.name)]
            assert isinstance(secret, Secret)
            yield step.after, secret


def _key_secrets(plan: ExecutionPlan) -> Iterator[tuple[Key, Secret]]:
    provided = {parse_api_key_id(key.api_key): key.api_key for key in plan.desired.keys if key.api_key is not None}
    return ((step.after, step.secret or provided[step.after.id]) for step in plan.steps if isinstance(step.after, Key))


def _logins(plan: ExecutionPlan) -> Iterator[tuple[str, Secret]]:
    passwords = ((user.name, user.fields.get("password")) for user in plan.desired.users)
    return ((name, password) for name, password in passwords if isinstance(password, Secret))


def environment(issued: IssuedSecrets) -> dict[str, str]:
    """
    Return environment variables for all credentials.

    Every name ends in the application, or the user, or both: `GAM_API_KEY_ANA_PORTAL`. A value that is the only one of
    its kind also has a name without that suffix.
    """
    variables, short = dict(issued.variables()), dict[str, str]()
    for prefix in PREFIXES:
        values = [value for name, value in variables.items() if name.startswith(f"{prefix}_")]
        if len(values) == 1:
            short[prefix] = values[0]
    return short | variables
