"""`gamcli quickstart`: the whole story for real, on a store of its own."""

import http.client
import json
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

import typer

from gamcli.actions import Gam, apps, example, keys, repository, users
from gamcli.actions.example import APP, SCOPES, TIMEOUT_HOURS, USER, Credentials
from gamcli.commands.options import noun
from gamcli.commands.serve import stopped_by_signals
from gamcli.commands.session import Session, now
from gamcli.errors import FailedError
from gamcli.render import machine
from gamcli.render.output import Output
from gamcli.server.transport.event_loop import Options, Server
from gamcli.store import Store
from gamcli.system.actor import actor

verbs = noun()

TOKEN_PATH = "/oauth/gam/v2.0/access_token"  # noqa: S105 - a path
CLAIMS_PATH = "/oauth/gam/v2.0/userinfo"


class Teller:
    """Tells the story on stderr, a numbered step with its command line and what came of it."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._step = 0

    def step(self, title: str, line: str) -> None:
        """Begin a step: what it is for, and the line that does it."""
        self._step += 1
        self._out.say(f"\n{self._step}. {title}\n   $ {line}")

    def came(self, what: str) -> None:
        """Tell what came of the step."""
        self._out.say(f"   {what}")


@verbs.command()
def quickstart(
    context: typer.Context,
    serve: Annotated[
        bool, typer.Option("--serve", help="Leave the server running, with the lines to repeat it.", show_default=False)
    ] = False,
) -> None:
    """See the whole story happen for real, on a store of its own that is removed at the end."""
    out = Session.of(context).output()
    tell = Teller(out)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="gamcli-")))
        store = stack.enter_context(Store.create(folder / "store.db"))
        gam = Gam(store, now, os.urandom, actor(os.environ))
        held = prepare(gam, tell)
        server, thread = stack.enter_context(running(gam))
        claims = trade(server.url, held, tell)
        Output.data(machine.document(claims))
        if serve:
            repeat(server.url, held, folder, out)
            Output.flush()
            with stopped_by_signals(server):
                thread.join()
    out.say("\ndone, and the store is gone; to keep one: gamcli init")


def prepare(gam: Gam, tell: Teller) -> Credentials:
    """Make the store's repository, an application, a user and their key, step by step."""
    tell.step("a store with an authentication type for API keys", "gamcli init")
    made = repository.initialise(gam).record
    tell.came(f"repository {made.guid}, authentication type {made.default_auth_type} (APIkey)")
    tell.step(
        "an application that takes API keys",
        f"gamcli app create {APP} --scope {SCOPES} --remote-rest --api-keys --api-key-timeout {TIMEOUT_HOURS}",
    )
    app = apps.create(gam, example.app_wish())
    assert app.secret is not None
    tell.came(f"client_id {app.record.client_id}, and a client secret, shown once")
    tell.step("a user", f"gamcli user create {USER} --email {USER}@example.com --first-name Ana --role operator")
    user = users.create(gam, USER, example.user_fields())
    tell.came(f"guid {user.record.guid}")
    tell.step("an API key", f"gamcli key generate --user {USER} --app {APP}")
    key = keys.generate(gam, keys.KeyWish(USER, APP))
    tell.came(f"key {key.record.id}, until {key.record.expires_at:%Y-%m-%d}, and its secret, shown once")
    return Credentials(app.record.client_id, app.secret, key.secret)


@contextmanager
def running(gam: Gam) -> Iterator[tuple[Server, threading.Thread]]:
    """Run a server on a free port of this machine in a thread, while the `with` lasts."""
    server = Server(gam, Options(log=lambda _: None))
    thread = threading.Thread(target=server.run, name="serve")
    thread.start()
    try:
        yield server, thread
    finally:
        server.stop()
        thread.join()


def trade(url: str, held: Credentials, tell: Teller) -> dict[str, Any]:
    """Trade the key for an access token over HTTP, and return the claims read with it."""
    tell.step("a token endpoint", "gamcli serve --port 0")
    tell.came(url)
    tell.step("the key, traded for an access token", f"curl {url}{TOKEN_PATH} -d grant_type=password ...")
    form = {
        "grant_type": "password",
        "client_id": held.client_id,
        "client_secret": held.client_secret.reveal(),
        "api_key": held.api_key.reveal(),
    }
    token = request(url, "POST", TOKEN_PATH, {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(form))
    tell.came(f"{token['token_type']} token for {token['expires_in']} seconds, scope {token['scope']}")
    tell.step("the claims that it reveals", f"curl {url}{CLAIMS_PATH} -H 'Authorization: Bearer ...'")
    return request(url, "GET", CLAIMS_PATH, {"Authorization": f"Bearer {token['access_token']}"})


def request(url: str, method: str, path: str, headers: dict[str, str], body: str | None = None) -> dict[str, Any]:
    """Return the JSON that the server answers; raises FailedError for any other status than 200."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        found: dict[str, Any] = json.loads(response.read())
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise FailedError(f"{method} {path} answered {response.status}", "please report this")
    return found


def repeat(url: str, held: Credentials, folder: Path, out: Output) -> None:
    """Tell the lines that repeat the requests; the secrets lie in files, so that no process list shows them."""
    for name, secret in (("client_secret", held.client_secret), ("api_key", held.api_key)):
        descriptor = os.open(folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        os.write(descriptor, secret.reveal().encode())
        os.close(descriptor)
    out.say("\nthe server runs until Ctrl-C; to repeat the requests, in another terminal:")
    Output.data(
        f"""
TOKEN=$(curl -s {url}{TOKEN_PATH} \\
  -d grant_type=password -d client_id={held.client_id} \\
  --data-urlencode client_secret@{folder / "client_secret"} \\
  --data-urlencode api_key@{folder / "api_key"} | python3 -c 'import json; print(json.loads(input())["access_token"])')

curl -s {url}{CLAIMS_PATH} -H "Authorization: Bearer $TOKEN"
"""
    )
