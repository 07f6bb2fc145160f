"""
The routes, and the edge of the endpoints: every error leaves them as a row of `refusals.TABLE`. No sockets.

`handle` is for the event loop, which must not block; `respond` waits as long as it takes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from gamcli.actions import Gam, issuance, repository
from gamcli.actions.grant_cache import GrantCache
from gamcli.actions.issuance import IssuedToken
from gamcli.actions.userinfo import ClaimsCache, ClaimsResult, load_claims
from gamcli.errors import GamcliError, RefusedError, StoreBusyError, StoreError, StoreVersionError
from gamcli.rules import claims
from gamcli.rules.credentials import Secret
from gamcli.server.endpoints import extras, forms, origins, refusals
from gamcli.server.endpoints.access_token import get_access_token, post_access_token
from gamcli.server.endpoints.outcomes import (
    DEFAULT_CONFIG,
    DeferredClaims,
    DeferredGrant,
    Endpoint,
    ServerConfig,
    Trace,
    TracedResponse,
    WouldBlock,
)
from gamcli.server.transport.messages import Request, Response, json_response
from gamcli.store import Transaction


def userinfo(_gam: Gam, request: Request, _trace: Trace, _: ServerConfig) -> DeferredClaims:
    """Return the claims that the scopes of an access token reveal (GAM wiki 55623)."""
    return DeferredClaims(forms.bearer_token(request))


def healthz(gam: Gam, _request: Request, _trace: Trace, _: ServerConfig) -> Response:
    """Return 200 if the store can be read."""
    repository.check_readable(gam)
    return json_response(200, {"status": "ok"})


def readyz(gam: Gam, _request: Request, _trace: Trace, config: ServerConfig) -> Response:
    """Return 200 if the server should get requests: it is not stopping, and the store is of its version."""
    if config.state.is_draining:
        raise RefusedError("draining", "the server is stopping")
    repository.check_ready(gam)
    return json_response(200, {"status": "ok"})


ROUTES: dict[str, dict[str, Endpoint]] = {
    "/oauth/gam/v2.0/access_token": {"POST": post_access_token, "GET": get_access_token},
    "/oauth/gam/v2.0/userinfo": {"GET": userinfo, "POST": userinfo},
    "/healthz": {"GET": healthz},
    "/readyz": {"GET": readyz},
}
"""The endpoint of each path below the base path, in lower case, and method."""

EXTRA_ROUTES: dict[str, dict[str, Endpoint]] = {
    "/oauth/gam/v2.0/introspect": {"POST": extras.introspect},
    "/oauth/gam/v2.0/revoke": {"POST": extras.revoke},
    extras.METADATA_PATH: {"GET": extras.metadata},
}
"""The routes that are added with `--extras`."""


class PendingGrant(NamedTuple):
    """A token request, which is judged and written with the others of its turn."""

    request: Request
    config: ServerConfig
    trace: Trace
    deferred: DeferredGrant

    def respond(self, outcome: IssuedToken | RefusedError) -> TracedResponse:
        try:
            response = self.deferred.respond(outcome)
        except Exception as error:  # noqa: BLE001 - the edge: every error becomes a response
            return self.fail(error)
        return _add_cors(response, self.request, self.config, self.trace)

    def fail(self, error: Exception) -> TracedResponse:
        return error_response(error, self.request, self.config, self.trace)


class PendingClaims(NamedTuple):
    """A request for claims, which are read with the others of its turn."""

    request: Request
    config: ServerConfig
    trace: Trace
    secret: Secret

    def respond(self, result: ClaimsResult[Response]) -> TracedResponse:
        if result.token is not None:
            self.trace.set_token(result.token)
        if isinstance(result.response, RefusedError):
            return self.fail(result.response)
        return _add_cors(result.response, self.request, self.config, self.trace)

    def fail(self, error: Exception) -> TracedResponse:
        return error_response(error, self.request, self.config, self.trace)


def issue_tokens(
    gam: Gam, tx: Transaction, pending: Sequence[PendingGrant], cache: GrantCache | None = None
) -> list[TracedResponse]:
    """Write the tokens of all requests, and return the responses to send after the commit."""
    outcomes = issuance.issue_tokens(gam, tx, [each.deferred.attempt for each in pending], cache)
    return [each.respond(outcome) for each, outcome in zip(pending, outcomes, strict=True)]


def _claims_response(built: dict[str, object]) -> Response:
    return json_response(200, built)


def read_claims(gam: Gam, pending: Sequence[PendingClaims], cache: ClaimsCache[Response]) -> list[TracedResponse]:
    """Read the claims for all requests, and return the responses."""
    is_rfc = (
        bool(pending) and pending[0].config.response_format.is_rfc
    )  # all requests have the configuration of the server
    decide = claims.decide_with_subject if is_rfc else claims.decide
    results = load_claims(gam, [each.secret for each in pending], cache, _claims_response, decide)
    return [each.respond(result) for each, result in zip(pending, results, strict=True)]


def write_tokens(gam: Gam, pending: Sequence[PendingGrant], cache: GrantCache | None = None) -> list[TracedResponse]:
    """Write the tokens of all requests in one transaction, commit it, and return the responses."""
    try:
        with gam.store.writing() as tx:
            return issue_tokens(gam, tx, pending, cache)
    except Exception as error:  # noqa: BLE001 - the edge: every error becomes a response
        return [each.fail(error) for each in pending]


def respond(gam: Gam, request: Request, config: ServerConfig = DEFAULT_CONFIG) -> TracedResponse:
    """Return the response, however long it takes."""
    result = handle_patiently(gam, request, config)
    return result if isinstance(result, TracedResponse) else write_tokens(gam, [result], config.grant_cache)[0]


def handle_patiently(gam: Gam, request: Request, config: ServerConfig) -> TracedResponse | PendingGrant:
    """Return the response, or what is to be judged and written, however long it takes."""
    result = handle(gam, request, replace(config, nonblocking=False) if config.nonblocking else config)
    assert not isinstance(result, WouldBlock), "WouldBlock is for nonblocking callers only"
    if not isinstance(result, PendingClaims):
        return result
    try:
        return read_claims(gam, [result], ClaimsCache())[0]
    except Exception as error:  # noqa: BLE001 - as above
        return result.fail(error)


def handle(
    gam: Gam, request: Request, config: ServerConfig
) -> TracedResponse | PendingGrant | PendingClaims | WouldBlock:
    """Return the response, or what it depends on."""
    trace = Trace()
    try:
        result = _find_endpoint(request, config)(gam, request, trace, config)
    except Exception as error:  # noqa: BLE001 - the edge: every error becomes a response
        if config.nonblocking and isinstance(error, StoreBusyError):
            return WouldBlock()
        return error_response(error, request, config, trace)
    if isinstance(result, Response):
        return _add_cors(result, request, config, trace)
    if isinstance(result, DeferredGrant):
        return PendingGrant(request, config, trace, result)
    return PendingClaims(request, config, trace, result.secret) if isinstance(result, DeferredClaims) else result


def error_response(
    error: Exception, request: Request, config: ServerConfig, trace: Trace | None = None
) -> TracedResponse:
    trace = trace or Trace()
    trace.rule = rule_for_error(error)
    trace.detail = _DETAILS[trace.rule](error) if trace.rule in _DETAILS else ""
    cause = error.cause if isinstance(error, RefusedError) else ""
    fields = _refusal_fields(trace, request, config)
    response = refusals.refusal_response(trace.rule, fields, config.response_format, cause)
    return _add_cors(response, request, config, trace)


_RULE_BY_ERROR: tuple[tuple[type[GamcliError], str], ...] = (
    (StoreBusyError, "store_busy"),
    (StoreVersionError, "store_version"),
    (StoreError, "store_gone"),
)
"""The rule of other errors; the first class that matches."""


def rule_for_error(error: Exception) -> str:
    """Return the rule of `refusals.TABLE` for `error`; an unexpected error is a bug."""
    if isinstance(error, RefusedError) and error.rule in refusals.TABLE:
        return error.rule
    return next((rule for kind, rule in _RULE_BY_ERROR if isinstance(error, kind)), "bug")


def _error_location(error: Exception) -> str:
    """Return the type of an error and its place in the code; its message may hold a secret."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return type(error).__name__ + (f" in {step.tb_frame.f_code.co_name}, line {step.tb_lineno}" if step else "")


def _printable_message(error: Exception) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in str(error))


_DETAILS: dict[str, Callable[[Exception], str]] = {
    "bug": _error_location,
    "store_gone": _printable_message,
    "store_version": _printable_message,
}
"""What the log shows of an error besides its rule. Messages of the store hold no secrets."""


def _add_cors(response: Response, request: Request, config: ServerConfig, trace: Trace) -> TracedResponse:
    fields = cors_fields(config, request.fields.get("origin", "")) if config.origins else ()
    return TracedResponse(response.with_fields(fields) if fields else response, trace)


def cors_fields(config: ServerConfig, origin: str = "") -> tuple[tuple[str, str], ...]:
    """Return the header fields that allow pages of `origin` to read a response."""
    return origins.allow_origin_fields(config.origins, origin) if config.origins else ()


def has_route(request: Request, config: ServerConfig) -> bool:
    return ("GET" if request.method == "HEAD" else request.method) in _methods_at(request.path, config)


def _methods_at(path: str, config: ServerConfig) -> Mapping[str, Endpoint]:
    path = path.lower()
    if config.extras and path.startswith(extras.METADATA_PATH) and path == extras.metadata_path(config):
        return EXTRA_ROUTES[extras.METADATA_PATH]
    if not path.startswith(config.base_path):
        return {}
    path = path.removeprefix(config.base_path)
    return ROUTES.get(path) or (EXTRA_ROUTES.get(path, {}) if config.extras else {})


def _advertised_methods(path: str, config: ServerConfig) -> str:
    """Return the methods for Allow; renewal by GET is not advertised, nor HEAD, which GET implies."""
    methods = _methods_at(path, config)
    return ", ".join(method for method, endpoint in methods.items() if endpoint is not get_access_token)


def _find_endpoint(request: Request, config: ServerConfig) -> Endpoint:
    methods = _methods_at(request.path, config)
    if not methods:
        raise RefusedError("path_unknown", "unknown path")
    if request.method == "OPTIONS" and config.origins:
        return lambda *_: origins.preflight_response(
            _advertised_methods(request.path, config), request.fields.get("access-control-request-headers", "")
        )
    endpoint = methods.get("GET" if request.method == "HEAD" else request.method)
    if endpoint is None or (request.method == "HEAD" and not supports_head(endpoint)):
        raise RefusedError("method_wrong", "method not allowed")
    return endpoint


def supports_head(endpoint: Endpoint) -> bool:
    """Say whether HEAD is answered where GET leads to `endpoint`; HEAD must not use a refresh token up."""
    return endpoint is not get_access_token


_CLIENT_RULES = frozenset(
    {
        "client_basic_malformed", "client_id_missing", "client_unknown", "client_secret_missing",
        "client_secret_wrong", "app_disabled",
    }
)  # fmt: skip
"""Rules 4 to 6: a client that used HTTP Basic gets a Basic challenge (RFC 6749 §5.2)."""


def _refusal_fields(trace: Trace, request: Request, config: ServerConfig) -> tuple[tuple[str, str], ...]:
    """Return the header fields that the status requires (RFC 9110 §10.2.1, §10.2.3, §11.6.1)."""
    rule, response_format = trace.rule, config.response_format
    if trace.retry_after:
        return (("Retry-After", str(trace.retry_after)),)
    if rule in ("method_wrong", "method_only_renews"):
        return (("Allow", _advertised_methods(request.path, config)),)
    if response_format.status_and_body(rule)[0] != refusals.UNAUTHORIZED:
        return ()
    uses_basic = rule in _CLIENT_RULES and forms.uses_basic(request)
    challenge = 'Basic realm="gam"' if uses_basic else response_format.challenge(rule, request.fields.get("host", ""))
    return (("WWW-Authenticate", challenge),)
