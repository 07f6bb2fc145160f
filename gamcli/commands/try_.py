"""`gamcli try`: send real requests to an endpoint and show them, with secrets redacted."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from gamcli.actions import Gam
from gamcli.clients import endpoint, exchange
from gamcli.clients.exchange import Credential, ExchangeSpec
from gamcli.commands import suggestions
from gamcli.commands.command_help import OptionGroup
from gamcli.commands.context import CliContext
from gamcli.commands.options import Format, new_group, option, require_secret
from gamcli.commands.run import EXPIRY_WARNING, find_client_id, warn_if_expiring
from gamcli.errors import FailedError, NotFoundError, UsageError, command
from gamcli.model.transcripts import Exchange, Transcript
from gamcli.rules import durations
from gamcli.rules.credentials import Secret

if TYPE_CHECKING:
    from gamcli.render.output import Output

verbs = new_group()

REFUSED = 4

_NON_ALPHANUMERIC = re.compile(r"[^0-9A-Za-z]")
"""Replaced by `_` in the names of variables, as `apply --secrets-out` does."""


class TryOptions(OptionGroup):
    """The endpoint, the application and the user, and where their secrets are."""

    app: Annotated[str | None, option("APP", "Application.", default="GAM_CLIENT_ID")] = None
    user: Annotated[str | None, option("USER", "User of the key (optional).")] = None
    url: Annotated[
        str | None, option("URL", "Endpoint.", default="GAM_URL; else a temporary server on the local store")
    ] = None
    api_key_file: Annotated[
        str | None, option("FILE", "Read the API key from this file; '-' for stdin.", default="GAM_API_KEY")
    ] = None
    client_secret_file: Annotated[
        str | None, option("FILE", "Read the client secret from this file; '-' for stdin.", default="GAM_CLIENT_SECRET")
    ] = None
    password_file: Annotated[
        str | None, option("FILE", "Use the password of --user instead of a key; '-' for stdin.")
    ] = None
    auth_type: Annotated[str | None, option("AUTH_TYPE", "Authentication type to send in the request.")] = None
    scope: Annotated[str | None, option("SCOPES", "Scopes to request, joined by '+'.")] = None
    output: Format = None


@verbs.command(name="try")
def try_(options: TryOptions) -> None:
    """
    Exchange an API key for a token, read the user's claims with it, and show requests, responses and curl commands.

    Exit code 4 if the endpoint refuses a request.

    Example: gamcli try --app portal --user ana --api-key-file key.txt --client-secret-file secret.txt
    """
    cli = options.cli
    out = cli.output(options.output, None, Transcript)
    sent = {"authentication_type_name": options.auth_type, "scope": options.scope, "username": options.user}
    parameters = {name: value for name, value in sent.items() if value is not None}
    credentials = (
        _read_credential("client_secret", options.client_secret_file, _CLIENT_SECRET_SOURCES, options.app),
        _read_user_credential(options),
    )
    with _open_endpoint(cli, options.url or os.environ.get("GAM_URL"), out) as (base_url, gam):
        curl_url = base_url if gam is None else _configured_url(cli)
        if options.auth_type is None and credentials[1].parameter == "api_key":
            parameters = {"authentication_type_name": _find_auth_type(gam, options.app) or "apikey", **parameters}
        spec = ExchangeSpec(base_url, curl_url, _find_client_id(cli, gam, options.app), credentials, parameters)
        transcript = _run_exchange(cli, gam, spec, out)
        if gam is not None and transcript.granted:
            _warn_if_expiring(gam, options.app, credentials, out)
    if gam is not None:
        out.print_note(f"used a temporary server; the curl commands are for {command('serve')} at {curl_url}")
    _print_transcript(out, transcript)


def _warn_if_expiring(
    gam: Gam, app_name: str | None, credentials: tuple[Credential, Credential], out: "Output"
) -> None:
    """Warn when the API key, or the client secret since it was rotated, is valid only for a few days."""
    from gamcli.actions import apps, keys  # noqa: PLC0415 - start-up: not needed with a URL

    client_secret, other = (each.secret for each in credentials)
    if credentials[1].parameter == "api_key":
        warn_if_expiring(out, gam.now(), keys.find_by_secret(gam, other))
    app = apps.show(gam, app_name) if app_name is not None else None
    if app is not None and app.retiring_until is not None and not client_secret.matches(app.secret_digest):
        remaining = app.retiring_until - gam.now()
        if remaining <= EXPIRY_WARNING:
            until = durations.format_remaining(remaining)
            out.print_warning(
                f"this client secret of application '{app.name}' was rotated; it is valid for only {until}"
            )


def _find_auth_type(gam: Gam | None, app: str | None) -> str | None:
    """Return the only authentication type that the application allows, if it is in the local store."""
    if gam is None or app is None:
        return None
    from gamcli.actions import apps  # noqa: PLC0415 - start-up: not needed with a URL

    try:
        return apps.show(gam, app).api_keys.auth_type
    except NotFoundError:
        return None


def _print_transcript(out: "Output", transcript: Transcript) -> None:
    if out.is_human:
        from gamcli.render import transcripts  # noqa: PLC0415 - start-up: not needed for JSON

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
    """Yield the URL of the endpoint; without `url`, of a temporary server on the local store, and that store."""
    if url is not None:
        base_url = url.rstrip("/")
        if endpoint.is_unencrypted(base_url):
            out.print_warning("the credentials are sent unencrypted; use https://")
        yield base_url, None
        return
    from gamcli.server.server import Server, ServerOptions  # noqa: PLC0415
    from gamcli.server.transport.listener import run_in_background  # noqa: PLC0415 - start-up: not needed with a URL

    with cli.open_gam() as gam:
        server = Server(gam, ServerOptions(log=lambda _: None))
        with run_in_background(server):
            yield server.url, gam


def _configured_url(cli: CliContext) -> str:
    """Return the URL of `gamcli serve`: the temporary server has stopped when the user runs the curl commands."""
    host, port, path = (str(cli.settings.value(f"serve.{name}")) for name in ("host", "port", "base_path"))
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{path.rstrip('/')}"


def _run_exchange(cli: CliContext, gam: Gam | None, spec: ExchangeSpec, out: "Output") -> Transcript:
    """Return the transcript; if a request fails, print it to stderr, since stdout stays empty on errors."""
    exchanges: list[Exchange] = []
    try:
        message = _exchange(gam, spec, exchanges)
    except FailedError as error:
        if out.is_human:
            from gamcli.render import transcripts  # noqa: PLC0415 - start-up: not needed for JSON

            failed = Transcript(spec.url, False, error.message, error.hint, tuple(exchanges))
            for line in transcripts.render_lines(failed):
                out.print_to_stderr(line)
        raise
    hint = suggestions.suggest_fix(cli, gam, spec) if message is not None else None
    return Transcript(spec.url, message is None, message, hint, tuple(exchanges))


def _exchange(gam: Gam | None, spec: ExchangeSpec, exchanges: list[Exchange]) -> str | None:
    """Request a token and the claims; return the message of a refusal. Revokes the token in the local store."""
    token, message = exchange.request_token(spec, exchanges)
    if token is None:
        return message
    try:
        return exchange.request_claims(spec, token, exchanges)
    finally:
        if gam is not None:
            _revoke_token(gam, token)


def _revoke_token(gam: Gam, token: Secret) -> None:
    from gamcli.actions import tokens  # noqa: PLC0415 - start-up: not needed with a URL
    from gamcli.model.token_ids import format_token_id  # noqa: PLC0415
    from gamcli.rules.credentials import parse_access_token  # noqa: PLC0415

    row = parse_access_token(token)
    if row is not None:
        tokens.revoke(gam, format_token_id(row))


def _find_client_id(cli: CliContext, gam: Gam | None, app: str | None) -> str:
    """Return the client ID: from the environment unless the local store is used, else by the application's name."""
    variable = None if gam is not None else _find_variable("GAM_CLIENT_ID", app)
    if variable is not None:
        return variable[1]
    if app is None:
        raise UsageError(
            "missing application", "--app APP" if gam is not None else "set GAM_CLIENT_ID, or use --app APP"
        )
    if gam is None:
        return find_client_id(cli, app)
    from gamcli.actions import apps  # noqa: PLC0415 - start-up: not needed with GAM_CLIENT_ID

    return apps.show(gam, app).client_id


_CLIENT_SECRET_SOURCES = ("--client-secret-file", "GAM_CLIENT_SECRET", "client secret")
_API_KEY_SOURCES = ("--api-key-file", "GAM_API_KEY", "API key")
_PASSWORD_SOURCES = ("--password-file", "GAM_PASSWORD", "password")
"""The option and the variable of a credential, and its name in prompts."""


def _read_user_credential(options: TryOptions) -> Credential:
    if options.password_file is None:
        return _read_credential("api_key", options.api_key_file, _API_KEY_SOURCES, options.user, options.app)
    if options.api_key_file is not None:
        raise UsageError("--api-key-file and --password-file cannot be combined", "use only one of them")
    if options.user is None:
        raise UsageError("--password-file requires --user", "--user USER")
    return _read_credential("password", options.password_file, _PASSWORD_SOURCES)


def _read_credential(parameter: str, path: str | None, sources: tuple[str, str, str], *names: str | None) -> Credential:
    """Read a secret from its file, else from the environment, else from the terminal."""
    option, variable, label = sources
    if path is None and (found := _find_variable(variable, *names)) is not None:
        name, value = found
        return Credential(parameter, Secret(value), exchange.shell_variable(name), name)
    if path is None and not sys.stdin.isatty():
        raise UsageError(f"missing {label}", f"{option} FILE, or set {variable}")
    secret = require_secret(path, option, label[:1].upper() + label[1:])
    if path is None or path == "-":
        return Credential(parameter, secret, exchange.shell_variable(variable), "the input")
    return Credential(parameter, secret, exchange.shell_read_file(path), f"the file {path}")


def _find_variable(variable: str, *names: str | None) -> tuple[str, str] | None:
    """Return a variable with its value; one for this application or key comes before the general one."""
    specific = "_".join([variable, *(_NON_ALPHANUMERIC.sub("_", name).upper() for name in names if name is not None)])
    return next(((name, os.environ[name]) for name in (specific, variable) if os.environ.get(name)), None)
