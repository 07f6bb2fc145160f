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
from gamcli.commands.context import CliContext, now
from gamcli.commands.options import new_group
from gamcli.commands.serve import stop_on_signals
from gamcli.errors import FailedError
from gamcli.render import machine
from gamcli.render.output import Output
from gamcli.server.transport.event_loop import Server, ServerOptions
from gamcli.store import Store
from gamcli.system.actor import describe_actor

verbs = new_group()

TOKEN_PATH = "/oauth/gam/v2.0/access_token"  # noqa: S105 - a path
USERINFO_PATH = "/oauth/gam/v2.0/userinfo"


class StepPrinter:
    """Tells the story on stderr, a numbered step with its command line and what came of it."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._step = 0

    def start_step(self, title: str, command_line: str) -> None:
        """Begin a step: what it is for, and the line that does it."""
        self._step += 1
        self._out.print_to_stderr(f"\n{self._step}. {title}\n   $ {command_line}")

    def print_result(self, text: str) -> None:
        """Tell what came of the step."""
        self._out.print_to_stderr(f"   {text}")


@verbs.command()
def quickstart(
    context: typer.Context,
    serve: Annotated[
        bool, typer.Option("--serve", help="Leave the server running, with the lines to repeat it.", show_default=False)
    ] = False,
) -> None:
    """See the whole story happen for real, on a store of its own that is removed at the end."""
    out = CliContext.from_typer(context).output()
    tell = StepPrinter(out)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="gamcli-")))
        store = stack.enter_context(Store.create(folder / "store.db"))
        gam = Gam(store, now, os.urandom, describe_actor(os.environ))
        held = create_records(gam, tell)
        server, thread = stack.enter_context(run_server(gam))
        claims = exchange_key(server.url, held, tell)
        Output.print_line(machine.json_document(claims))
        if serve:
            print_curl_commands(server.url, held, folder, out)
            Output.flush()
            with stop_on_signals(server):
                thread.join()
    out.print_to_stderr("\ndone, and the store is gone; to keep one: gamcli init")


def create_records(gam: Gam, printer: StepPrinter) -> Credentials:
    """Make the store's repository, an application, a user and their key, step by step."""
    printer.start_step("a store with an authentication type for API keys", "gamcli init")
    made = repository.initialise(gam).record
    printer.print_result(f"repository {made.guid}, authentication type {made.default_auth_type} (APIkey)")
    printer.start_step(
        "an application that takes API keys",
        f"gamcli app create {APP} --scope {SCOPES} --remote-rest --api-keys --api-key-timeout {TIMEOUT_HOURS}",
    )
    app = apps.create(gam, example.app_spec())
    assert app.secret is not None
    printer.print_result(f"client_id {app.record.client_id}, and a client secret, shown once")
    printer.start_step(
        "a user", f"gamcli user create {USER} --email {USER}@example.com --first-name Ana --role operator"
    )
    user = users.create(gam, USER, example.user_fields())
    printer.print_result(f"guid {user.record.guid}")
    printer.start_step("an API key", f"gamcli key generate --user {USER} --app {APP}")
    key = keys.generate(gam, keys.KeySpec(USER, APP))
    printer.print_result(f"key {key.record.id}, until {key.record.expires_at:%Y-%m-%d}, and its secret, shown once")
    return Credentials(app.record.client_id, app.secret, key.secret)


@contextmanager
def run_server(gam: Gam) -> Iterator[tuple[Server, threading.Thread]]:
    """Run a server on a free port of this machine in a thread, while the `with` lasts."""
    server = Server(gam, ServerOptions(log=lambda _: None))
    thread = threading.Thread(target=server.run, name="serve")
    thread.start()
    try:
        yield server, thread
    finally:
        server.stop()
        thread.join()


def exchange_key(url: str, credentials: Credentials, printer: StepPrinter) -> dict[str, Any]:
    """Trade the key for an access token over HTTP, and return the claims read with it."""
    printer.start_step("a token endpoint", "gamcli serve --port 0")
    printer.print_result(url)
    printer.start_step("the key, traded for an access token", f"curl {url}{TOKEN_PATH} -d grant_type=password ...")
    form = {
        "grant_type": "password",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret.reveal(),
        "api_key": credentials.api_key.reveal(),
    }
    token = send_request(
        url, "POST", TOKEN_PATH, {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(form)
    )
    printer.print_result(f"{token['token_type']} token for {token['expires_in']} seconds, scope {token['scope']}")
    printer.start_step("the claims that it reveals", f"curl {url}{USERINFO_PATH} -H 'Authorization: Bearer ...'")
    return send_request(url, "GET", USERINFO_PATH, {"Authorization": f"Bearer {token['access_token']}"})


def send_request(url: str, method: str, path: str, headers: dict[str, str], body: str | None = None) -> dict[str, Any]:
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


def print_curl_commands(url: str, credentials: Credentials, folder: Path, out: Output) -> None:
    """Tell the lines that repeat the requests; the secrets lie in files, so that no process list shows them."""
    for name, secret in (("client_secret", credentials.client_secret), ("api_key", credentials.api_key)):
        descriptor = os.open(folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        os.write(descriptor, secret.reveal().encode())
        os.close(descriptor)
    out.print_to_stderr("\nthe server runs until Ctrl-C; to repeat the requests, in another terminal:")
    Output.print_line(
        f"""
TOKEN=$(curl -s {url}{TOKEN_PATH} \\
  -d grant_type=password -d client_id={credentials.client_id} \\
  --data-urlencode client_secret@{folder / "client_secret"} \\
  --data-urlencode api_key@{folder / "api_key"} | python3 -c 'import json; print(json.loads(input())["access_token"])')

curl -s {url}{USERINFO_PATH} -H "Authorization: Bearer $TOKEN"
"""
    )
