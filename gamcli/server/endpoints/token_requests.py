"""
What a client asks of access_token: its parameters, judged by rules 1 to 3 of the protocol and the form of rule 4.

Pure: a request comes in, a `TokenRequest` or a refusal comes out.
"""

import json
from collections.abc import Mapping

from gamcli.errors import RefusedError
from gamcli.model.sessions import InitialProperty
from gamcli.rules import grants
from gamcli.rules.credentials import NO_SECRET, Secret
from gamcli.rules.grants import TokenRequest
from gamcli.server.endpoints import forms
from gamcli.server.transport.messages import Request

MAX_PROPERTIES = 100
"""How many initial properties a login may have; GAM names no bound. Their size is bounded by that of a body."""

TOKEN_TYPES = ("oauth", "web")
"""GAM: request_token_type, in any case; which one it is makes no difference here."""


def parse_post(request: Request) -> TokenRequest:
    """Return what the form in the body asks; raises RefusedError."""
    return _parse_form(request, forms.parse_body(request))


def parse_get(request: Request) -> TokenRequest:
    """
    Return what the query asks (GAM wiki 55623), which may be to renew alone; raises RefusedError.

    Whoever sends a password or an API key in a URL, which others log, is told not to.
    """
    form = forms.parse_query(request)
    if form.get("grant_type", "").lower() != grants.REFRESH:
        raise RefusedError("method_wrong", "GET is for refresh tokens alone")
    return _parse_form(request, form)


def _parse_form(request: Request, form: Mapping[str, str]) -> TokenRequest:
    grant = _grant_kind(form)
    properties = _parse_properties(form.get("initial_properties", "")) if grant == grants.PASSWORD else ()
    if "grant_type" not in form:
        raise RefusedError("grant_type_missing", "no grant_type")
    client = forms.client_credentials(request, form)
    if grant == grants.PASSWORD and form.get("request_token_type", "OAuth").lower() not in TOKEN_TYPES:
        raise RefusedError("request_token_type_unknown", "a request_token_type other than OAuth and Web")
    if grant is None:
        raise RefusedError("grant_type_unknown", "no grant that is served here")
    if client is None:
        raise RefusedError("client_basic_malformed", "HTTP Basic that is malformed")
    client_id, client_secret = client

    def secret(name: str) -> Secret:
        """Return the parameter that is the grant's own, and none that is of another: a request may be kept for long."""
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
    """Return which grant is asked for, None for one that is not served here."""
    grant_type = form.get("grant_type", "").lower()
    if grant_type == "password":
        return grants.API_KEY if "api_key" in form else grants.PASSWORD
    return grants.REFRESH if grant_type == grants.REFRESH else None


def _parse_properties(text: str) -> tuple[InitialProperty, ...]:
    """Return the initial properties that `text` is: a JSON array of objects with an `Id` and a `Value`, both text."""
    try:
        found = json.loads(text or "[]")
    except (ValueError, RecursionError):
        raise _malformed() from None
    if not isinstance(found, list) or len(found) > MAX_PROPERTIES:
        raise _malformed()
    return tuple(map(_parse_property, found))


def _parse_property(value: object) -> InitialProperty:
    if not isinstance(value, dict):
        raise _malformed()
    name, value = value.get("Id"), value.get("Value")
    if not isinstance(name, str) or not isinstance(value, str) or not name or not _is_text(name + value):
        raise _malformed()
    return InitialProperty(name, value)


def _is_text(text: str) -> bool:
    """Say whether `text` is of Unicode: JSON can write half a character."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _malformed() -> RefusedError:
    return RefusedError("initial_properties_malformed", "initial_properties of another form")
