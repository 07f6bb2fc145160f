"""`gamcli key`: API keys."""

from itertools import islice
from typing import Annotated

from gamcli.actions import key_lookup, keys
from gamcli.commands import delivery, key_messages, overview
from gamcli.commands import key_options as opts
from gamcli.commands.options import (
    CsvTable,
    EnabledFilter,
    KeyArgument,
    SortedListOptions,
    flag,
    new_group,
    option,
    parse_duration,
    reject_other_options,
)
from gamcli.errors import UsageError, command
from gamcli.model import Key

verbs = new_group("Issue, import, list, rotate, verify, disable and revoke API keys.")


@verbs.command()
def generate(
    user: opts.UserOption = None,
    app: opts.AppOption = None,
    *,
    csv: CsvTable,
    terms: opts.NewKeyOptions,
    reissue: opts.Reissue = None,
    run: opts.KeyIssueOptions,
    out_dir: opts.OutDir = None,
    auth_type: opts.IgnoredAuthType = None,
) -> None:
    """
    Issue an API key and print it once, or one for each row of a CSV file (--from).

    The columns are user, app, scopes, expires_in, expires_at, label, request_id and api_key, which imports a key; only
    user and app are required.

    Example: KEY=$(gamcli key generate --user ana --app portal --expires-in 90d)
    """
    out = run.make_output(Key, "api_key")
    csv.require_for(out_dir=out_dir, reissue=reissue)
    if csv.table is not None:
        row = {**vars(terms), "user": user, "app": app, "field": run.field, "cli": None, "if_missing": None}
        reject_other_options("--from", **row, auth_type=auth_type)
        from gamcli.commands import bulk  # noqa: PLC0415 - start-up: a single key needs no CSV

        bulk.generate(run, out, csv, out_dir, reissue=reissue, only_missing=terms.if_missing)
        return
    spec = terms.make_spec(user, app, "--user USER --app APP, or --from FILE.csv")
    if terms.if_missing and key_messages.report_existing(run.cli, out, spec):
        return
    with delivery.open_for_issuing(run, out) as (gam, save_secret):
        issued = key_messages.issue_key(gam, spec, terms.request_id, save_secret)
    key_messages.report_issued(out, issued, spec.expires_in, run.out_file)
    if auth_type is not None:
        out.print_warning("--auth-type is ignored: a key is not bound to an authentication type")


@verbs.command("list")
def list_(
    user: opts.UserFilterOption = None,
    app: opts.AppFilterOption = None,
    status: Annotated[list[opts.KeyStatus] | None, option(None, "Show only keys with this status; repeatable.")] = None,
    label: Annotated[str | None, option("PATTERN", "Show only keys with this label, such as 'ci-*'.")] = None,
    enabled: EnabledFilter = None,
    expiring_within: Annotated[
        str | None, option("DURATION", "Show only active keys that expire within this time.")
    ] = None,
    unused_for: Annotated[
        str | None, option("DURATION", "Show only active keys unused for this long, such as 90d.")
    ] = None,
    available: Annotated[bool, flag("Show the applications for which --user can have a key.", "--available")] = False,
    *,
    run: SortedListOptions,
) -> None:
    """List keys of every status, oldest first."""
    out = run.make_output(key_lookup.AvailableApp if available else Key)
    if not available:
        within, unused = parse_duration(expiring_within), parse_duration(unused_for)
        filters = keys.KeySearch(user, app, tuple(status or ()), label, enabled, within, unused, run.sort, run.limit)
        with run.cli.open_gam() as gam, keys.search(gam, filters) as rows:
            out.print_records(Key, rows)
        return
    if app or status or label or enabled is not None or expiring_within or unused_for or run.sort:
        raise UsageError(
            "--available can be combined only with --user and --limit", "gamcli key list --available --user USER"
        )
    if user is None:
        raise UsageError("--available requires --user", command("key", "list", "--available", "--user", "USER"))
    with run.cli.open_gam() as gam, key_lookup.find_available_apps(gam, user) as apps:
        out.print_records(key_lookup.AvailableApp, islice(apps, run.limit))


@verbs.command()
def show(key: KeyArgument, run: overview.ClientRecordPrintOptions) -> None:
    """Show a key, without its secret, which is shown only when it is issued."""
    overview.show(run, Key, keys.show, key)
