"""Who sent a request, for faults that are limited to a client or a user."""

from contextlib import suppress
from urllib.parse import parse_qs

from gamcli.actions import Gam, apps, keys, tokens, users
from gamcli.errors import GamcliError, RefusedError
from gamcli.model.token_ids import TOKEN_ID_LENGTH
from gamcli.model.tokens import Token
from gamcli.rules.credentials import Secret, api_key_lookup_id
from gamcli.server.dev.fault_syntax import Sender
from gamcli.server.endpoints import forms
from gamcli.server.transport.messages import Request


def identify_sender(gam: Gam, request: Request) -> Sender:
    """Return the names and IDs of the client and user, as far as the request and the store show them."""
    if request.path.lower().endswith("/userinfo"):
        with suppress(GamcliError):
            token = find_token(gam, request)
            return _build_sender({token.app, token.client_id}, {token.user})
        return Sender()
    form = guess_form(request)
    clients, names = set[str](), set[str]()
    with suppress(RefusedError):
        client = forms.client_credentials(request, form)
        if client:
            clients.add(client.client_id)
            with suppress(GamcliError):
                clients.add(apps.show(gam, client.client_id).name)
    names.add(form.get("username", ""))
    with suppress(GamcliError):
        names.add(keys.show(gam, api_key_lookup_id(Secret(form.get("api_key", "")))).user)
    with suppress(GamcliError):
        user = users.show(gam, form.get("username", ""))
        names |= {user.name, user.email, user.guid}
    return _build_sender(clients, names)


def guess_form(request: Request) -> dict[str, str]:
    """Return the parameters of a request that need not be valid: the first of each name, without empty ones."""
    parameters = parse_qs(f"{request.query}&{request.body.decode(errors='replace')}")
    return {name: values[0] for name, values in parameters.items()}


def find_token(gam: Gam, request: Request) -> Token:
    """Return the access token of a request to userinfo; raises GamcliError."""
    secret = forms.bearer_token(request).reveal().rpartition("!")[2]
    return tokens.show(gam, secret[:TOKEN_ID_LENGTH])


def _build_sender(clients: set[str], users: set[str]) -> Sender:
    return Sender(frozenset(map(str.lower, clients - {""})), frozenset(map(str.lower, users - {""})))
