"""`gamcli key import`: API keys that clients already hold."""

import typer

from gamcli.actions import keys
from gamcli.actions.changes import discard_secret
from gamcli.commands import delivery, key_messages
from gamcli.commands.context import CliContext
from gamcli.commands.key_options import (
    AppOption,
    ExpiresAt,
    ExpiresIn,
    Label,
    Overlap,
    Replace,
    RequestId,
    Scopes,
    UserOption,
)
from gamcli.commands.options import (
    ApiKeyFile,
    Field,
    Format,
    IfMissing,
    Preview,
    new_group,
    parse_duration,
    parse_expiry,
    read_secret,
)
from gamcli.model import Key
from gamcli.rules.keys import check_imported

verbs = new_group()


@verbs.command("import")
def import_(
    context: typer.Context,
    user: UserOption = None,
    app: AppOption = None,
    api_key_file: ApiKeyFile = None,
    scope: Scopes = None,
    expires_in: ExpiresIn = None,
    expires_at: ExpiresAt = None,
    label: Label = "",
    replace: Replace = False,
    overlap: Overlap = None,
    request_id: RequestId = None,
    if_missing: IfMissing = False,
    dry_run: Preview = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Import an API key that a client already holds, so that it stays valid.

    A key of another system has 20 to 2,048 printable ASCII characters. Import many with the column api_key of
    gamcli key generate --from.

    Example: gamcli key import --user ana --app portal --api-key-file old_key
    """
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, Key)
    user, app = key_messages.require_user_and_app(user, app, "--user USER --app APP")
    key_messages.reject_combinations(replace=replace, overlap=overlap)
    lifetime, instant = parse_expiry(expires_in, expires_at)
    scopes = tuple(scope) if scope else None
    secret = read_secret(api_key_file, "--api-key-file", "API key")
    assert secret is not None
    spec = keys.KeySpec(
        user, app, scopes, lifetime, label, replace, parse_duration(overlap), instant, check_imported(secret)
    )
    if if_missing and key_messages.report_existing(cli, out, spec):
        return
    with cli.open_for_change(out, dry_run=dry_run) as gam:
        imported = key_messages.issue_key(gam, spec, request_id, discard_secret)
    key = imported.record
    prefix = "repeated request: already imported" if imported.is_repeat else "imported"
    delivery.print_result(out, key, ("api_key", None), f"{prefix} {key_messages.describe_key(key)}")
    if not imported.is_repeat:
        key_messages.print_import_warnings(out, key, secret, lifetime)
