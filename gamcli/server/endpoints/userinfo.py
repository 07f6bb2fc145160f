"""The endpoint that returns the claims of an access token; the claims for all requests of a turn are read together."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from gamcli.actions import Gam
from gamcli.actions.userinfo import ClaimsCache, ClaimsResult, load_claims
from gamcli.errors import RefusedError
from gamcli.rules import claims
from gamcli.rules.credentials import Secret
from gamcli.server.endpoints import forms
from gamcli.server.endpoints.context import RequestContext, TracedResponse
from gamcli.server.endpoints.refusals import TABLE
from gamcli.server.transport.messages import Response, json_response

USERINFO_RULES = frozenset(rule for rule in TABLE if rule.startswith("token_") or rule == "authorization_missing")
"""The rules that only this endpoint has."""


class PendingClaims(NamedTuple):
    """A request for the claims of an access token."""

    context: RequestContext
    secret: Secret

    def respond(self, result: ClaimsResult[Response]) -> TracedResponse:
        if result.token is not None:
            self.context.trace.set_token(result.token)
        if isinstance(result.response, RefusedError):
            return self.context.fail(result.response)
        return self.context.respond(result.response)


def userinfo(_gam: Gam, context: RequestContext) -> PendingClaims:
    """Return the claims that the scopes of an access token reveal (GAM wiki 55623)."""
    return PendingClaims(context, forms.bearer_token(context.request))


def read_claims(gam: Gam, pending: Sequence[PendingClaims], cache: ClaimsCache[Response]) -> list[TracedResponse]:
    """Read the claims for all requests, and return the responses; the requests have the same configuration."""
    is_rfc = pending[0].context.config.response_format.is_rfc
    decide = claims.decide_with_subject if is_rfc else claims.decide
    results = load_claims(gam, [each.secret for each in pending], cache, partial(json_response, 200), decide)
    return [each.respond(result) for each, result in zip(pending, results, strict=True)]
