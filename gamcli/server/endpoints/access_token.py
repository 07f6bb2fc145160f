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
from gamcli.actions.grant_cache import CachedGrant
from gamcli.errors import RefusedError
from gamcli.model import App
from gamcli.rules import scopes
from gamcli.rules.credentials import parse_api_key_id
from gamcli.rules.grants import PASSWORD, TokenRequest
from gamcli.server.endpoints import token_requests
from gamcli.server.endpoints.outcomes import DeferredResponse, ServerConfig, Trace, WouldBlock
from gamcli.server.transport.messages import Request, Response, json_text_response
from gamcli.store import Transaction


def post_access_token(gam: Gam, request: Request, trace: Trace, config: ServerConfig) -> DeferredResponse | WouldBlock:
    """Issue or renew an access token (GAM wiki 55623, 56104, RFC 6749 §4.3, §6)."""
    return _handle_grant(gam, token_requests.parse_post, _Attempt(request, trace, config))


def get_access_token(gam: Gam, request: Request, trace: Trace, config: ServerConfig) -> DeferredResponse | WouldBlock:
    """Renew an access token by GET, as GAM documents it (wiki 55623)."""
    return _handle_grant(gam, token_requests.parse_get, _Attempt(request, trace, config))


_TOKEN_JSON = (
    '{"access_token":"%s","token_type":"Bearer","expires_in":%d,"refresh_token":"%s","scope":%s,"user_guid":%s}'
)
"""RFC 6749 §5.1, by hand, for it is most of what is answered: in half the time. Tokens need no escape."""


def _token_response(issued: tokens.IssuedToken) -> Response:
    scope, user_guid = quoted(scopes.join(issued.grant.scopes)), quoted(issued.grant.user_guid)
    told = (issued.secret.reveal(), issued.expires_in, issued.refresh_token.reveal(), scope, user_guid)
    return json_text_response(200, _TOKEN_JSON % told)


_COUNTED_RULES = frozenset(
    {
        "client_secret_wrong", "key_unproven", "password_wrong", "refresh_unknown", "refresh_used", "refresh_expired",
        "refresh_revoked", "renewals_spent",
    }
)  # fmt: skip
"""Rules 5, 12 and 16: what a guesser fails at is counted."""


MAX_CACHED_BODY = 1024
"""The longest body that is kept ready for when it comes again, in bytes: clients send some 300."""


class _Attempt(NamedTuple):
    """A request whose failures are counted for its client: rule 17, judged between rules 4 and 5."""

    request: Request
    trace: Trace
    config: ServerConfig

    def check_failure_limit(self, gam: Gam, app: App) -> None:
        """Take note of the application; raises RefusedError when its client fails too often."""
        self.trace.client_id = app.client_id  # never one that is none: it may be a secret in the wrong place
        self.trace.retry_after = self.config.failure_limiter.retry_after(self._failure_key, gam.now())
        if self.trace.retry_after:
            raise RefusedError("too_many_failures", "too many failures of late")

    def count_failure(self, gam: Gam, refused: RefusedError) -> None:
        """Count what a guesser fails at."""
        if refused.rule in _COUNTED_RULES:
            self.config.failure_limiter.record(self._failure_key, gam.now())

    @property
    def _failure_key(self) -> tuple[str, str]:
        """Whose failures are counted together."""
        return self.trace.client_id, self.request.peer


def _handle_grant(
    gam: Gam, read: Callable[[Request], TokenRequest], attempt: _Attempt
) -> DeferredResponse | WouldBlock:
    """Decide about what is wished, and leave it to be written."""
    prepared = attempt.config.grant_cache
    digest = _cache_key(attempt.request) if prepared is not None else b""
    decided: tokens.Decision | None = prepared.find_grant(digest, gam.now()) if prepared is not None else None
    if isinstance(decided, CachedGrant):
        attempt.trace.key_id = decided.grant.key_id
        attempt.check_failure_limit(gam, decided.grant.app)
    else:
        wish = read(attempt.request)
        if attempt.config.nonblocking and wish.grant == PASSWORD:
            return WouldBlock()
        attempt.trace.key_id = parse_api_key_id(wish.api_key) or ""
        decided = _decide(gam, wish, attempt)
        if prepared is not None and isinstance(decided, CachedGrant) and len(attempt.request.body) <= MAX_CACHED_BODY:
            prepared.add_grant(digest, decided)
    return DeferredResponse(partial(_write_grant, gam, decided, attempt))


def _decide(gam: Gam, token_request: TokenRequest, attempt: _Attempt) -> tokens.Decision:
    try:
        return tokens.decide(gam, token_request, partial(attempt.check_failure_limit, gam))
    except RefusedError as refused:
        attempt.count_failure(gam, refused)
        raise


def _write_grant(gam: Gam, decision: tokens.Decision, attempt: _Attempt, tx: Transaction) -> Response:
    """Write what was decided, and return the response that tells of it."""
    if attempt.config.grant_cache is not None:
        attempt.config.grant_cache.invalidate(tx)
    try:
        issued = tokens.issue_token(gam, tx, decision)
    except RefusedError as refused:
        attempt.count_failure(gam, refused)
        raise
    attempt.trace.key_id = issued.grant.key_id
    return _token_response(issued)


def _cache_key(request: Request) -> bytes:
    """Return what tells two requests apart that may not be answered alike."""
    fields = request.fields
    what = (request.method, fields.get("content-type", ""), fields.get("authorization", ""), "")
    return sha256("\n".join(what).encode("latin-1") + request.body).digest()
