"""The repository, which is created once with its authentication types."""

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
"""The authentication types of a new repository."""

DEFAULT_AUTH_TYPE = "local"
"""The authentication type of requests that name none, as in GAM."""

PAIRWISE_KEY_LENGTH = 32
"""In bytes, as long as the digest that it keys (RFC 2104 §3)."""


def initialise(gam: Gam, guid: str | None = None) -> CreateResult[Repository]:
    """Create the repository with its authentication types, or return the existing one; by default the GUID is new."""
    with gam.store.writing() as tx:
        existing = store.repository.find(tx)
        if existing is not None:
            return CreateResult(existing, is_new=False)
        now = gam.now()
        repository = Repository(
            guid or mint_guid(gam.entropy), DEFAULT_AUTH_TYPE, now, gam.entropy(PAIRWISE_KEY_LENGTH)
        )
        for name, kind, settings in INITIAL_AUTH_TYPES:
            store.auth_types.add(tx, auth_types.create(name, kind, settings, now))
        store.repository.add(tx, repository)
        auth_type_names = [name for name, _, _ in INITIAL_AUTH_TYPES]
        gam.record(tx, "repository.init", repository.guid, (None, repository), auth_types=auth_type_names)
    return CreateResult(repository)


def check_ready(gam: Gam) -> None:
    """Check that the store can be read and has the schema version of this gamcli; raises StoreError."""
    check_readable(gam)
    with gam.store.reading() as tx:
        store.repository.require_current_version(tx)


def check_readable(gam: Gam) -> None:
    """Read what every response of the server needs; raises StoreError, also if `gamcli init` has not been run."""
    with gam.store.reading() as tx:
        store.repository.get(tx)
        tx.fetch(store.tokens.ID_STATE)
