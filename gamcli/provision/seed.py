"""
What an ephemeral server begins with: manifests that may carry secrets, made in a store that is new.

All credentials come back, those that were carried along too: whoever begins with a world needs them to use it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from gamcli.actions import Gam
from gamcli.model import App, Key, normalize_name
from gamcli.provision import manifest
from gamcli.provision.apply import Order, apply
from gamcli.provision.draft import Draft
from gamcli.provision.issued import IssuedSecrets
from gamcli.rules.credentials import Secret, parse_api_key_id

KINDS = ("GAM_CLIENT_ID", "GAM_CLIENT_SECRET", "GAM_API_KEY")


def apply_seed(gam: Gam, paths: Iterable[str | Path], environment: Mapping[str, str]) -> IssuedSecrets:
    """Make what the manifests ask for, and return the credentials of it; raises FaultsError."""
    desired = manifest.read(paths, environment, seed=True)
    applied = apply(gam, desired, Order(keep=lambda _: None))
    draft = applied.proposal.draft
    return replace(applied.issued, apps=tuple(_apps(draft)), keys=tuple(_keys(draft)))


def _apps(draft: Draft) -> Iterator[tuple[App, Secret]]:
    carried = {normalize_name(each.name): each.fields.get("client_secret") for each in draft.desired.apps}
    for step in draft.steps:
        if isinstance(step.after, App):
            secret = step.secret or carried[normalize_name(step.after.name)]
            assert isinstance(secret, Secret)
            yield step.after, secret


def _keys(draft: Draft) -> Iterator[tuple[Key, Secret]]:
    carried = {parse_api_key_id(each.api_key): each.api_key for each in draft.desired.keys if each.api_key is not None}
    return ((step.after, step.secret or carried[step.after.id]) for step in draft.steps if isinstance(step.after, Key))


def environment(issued: IssuedSecrets) -> dict[str, str]:
    """Return names and values as environments have them; of what there is only one, the name says no more."""
    found = dict(issued.variables())
    for kind in KINDS:
        alike = [name for name in found if name.startswith(f"{kind}_")]
        if len(alike) == 1:
            found = {kind if name in alike else name: value for name, value in found.items()}
    return found
