"""
Manifests: files in git that say which authentication types, applications, users and keys there should be.

Every fault of all files is told at once, each with its file, line and key path, before anything is touched.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from gamcli.errors import ProblemsError
from gamcli.provision import agreement, files
from gamcli.provision.desired import Desired, DesiredObject, Location
from gamcli.provision.reader import Found, Reader
from gamcli.rules import names


def read(
    paths: Iterable[str | Path], environment: Mapping[str, str], owner: str | None = None, *, seed: bool = False
) -> Desired:
    """
    Return what the files and folders of `paths` ask for together; raises FaultsError.

    `environment` is what `${NAME}` is looked up in. What a file asks for is managed by `owner`, or by the path of the
    file as it was given. A `seed` may carry secrets.
    """
    if owner is not None:
        names.check_name("an owner", owner, names.APP_NAME_LENGTH)
    found = Found()
    places: dict[str, int] = {}
    for file in files.read(paths, found.faults):
        places[file.source.file] = len(places)
        Reader(file, found, environment, owner or file.source.file, seed=seed).read()
    desired = _agreed(found)
    if found.faults:
        raise ProblemsError(sorted(found.faults, key=lambda fault: (places.get(fault.file, -1), fault.line)))
    return desired


def _agreed(found: Found) -> Desired:
    auth_types, apps, users = (found.wanted[name] for name in ("auth_type", "app", "user"))
    faults = found.faults
    for each in (auth_types, apps, users, found.wanted["repository"]):
        faults.extend(agreement.named_twice(each))
    faults.extend(agreement.users(users))
    faults.extend(agreement.apps(apps, auth_types))
    keys = tuple(agreement.Keys(users, apps).agreed(found.keys, faults))
    name, place = _default(found.wanted["repository"])
    owners = tuple(dict.fromkeys(found.owners))
    return Desired(tuple(auth_types), tuple(apps), tuple(users), keys, name, place, owners)


def _default(repositories: list[DesiredObject]) -> tuple[str | None, Location | None]:
    for each in repositories:
        name = each.fields.get("default_auth_type")
        if isinstance(name, str):
            return name, each.place.within("default_auth_type")
    return None, None
