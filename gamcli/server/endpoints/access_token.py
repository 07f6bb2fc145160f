"""
The endpoint that issues access tokens: what is asked is read, decided, and left to be written.

Rule 17 is judged here, between rules 4 and 5: a client that fails too often is not heard for a while.
"""

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from json.encoder import encode_basestring as quoted
from typing import NamedTuple

from gamcli.actions import Gam, tokens
from gamcli.actions.grant_cache import Ready
from gamcli.errors import RefusedError
from gamcli.model import App
from gamcli.rules import scopes
from gamcli.rules.credentials import api_key_id
from gamcli.rules.grants import PASSWORD, TokenRequest
from gamcli.server.endpoints import token_requests
from gamcli.server.endpoints.outcomes import Conduct, Deferred, Later, Trace
from gamcli.server.transport.messages import Request, Response, json_written
from gamcli.store import Transaction


def access_token(gam: Gam, request: Request, trace: Trace, conduct: Conduct) -> Deferred | Later:
    """Issue or renew an access token (GAM wiki 55623, 56104, RFC 6749 §4.3, §6)."""
    return _granting(gam, token_requests.posted, _Attempt(request, trace, conduct))


def renewal(gam: Gam, request: Request, trace: Trace, conduct: Conduct) -> Deferred | Later:
    """Renew an access token by GET, as GAM documents it (wiki 55623)."""
    return _granting(gam, token_requests.got, _Attempt(request, trace, conduct))


_GRANTED = '{"access_token":"%s","token_type":"Bearer","expires_in":%d,"refresh_token":"%s","scope":%s,"user_guid":%s}'
"""RFC 6749 §5.1, by hand, for it is most of what is answered: in half the time. Tokens need no escape."""


def _granted(issued: tokens.IssuedToken) -> Response:
    scope, user_guid = quoted(scopes.join(issued.grant.scopes)), quoted(issued.grant.user_guid)
    told = (issued.secret.reveal(), issued.expires_in, issued.refresh_token.reveal(), scope, user_guid)
    return json_written(200, _GRANTED % told)


_FAILURES = frozenset(
    {
        "client_secret_wrong", "key_unproven", "password_wrong", "refresh_unknown", "refresh_used", "refresh_expired",
        "refresh_revoked", "renewals_spent",
    }
)  # fmt: skip
"""Rules 5, 12 and 16: what a guesser fails at is counted."""


MAX_KEPT = 1024
"""The longest body that is kept ready for when it comes again, in bytes: clients send some 300."""


class _Attempt(NamedTuple):
    """A request whose failures are counted for its client: rule 17, judged between rules 4 and 5."""

    request: Request
    trace: Trace
    conduct: Conduct

    def hear(self, gam: Gam, app: App) -> None:
        """Take note of the application; raises RefusedError when its client fails too often."""
        self.trace.client_id = app.client_id  # never one that is none: it may be a secret in the wrong place
        self.trace.wait = self.conduct.failures.wait(self._client, gam.now())
        if self.trace.wait:
            raise RefusedError("too_many_failures", "too many failures of late")

    def blame(self, gam: Gam, refused: RefusedError) -> None:
        """Count what a guesser fails at."""
        if refused.rule in _FAILURES:
            self.conduct.failures.count(self._client, gam.now())

    @property
    def _client(self) -> tuple[str, str]:
        """Whose failures are counted together."""
        return self.trace.client_id, self.request.peer


def _granting(gam: Gam, read: Callable[[Request], TokenRequest], attempt: _Attempt) -> Deferred | Later:
    """Decide about what is wished, and leave it to be written."""
    prepared = attempt.conduct.prepared
    digest = _digest(attempt.request) if prepared is not None else b""
    decided: tokens.Decision | None = prepared.find(digest, gam.now()) if prepared is not None else None
    if isinstance(decided, Ready):
        attempt.trace.key_id = decided.grant.key_id
        attempt.hear(gam, decided.grant.app)
    else:
        wish = read(attempt.request)
        if attempt.conduct.hurries and wish.grant == PASSWORD:
            return Later()
        attempt.trace.key_id = api_key_id(wish.api_key) or ""
        decided = _decided(gam, wish, attempt)
        if prepared is not None and isinstance(decided, Ready) and len(attempt.request.body) <= MAX_KEPT:
            prepared.keep(digest, decided)
    return Deferred(partial(_written, gam, decided, attempt))


def _decided(gam: Gam, wish: TokenRequest, attempt: _Attempt) -> tokens.Decision:
    try:
        return tokens.decide(gam, wish, partial(attempt.hear, gam))
    except RefusedError as refused:
        attempt.blame(gam, refused)
        raise


def _written(gam: Gam, decided: tokens.Decision, attempt: _Attempt, tx: Transaction) -> Response:
    """Write what was decided, and return the response that tells of it."""
    if attempt.conduct.prepared is not None:
        attempt.conduct.prepared.heed(tx)
    try:
        issued = tokens.keep(gam, tx, decided)
    except RefusedError as refused:
        attempt.blame(gam, refused)
        raise
    attempt.trace.key_id = issued.grant.key_id
    return _granted(issued)


def _digest(request: Request) -> bytes:
    """Return what tells two requests apart that may not be answered alike."""
    fields = request.fields
    what = (request.method, fields.get("content-type", ""), fields.get("authorization", ""), "")
    return sha256("\n".join(what).encode("latin-1") + request.body).digest()
