"""
What `serve --extras` adds: introspection (RFC 7662), revocation (RFC 7009) and the metadata of the server (RFC 8414).

GAM publishes nothing of the kind for version 2.0.
"""

import re
from collections.abc import Callable

from gamcli.actions import Gam, client_tokens
from gamcli.model import App
from gamcli.rules import scopes
from gamcli.rules.grants import TokenRequest
from gamcli.server.endpoints import forms
from gamcli.server.endpoints.attempts import ClientAttempt
from gamcli.server.endpoints.outcomes import ServerConfig, Trace, WouldBlock
from gamcli.server.transport.messages import Request, Response, json_response

Act = Callable[[Gam, TokenRequest, Callable[[App], None]], dict[str, object]]

_NOT_IN_HOST = re.compile(r"[^A-Za-z0-9.:_\[\]-]")

CLIENT_AUTHENTICATION = ("client_secret_basic", "client_secret_post")


def introspect(gam: Gam, request: Request, trace: Trace, config: ServerConfig) -> Response | WouldBlock:
    """Return the state of a token of the client."""
    return _act(gam, ClientAttempt(request, trace, config), client_tokens.introspect)


def revoke(gam: Gam, request: Request, trace: Trace, config: ServerConfig) -> Response | WouldBlock:
    """Revoke a token of the client with its session."""
    return _act(gam, ClientAttempt(request, trace, config), client_tokens.revoke)


def _act(gam: Gam, attempt: ClientAttempt, act: Act) -> Response | WouldBlock:
    if attempt.config.nonblocking:
        return WouldBlock()
    return json_response(200, attempt.judge(gam, forms.parse_token_of_client(attempt.request), act))


def metadata(_gam: Gam, request: Request, _trace: Trace, config: ServerConfig) -> Response:
    """Return where the endpoints are and what they support, for the host that the client has named."""
    forwarded = request.fields.get("x-forwarded-proto", "").lower()  # of a proxy that terminates TLS
    scheme = forwarded if forwarded in ("http", "https") else "https" if config.is_encrypted else "http"
    host = _NOT_IN_HOST.sub("", request.fields.get("host", "")) or "localhost"
    issuer = f"{scheme}://{host}{config.base_path}"
    return json_response(200, build_metadata(issuer))


def build_metadata(issuer: str) -> dict[str, object]:
    base = f"{issuer}/oauth/gam/v2.0"
    return {
        "issuer": issuer,
        "token_endpoint": f"{base}/access_token",
        "userinfo_endpoint": f"{base}/userinfo",
        "introspection_endpoint": f"{base}/introspect",
        "revocation_endpoint": f"{base}/revoke",
        "response_types_supported": [],
        "grant_types_supported": ["password", "refresh_token"],
        "scopes_supported": [*scopes.TABLE],
        "token_endpoint_auth_methods_supported": CLIENT_AUTHENTICATION,
        "introspection_endpoint_auth_methods_supported": CLIENT_AUTHENTICATION,
        "revocation_endpoint_auth_methods_supported": CLIENT_AUTHENTICATION,
    }
