"""The repository: made once, with its authentication types."""

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.changes import CreateResult
from gamcli.model import APIKEY, GAMLOCAL, Repository
from gamcli.rules import auth_types
from gamcli.rules.credentials import mint_guid

INITIAL_AUTH_TYPES = (
    ("apikey", APIKEY, {"description": "API keys", "enabled": True}),
    ("local", GAMLOCAL, {"description": "User names and passwords", "enabled": False}),
)
"""What a new repository has; the first is its default."""

PAIRWISE_KEY_LENGTH = 32
"""In bytes, as long as the digest that it keys (RFC 2104 §3)."""


def initialise(gam: Gam) -> CreateResult[Repository]:
    """Make the repository with its GUID and first authentication types, or return the one that is there."""
    with gam.store.writing() as tx:
        found = store.repository.find(tx)
        if found is not None:
            return CreateResult(found, is_new=False)
        now = gam.now()
        guid = mint_guid(gam.entropy)
        repository = Repository(guid, INITIAL_AUTH_TYPES[0][0], now, gam.entropy(PAIRWISE_KEY_LENGTH))
        for name, kind, settings in INITIAL_AUTH_TYPES:
            store.auth_types.add(tx, auth_types.create(name, kind, settings, now))
        store.repository.add(tx, repository)
        told = [name for name, _, _ in INITIAL_AUTH_TYPES]
        gam.record(tx, "repository.init", repository.guid, (None, repository), auth_types=told)
    return CreateResult(repository)


def check_readable(gam: Gam) -> None:
    """Read what every answer of the server stands on, the tokens too; raises a StoreError, before `gamcli init` too."""
    with gam.store.reading() as tx:
        store.repository.get(tx)
        store.tokens.next_id(tx, gam.now())
