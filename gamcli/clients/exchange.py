"""
Requests a token and the claims from an endpoint, and records requests, responses and curl commands.

All secrets are redacted from the record: those that were sent, and the tokens that were received.
"""

import json
from collections.abc import Iterable, Mapping
from shlex import quote
from typing import NamedTuple
from urllib.parse import quote_plus, urlencode

from gamcli import __version__
from gamcli.clients import endpoint
from gamcli.clients.endpoint import OK, TOKEN_PATH, USERINFO_PATH, EndpointResponse
from gamcli.model.credential_formats import redact
from gamcli.model.transcripts import REDACTED, Exchange, RecordedRequest, RecordedResponse
from gamcli.rules.credentials import Secret

TOKEN_FIELDS = ("access_token", "refresh_token", "id_token")
"""The secret fields of a response."""

TOKEN_VARIABLE = "GAM_ACCESS_TOKEN"  # noqa: S105 - a name


class Credential(NamedTuple):
    """A secret, its form parameter, a shell expression that yields it, and a name for messages."""

    parameter: str
    secret: Secret
    shell_expression: str
    source: str = "what was sent"


class ExchangeSpec(NamedTuple):
    """What to send to which endpoint; the curl commands use `curl_url`."""

    url: str
    curl_url: str
    client_id: str
    credentials: tuple[Credential, Credential]
    parameters: Mapping[str, str]

    @property
    def user_credential(self) -> Credential:
        """The API key or the password."""
        return self.credentials[1]


def shell_read_file(path: str) -> str:
    """Return the shell expression for the content of a file."""
    return f'"$(cat {quote(path)})"'


def shell_variable(name: str) -> str:
    return f'"${name}"'


def request_token(spec: ExchangeSpec, exchanges: list[Exchange]) -> tuple[Secret | None, str | None]:
    """Return the access token, or the error message of a refusal; raises FailedError for other responses."""
    parameters = {"grant_type": "password", "client_id": spec.client_id, **spec.parameters}
    secrets = {credential.parameter: credential.secret.reveal() for credential in spec.credentials}
    form = urlencode({**parameters, **secrets})
    headers = _request_headers(spec.url) | {
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Length": str(len(form)),
    }
    response = endpoint.send_request(spec.url, "POST", TOKEN_PATH, headers, form)
    fields = response.json()
    tokens = {name: value for name in TOKEN_FIELDS if isinstance(value := fields.get(name), str) and value}
    redacted_form = "&".join([urlencode(parameters), *(f"{name}={REDACTED}" for name in secrets)])
    request = RecordedRequest("POST", spec.url + TOKEN_PATH, headers, redacted_form)
    recorded = _record_response(response, [*secrets.values(), *tokens.values()])
    exchanges.append(Exchange(request, recorded, _token_curl(spec, parameters)))
    token = tokens.get("access_token", "")
    if response.status == OK and token.isprintable() and token.isascii() and token:
        return Secret(token), None
    return None, _refusal_message(response)


def request_claims(spec: ExchangeSpec, access_token: Secret, exchanges: list[Exchange]) -> str | None:
    """Request the claims of the user; return the error message of a refusal."""
    headers = _request_headers(spec.url) | {"Authorization": f"Bearer {access_token.reveal()}"}
    response = endpoint.send_request(spec.url, "GET", USERINFO_PATH, headers)
    redacted_headers = headers | {"Authorization": f"Bearer {REDACTED}"}
    request = RecordedRequest("GET", spec.url + USERINFO_PATH, redacted_headers)
    secrets = [access_token.reveal(), *(credential.secret.reveal() for credential in spec.credentials)]
    exchanges.append(Exchange(request, _record_response(response, secrets), _claims_curl(spec)))
    return None if response.status == OK else _refusal_message(response)


def _request_headers(url: str) -> dict[str, str]:
    """Return the header fields of every request: http.client must add none, or the record would lack it."""
    return {
        "Host": endpoint.host_header(url),
        "User-Agent": f"gamcli/{__version__}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }


def _refusal_message(response: EndpointResponse) -> str:
    if response.is_refusal:
        return response.error_message()
    raise response.to_error()


def _record_response(response: EndpointResponse, secrets: list[str]) -> RecordedResponse:
    headers = {name: _redact(value, secrets) for name, value in response.headers}
    body = _redact(response.body.decode(errors="replace"), secrets)
    return RecordedResponse(response.status, response.reason, headers, body)


def _redact(text: str, secrets: Iterable[str]) -> str:
    """Remove the secrets in every encoding that a response may use, and anything that looks like a credential."""
    for secret in secrets:
        encodings = (
            json.dumps(secret)[1:-1],
            json.dumps(secret, ensure_ascii=False)[1:-1],
            quote_plus(secret, errors="replace"),
        )
        for encoded in (secret, *encodings):
            text = text.replace(encoded, REDACTED)
    return redact(text)


def _token_curl(spec: ExchangeSpec, parameters: Mapping[str, str]) -> str:
    """Return the curl command; secrets go through a pipe, since process lists show arguments."""
    options = "".join(f'data-urlencode = "{credential.parameter}=%s"\\n' for credential in spec.credentials)
    values = " ".join(_quote_for_curl(credential) for credential in spec.credentials)
    pairs = " ".join(f"--data-urlencode {quote(f'{name}={value}')}" for name, value in parameters.items())
    return f"printf '{options}' {values} |\n  curl -sS --config - {pairs} \\\n  {quote(spec.curl_url + TOKEN_PATH)}"


def _claims_curl(spec: ExchangeSpec) -> str:
    header = f"printf 'header = \"Authorization: Bearer %s\"\\n' {shell_variable(TOKEN_VARIABLE)}"
    return f"{header} |\n  curl -sS --config - {quote(spec.curl_url + USERINFO_PATH)}"


def _quote_for_curl(credential: Credential) -> str:
    """Return the shell expression, escaped for a quoted string in a curl config file."""
    if not {'"', "\\"} & {*credential.secret.reveal()}:
        return credential.shell_expression
    return f'"$(printf %s {credential.shell_expression} | sed \'s/[\\\\"]/\\\\&/g\')"'
