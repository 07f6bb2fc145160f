"""
The endpoints as functions from a request to a response, and the table of their routes; no socket.

`respond` is the edge: every error of the family leaves it as a row of `refusals.TABLE`.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from gamcli.actions import Gam, repository, tokens
from gamcli.actions.grant_cache import Prepared
from gamcli.errors import RefusedError, StoreBusyError
from gamcli.server.endpoints import error_details, forms, origins, refusals
from gamcli.server.endpoints.access_token import access_token, renewal
from gamcli.server.endpoints.outcomes import AS_EVER, Answer, Conduct, Deferred, Endpoint, Later, Trace
from gamcli.server.transport.messages import Request, Response, json_response
from gamcli.store import Transaction

__all__ = [
    "AS_EVER",
    "ROUTES",
    "Answer",
    "Conduct",
    "Deferred",
    "Later",
    "Pending",
    "Trace",
    "begin",
    "failed",
    "respond",
]


def userinfo(gam: Gam, request: Request, _trace: Trace, conduct: Conduct) -> Response:
    """Tell the claims that an access token reveals (GAM wiki 55623)."""
    return tokens.told(gam, forms.bearer(request), conduct.prepared or Prepared(), partial(json_response, 200))


def healthz(gam: Gam, _request: Request, _trace: Trace, _: Conduct) -> Response:
    """Tell whether the store answers."""
    repository.probe(gam)
    return json_response(200, {"status": "ok"})


ROUTES: dict[str, dict[str, Endpoint]] = {
    "/oauth/gam/v2.0/access_token": {"POST": access_token, "GET": renewal},
    "/oauth/gam/v2.0/userinfo": {"GET": userinfo, "POST": userinfo},
    "/healthz": {"GET": healthz},
}
"""Paths below the base path, in lower case, and who answers which method."""


class Pending(NamedTuple):
    """What was decided of a request and is yet to be written; its answer leaves no sooner."""

    request: Request
    conduct: Conduct
    trace: Trace
    deferred: Deferred

    def written(self, tx: Transaction) -> Answer:
        """Write it, and return the answer that may leave once the transaction is committed."""
        try:
            response = self.deferred.write(tx)
        except RefusedError as refused:  # before it wrote any of a grant: others may share the transaction
            return self.failed(refused)
        return _answer(response, self.request, self.conduct, self.trace)

    def alone(self, gam: Gam) -> Answer:
        """Write it in a transaction of its own, and return the answer."""
        try:
            with gam.store.writing() as tx:
                return self.written(tx)
        except Exception as error:  # noqa: BLE001 - the edge: nothing may pass it
            return self.failed(error)

    def failed(self, error: Exception) -> Answer:
        """Return the answer when it cannot be written."""
        return failed(error, self.request, self.conduct, self.trace)


def respond(gam: Gam, request: Request, conduct: Conduct = AS_EVER) -> Answer:
    """Answer `request`, whatever happens and however long it takes."""
    begun = begin(gam, request, replace(conduct, hurries=False) if conduct.hurries else conduct)
    if not isinstance(begun, Pending):
        assert isinstance(begun, Answer), "only who hurries is told to come back"
        return begun
    return begun.alone(gam)


def begin(gam: Gam, request: Request, conduct: Conduct) -> Answer | Pending | Later:
    """Answer `request` as far as nothing has to be written for it."""
    trace = Trace()
    try:
        found = _endpoint(_methods(request.path, conduct.base_path), request, conduct)(gam, request, trace, conduct)
    except Exception as error:  # noqa: BLE001 - the edge: nothing may pass it
        if conduct.hurries and isinstance(error, StoreBusyError):
            return Later()
        return failed(error, request, conduct, trace)
    if isinstance(found, Response):
        return _answer(found, request, conduct, trace)
    return Pending(request, conduct, trace, found) if isinstance(found, Deferred) else found


def failed(error: Exception, request: Request, conduct: Conduct, trace: Trace | None = None) -> Answer:
    """Return the answer to a request that ended with `error`; `trace` is what is known of it."""
    trace = trace or Trace()
    trace.rule = refusals.rule_of(error)
    trace.detail = error_details.of(trace.rule, error)
    response = refusals.response(trace.rule, _extra(trace, request, conduct), conduct.manner)
    return _answer(response, request, conduct, trace)


def _answer(response: Response, request: Request, conduct: Conduct, trace: Trace) -> Answer:
    fields = cross_origin(conduct, request.fields.get("origin", "")) if conduct.origins else ()
    return Answer(response.with_fields(fields) if fields else response, trace)


def cross_origin(conduct: Conduct, sent: str = "") -> tuple[tuple[str, str], ...]:
    """Return the fields that let a page of the origin `sent` read a response, if it may."""
    return origins.allowed(conduct.origins, sent) if conduct.origins else ()


def _methods(path: str, base_path: str) -> Mapping[str, Endpoint]:
    path = path.lower()
    return ROUTES.get(path.removeprefix(base_path), {}) if path.startswith(base_path) else {}


def _told(methods: Mapping[str, Endpoint]) -> list[str]:
    """Return the methods that a client is told of: GET renews, and no more, for those who know that it does."""
    return [method for method, endpoint in methods.items() if endpoint is not renewal]


def _endpoint(methods: Mapping[str, Endpoint], request: Request, conduct: Conduct) -> Endpoint:
    if not methods:
        raise RefusedError("path_unknown", "no such path")
    if request.method == "OPTIONS" and conduct.origins:
        return lambda *_: origins.preflight(_told(methods))
    if request.method not in methods:
        raise RefusedError("method_wrong", "no such method")
    return methods[request.method]


_CLIENT_RULES = frozenset(
    {"client_basic_malformed", "client_id_missing", "client_unknown", "client_secret_wrong", "app_disabled"}
)
"""Rules 4 to 6: a client that used HTTP Basic is asked for it again (RFC 6749 §5.2)."""


def _extra(trace: Trace, request: Request, conduct: Conduct) -> tuple[tuple[str, str], ...]:
    """Return the fields that the status of a refusal asks for (RFC 9110 §10.2.1, §10.2.3, §11.6.1)."""
    rule, manner = trace.rule, conduct.manner
    if trace.wait:
        return (("Retry-After", str(trace.wait)),)
    if rule == "method_wrong":
        return (("Allow", ", ".join(_told(_methods(request.path, conduct.base_path)))),)
    if manner.told(rule)[0] != refusals.UNAUTHORIZED:
        return ()
    uses_basic = rule in _CLIENT_RULES and forms.uses_basic(request)
    return (("WWW-Authenticate", 'Basic realm="gam"' if uses_basic else manner.challenge(rule)),)
