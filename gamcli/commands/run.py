"""`gamcli run`: run a program with a short-lived access token instead of an API key."""

import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from gamcli.actions import issuance, tokens
from gamcli.commands.context import CliContext
from gamcli.commands.options import Run, argument, new_group, option, read_secret, require_secret
from gamcli.errors import NotFoundError, StoreError, UsageError
from gamcli.model import Key
from gamcli.rules import durations
from gamcli.rules.credentials import Secret
from gamcli.system import subprocesses

if TYPE_CHECKING:
    from gamcli.render.output import Output

verbs = new_group()

REMOVED_VARIABLES = ("GAM_API_KEY", "GAM_CLIENT_SECRET")
"""Prefixes of variables that the program does not receive; `--secrets-out` writes such variables."""


@verbs.command("run", context_settings={"allow_interspersed_args": False})  # options after it belong to the program
def run_program(
    program: Annotated[list[str], argument("-- CMD", "Program to run, with its arguments.")],
    app: Annotated[str, option("APP", "Application of the key.")],
    api_key_file: Annotated[str, option("FILE", "Read the API key from this file; '-' for stdin.")],
    url: Annotated[str | None, option("URL", "Use this endpoint instead of the local store.")] = None,
    client_secret_file: Annotated[
        str | None,
        option(
            "FILE", "With --url: read the client secret from this file; '-' for stdin.", default="GAM_CLIENT_SECRET"
        ),
    ] = None,
    auth_type: Annotated[
        str | None, option("AUTH_TYPE", "With --url: authentication type to send in the request.", default="apikey")
    ] = None,
    *,
    run: Run,
) -> None:
    """
    Run a program with an access token in GAM_ACCESS_TOKEN, obtained with an API key that the program does not see.

    Example: gamcli run --app portal --api-key-file key.txt -- ./report
    """
    cli = run.cli
    subprocesses.require_program(program)
    api_key = require_secret(api_key_file, "--api-key-file")
    if url is not None:
        form = _build_token_form(cli, app, api_key, client_secret_file)
        form["authentication_type_name"] = auth_type or "apikey"
        raise typer.Exit(_run_with_endpoint_token(cli, url.rstrip("/"), form, program))
    if client_secret_file is not None:
        raise UsageError("--client-secret-file requires --url: the local store needs no client secret", "omit it")
    if auth_type is not None:
        raise UsageError("--auth-type requires --url: the local store knows the authentication type", "omit it")
    raise typer.Exit(_run_with_local_token(cli, app, api_key, program))


EXPIRY_WARNING = timedelta(days=14)
"""A key that expires within this time is reported."""


def _run_with_local_token(cli: CliContext, app: str, api_key: Secret, program: list[str]) -> int:
    """Issue the token in the local store, and revoke it after the program has ended."""
    with cli.open_gam() as gam:
        issued = issuance.exchange_locally(gam, app, api_key)
        warn_if_expiring(cli.output(), gam.now(), issued.grant.key)
    try:
        return subprocesses.run_program(program, _build_environment(issued.secret))
    finally:
        try:
            with cli.open_gam() as gam:
                tokens.revoke(gam, issued.id)
        except NotFoundError:  # deleted with its application or user
            pass
        except StoreError as error:
            cli.output().print_warning(f"token {issued.id} was not revoked and stays valid: {error.message}")


def warn_if_expiring(out: "Output", now: datetime, key: Key | None) -> None:
    """Warn when the key expires or retires soon."""
    end = None if key is None else durations.earliest(key.expires_at, key.retires_at)
    if key is not None and end is not None and end - now <= EXPIRY_WARNING:
        remaining = durations.format_remaining(end - now)
        out.print_warning(f"key {key.id} of {key.user} for {key.app} is valid for only {remaining}")


def _run_with_endpoint_token(cli: CliContext, url: str, form: dict[str, str], program: list[str]) -> int:
    """Request the token from an endpoint; it cannot be revoked there."""
    from gamcli.clients import endpoint  # noqa: PLC0415 - start-up: HTTP and TLS are slow to import

    if endpoint.is_unencrypted(url):
        cli.output().print_warning("the credentials are sent unencrypted; use https://")
    return subprocesses.run_program(program, _build_environment(endpoint.request_token(url, form), url))


def _build_environment(token: Secret, url: str | None = None) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(REMOVED_VARIABLES)}
    return environment | {"GAM_ACCESS_TOKEN": token.reveal()} | ({} if url is None else {"GAM_URL": url})


def _build_token_form(cli: CliContext, app: str, api_key: Secret, client_secret_file: str | None) -> dict[str, str]:
    secret = read_secret(client_secret_file, "--client-secret-file") or Secret(os.environ.get("GAM_CLIENT_SECRET", ""))
    if not secret.reveal():
        raise UsageError("--url requires a client secret", "--client-secret-file FILE, or set GAM_CLIENT_SECRET")
    return {
        "grant_type": "password",
        "client_id": os.environ.get("GAM_CLIENT_ID") or find_client_id(cli, app),
        "client_secret": secret.reveal(),
        "api_key": api_key.reveal(),
    }


def find_client_id(cli: CliContext, app: str) -> str:
    """Look up the client ID in the local store."""
    from gamcli.actions import apps  # noqa: PLC0415 - start-up: needed only without GAM_CLIENT_ID

    try:
        with cli.open_gam() as gam:
            return apps.show(gam, app).client_id
    except (NotFoundError, StoreError) as error:
        raise UsageError(f"cannot determine the client ID of '{app}': {error.message}", "set GAM_CLIENT_ID") from error
