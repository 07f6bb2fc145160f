"""
One exchange with an endpoint, written down: what was sent, what came back, and lines of shell that repeat it.

No secret is written down. What hides them knows them all: those that were sent, and the tokens that came back.
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
"""What an answer holds that is as good as a password."""

TOKEN_VARIABLE = "GAM_ACCESS_TOKEN"  # noqa: S105 - a name


class Credential(NamedTuple):
    """A secret, the parameter that it is sent as, the expression of a shell that gives it, and where it was found."""

    parameter: str
    secret: Secret
    shell_expression: str
    source: str = "what was sent"


class ExchangeSpec(NamedTuple):
    """
    What is tried: where, as which application, with its secret and what proves the user, and what else is sent.

    `stays` is where lines that repeat it find the endpoint.
    """

    url: str
    curl_url: str
    client_id: str
    credentials: tuple[Credential, Credential]
    parameters: Mapping[str, str]

    @property
    def user_credential(self) -> Credential:
        """What proves who asks: a key, or a password."""
        return self.credentials[1]


def shell_read_file(path: str) -> str:
    """Return the expression of a shell for the secret in a file, without its line end."""
    return f'"$(cat {quote(path)})"'


def shell_variable(name: str) -> str:
    """Return the expression of a shell for the secret in a variable."""
    return f'"${name}"'


def request_token(spec: ExchangeSpec, exchanges: list[Exchange]) -> tuple[Secret | None, str | None]:
    """Ask for a token and write that down; return it, or why it was refused. Raises FailedError for other answers."""
    open_part = {"grant_type": "password", "client_id": spec.client_id, **spec.parameters}
    secret_part = {each.parameter: each.secret.reveal() for each in spec.credentials}
    form = urlencode({**open_part, **secret_part})
    fields = _request_headers(spec.url) | {
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Length": str(len(form)),
    }
    reply = endpoint.send_request(spec.url, "POST", TOKEN_PATH, fields, form)
    found = {name: value for name in TOKEN_FIELDS if isinstance(value := reply.json().get(name), str) and value}
    body = "&".join([urlencode(open_part), *(f"{name}={REDACTED}" for name in secret_part)])
    asked = RecordedRequest("POST", spec.url + TOKEN_PATH, fields, body)
    told = _record_response(reply, [*secret_part.values(), *found.values()])
    exchanges.append(Exchange(asked, told, _token_curl(spec, open_part)))
    access_token = found.get("access_token", "")
    if reply.status == OK and access_token.isprintable() and access_token.isascii() and access_token:
        return Secret(access_token), None
    return None, _refusal_message(reply)


def request_claims(spec: ExchangeSpec, access_token: Secret, exchanges: list[Exchange]) -> str | None:
    """Ask for what the token reveals and write that down; return why it was refused, if it was."""
    fields = _request_headers(spec.url) | {"Authorization": f"Bearer {access_token.reveal()}"}
    reply = endpoint.send_request(spec.url, "GET", USERINFO_PATH, fields)
    asked = RecordedRequest("GET", spec.url + USERINFO_PATH, fields | {"Authorization": f"Bearer {REDACTED}"})
    told = _record_response(reply, [access_token.reveal(), *(each.secret.reveal() for each in spec.credentials)])
    exchanges.append(Exchange(asked, told, _claims_curl(spec)))
    return None if reply.status == OK else _refusal_message(reply)


def _request_headers(url: str) -> dict[str, str]:
    """Return the header fields of every request, all that are sent."""
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


def _record_response(response: EndpointResponse, secrets: Iterable[str]) -> RecordedResponse:
    known = [*secrets]
    fields = {name: _redact(value, known) for name, value in response.headers}
    return RecordedResponse(
        response.status, response.reason, fields, _redact(response.body.decode(errors="replace"), known)
    )


def _redact(text: str, secrets: Iterable[str]) -> str:
    """Return `text` without the secrets, in whichever way they are written, nor what looks like one of ours."""
    for each in secrets:
        for written in (each, json.dumps(each)[1:-1], json.dumps(each, ensure_ascii=False)[1:-1], quote_plus(each)):
            text = text.replace(written, REDACTED)
    return redact(text)


def _token_curl(spec: ExchangeSpec, parameters: Mapping[str, str]) -> str:
    """Return what repeats the request: secrets go in through a pipe, where no list of processes shows them."""
    options = "".join([f'data-urlencode = "{each.parameter}=%s"\\n' for each in spec.credentials])
    values = " ".join([_quote_for_curl(each) for each in spec.credentials])
    sent = " ".join([f"--data-urlencode {quote(f'{name}={value}')}" for name, value in parameters.items()])
    return f"printf '{options}' {values} |\n  curl -sS --config - {sent} \\\n  {quote(spec.curl_url + TOKEN_PATH)}"


def _claims_curl(spec: ExchangeSpec) -> str:
    header = f"printf 'header = \"Authorization: Bearer %s\"\\n' {shell_variable(TOKEN_VARIABLE)}"
    return f"{header} |\n  curl -sS --config - {quote(spec.curl_url + USERINFO_PATH)}"


def _quote_for_curl(credential: Credential) -> str:
    """Return the expression for a secret within the quotes of a config file of curl."""
    if not {'"', "\\"} & {*credential.secret.reveal()}:
        return credential.shell_expression
    return f'"$(printf %s {credential.shell_expression} | sed \'s/[\\\\"]/\\\\&/g\')"'
