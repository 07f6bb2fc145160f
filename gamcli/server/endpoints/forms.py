"""
Parses requests: the form of access_token, client authentication, bearer tokens.

Judges rules 1 to 3, and the form of rule 4.

Pure: a request comes in, parameters or a refusal come out. An empty parameter counts as not sent (RFC 6749 §3.1).
"""

import json
import re
from base64 import b64decode
from collections.abc import Mapping
from urllib.parse import unquote_plus

from gamcli.errors import RefusedError
from gamcli.model.sessions import InitialProperty
from gamcli.rules import grants
from gamcli.rules.credentials import NO_SECRET, Secret
from gamcli.rules.grants import TokenRequest
from gamcli.server.transport.messages import Request

MEDIA_TYPE = "application/x-www-form-urlencoded"

MAX_PARAMETERS = 64
"""As many as header fields, to bound the work for clients that have not authenticated."""

MAX_PROPERTIES = 100
"""At most this many initial properties of a login; GAM documents no limit."""

TOKEN_TYPES = ("oauth", "web")
"""Values of request_token_type in any case; both are treated alike."""

_INVALID = re.compile(r"%(?![0-9A-Fa-f]{2})|[\x00-\x1f\x7f]")
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
        raise RefusedError("method_wrong", "GET is for refresh tokens only")
    return _build_token_request(request, form)


def _build_token_request(request: Request, form: Mapping[str, str]) -> TokenRequest:
    grant = _grant_kind(form)
    properties = _parse_properties(form.get("initial_properties", "")) if grant == grants.PASSWORD else ()
    if "grant_type" not in form:
        raise RefusedError("grant_type_missing", "missing grant_type")
    client = client_credentials(request, form)
    if grant == grants.PASSWORD and form.get("request_token_type", "OAuth").lower() not in TOKEN_TYPES:
        raise RefusedError("request_token_type_unknown", "request_token_type is neither OAuth nor Web")
    if grant is None:
        raise RefusedError("grant_type_unknown", "unsupported grant_type")
    if client is None:
        raise RefusedError("client_basic_malformed", "malformed HTTP Basic credentials")
    client_id, client_secret = client

    def secret(name: str) -> Secret:
        """Return the secret of this grant; others are dropped, since a request may be cached."""
        return Secret(form.get(name, "")) if name == grant else NO_SECRET

    return TokenRequest(
        client_id=client_id,
        client_secret=client_secret,
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


def _grant_kind(form: Mapping[str, str]) -> str | None:
    """Return the grant that is requested, None if it is not supported."""
    grant_type = form.get("grant_type", "").lower()
    if grant_type == "password":
        return grants.API_KEY if "api_key" in form else grants.PASSWORD
    return grants.REFRESH if grant_type == grants.REFRESH else None


def _parse_properties(text: str) -> tuple[InitialProperty, ...]:
    """Parse the initial properties: a JSON array of objects with an `Id` and a `Value`, both text."""
    try:
        values = json.loads(text or "[]")
    except (ValueError, RecursionError):
        raise _malformed_properties() from None
    if not isinstance(values, list) or len(values) > MAX_PROPERTIES:
        raise _malformed_properties()
    return tuple(map(_parse_property, values))


def _parse_property(item: object) -> InitialProperty:
    if not isinstance(item, dict):
        raise _malformed_properties()
    name, value = item.get("Id"), item.get("Value")
    if not isinstance(name, str) or not isinstance(value, str) or not name or _has_surrogate(name + value):
        raise _malformed_properties()
    return InitialProperty(name, value)


def _has_surrogate(text: str) -> bool:
    r"""Say whether `text` has half a character, which JSON can write as "\ud800"."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _malformed_properties() -> RefusedError:
    return RefusedError("initial_properties_malformed", "malformed initial_properties")


def parse_body(request: Request) -> dict[str, str]:
    """Return the parameters in the body; raises RefusedError for anything but a form."""
    if not _is_form(request.fields.get("content-type", "")):
        raise RefusedError("media_type_wrong", "the Content-Type is not a form in UTF-8")
    if "content-length" not in request.fields and "transfer-encoding" not in request.fields:
        raise RefusedError("length_missing", "neither Content-Length nor Transfer-Encoding")
    return _parse_pairs(request.body)


def parse_query(request: Request) -> dict[str, str]:
    """Return the parameters in the query; raises RefusedError."""
    return _parse_pairs(request.query.encode("latin-1"))


def _is_form(content_type: str) -> bool:
    media_type, *parameters = (part.strip(" \t").lower() for part in content_type.split(";"))
    charsets = (part.removeprefix("charset=").strip('"') for part in parameters if part.startswith("charset="))
    return media_type == MEDIA_TYPE and all(charset == "utf-8" for charset in charsets)


def _parse_pairs(body: bytes) -> dict[str, str]:
    parameters: dict[str, str] = {}
    is_repeated = False
    pairs = [pair for pair in _decode(body).split("&") if pair]
    if len(pairs) > MAX_PARAMETERS:
        raise RefusedError("form_unreadable", "too many parameters")
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise RefusedError("form_unreadable", "a parameter without =")
        name, value = _unescape(name), _unescape(value)
        if value:
            is_repeated = is_repeated or name in parameters
            parameters[name] = value
    if is_repeated:
        raise RefusedError("parameter_repeated", "a parameter was sent twice")
    return parameters


def _decode(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise RefusedError("form_unreadable", "the form is not UTF-8") from None
    if _INVALID.search(text):
        raise RefusedError("form_unreadable", "an invalid escape or a control character")
    return text


def _unescape(text: str) -> str:
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        raise RefusedError("form_unreadable", "an escape is not UTF-8") from None


def uses_basic(request: Request) -> bool:
    """Say whether the client sent HTTP Basic credentials, well-formed or not."""
    return request.fields.get("authorization", "").partition(" ")[0].lower() == "basic"


def client_credentials(request: Request, form: Mapping[str, str]) -> tuple[str, Secret] | None:
    """
    Return client_id and secret from the form or HTTP Basic (RFC 6749 §2.3.1), None when Basic is malformed.

    Raises RefusedError when both are used; the same client_id in both is allowed.
    """
    if not uses_basic(request):
        return form.get("client_id", ""), Secret(form.get("client_secret", ""))
    basic = _parse_basic(request.fields["authorization"])
    if "client_secret" in form or (basic and form.get("client_id", basic[0]) != basic[0]):
        raise RefusedError("client_twice", "two ways of client authentication")
    return basic


def _parse_basic(authorization: str) -> tuple[str, Secret] | None:
    """Return client_id and secret, both of which the client form-encodes."""
    try:
        text = b64decode(authorization[6:].strip(), validate=True).decode()
        client_id, colon, secret = text.partition(":")
        credentials = unquote_plus(client_id, errors="strict"), Secret(unquote_plus(secret, errors="strict"))
    except ValueError:
        return None
    return credentials if colon and not _INVALID.search(text) else None


def bearer_token(request: Request) -> Secret:
    """Return the access token of the Authorization header: bare, `OAuth <token>` or `Bearer <token>`."""
    authorization = request.fields.get("authorization", "")
    if not authorization:
        raise RefusedError("authorization_missing", "missing Authorization header")
    match = _BEARER.fullmatch(authorization)
    return Secret(match[1] if match else "")
