"""`gamcli serve --ephemeral`: a store in memory that ends with the server, and what it begins with."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gamcli.actions import Gam, example, repository
from gamcli.commands.acting import actor
from gamcli.commands.session import Session, now
from gamcli.errors import UsageError
from gamcli.store import Store

World = tuple[Gam, dict[str, str]]
"""What a server answers from, and the credentials to use it, as names and values of an environment."""


def require(session: Session, *, ephemeral: bool) -> None:
    """Raise UsageError for what does not go together."""
    if not ephemeral:
        raise UsageError(
            "--seed is for --ephemeral: a store that stays takes no such secrets from files", "gamcli apply FILE"
        )
    if session.settings.flags.get("store"):
        raise UsageError("--store and --ephemeral contradict each other", "leave one of them out")


@contextmanager
def world(seeds: Sequence[str]) -> Iterator[World]:
    """Make a store in memory of manifests, or else the world of `quickstart`; it ends with the `with`."""
    with Store.in_memory() as store:
        gam = Gam(store, now, os.urandom, actor(os.environ))
        repository.initialise(gam)
        yield gam, _seeded(gam, seeds) if seeds else example.make(gam).variables()


def _seeded(gam: Gam, seeds: Sequence[str]) -> dict[str, str]:
    from gamcli.provision import seed  # noqa: PLC0415 - start-up: it takes longer than the server without it

    return seed.variables(seed.sow(gam, seeds, os.environ))
