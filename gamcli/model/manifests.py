"""The plan of a set of manifests."""

from dataclasses import dataclass

from gamcli.model.plan import Plan


@dataclass(frozen=True, slots=True)
class AdoptedObject:
    """An object that a manifest adopts: previously unmanaged (`from_owner` None), or managed by another owner."""

    kind: str
    name: str
    from_owner: str | None
    owner: str


@dataclass(frozen=True, slots=True)
class UnlistedObject:
    """An object that was removed from the manifests: it stays until `--prune`."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class ManifestPlan(Plan):
    """The plan of manifests; adopted and unlisted objects are not changes."""

    adopts: tuple[AdoptedObject, ...] = ()
    leaves: tuple[UnlistedObject, ...] = ()
