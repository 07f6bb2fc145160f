"""`gamcli try`: one real exchange with an endpoint, shown as it goes over the wire, secrets hidden."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from gamcli.actions import Gam
from gamcli.clients import endpoint, exchange
from gamcli.clients.exchange import Credential, ExchangeSpec
from gamcli.commands import suggestions
from gamcli.commands.context import CliContext
from gamcli.commands.options import Format, new_group, read_secret
from gamcli.errors import FailedError, NotFoundError, StoreError, UsageError, command
from gamcli.model.transcripts import Exchange, Transcript
from gamcli.rules.credentials import Secret

if TYPE_CHECKING:
    from gamcli.render.output import Output

verbs = new_group()

REFUSED = 4
"""The exit code of an answer that says no."""

_NON_ALPHANUMERIC = re.compile(r"[^0-9A-Za-z]")
"""What stands as `_` in the names of variables (`provision.issued`)."""


class Target(NamedTuple):
    """Who is to be tried: an application and a user, as the command line has them."""

    app: str | None
    user: str | None


@verbs.command(name="try")
def try_(
    context: typer.Context,
    app: Annotated[
        str | None, typer.Option(metavar="APP", help="The application.", show_default="GAM_CLIENT_ID")
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="USER", help="The owner of the key, if that is to be said.")
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="The endpoint.", show_default="GAM_URL; else one for the moment, on the store of here"
        ),
    ] = None,
    api_key_file: Annotated[
        str | None,
        typer.Option(
            "--api-key-file", metavar="FILE", help="Holds the key itself; '-' reads stdin.", show_default="GAM_API_KEY"
        ),
    ] = None,
    client_secret_file: Annotated[
        str | None,
        typer.Option(
            "--client-secret-file",
            metavar="FILE",
            help="Holds the client secret; '-' reads stdin.",
            show_default="GAM_CLIENT_SECRET",
        ),
    ] = None,
    password_file: Annotated[
        str | None,
        typer.Option("--password-file", metavar="FILE", help="Instead of a key: the password of --user; '-' is stdin."),
    ] = None,
    auth_type: Annotated[str | None, typer.Option(metavar="AUTH_TYPE", help="Which to ask for.")] = None,
    scope: Annotated[str | None, typer.Option(metavar="SCOPES", help="Which to ask for, joined by '+'.")] = None,
    output: Format = None,
) -> None:
    """
    Trade a key for a token and read the user's data with it, showing each request and response, and its curl line.

    Exit code 0 when all is granted, 4 when the endpoint refuses.

    Example: gamcli try --app portal --user ana --api-key-file key.txt --client-secret-file secret.txt
    """
    session = CliContext.from_typer(context)
    out = session.output(output, None, Transcript)
    named = Target(app, user)
    wanted = {"authentication_type_name": auth_type, "scope": scope, "username": user}
    more = {name: value for name, value in wanted.items() if value is not None}
    proofs = (_read_client_secret(named, client_secret_file), _read_user_credential(named, api_key_file, password_file))
    with _open_endpoint(session, url or os.environ.get("GAM_URL"), out) as (there, gam):
        stays = there if gam is None else _configured_url(session)
        wish = ExchangeSpec(there, stays, _find_client_id(session, gam, named), proofs, more)
        transcript = _run_exchange(session, gam, wish, out)
    if gam is not None:
        out.print_note(f"the server was one for the moment; the curl lines are for {command('serve')}, at {stays}")
    _print_transcript(out, transcript)


def _print_transcript(out: "Output", transcript: Transcript) -> None:
    if out.is_human:
        from gamcli.render import transcripts  # noqa: PLC0415 - programs get the record

        for line in transcripts.render_lines(transcript):
            out.print_line(line)
    else:
        out.print_record(transcript)
    out.flush()
    if not transcript.granted:
        out.print_note(f"refused: {transcript.message}")
        if transcript.hint:
            out.print_note(f"hint: {transcript.hint}")
        raise typer.Exit(REFUSED)


@contextmanager
def _open_endpoint(cli: CliContext, url: str | None, out: "Output") -> Iterator[tuple[str, Gam | None]]:
    """Yield the address of the endpoint; without a url it is one on the store of here, which comes with it."""
    if url is not None:
        plain = url.rstrip("/")
        if endpoint.is_unencrypted(plain):
            out.print_warning("the secrets travel unencrypted: https:// protects them")
        yield plain, None
        return
    from gamcli.commands.quickstart import run_server  # noqa: PLC0415 - start-up: only who serves pays for it

    with ExitStack() as stack:
        gam = stack.enter_context(cli.open_gam())
        server, _ = stack.enter_context(run_server(gam))
        yield server.url, gam


def _configured_url(cli: CliContext) -> str:
    """Return where `gamcli serve` would answer: the server for the moment is gone when its lines are read."""
    host, port, path = (str(cli.settings.value(f"serve.{name}").value) for name in ("host", "port", "base_path"))
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{path.rstrip('/')}"


def _run_exchange(cli: CliContext, gam: Gam | None, spec: ExchangeSpec, out: "Output") -> Transcript:
    """Return what was exchanged; when it came to no answer of an endpoint, tell people how far it got."""
    exchanges: list[Exchange] = []
    try:
        refused = _exchange(gam, spec, exchanges)
    except FailedError as error:
        if out.is_human:
            _print_to_stderr(out, Transcript(spec.url, False, error.message, error.hint, tuple(exchanges)))
        raise
    hint = suggestions.suggest_fix(cli, gam, spec) if refused is not None else None
    return Transcript(spec.url, refused is None, refused, hint, tuple(exchanges))


def _print_to_stderr(out: "Output", transcript: Transcript) -> None:
    """Show on stderr what was exchanged: no answer came of it, and on failure stdout stays empty."""
    from gamcli.render import transcripts  # noqa: PLC0415 - start-up, as above

    for line in transcripts.render_lines(transcript):
        out.print_to_stderr(line)


def _exchange(gam: Gam | None, spec: ExchangeSpec, exchanges: list[Exchange]) -> str | None:
    """
    Ask for a token, then for what it reveals, and write that down; return why it was refused, if it was.

    A token of the store of here ends with that.
    """
    token, refused = exchange.request_token(spec, exchanges)
    try:
        return refused if token is None else exchange.request_claims(spec, token, exchanges)
    finally:
        if gam is not None and token is not None:
            _revoke_token(gam, token)


def _revoke_token(gam: Gam, token: Secret) -> None:
    from gamcli.actions import tokens  # noqa: PLC0415 - start-up, as above
    from gamcli.model import format_token_id  # noqa: PLC0415
    from gamcli.rules.credentials import parse_access_token  # noqa: PLC0415

    row = parse_access_token(token)
    if row is not None:
        tokens.revoke(gam, format_token_id(row))


def _find_client_id(cli: CliContext, gam: Gam | None, target: Target) -> str:
    """Return the client id: of a store of ours by the application's name, else from the environment first."""
    given = None if gam is not None else _find_variable("GAM_CLIENT_ID", target.app)
    if given is not None:
        return given[1]
    if target.app is None:
        raise UsageError("which application is it", "--app APP" if gam is not None else "set GAM_CLIENT_ID, or --app")
    from gamcli.actions import apps  # noqa: PLC0415 - only where no variable says it

    if gam is not None:
        return apps.show(gam, target.app).client_id
    try:
        with cli.open_gam() as here:
            return apps.show(here, target.app).client_id
    except (NotFoundError, StoreError) as error:
        raise UsageError(
            f"the client id of '{target.app}' is not known here: {error.message}", "set GAM_CLIENT_ID"
        ) from error


def _read_client_secret(target: Target, path: str | None) -> Credential:
    return _read_credential(
        "client_secret", path, ("--client-secret-file", "GAM_CLIENT_SECRET", "client secret"), target.app
    )


def _read_user_credential(target: Target, key_path: str | None, password_path: str | None) -> Credential:
    """Return what proves who asks: a password when there is one, else the key."""
    if password_path is None:
        return _read_credential(
            "api_key", key_path, ("--api-key-file", "GAM_API_KEY", "API key"), target.user, target.app
        )
    if key_path is not None:
        raise UsageError("--api-key-file and --password-file contradict each other", "leave one of them out")
    if target.user is None:
        raise UsageError("a password is that of a user", "--user USER")
    return _read_credential("password", password_path, ("--password-file", "GAM_PASSWORD", "password"))


def _read_credential(parameter: str, path: str | None, sources: tuple[str, str, str], *names: str | None) -> Credential:
    """Return a secret: from its file, else from the environment, else a terminal is asked."""
    option, variable, what = sources
    if path is None and (given := _find_variable(variable, *names)) is not None:
        return Credential(parameter, Secret(given[1]), exchange.shell_variable(given[0]), given[0])
    if path is None and not sys.stdin.isatty():
        raise UsageError(f"there is no {what}", f"{option} FILE, or set {variable}")
    secret = read_secret(path, option, what[:1].upper() + what[1:])
    assert secret is not None
    if path is None or path == "-":
        return Credential(parameter, secret, exchange.shell_variable(variable), "what was read")
    return Credential(parameter, secret, exchange.shell_read_file(path), f"the file {path}")


def _find_variable(variable: str, *names: str | None) -> tuple[str, str] | None:
    """Return the variable and its value, that of this very application or key before the one of all."""
    own = "_".join([variable, *(_NON_ALPHANUMERIC.sub("_", each).upper() for each in names if each is not None)])
    return next(((name, os.environ[name]) for name in (own, variable) if os.environ.get(name)), None)
