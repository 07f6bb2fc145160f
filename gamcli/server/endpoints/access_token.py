"""
The endpoint that issues access tokens: from the request to the response after the commit.

`actions.issuance` describes what happens in the transaction. Rule 17 is judged between rules 4 and 5: a client that
failed too often is refused for a while (`attempts`).
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from json.encoder import encode_basestring as quote
from typing import NamedTuple

from gamcli.actions import Gam, issuance
from gamcli.actions.grant_cache import GrantCache
from gamcli.actions.issuance import GrantAttempt, IssuedToken, Turn
from gamcli.errors import RefusedError
from gamcli.rules import scopes
from gamcli.rules.api_key_grant import API_KEY_GRANT
from gamcli.rules.credentials import NO_SECRET, parse_api_key_id
from gamcli.rules.grants import PASSWORD, TokenRequest
from gamcli.server.endpoints import forms
from gamcli.server.endpoints.attempts import ClientAttempt, name_missing_secret
from gamcli.server.endpoints.context import RequestContext, TracedResponse, WouldBlock
from gamcli.server.transport.messages import Request, Response, json_response, json_text_response
from gamcli.store import Transaction

MAX_CACHED_BODY = 1024
"""Requests with a longer body, in bytes, are not cached; clients send about 300."""

_RESPONSE_JSON = (
    '{"access_token":"%s","token_type":"Bearer","expires_in":%d,"refresh_token":"%s","scope":%s,"user_guid":%s}'
)
"""RFC 6749 §5.1. Formatting takes half the time of a JSON encoder; tokens need no escaping."""


class PendingGrant(NamedTuple):
    """A token request, which is judged and saved together with the others of its turn."""

    context: RequestContext
    attempt: GrantAttempt

    def respond(self, outcome: IssuedToken | RefusedError) -> TracedResponse:
        """Return the response to send after the commit."""
        context = self.context
        if isinstance(outcome, RefusedError):
            return context.fail(name_missing_secret(outcome, self.attempt.request))
        context.trace.key_id, context.trace.token_id = outcome.grant.key_id, outcome.id
        is_rfc = context.config.response_format.is_rfc
        return context.respond(_rfc_token_response(outcome) if is_rfc else _token_response(outcome))


def post_access_token(gam: Gam, context: RequestContext) -> PendingGrant | WouldBlock:
    """Issue or renew an access token (GAM wiki 55623, 56104, RFC 6749 §4.3, §6)."""
    return _read_grant(gam, context, forms.parse_token_request)


def get_access_token(gam: Gam, context: RequestContext) -> PendingGrant | WouldBlock:
    """Renew an access token by GET (GAM wiki 55623)."""
    context.trace.allow = "POST"
    return _read_grant(gam, context, forms.parse_renewal_query)


def _read_grant(
    gam: Gam, context: RequestContext, parse: Callable[[Request], TokenRequest]
) -> PendingGrant | WouldBlock:
    """Parse the request, unless it is cached, and verify the password of a password grant."""
    request, config, trace = context.request, context.config, context.trace
    client, password, digest = ClientAttempt(gam, context), None, _digest(request)
    known = config.grant_cache.grants.get(digest) if config.grant_cache is not None else None
    if known is not None:  # it may be outdated: only the request itself is certain
        token_request = known.request
        trace.key_id = known.grant.key_id
    else:
        token_request = parse(request)
        if token_request.grant == PASSWORD:
            if config.nonblocking:
                return WouldBlock()
            password = client.judge(token_request, issuance.verify_password)
        trace.key_id = parse_api_key_id(token_request.api_key) or ""
    is_cached = password is None and len(request.body) <= MAX_CACHED_BODY
    attempt = GrantAttempt(
        token_request,
        API_KEY_GRANT,
        password,
        client.require_allowed,
        client.record_refusal,
        digest if is_cached else b"",
        config.show_address(request.peer) or None,
    )
    return PendingGrant(context, attempt)


def _digest(request: Request) -> bytes:
    """Return the cache key: requests with the same digest get the same decision."""
    names = ("content-type", "content-encoding", "authorization")
    parts = (request.method, *(request.fields.get(name, "") for name in names), "")
    return sha256("\n".join(parts).encode("latin-1") + request.body).digest()


def issue_tokens(tx: Transaction, pending: Sequence[PendingGrant], turn: Turn) -> list[TracedResponse]:
    """Judge all requests, save their tokens, and return the responses to send after the commit."""
    outcomes = turn.issue_tokens(tx)
    return [each.respond(outcome) for each, outcome in zip(pending, outcomes, strict=True)]


def write_tokens(gam: Gam, pending: Sequence[PendingGrant], cache: GrantCache | None = None) -> list[TracedResponse]:
    """Issue the tokens of all requests in one transaction, commit it, and return the responses."""
    try:
        with gam.store.writing() as tx:
            return issue_tokens(tx, pending, Turn(gam, [each.attempt for each in pending], cache))
    except Exception as error:  # noqa: BLE001 - the edge: every error becomes a response
        return [each.context.fail(error) for each in pending]


def _token_response(issued: IssuedToken) -> Response:
    scope, user_guid = quote(scopes.join(issued.grant.scopes)), quote(issued.grant.user_guid)
    values = (issued.secret.reveal(), issued.expires_in, issued.refresh_token.reveal(), scope, user_guid)
    return json_text_response(200, _RESPONSE_JSON % values)


def _rfc_token_response(issued: IssuedToken) -> Response:
    """Return the response in the form of RFC 6749 §5.1, which leaves out what there is not."""
    expiry = {"expires_in": issued.expires_in} if issued.expires_in else {}
    refresh_token = {"refresh_token": issued.refresh_token.reveal()} if issued.refresh_token != NO_SECRET else {}
    scope = {"scope": " ".join(issued.grant.scopes), "user_guid": issued.grant.user_guid}
    token = {"access_token": issued.secret.reveal(), "token_type": "Bearer"}
    return json_response(200, {**token, **expiry, **refresh_token, **scope})
