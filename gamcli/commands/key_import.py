"""`gamcli key import`: API keys that clients already hold."""

from gamcli.actions.changes import discard_secret
from gamcli.commands import delivery, key_messages
from gamcli.commands.key_options import AppOption, NewKeyOptions, UserOption
from gamcli.commands.options import ApiKeyFile, KeyChangeOptions, new_group, require_secret
from gamcli.model import Key
from gamcli.rules.keys import check_imported

verbs = new_group()


@verbs.command("import")
def import_(
    user: UserOption = None,
    app: AppOption = None,
    api_key_file: ApiKeyFile = None,
    *,
    terms: NewKeyOptions,
    run: KeyChangeOptions,
) -> None:
    """
    Import an API key that a client already holds, so that it stays valid.

    A key from another system must have 20 to 2,048 printable ASCII characters. To import many keys, use
    gamcli key generate --from with a column api_key.

    Example: gamcli key import --user ana --app portal --api-key-file old_key
    """
    out = run.make_output(Key)
    spec = terms.make_spec(user, app, "--user USER --app APP")
    secret = require_secret(api_key_file, "--api-key-file", "API key")
    spec = spec._replace(api_key=check_imported(secret))
    if terms.if_missing and key_messages.report_existing(run.cli, out, spec):
        return
    with run.open_for_change(out) as gam:
        imported = key_messages.issue_key(gam, spec, terms.request_id, discard_secret)
    key = imported.record
    prefix = "repeated request: already imported" if imported.is_repeat else "imported"
    delivery.print_result(out, key, None, f"{prefix} {key_messages.describe_key(key)}")
    if not imported.is_repeat:
        key_messages.print_import_warnings(out, key, secret, spec.expires_in)
