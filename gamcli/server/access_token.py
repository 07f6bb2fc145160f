"""
The endpoint that issues access tokens: what is asked is read, decided, and left to be written.

Rule 17 is judged here, between rules 4 and 5: a client that fails too often is not heard for a while.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from gamcli.actions import Gam, tokens
from gamcli.errors import RefusedError
from gamcli.model import App
from gamcli.rules import scopes
from gamcli.rules.credentials import api_key_id
from gamcli.rules.grants import API_KEY, PASSWORD, Facts, TokenRequest
from gamcli.server import token_requests
from gamcli.server.answers import Conduct, Deferred, Later, Trace
from gamcli.server.messages import Request, Response, json_response
from gamcli.store import Transaction


def access_token(gam: Gam, request: Request, trace: Trace, conduct: Conduct) -> Deferred | Later:
    """Issue or renew an access token (GAM wiki 55623, 56104, RFC 6749 §4.3, §6)."""
    return _granting(gam, token_requests.posted, _Attempt(request, trace, conduct))


def renewal(gam: Gam, request: Request, trace: Trace, conduct: Conduct) -> Deferred | Later:
    """Renew an access token by GET, as GAM documents it (wiki 55623)."""
    return _granting(gam, token_requests.got, _Attempt(request, trace, conduct))


def _granted(issued: tokens.IssuedToken) -> Response:
    return json_response(
        200,
        {
            "access_token": issued.secret.reveal(),
            "token_type": "Bearer",
            "expires_in": issued.grant.expires_in,
            "refresh_token": issued.refresh_token.reveal(),
            "scope": scopes.join(issued.grant.scopes),
            "user_guid": issued.grant.user_guid,
        },
    )


_FAILURES = frozenset(
    {
        "client_secret_wrong", "key_unproven", "password_wrong", "refresh_unknown", "refresh_used", "refresh_expired",
        "refresh_revoked", "renewals_spent",
    }
)  # fmt: skip
"""Rules 5, 12 and 16: what a guesser fails at is counted."""


@dataclass(frozen=True, slots=True)
class _Attempt:
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

    def count(self, gam: Gam, refused: RefusedError) -> None:
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
    ready = prepared.find(gam, digest) if prepared is not None else None
    wish = ready.sent if ready is not None else read(attempt.request)
    if attempt.conduct.hurries and wish.grant == PASSWORD:
        return Later()
    attempt.trace.key_id = ready.the_key.id if ready is not None else api_key_id(wish.api_key) or ""
    facts = ready or tokens.facts(gam, wish)
    decided = _decided(gam, facts, attempt)
    if prepared is not None and ready is None and wish.grant == API_KEY:
        prepared.keep(digest, facts)

    def write(tx: Transaction) -> Response:
        try:
            issued = tokens.keep(gam, tx, decided)
        except RefusedError as refused:
            attempt.count(gam, refused)
            raise
        if issued.grant.key is not None:
            attempt.trace.key_id = issued.grant.key.id
        return _granted(issued)

    return Deferred(write)


def _decided(gam: Gam, facts: Facts, attempt: _Attempt) -> tokens.Decision:
    try:
        return tokens.decide(gam, facts, partial(attempt.hear, gam))
    except RefusedError as refused:
        attempt.count(gam, refused)
        raise


def _digest(request: Request) -> bytes:
    """Return what tells two requests apart that may not be answered alike."""
    fields = request.fields
    what = (request.method, fields.get("content-type", ""), fields.get("authorization", ""), "")
    return sha256("\n".join(what).encode("latin-1") + request.body).digest()
