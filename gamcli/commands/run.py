"""`gamcli run`: a program with a short-lived token instead of a key."""

import os
from typing import Annotated

import typer

from gamcli.actions import tokens
from gamcli.commands import subprocesses
from gamcli.commands.context import CliContext
from gamcli.commands.options import new_group, read_secret
from gamcli.errors import NotFoundError, StoreError, UsageError
from gamcli.rules.credentials import Secret

verbs = new_group()

REMOVED_VARIABLES = ("GAM_API_KEY", "GAM_CLIENT_SECRET")
"""What a program with a token needs no longer: no variable whose name begins so, as those of `--secrets-out` do."""


@verbs.command(context_settings={"allow_interspersed_args": False})  # what follows the program is the program's
def run(
    context: typer.Context,
    program: Annotated[list[str], typer.Argument(metavar="-- CMD", help="The program and its words.")],
    app: Annotated[str, typer.Option(metavar="APP", help="The application that the key is for.")],
    api_key_file: Annotated[
        str, typer.Option("--api-key-file", metavar="FILE", help="Holds the key itself; '-' reads stdin.")
    ],
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Trade it at this endpoint, not in the store of this machine.")
    ] = None,
    client_secret_file: Annotated[
        str | None,
        typer.Option(
            "--client-secret-file",
            metavar="FILE",
            help="With --url: holds the client secret.",
            show_default="GAM_CLIENT_SECRET",
        ),
    ] = None,
) -> None:
    """
    Run a program with a token in GAM_ACCESS_TOKEN, traded for an API key that it never sees.

    Example: gamcli run --app portal --api-key-file key.txt -- ./report
    """
    session = CliContext.from_typer(context)
    subprocesses.require_program(program, session.output())
    api_key = read_secret(api_key_file, "--api-key-file")
    assert api_key is not None
    if url is None:
        if client_secret_file is not None:
            raise UsageError(
                "--client-secret-file is for --url: the store of this machine asks for none", "leave it out"
            )
        code = _run_with_local_token(session, app, api_key, program)
    else:
        code = _run_with_endpoint_token(
            session, url.rstrip("/"), _build_token_form(session, app, api_key, client_secret_file), program
        )
    raise typer.Exit(code)


def _run_with_local_token(cli: CliContext, app: str, api_key: Secret, program: list[str]) -> int:
    """Trade the key in the store of this machine, and end the token with the program."""
    with cli.open_gam() as gam:
        issued = tokens.exchange_locally(gam, app, api_key)
    try:
        return subprocesses.run_program(program, _build_environment(issued.secret), cli.output())
    finally:
        try:
            with cli.open_gam() as gam:
                tokens.revoke(gam, issued.id)
        except NotFoundError:  # gone with its application or its user
            pass
        except StoreError as error:
            cli.output().print_warning(f"the token {issued.id} lives until it expires: {error.message}")


def _run_with_endpoint_token(cli: CliContext, url: str, form: dict[str, str], program: list[str]) -> int:
    """Trade the key at an endpoint; its tokens can only expire."""
    from gamcli.clients import endpoint  # noqa: PLC0415 - start-up: HTTP and TLS take long to import

    if endpoint.is_unencrypted(url):
        cli.output().print_warning("the key and the client secret travel unencrypted: https:// protects them")
    return subprocesses.run_program(program, _build_environment(endpoint.request_token(url, form), url), cli.output())


def _build_environment(token: Secret, url: str | None = None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(REMOVED_VARIABLES)}
    return kept | {"GAM_ACCESS_TOKEN": token.reveal()} | ({} if url is None else {"GAM_URL": url})


def _build_token_form(cli: CliContext, app: str, api_key: Secret, client_secret_file: str | None) -> dict[str, str]:
    secret = read_secret(client_secret_file, "--client-secret-file") or Secret(os.environ.get("GAM_CLIENT_SECRET", ""))
    if not secret.reveal():
        raise UsageError(
            "an endpoint asks for the client secret", "--client-secret-file FILE, or set GAM_CLIENT_SECRET"
        )
    return {
        "grant_type": "password",
        "client_id": os.environ.get("GAM_CLIENT_ID") or _find_client_id(cli, app),
        "client_secret": secret.reveal(),
        "api_key": api_key.reveal(),
    }


def _find_client_id(cli: CliContext, app: str) -> str:
    from gamcli.actions import apps  # noqa: PLC0415 - only where no variable says it

    try:
        with cli.open_gam() as gam:
            return apps.show(gam, app).client_id
    except (NotFoundError, StoreError) as error:
        raise UsageError(f"the client id of '{app}' is not known here: {error.message}", "set GAM_CLIENT_ID") from error
