"""
The endpoint that issues access tokens. `actions.issuance` describes the whole path of a grant.

Rule 17 is judged between rules 4 and 5: a client that failed too often is refused for a while (`attempts`).
"""

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from json.encoder import encode_basestring as quote
from typing import NamedTuple

from gamcli.actions import Gam
from gamcli.actions.issuance import GrantAttempt, IssuedToken, VerifiedPassword, verify_password
from gamcli.errors import RefusedError
from gamcli.model import Key
from gamcli.rules import scopes
from gamcli.rules.api_key_grant import API_KEY_GRANT
from gamcli.rules.credentials import NO_SECRET, parse_api_key_id
from gamcli.rules.grants import PASSWORD, TokenRequest
from gamcli.server.endpoints import forms
from gamcli.server.endpoints.attempts import ClientAttempt, name_missing_secret
from gamcli.server.endpoints.outcomes import DeferredGrant, ServerConfig, Trace, WouldBlock
from gamcli.server.transport.messages import Request, Response, json_response, json_text_response

MAX_CACHED_BODY = 1024
"""Requests with a longer body, in bytes, are not cached; clients send about 300."""

_RESPONSE_JSON = (
    '{"access_token":"%s","token_type":"Bearer","expires_in":%d,"refresh_token":"%s","scope":%s,"user_guid":%s}'
)
"""RFC 6749 §5.1. Formatting takes half the time of a JSON encoder; tokens need no escaping."""


Outcome = IssuedToken | RefusedError


def post_access_token(gam: Gam, request: Request, trace: Trace, config: ServerConfig) -> DeferredGrant | WouldBlock:
    """Issue or renew an access token (GAM wiki 55623, 56104, RFC 6749 §4.3, §6)."""
    return _Grant(request, trace, config).handle(gam, forms.parse_token_request)


def get_access_token(gam: Gam, request: Request, trace: Trace, config: ServerConfig) -> DeferredGrant | WouldBlock:
    """Renew an access token by GET (GAM wiki 55623)."""
    return _Grant(request, trace, config).handle(gam, forms.parse_renewal_query)


class _Grant(NamedTuple):
    request: Request
    trace: Trace
    config: ServerConfig

    def handle(self, gam: Gam, parse: Callable[[Request], TokenRequest]) -> DeferredGrant | WouldBlock:
        """Return what is judged together with the other requests of the turn; a password is verified first."""
        digest, cache = self._digest(), self.config.grant_cache
        known = cache.find_request(digest) if cache is not None else None
        if known is not None:
            self.trace.key_id = known.grant.key_id
            return self._defer(gam, known.request, digest)
        token_request = parse(self.request)
        if token_request.grant == PASSWORD:
            if self.config.nonblocking:
                return WouldBlock()
            verified = self._attempt.judge(gam, token_request, verify_password)
            return self._defer(gam, token_request, password=verified)
        self.trace.key_id = parse_api_key_id(token_request.api_key) or ""
        return self._defer(gam, token_request, digest if len(self.request.body) <= MAX_CACHED_BODY else b"")

    def _digest(self) -> bytes:
        """Return the cache key: requests with the same digest get the same decision."""
        fields = self.request.fields
        names = ("content-type", "content-encoding", "authorization")
        parts = (self.request.method, *(fields.get(name, "") for name in names), "")
        return sha256("\n".join(parts).encode("latin-1") + self.request.body).digest()

    def _defer(
        self, gam: Gam, token_request: TokenRequest, digest: bytes = b"", password: VerifiedPassword | None = None
    ) -> DeferredGrant:
        def respond(outcome: Outcome) -> Response:
            if isinstance(outcome, RefusedError):
                raise name_missing_secret(outcome, token_request)
            self.trace.key_id, self.trace.token_id = outcome.grant.key_id, outcome.id
            return _rfc_token_response(outcome) if self.config.response_format.is_rfc else _token_response(outcome)

        def report_refusal(error: RefusedError, key: Key | None) -> None:
            if key is not None:
                self.trace.key_id = key.id
            self._attempt.count_failure(gam, error)

        check_app = partial(self._attempt.require_allowed, gam)
        address = self.config.show_address(self.request.peer) or None
        attempt = GrantAttempt(token_request, API_KEY_GRANT, password, check_app, report_refusal, digest, address)
        return DeferredGrant(attempt, respond)

    @property
    def _attempt(self) -> ClientAttempt:
        return ClientAttempt(*self)


def _rfc_token_response(issued: IssuedToken) -> Response:
    """Return the response in the form of RFC 6749 §5.1, which leaves out what there is not."""
    expiry = {"expires_in": issued.expires_in} if issued.expires_in else {}
    refresh_token = {"refresh_token": issued.refresh_token.reveal()} if issued.refresh_token != NO_SECRET else {}
    scope = {"scope": " ".join(issued.grant.scopes), "user_guid": issued.grant.user_guid}
    token = {"access_token": issued.secret.reveal(), "token_type": "Bearer"}
    return json_response(200, {**token, **expiry, **refresh_token, **scope})


def _token_response(issued: IssuedToken) -> Response:
    scope, user_guid = quote(scopes.join(issued.grant.scopes)), quote(issued.grant.user_guid)
    values = (issued.secret.reveal(), issued.expires_in, issued.refresh_token.reveal(), scope, user_guid)
    return json_text_response(200, _RESPONSE_JSON % values)
