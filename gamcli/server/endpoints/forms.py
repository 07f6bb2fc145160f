"""
What clients write into a request, read as the standards say: forms, client authentication, bearer tokens.

Pure: a request comes in, names and values or a refusal come out. An empty parameter counts as not sent (RFC 6749 §3.1).
"""

import re
from base64 import b64decode
from collections.abc import Mapping
from urllib.parse import unquote_plus

from gamcli.errors import RefusedError
from gamcli.rules.credentials import Secret
from gamcli.server.transport.messages import Request

MEDIA_TYPE = "application/x-www-form-urlencoded"

MAX_PARAMETERS = 64
"""As many as header fields: who has proven nothing makes no more work than that."""

_INVALID = re.compile(r"%(?![0-9A-Fa-f]{2})|[\x00-\x1f\x7f]")
_BEARER = re.compile(r"(?:(?:OAuth|Bearer)[ \t]+)?([^ \t]+)", re.IGNORECASE)


def parse_body(request: Request) -> dict[str, str]:
    """Return the parameters in the body of `request`; raises RefusedError for one that is no form."""
    if not _is_form(request.fields.get("content-type", "")):
        raise RefusedError("media_type_wrong", "the body is not declared a form in UTF-8")
    if "content-length" not in request.fields:
        raise RefusedError("length_missing", "no Content-Length")
    return _parse_pairs(request.body)


def parse_query(request: Request) -> dict[str, str]:
    """Return the parameters in the query of `request`; raises RefusedError for one that is no form."""
    return _parse_pairs(request.query.encode("latin-1"))


def _is_form(content_type: str) -> bool:
    media_type, *parameters = (part.strip(" \t").lower() for part in content_type.split(";"))
    charsets = (part.removeprefix("charset=").strip('"') for part in parameters if part.startswith("charset="))
    return media_type == MEDIA_TYPE and all(charset == "utf-8" for charset in charsets)


def _parse_pairs(body: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    repeated = False
    pairs = [pair for pair in _decode(body).split("&") if pair]
    if len(pairs) > MAX_PARAMETERS:
        raise RefusedError("form_unreadable", "too many parameters")
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise RefusedError("form_unreadable", "a parameter without =")
        name, value = _unescape(name), _unescape(value)
        if value:
            repeated = repeated or name in found
            found[name] = value
    if repeated:
        raise RefusedError("parameter_repeated", "a parameter came twice")
    return found


def _decode(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise RefusedError("form_unreadable", "the form is not UTF-8") from None
    if _INVALID.search(text):
        raise RefusedError("form_unreadable", "a broken escape or a bare control character")
    return text


def _unescape(text: str) -> str:
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        raise RefusedError("form_unreadable", "an escape is not UTF-8") from None


def uses_basic(request: Request) -> bool:
    """Say whether the client authenticates with HTTP Basic, well-formed or not."""
    return request.fields.get("authorization", "").partition(" ")[0].lower() == "basic"


def client_credentials(request: Request, form: Mapping[str, str]) -> tuple[str, Secret] | None:
    """
    Return client_id and secret, from the form or from HTTP Basic (RFC 6749 §2.3.1), None when Basic is malformed.

    Raises RefusedError for two ways of authentication at once; the same client_id in both is one way.
    """
    if not uses_basic(request):
        return form.get("client_id", ""), Secret(form.get("client_secret", ""))
    found = _parse_basic(request.fields["authorization"])
    if "client_secret" in form or (found and form.get("client_id", found[0]) != found[0]):
        raise RefusedError("client_twice", "two ways of client authentication")
    return found


def _parse_basic(authorization: str) -> tuple[str, Secret] | None:
    """Return the two halves of HTTP Basic, each form-encoded by the client."""
    try:
        text = b64decode(authorization[6:].strip(), validate=True).decode()
        client_id, colon, secret = text.partition(":")
        found = unquote_plus(client_id, errors="strict"), Secret(unquote_plus(secret, errors="strict"))
    except ValueError:
        return None
    return found if colon and not _INVALID.search(text) else None


def bearer_token(request: Request) -> Secret:
    """Return the access token of the Authorization header: bare, `OAuth <token>` or `Bearer <token>`."""
    authorization = request.fields.get("authorization", "")
    if not authorization:
        raise RefusedError("authorization_missing", "no Authorization header")
    found = _BEARER.fullmatch(authorization)
    return Secret(found[1] if found else "")
