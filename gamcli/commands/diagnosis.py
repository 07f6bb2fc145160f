"""
`gamcli key verify`, `explain` and `inspect`: why a key works or does not.

The rules that judge are imported by the verbs themselves: `key generate` comes by here too, and doubts nothing.
"""

from typing import Annotated

import typer

from gamcli.commands.context import CliContext
from gamcli.commands.options import Field, Format, new_group, read_secret
from gamcli.errors import NotFoundError, UsageError, command
from gamcli.rules.credentials import Secret, parse_api_key_id

verbs = new_group()

REFUSED = 4
"""The exit code of an answer that says no."""

KeyFile = Annotated[
    str | None,
    typer.Option("--api-key-file", metavar="FILE", help="Holds the key itself; '-' reads stdin, a terminal is asked."),
]


def _read_key(path: str | None) -> Secret:
    found = read_secret(path, "--api-key-file", "API key")
    assert found is not None
    return found


@verbs.command()
def verify(
    context: typer.Context,
    api_key_file: KeyFile = None,
    app: Annotated[str | None, typer.Option(metavar="APP", help="For this application, not the key's own.")] = None,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Say whether a key may be used now: 0 when it may, 4 when it may not, with the rule that says no.

    Example: gamcli key verify --api-key-file - --app portal < key.txt
    """
    from gamcli.actions import diagnosis  # noqa: PLC0415 - start-up
    from gamcli.rules.diagnosis import KeyVerification  # noqa: PLC0415 - start-up

    session = CliContext.from_typer(context)
    out = session.output(output, field, KeyVerification)
    secret = _read_key(api_key_file)
    with session.open_gam() as gam:
        verdict = diagnosis.verify(gam, secret, app)
    out.print_record(verdict)
    if not verdict.valid:
        if parse_api_key_id(secret) is None:
            out.print_note(f"it does not have the form of an API key; to see why: {command('key', 'inspect')}")
        raise typer.Exit(REFUSED)


@verbs.command()
def explain(
    context: typer.Context,
    key: Annotated[
        str | None, typer.Argument(metavar="KEY", help="Id, or the beginning of one.", show_default=False)
    ] = None,
    api_key_file: KeyFile = None,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Judge each rule of the grant for a key, in its order, with the command that mends what is broken.

    Exit code 0 when all that can be judged hold, 4 when one does not.
    """
    from gamcli.actions import diagnosis  # noqa: PLC0415 - start-up
    from gamcli.rules.diagnosis import RuleResult  # noqa: PLC0415 - start-up

    session = CliContext.from_typer(context)
    out = session.output(output, field, RuleResult)
    if key is not None and api_key_file is not None:
        raise UsageError("the key is named twice", "by id, or with --api-key-file")
    secret = None if key is not None else _read_key(api_key_file)
    with session.open_gam() as gam:
        judged = diagnosis.explain(gam, key) if key is not None else ()
        judged = diagnosis.explain_secret(gam, secret) if secret is not None else judged
    if not judged:
        raise NotFoundError("no key of this store has that id", command("key", "inspect"))
    out.print_records(RuleResult, judged)
    if any(each.holds is False for each in judged):
        raise typer.Exit(REFUSED)


@verbs.command()
def inspect(context: typer.Context, api_key_file: KeyFile = None, output: Format = None, field: Field = None) -> None:
    """
    Say what a credential tells of itself, offline: kind, id, checksum, common damage; 4 when it is damaged.

    Example: pbpaste | gamcli key inspect --api-key-file -
    """
    from gamcli.rules import inspection  # noqa: PLC0415 - start-up

    out = CliContext.from_typer(context).output(output, field, inspection.Inspection)
    found = inspection.inspect(_read_key(api_key_file).reveal())
    out.print_record(found)
    if found.damage:
        raise typer.Exit(REFUSED)
