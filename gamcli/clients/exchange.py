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
from gamcli.clients.endpoint import CLAIMS_PATH, OK, TOKEN_PATH, Reply
from gamcli.model.transcripts import HIDDEN, Asked, Exchange, Told
from gamcli.render.text import masked
from gamcli.rules.credentials import Secret

TOKENS = ("access_token", "refresh_token", "id_token")
"""What an answer holds that is as good as a password."""

TOKEN_VARIABLE = "GAM_ACCESS_TOKEN"  # noqa: S105 - a name


class Credential(NamedTuple):
    """A secret, the parameter that it is sent as, the expression of a shell that gives it, and where it was found."""

    name: str
    secret: Secret
    shell: str
    place: str = "what was sent"


class Wish(NamedTuple):
    """
    What is tried: where, as which application, with its secret and what proves the user, and what else is sent.

    `stays` is where lines that repeat it find the endpoint.
    """

    url: str
    stays: str
    client_id: str
    credentials: tuple[Credential, Credential]
    more: Mapping[str, str]

    @property
    def proof(self) -> Credential:
        """What proves who asks: a key, or a password."""
        return self.credentials[1]


def of_file(path: str) -> str:
    """Return the expression of a shell for the secret in a file, without its line end."""
    return f'"$(cat {quote(path)})"'


def of_variable(name: str) -> str:
    """Return the expression of a shell for the secret in a variable."""
    return f'"${name}"'


def token(wish: Wish, exchanges: list[Exchange]) -> tuple[Secret | None, str | None]:
    """Ask for a token and write that down; return it, or why it was refused. Raises FailedError for other answers."""
    open_part = {"grant_type": "password", "client_id": wish.client_id, **wish.more}
    secret_part = {each.name: each.secret.reveal() for each in wish.credentials}
    form = urlencode({**open_part, **secret_part})
    fields = _fields(wish.url) | {
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Length": str(len(form)),
    }
    reply = endpoint.asked(wish.url, "POST", TOKEN_PATH, fields, form)
    found = {name: value for name in TOKENS if isinstance(value := reply.json().get(name), str) and value}
    body = "&".join([urlencode(open_part), *(f"{name}={HIDDEN}" for name in secret_part)])
    asked = Asked("POST", wish.url + TOKEN_PATH, fields, body)
    told = _told(reply, [*secret_part.values(), *found.values()])
    exchanges.append(Exchange(asked, told, _curl_of_token(wish, open_part)))
    access_token = found.get("access_token", "")
    if reply.status == OK and access_token.isprintable() and access_token.isascii() and access_token:
        return Secret(access_token), None
    return None, _refusal(reply)


def claims(wish: Wish, access_token: Secret, exchanges: list[Exchange]) -> str | None:
    """Ask for what the token reveals and write that down; return why it was refused, if it was."""
    fields = _fields(wish.url) | {"Authorization": f"Bearer {access_token.reveal()}"}
    reply = endpoint.asked(wish.url, "GET", CLAIMS_PATH, fields)
    asked = Asked("GET", wish.url + CLAIMS_PATH, fields | {"Authorization": f"Bearer {HIDDEN}"})
    told = _told(reply, [access_token.reveal(), *(each.secret.reveal() for each in wish.credentials)])
    exchanges.append(Exchange(asked, told, _curl_of_claims(wish)))
    return None if reply.status == OK else _refusal(reply)


def _fields(url: str) -> dict[str, str]:
    """Return the header fields of every request, all that are sent."""
    return {
        "Host": endpoint.host(url),
        "User-Agent": f"gamcli/{__version__}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }


def _refusal(reply: Reply) -> str:
    if reply.is_refusal:
        return reply.says()
    raise reply.failure()


def _told(reply: Reply, secrets: Iterable[str]) -> Told:
    known = [*secrets]
    fields = {name: _hidden(value, known) for name, value in reply.fields}
    return Told(reply.status, reply.reason, fields, _hidden(reply.body.decode(errors="replace"), known))


def _hidden(text: str, secrets: Iterable[str]) -> str:
    """Return `text` without the secrets, in whichever way they are written, nor what looks like one of ours."""
    for each in secrets:
        for written in (each, json.dumps(each)[1:-1], json.dumps(each, ensure_ascii=False)[1:-1], quote_plus(each)):
            text = text.replace(written, HIDDEN)
    return masked(text)


def _curl_of_token(wish: Wish, open_part: Mapping[str, str]) -> str:
    """Return what repeats the request: secrets go in through a pipe, where no list of processes shows them."""
    options = "".join([f'data-urlencode = "{each.name}=%s"\\n' for each in wish.credentials])
    values = " ".join([_escaped(each) for each in wish.credentials])
    sent = " ".join([f"--data-urlencode {quote(f'{name}={value}')}" for name, value in open_part.items()])
    return f"printf '{options}' {values} |\n  curl -sS --config - {sent} \\\n  {quote(wish.stays + TOKEN_PATH)}"


def _curl_of_claims(wish: Wish) -> str:
    header = f"printf 'header = \"Authorization: Bearer %s\"\\n' {of_variable(TOKEN_VARIABLE)}"
    return f"{header} |\n  curl -sS --config - {quote(wish.stays + CLAIMS_PATH)}"


def _escaped(credential: Credential) -> str:
    """Return the expression for a secret within the quotes of a config file of curl."""
    if not {'"', "\\"} & {*credential.secret.reveal()}:
        return credential.shell
    return f'"$(printf %s {credential.shell} | sed \'s/[\\\\"]/\\\\&/g\')"'
