"""
What `serve --extras` adds: introspection (RFC 7662), revocation (RFC 7009) and the metadata of the server (RFC 8414).

GAM publishes nothing of the kind for version 2.0.
"""

from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

from gamcli.actions import Gam, client_tokens
from gamcli.errors import UsageError
from gamcli.model import App
from gamcli.rules import scopes
from gamcli.rules.grants import TokenRequest
from gamcli.server.endpoints import forms
from gamcli.server.endpoints.attempts import ClientAttempt
from gamcli.server.endpoints.context import RequestContext, ServerConfig, WouldBlock
from gamcli.server.endpoints.refusals import NOT_IN_HOST
from gamcli.server.transport.messages import Response, json_response

Act = Callable[[Gam, TokenRequest, Callable[[App], None]], dict[str, object]]

METADATA_PATH = "/.well-known/oauth-authorization-server"

CLIENT_AUTHENTICATION = ("client_secret_basic", "client_secret_post")


def introspect(gam: Gam, context: RequestContext) -> Response | WouldBlock:
    """Return the state of a token of the client."""
    return _act(gam, context, client_tokens.introspect)


def revoke(gam: Gam, context: RequestContext) -> Response | WouldBlock:
    """Revoke a token of the client with its session."""
    return _act(gam, context, client_tokens.revoke)


def _act(gam: Gam, context: RequestContext, act: Act) -> Response | WouldBlock:
    if context.config.nonblocking:
        return WouldBlock()
    return json_response(200, ClientAttempt(gam, context).judge(forms.parse_token_of_client(context.request), act))


def parse_issuer(text: str) -> str:
    """Return the issuer without a slash at its end: https except on this machine (RFC 8414 §2); raises UsageError."""
    try:
        parts = urlsplit(text)
        is_valid = bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        raise _invalid_issuer(text) from None
    is_valid = is_valid and text.isascii() and text.isprintable() and not {*text} & {*'?#"<>\\ '}
    if not is_valid or parts.scheme not in ("https", "http"):
        raise _invalid_issuer(text)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise UsageError(f"the issuer '{text}' is not encrypted", f"--issuer https{text[len('http') :]}")
    return text.removesuffix("/")


def _invalid_issuer(text: str) -> UsageError:
    return UsageError(
        f"invalid issuer '{text}'", "use a URL without query and fragment, such as https://login.example.com/myapp"
    )


def is_loopback(host: str) -> bool:
    """Return whether a name or address is that of this machine."""
    try:
        parsed = ip_address(host)
    except ValueError:
        return host == "localhost"
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


def metadata_path(config: ServerConfig) -> str:
    """Return where clients look for the metadata of the issuer, in lower case (RFC 8414 §3.1)."""
    return METADATA_PATH + (urlsplit(config.issuer).path.lower() if config.issuer else config.base_path)


def metadata(_gam: Gam, context: RequestContext) -> Response:
    """Return where the endpoints are and what they support: for `config.issuer`, else for the URL of the request."""
    config, fields, path = context.config, context.request.fields, context.request.path
    base_path = path[len(METADATA_PATH) :] if path.lower().startswith(METADATA_PATH) else path[: -len(METADATA_PATH)]
    forwarded = fields.get("x-forwarded-proto", "").lower()  # of a proxy that terminates TLS
    scheme = forwarded if forwarded in ("http", "https") else "https" if config.is_encrypted else "http"
    host = NOT_IN_HOST.sub("", fields.get("host", "")) or "localhost"
    return json_response(200, build_metadata(config.issuer or f"{scheme}://{host}{base_path}"))


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
