"""
The endpoint that issues access tokens. `actions.issuance` describes the whole path of a grant.

Rule 17 is judged between rules 4 and 5: a client that failed too often is refused for a while.
"""

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from json.encoder import encode_basestring as quote
from typing import NamedTuple

from gamcli.actions import Gam, issuance
from gamcli.actions.issuance import GrantDecision, IssuedToken
from gamcli.errors import RefusedError
from gamcli.model import App
from gamcli.rules import scopes
from gamcli.rules.credentials import NO_SECRET, parse_api_key_id
from gamcli.rules.grants import API_KEY, PASSWORD, TokenRequest
from gamcli.server.endpoints import forms
from gamcli.server.endpoints.failure_limit import Client
from gamcli.server.endpoints.outcomes import DeferredResponse, ServerConfig, Trace, WouldBlock
from gamcli.server.transport.messages import Request, Response, json_text_response
from gamcli.store import Transaction

MAX_CACHED_BODY = 1024
"""Requests with a longer body, in bytes, are not cached; clients send about 300."""

_RESPONSE_JSON = (
    '{"access_token":"%s","token_type":"Bearer","expires_in":%d,"refresh_token":"%s","scope":%s,"user_guid":%s}'
)
"""RFC 6749 §5.1. Formatting takes half the time of a JSON encoder; tokens need no escaping."""

_COUNTED_RULES = frozenset(
    {
        "client_secret_missing", "client_secret_wrong", "key_unproven", "password_wrong", "refresh_unknown",
        "refresh_used", "refresh_expired",
        "refresh_revoked", "renewals_spent",
    }
)  # fmt: skip
"""Rules 5, 12 and 16: refusals that count as failures of the client."""


def post_access_token(gam: Gam, request: Request, trace: Trace, config: ServerConfig) -> DeferredResponse | WouldBlock:
    """Issue or renew an access token (GAM wiki 55623, 56104, RFC 6749 §4.3, §6)."""
    return _Grant(request, trace, config).handle(gam, forms.parse_token_request)


def get_access_token(gam: Gam, request: Request, trace: Trace, config: ServerConfig) -> DeferredResponse | WouldBlock:
    """Renew an access token by GET (GAM wiki 55623)."""
    return _Grant(request, trace, config).handle(gam, forms.parse_renewal_query)


class _Grant(NamedTuple):
    request: Request
    trace: Trace
    config: ServerConfig

    def handle(self, gam: Gam, parse: Callable[[Request], TokenRequest]) -> DeferredResponse | WouldBlock:
        """Decide the grant, from the cache if possible, and return what saves it."""
        digest, cache = self._digest(), self.config.grant_cache
        decision = cache.find_grant(digest, gam.now()) if cache is not None else None
        if decision is not None:
            self.trace.key_id = decision.grant.key_id
            self._check_failure_limit(gam, decision.grant.app)
            return DeferredResponse(partial(self._issue, gam, decision))
        token_request = parse(self.request)
        if self.config.nonblocking and token_request.grant == PASSWORD:
            return WouldBlock()
        self.trace.key_id = parse_api_key_id(token_request.api_key) or ""
        try:
            decision = self._decide(gam, token_request)
        except _AttemptsRunningError:
            return WouldBlock()
        if cache is not None and token_request.grant == API_KEY and len(self.request.body) <= MAX_CACHED_BODY:
            cache.add_grant(digest, decision)
        return DeferredResponse(partial(self._issue, gam, decision))

    def _digest(self) -> bytes:
        """Return the cache key: requests with the same digest get the same decision."""
        fields = self.request.fields
        parts = (self.request.method, fields.get("content-type", ""), fields.get("authorization", ""), "")
        return sha256("\n".join(parts).encode("latin-1") + self.request.body).digest()

    def _decide(self, gam: Gam, token_request: TokenRequest) -> GrantDecision:
        """Judge the request; it counts as a failure while it is judged, see FailureLimiter.begin."""
        limiter, has_begun, has_failed = self.config.failure_limiter, False, False

        def begin(app: App) -> None:
            nonlocal has_begun
            self.trace.client_id = app.client_id
            seconds = limiter.begin(self._client, gam.now, wait=not self.config.nonblocking)
            if seconds is None:
                raise _AttemptsRunningError
            self._require_no_wait(seconds)
            has_begun = True

        try:
            return issuance.decide(gam, token_request, begin)
        except RefusedError as error:
            has_failed = error.rule in _COUNTED_RULES
            if error.rule == "client_secret_wrong" and token_request.client_secret == NO_SECRET:
                raise RefusedError("client_secret_missing", error.message) from None
            raise
        finally:
            if has_begun:
                limiter.end(self._client, gam.now, failed=has_failed)

    def _issue(self, gam: Gam, decision: GrantDecision, tx: Transaction) -> Response:
        if self.config.grant_cache is not None:
            self.config.grant_cache.invalidate(tx)
        try:
            issued = issuance.issue_token(gam, tx, decision)
        except RefusedError as error:
            if error.rule in _COUNTED_RULES:
                self.config.failure_limiter.record(self._client, gam.now())
            raise
        self.trace.key_id, self.trace.token_id = issued.grant.key_id, issued.id
        return _token_response(issued)

    def _check_failure_limit(self, gam: Gam, app: App) -> None:
        # Log no client_id that does not exist: it may be a secret sent in the wrong parameter.
        self.trace.client_id = app.client_id
        self._require_no_wait(self.config.failure_limiter.retry_after(self._client, gam.now()))

    def _require_no_wait(self, seconds: int) -> None:
        self.trace.retry_after = seconds
        if seconds:
            raise RefusedError("too_many_failures", "too many recent failures")

    @property
    def _client(self) -> Client:
        return Client(self.trace.client_id, self.request.peer)


class _AttemptsRunningError(Exception):
    """Whether the attempt is allowed depends on others of the client, which are running."""


def _token_response(issued: IssuedToken) -> Response:
    scope, user_guid = quote(scopes.join(issued.grant.scopes)), quote(issued.grant.user_guid)
    values = (issued.secret.reveal(), issued.expires_in, issued.refresh_token.reveal(), scope, user_guid)
    return json_text_response(200, _RESPONSE_JSON % values)
