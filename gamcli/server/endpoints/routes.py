"""
The routes: which endpoint handles a request. No sockets.

`handle` is for the event loop, which must not block; `handle_blocking` waits as long as it takes.
"""

from collections.abc import Callable, Mapping

from gamcli.actions import Gam, repository
from gamcli.actions.userinfo import ClaimsCache
from gamcli.errors import RefusedError, StoreBusyError
from gamcli.server.endpoints import extras, origins
from gamcli.server.endpoints.access_token import PendingGrant, get_access_token, post_access_token
from gamcli.server.endpoints.context import RequestContext, ServerConfig, TracedResponse, WouldBlock
from gamcli.server.endpoints.userinfo import PendingClaims, read_claims, userinfo
from gamcli.server.transport.messages import Request, Response, json_response

Endpoint = Callable[[Gam, RequestContext], Response | PendingGrant | PendingClaims | WouldBlock]
Handled = TracedResponse | PendingGrant | PendingClaims | WouldBlock


def healthz(gam: Gam, _: RequestContext) -> Response:
    """Return 200 if the store can be read."""
    repository.check_readable(gam)
    return json_response(200, {"status": "ok"})


def readyz(gam: Gam, context: RequestContext) -> Response:
    """Return 200 if the server should get requests: it is not stopping, and can write a store of its version."""
    if context.config.state.is_draining:
        raise RefusedError("draining", "the server is stopping")
    repository.check_ready(gam)
    gam.store.require_writable()
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


def handle(gam: Gam, request: Request, config: ServerConfig) -> Handled:
    """Return the response, or the pending work it depends on."""
    context = RequestContext(request, config)
    try:
        result = _find_endpoint(context)(gam, context)
    except Exception as error:  # noqa: BLE001 - the edge: every error becomes a response
        if config.nonblocking and isinstance(error, StoreBusyError):
            return WouldBlock()
        return context.fail(error)
    return context.respond(result) if isinstance(result, Response) else result


def handle_blocking(gam: Gam, request: Request, config: ServerConfig) -> TracedResponse | PendingGrant:
    """Return the response, or what is to be judged and written, however long it takes."""
    result = handle(gam, request, config)
    assert not isinstance(result, WouldBlock), "WouldBlock is for nonblocking callers only"
    if not isinstance(result, PendingClaims):
        return result
    try:
        return read_claims(gam, [result], ClaimsCache())[0]
    except Exception as error:  # noqa: BLE001 - as above
        return result.context.fail(error)


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


def advertised_methods(path: str, config: ServerConfig) -> str:
    """Return the methods for Allow; renewal by GET is not advertised, nor HEAD, which GET implies."""
    methods = _methods_at(path, config)
    return ", ".join(method for method, endpoint in methods.items() if endpoint is not get_access_token)


def _find_endpoint(context: RequestContext) -> Endpoint:
    request, config = context.request, context.config
    methods = _methods_at(request.path, config)
    if not methods:
        raise RefusedError("path_unknown", "unknown path")
    if request.method == "OPTIONS" and config.origins:
        return _preflight
    endpoint = methods.get("GET" if request.method == "HEAD" else request.method)
    if endpoint is None or (request.method == "HEAD" and not supports_head(endpoint)):
        context.trace.allow = advertised_methods(request.path, config)
        raise RefusedError("method_wrong", "method not allowed")
    return endpoint


def _preflight(_gam: Gam, context: RequestContext) -> Response:
    request = context.request
    methods = advertised_methods(request.path, context.config)
    return origins.preflight_response(methods, request.fields.get("access-control-request-headers", ""))


def supports_head(endpoint: Endpoint) -> bool:
    """Say whether HEAD is answered where GET leads to `endpoint`; HEAD must not use a refresh token up."""
    return endpoint is not get_access_token
