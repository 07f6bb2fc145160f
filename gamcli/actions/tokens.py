"""Access tokens: listing and revoking them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.changes import ChangeResult
from gamcli.errors import NotFoundError, command
from gamcli.model.token_ids import parse_token_id
from gamcli.model.tokens import Token
from gamcli.store import Transaction
from gamcli.store.tokens import TokenFilter


@dataclass(frozen=True, slots=True)
class TokenSearch:
    """Which tokens a list shows; None and an empty `statuses` mean all."""

    user: str | None = None
    app: str | None = None
    key: str | None = None
    statuses: tuple[str, ...] = ()
    sort: str | None = None
    limit: int | None = None


def show(gam: Gam, token_id: str) -> Token:
    """Return the token with that id; raises NotFoundError."""
    with gam.store.reading() as tx:
        return _load_token(tx, token_id)


def _load_token(tx: Transaction, token_id: str) -> Token:
    row = parse_token_id(token_id)
    token = store.tokens.find(tx, row) if row is not None else None
    if token is None:
        raise NotFoundError(f"no token with ID '{token_id}'", command("token", "list"))
    return token


@contextmanager
def search(gam: Gam, search: TokenSearch) -> Iterator[Iterator[Token]]:
    """Yield the tokens that match, read one by one inside the `with`."""
    now = gam.now()
    with gam.store.reading() as tx:
        filters = TokenFilter(
            user_guid=None if search.user is None else store.users.get(tx, search.user).guid,
            client_id=None if search.app is None else store.apps.get(tx, search.app).client_id,
            key=None if search.key is None else store.keys.get_by_prefix(tx, search.key).id,
            sort=search.sort,
        )
        rows = store.tokens.search(tx, filters)
        matching = (token for token in rows if not search.statuses or token.status(now) in search.statuses)
        yield islice(matching, search.limit)


def revoke(gam: Gam, token_id: str) -> ChangeResult[Token]:
    """Revoke the token and its session; an inactive token is left unchanged."""
    with gam.store.writing() as tx:
        before, now = _load_token(tx, token_id), gam.now()
        if before._replace(is_suspended=False).status(now) != "active":
            return ChangeResult(before, is_changed=False)
        store.tokens.revoke(tx, before.row, now)
        if before.session_row is not None:
            store.sessions.revoke(tx, [before.session_row], now)
        after = before._replace(ended_at=now)
        gam.record(tx, "token.revoke", before.id, (before, after), user=before.user, app=before.app)
    return ChangeResult(after._replace(is_revoked=True, reason="revoked"))
