"""
The endpoints as functions from a request to a response, and the table of their routes; no socket.

`respond` is the edge: every error of the family leaves it as a row of `refusals.TABLE`.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from gamcli.actions import Gam, repository, tokens
from gamcli.actions.grant_cache import GrantCache
from gamcli.errors import RefusedError, StoreBusyError
from gamcli.server.endpoints import error_details, forms, origins, refusals
from gamcli.server.endpoints.access_token import get_access_token, post_access_token
from gamcli.server.endpoints.outcomes import (
    DEFAULT_CONFIG,
    DeferredResponse,
    Endpoint,
    ServerConfig,
    Trace,
    TracedResponse,
    WouldBlock,
)
from gamcli.server.transport.messages import Request, Response, json_response
from gamcli.store import Transaction

__all__ = [
    "DEFAULT_CONFIG",
    "ROUTES",
    "DeferredResponse",
    "PendingWrite",
    "ServerConfig",
    "Trace",
    "TracedResponse",
    "WouldBlock",
    "error_response",
    "handle",
    "respond",
]


def userinfo(gam: Gam, request: Request, _trace: Trace, config: ServerConfig) -> Response:
    """Tell the claims that an access token reveals (GAM wiki 55623)."""
    return tokens.cached_userinfo(
        gam, forms.bearer_token(request), config.grant_cache or GrantCache(), partial(json_response, 200)
    )


def healthz(gam: Gam, _request: Request, _trace: Trace, _: ServerConfig) -> Response:
    """Tell whether the store answers."""
    repository.check_readable(gam)
    return json_response(200, {"status": "ok"})


ROUTES: dict[str, dict[str, Endpoint]] = {
    "/oauth/gam/v2.0/access_token": {"POST": post_access_token, "GET": get_access_token},
    "/oauth/gam/v2.0/userinfo": {"GET": userinfo, "POST": userinfo},
    "/healthz": {"GET": healthz},
}
"""Paths below the base path, in lower case, and who answers which method."""


class PendingWrite(NamedTuple):
    """What was decided of a request and is yet to be written; its answer leaves no sooner."""

    request: Request
    config: ServerConfig
    trace: Trace
    deferred: DeferredResponse

    def write(self, tx: Transaction) -> TracedResponse:
        """Write it, and return the answer that may leave once the transaction is committed."""
        try:
            response = self.deferred.write(tx)
        except RefusedError as refused:  # before it wrote any of a grant: others may share the transaction
            return self.fail(refused)
        return _add_cors(response, self.request, self.config, self.trace)

    def write_alone(self, gam: Gam) -> TracedResponse:
        """Write it in a transaction of its own, and return the answer."""
        try:
            with gam.store.writing() as tx:
                return self.write(tx)
        except Exception as error:  # noqa: BLE001 - the edge: nothing may pass it
            return self.fail(error)

    def fail(self, error: Exception) -> TracedResponse:
        """Return the answer when it cannot be written."""
        return error_response(error, self.request, self.config, self.trace)


def respond(gam: Gam, request: Request, config: ServerConfig = DEFAULT_CONFIG) -> TracedResponse:
    """Answer `request`, whatever happens and however long it takes."""
    begun = handle(gam, request, replace(config, nonblocking=False) if config.nonblocking else config)
    if not isinstance(begun, PendingWrite):
        assert isinstance(begun, TracedResponse), "only who hurries is told to come back"
        return begun
    return begun.write_alone(gam)


def handle(gam: Gam, request: Request, config: ServerConfig) -> TracedResponse | PendingWrite | WouldBlock:
    """Answer `request` as far as nothing has to be written for it."""
    trace = Trace()
    try:
        found = _find_endpoint(_methods_at(request.path, config.base_path), request, config)(
            gam, request, trace, config
        )
    except Exception as error:  # noqa: BLE001 - the edge: nothing may pass it
        if config.nonblocking and isinstance(error, StoreBusyError):
            return WouldBlock()
        return error_response(error, request, config, trace)
    if isinstance(found, Response):
        return _add_cors(found, request, config, trace)
    return PendingWrite(request, config, trace, found) if isinstance(found, DeferredResponse) else found


def error_response(
    error: Exception, request: Request, config: ServerConfig, trace: Trace | None = None
) -> TracedResponse:
    """Return the answer to a request that ended with `error`; `trace` is what is known of it."""
    trace = trace or Trace()
    trace.rule = refusals.rule_for_error(error)
    trace.detail = error_details.log_detail(trace.rule, error)
    response = refusals.refusal_response(trace.rule, _refusal_fields(trace, request, config), config.error_format)
    return _add_cors(response, request, config, trace)


def _add_cors(response: Response, request: Request, config: ServerConfig, trace: Trace) -> TracedResponse:
    fields = cors_fields(config, request.fields.get("origin", "")) if config.origins else ()
    return TracedResponse(response.with_fields(fields) if fields else response, trace)


def cors_fields(config: ServerConfig, origin: str = "") -> tuple[tuple[str, str], ...]:
    """Return the fields that let a page of the origin `sent` read a response, if it may."""
    return origins.allow_origin_fields(config.origins, origin) if config.origins else ()


def _methods_at(path: str, base_path: str) -> Mapping[str, Endpoint]:
    path = path.lower()
    return ROUTES.get(path.removeprefix(base_path), {}) if path.startswith(base_path) else {}


def _advertised_methods(methods: Mapping[str, Endpoint]) -> list[str]:
    """Return the methods that a client is told of: GET renews, and no more, for those who know that it does."""
    return [method for method, endpoint in methods.items() if endpoint is not get_access_token]


def _find_endpoint(methods: Mapping[str, Endpoint], request: Request, config: ServerConfig) -> Endpoint:
    if not methods:
        raise RefusedError("path_unknown", "no such path")
    if request.method == "OPTIONS" and config.origins:
        return lambda *_: origins.preflight_response(_advertised_methods(methods))
    if request.method not in methods:
        raise RefusedError("method_wrong", "no such method")
    return methods[request.method]


_CLIENT_RULES = frozenset(
    {"client_basic_malformed", "client_id_missing", "client_unknown", "client_secret_wrong", "app_disabled"}
)
"""Rules 4 to 6: a client that used HTTP Basic is asked for it again (RFC 6749 §5.2)."""


def _refusal_fields(trace: Trace, request: Request, config: ServerConfig) -> tuple[tuple[str, str], ...]:
    """Return the fields that the status of a refusal asks for (RFC 9110 §10.2.1, §10.2.3, §11.6.1)."""
    rule, manner = trace.rule, config.error_format
    if trace.retry_after:
        return (("Retry-After", str(trace.retry_after)),)
    if rule == "method_wrong":
        return (("Allow", ", ".join(_advertised_methods(_methods_at(request.path, config.base_path)))),)
    if manner.status_and_body(rule)[0] != refusals.UNAUTHORIZED:
        return ()
    uses_basic = rule in _CLIENT_RULES and forms.uses_basic(request)
    return (("WWW-Authenticate", 'Basic realm="gam"' if uses_basic else manner.challenge(rule)),)
