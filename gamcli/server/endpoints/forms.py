"""
Parses requests: the parameters of access_token, client authentication, bearer tokens.

Judges rules 1 to 3, and the form of rule 4.

Pure: a request comes in, parameters or a refusal come out. An empty parameter counts as not sent (RFC 6749 §3.1);
an empty api_key is refused.
"""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from urllib.parse import unquote_plus

from gamcli.errors import RefusedError
from gamcli.model.tokens import InitialProperty
from gamcli.rules import grants
from gamcli.rules.credentials import NO_SECRET, Secret
from gamcli.rules.grants import TokenRequest
from gamcli.server.endpoints.form_bodies import (
    BROKEN_ESCAPE,
    CONTROL,
    MEDIA_TYPE,
    media_type_of,
    parse_body,
    parse_query,
)
from gamcli.server.transport.messages import Request

MAX_PROPERTIES = 100
"""At most this many initial properties of a login; GAM documents no limit."""

TOKEN_TYPES = ("oauth", "web")
"""Values of request_token_type in any case; both are treated alike."""

_BASIC = re.compile(r"basic(?:[ \t]+(.*))?", re.IGNORECASE)
_BEARER = re.compile(r"(?:(?:OAuth|Bearer)[ \t]+)?([^ \t]+)", re.IGNORECASE)


def parse_token_request(request: Request) -> TokenRequest:
    """Return the token request in the body; raises RefusedError."""
    return _build_token_request(request, parse_body(request))


def parse_renewal_query(request: Request) -> TokenRequest:
    """
    Return the token request in the query, which can only renew (GAM wiki 55623); raises RefusedError.

    Passwords and API keys are refused in a URL because URLs are logged.
    """
    form = parse_query(request)
    if form.get("grant_type", "").lower() != grants.REFRESH:
        raise RefusedError("method_only_renews", "GET is for refresh tokens only")
    return _build_token_request(request, form)


def parse_token_of_client(request: Request) -> TokenRequest:
    """Return the `token` that a client asks about or revokes, as the `refresh_token` of a request."""
    form = parse_body(request)
    if not form.get("token"):
        raise RefusedError("parameter_token_missing", "missing token")
    client = client_credentials(request, form)
    if client is None:
        raise RefusedError("client_basic_malformed", "malformed HTTP Basic credentials")
    return client._replace(grant=grants.REFRESH, refresh_token=Secret(form["token"]))


def _build_token_request(request: Request, form: Mapping[str, str]) -> TokenRequest:
    grant = grant_kind(form)
    properties = _parse_properties(form.get("initial_properties", "")) if grant == grants.PASSWORD else ()
    if not form.get("grant_type"):
        raise RefusedError("grant_type_missing", "missing grant_type")
    if grant == grants.API_KEY and not form["api_key"]:
        raise RefusedError("api_key_empty", "empty api_key")
    client = client_credentials(request, form)
    if grant == grants.PASSWORD and (form.get("request_token_type") or "OAuth").lower() not in TOKEN_TYPES:
        raise RefusedError("request_token_type_unknown", "request_token_type is neither OAuth nor Web")
    if grant is None:
        raise RefusedError("grant_type_unknown", "unsupported grant_type")
    if client is None:
        raise RefusedError("client_basic_malformed", "malformed HTTP Basic credentials")

    def secret(name: str) -> Secret:
        """Return the secret of this grant; others are dropped, since a request may be cached."""
        return Secret(form.get(name, "")) if name == grant else NO_SECRET

    return client._replace(
        api_key=secret(grants.API_KEY),
        authentication_type_name=form.get("authentication_type_name", ""),
        username=form.get("username", ""),
        scope=form.get("scope", ""),
        repository=form.get("repository", ""),
        grant=grant,
        password=secret(grants.PASSWORD),
        refresh_token=secret(grants.REFRESH),
        initial_properties=properties,
    )


def grant_kind(form: Mapping[str, str]) -> str | None:
    """Return the grant that is requested, None if it is not supported."""
    grant_type = form.get("grant_type", "").lower()
    if grant_type == "password":
        return grants.API_KEY if "api_key" in form else grants.PASSWORD
    return grants.REFRESH if grant_type == grants.REFRESH else None


def _parse_properties(text: str) -> tuple[InitialProperty, ...]:
    """Parse the initial properties: a JSON array of objects with an `Id` and a `Value`, both text."""
    malformed = RefusedError("initial_properties_malformed", "malformed initial_properties")
    try:
        values = json.loads(text or "[]", object_pairs_hook=_unique_members)
    except (ValueError, RecursionError):
        raise malformed from None
    if not isinstance(values, list):
        raise malformed
    if len(values) > MAX_PROPERTIES:
        raise RefusedError("initial_properties_too_many", "too many initial_properties")
    if not all(map(_is_property, values)):
        raise malformed
    return tuple(InitialProperty(each["Id"], each["Value"]) for each in values)


def _unique_members(members: list[tuple[str, object]]) -> dict[str, object]:
    """Return a JSON object; raises ValueError if a name is repeated."""
    unique = dict(members)
    if len(unique) < len(members):
        raise ValueError("a repeated name")
    return unique


def _is_property(item: object) -> bool:
    r"""Return whether Id and Value are text, without half characters, which JSON can write as "\ud800"."""
    if not isinstance(item, dict):
        return False
    name, value = item.get("Id"), item.get("Value")
    is_text = isinstance(name, str) and isinstance(value, str) and name != ""
    return is_text and not any("\ud800" <= letter <= "\udfff" for letter in f"{name}{value}")


def uses_basic(request: Request) -> bool:
    """Say whether the client sent HTTP Basic credentials, well-formed or not."""
    return _BASIC.fullmatch(request.fields.get("authorization", "")) is not None


def client_credentials(request: Request, form: Mapping[str, str]) -> TokenRequest | None:
    """
    Return a request with client_id and secret from the form or HTTP Basic, None when Basic is malformed.

    Those of HTTP Basic are form-encoded (RFC 6749 §2.3.1), but many clients do not encode them. So both readings count.
    Raises RefusedError when form and Basic are used; the same client_id in both is allowed.
    """
    match = _BASIC.fullmatch(request.fields.get("authorization", ""))
    if match is None:
        return TokenRequest(form.get("client_id", ""), Secret(form.get("client_secret", "")))
    basic = _parse_basic(match[1] or "")
    if form.get("client_secret"):
        raise RefusedError("client_twice", "more than one client authentication method")
    if basic and form.get("client_id") and form["client_id"] not in (basic.client_id, basic.unencoded_client_id):
        raise RefusedError("client_ids_differ", "client_id in the body differs from HTTP Basic")
    return basic


def _parse_basic(encoded: str) -> TokenRequest | None:
    try:
        text = b64decode(encoded, validate=True).decode()
    except ValueError:
        return None
    is_canonical = b64encode(text.encode()).decode() == encoded  # b64decode drops surplus bits and padding
    client_id, colon, secret = text.partition(":")
    if not is_canonical or not colon or CONTROL.search(text):
        return None
    return TokenRequest(
        _decode_basic(client_id),
        Secret(_decode_basic(secret)),
        unencoded_client_id=client_id,
        unencoded_client_secret=Secret(secret),
    )


def _decode_basic(text: str) -> str:
    """Return the decoded text, or the text as it is when it cannot be encoded."""
    if BROKEN_ESCAPE.search(text):
        return text
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        return text


def bearer_token(request: Request) -> Secret:
    """
    Return the access token of the Authorization header: bare, `OAuth <token>` or `Bearer <token>`.

    Without the header, a POST may send it as `access_token` in a form (RFC 6750 §2.2).
    """
    authorization = request.fields.get("authorization", "")
    in_form = _token_in_form(request)
    if in_form and authorization:
        raise RefusedError("token_twice", "more than one access token")
    if in_form:
        return Secret(in_form)
    if not authorization:
        raise RefusedError("authorization_missing", "missing Authorization header")
    match = _BEARER.fullmatch(authorization)
    return Secret(match[1] if match else "")


def _token_in_form(request: Request) -> str:
    if request.method != "POST" or not request.body or media_type_of(request) != MEDIA_TYPE:
        return ""
    return parse_body(request).get("access_token", "")
