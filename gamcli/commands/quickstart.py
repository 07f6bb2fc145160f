"""`gamcli quickstart`: run the whole flow once, on a temporary store."""

import os
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from urllib.parse import urlencode

from gamcli.actions import Gam, apps, example, keys, repository, users
from gamcli.actions.example import APP, SCOPES, TIMEOUT_HOURS, USER, Credentials
from gamcli.clients import endpoint
from gamcli.clients.endpoint import OK, TOKEN_PATH, USERINFO_PATH
from gamcli.commands.options import Run, flag, new_group
from gamcli.commands.serve import stop_on_signals
from gamcli.errors import FailedError
from gamcli.render import machine
from gamcli.render.output import Output
from gamcli.server.server import Server, ServerOptions
from gamcli.server.transport.listener import run_in_background
from gamcli.store import Store

verbs = new_group()


class StepPrinter:
    """Prints numbered steps with their commands and results on stderr."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._step = 0

    def start_step(self, title: str, command_line: str) -> None:
        self._step += 1
        self._out.print_to_stderr(f"\n{self._step}. {title}\n   $ {command_line}")

    def print_result(self, text: str) -> None:
        self._out.print_to_stderr(f"   {text}")


@verbs.command()
def quickstart(
    serve: Annotated[bool, flag("Keep the server running and print curl commands for it.", "--serve")] = False,
    *,
    run: Run,
) -> None:
    """Run the whole flow once, on a temporary store."""
    out = run.cli.output()
    printer = StepPrinter(out)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="gamcli-")))
        store = stack.enter_context(Store.create(folder / "store.db"))
        gam = run.cli.make_gam(store)
        credentials = create_records(gam, printer)
        server = Server(gam, ServerOptions(log=lambda _: None))
        thread = stack.enter_context(run_in_background(server))
        claims = exchange_key(server.url, credentials, printer)
        Output.print_line(machine.json_document(claims))
        if serve:
            print_curl_commands(server.url, credentials, folder, out)
            Output.flush()
            with stop_on_signals(server):
                thread.join()
    out.print_to_stderr("\nDone; deleted the temporary store. To create a permanent one: gamcli init")


def create_records(gam: Gam, printer: StepPrinter) -> Credentials:
    """Create the repository, an application, a user and an API key, step by step."""
    printer.start_step("Create a store with an authentication type for API keys", "gamcli init")
    created = repository.initialise(gam).record
    printer.print_result(f"repository {created.guid}, authentication type apikey for API keys")
    printer.start_step(
        "Create an application that accepts API keys",
        f"gamcli app create {APP} --scope {SCOPES} --remote-rest --api-keys --api-key-timeout {TIMEOUT_HOURS}",
    )
    app = apps.create(gam, example.app_spec())
    assert app.secret is not None
    printer.print_result(f"client_id {app.record.client_id} and a client secret, shown once")
    printer.start_step(
        "Create a user", f"gamcli user create {USER} --email {USER}@example.com --first-name Ana --role operator"
    )
    user = users.create(gam, USER, example.user_fields())
    printer.print_result(f"GUID {user.record.guid}")
    printer.start_step("Issue an API key", f"gamcli key generate --user {USER} --app {APP}")
    key = keys.generate(gam, keys.KeySpec(USER, APP))
    printer.print_result(f"key {key.record.id}, valid until {key.record.expires_at:%Y-%m-%d}; its secret is shown once")
    return Credentials(app.record.client_id, app.secret, key.secret)


def exchange_key(url: str, credentials: Credentials, printer: StepPrinter) -> dict[str, Any]:
    """Exchange the API key for an access token over HTTP, and return the claims of the user."""
    printer.start_step("Start the token endpoint", "gamcli serve --port 0")
    printer.print_result(url)
    printer.start_step(
        "Exchange the API key for an access token",
        f"curl {url}{TOKEN_PATH} -d grant_type=password -d authentication_type_name=apikey ...",
    )
    form = {
        "grant_type": "password",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret.reveal(),
        "api_key": credentials.api_key.reveal(),
        "authentication_type_name": "apikey",
    }
    content_type = {"Content-Type": "application/x-www-form-urlencoded"}
    token = send_request(url, "POST", TOKEN_PATH, content_type, urlencode(form))
    printer.print_result(
        f"{token['token_type']} token, valid for {token['expires_in']} seconds, scope {token['scope']}"
    )
    printer.start_step("Read the claims of the user", f"curl {url}{USERINFO_PATH} -H 'Authorization: Bearer ...'")
    return send_request(url, "GET", USERINFO_PATH, {"Authorization": f"Bearer {token['access_token']}"})


def send_request(url: str, method: str, path: str, headers: dict[str, str], body: str = "") -> dict[str, Any]:
    response = endpoint.send_request(url, method, path, headers, body)
    if response.status != OK:
        raise FailedError(f"{method} {path} returned {response.status}", "please report this")
    return response.json()


def print_curl_commands(url: str, credentials: Credentials, folder: Path, out: Output) -> None:
    """Print curl commands; the secrets are in files, since process lists show arguments."""
    for name, secret in (("client_secret", credentials.client_secret), ("api_key", credentials.api_key)):
        descriptor = os.open(folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        os.write(descriptor, secret.reveal().encode())
        os.close(descriptor)
    out.print_to_stderr("\nThe server runs until Ctrl-C. To send the requests again, in another terminal:")
    Output.print_line(
        f"""
TOKEN=$(curl -s {url}{TOKEN_PATH} \\
  -d grant_type=password -d authentication_type_name=apikey -d client_id={credentials.client_id} \\
  --data-urlencode client_secret@{folder / "client_secret"} \\
  --data-urlencode api_key@{folder / "api_key"} | python3 -c 'import json; print(json.loads(input())["access_token"])')

curl -s {url}{USERINFO_PATH} -H "Authorization: Bearer $TOKEN"
"""
    )
