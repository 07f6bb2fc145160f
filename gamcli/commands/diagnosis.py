"""
`gamcli key verify`, `explain` and `inspect`: why an API key works or does not.

The rules are imported inside the commands, since `key revoke` and others load this module, too.
"""

from contextlib import suppress
from typing import Annotated

import typer

from gamcli.commands.options import (
    ApiKeyFile,
    ListOptions,
    OptionalKeyArgument,
    PrintOptions,
    new_group,
    option,
    require_secret,
)
from gamcli.errors import NotFoundError, StoreError, UsageError, command
from gamcli.rules.credentials import parse_api_key_id

verbs = new_group()

REFUSED = 4


@verbs.command()
def verify(
    api_key_file: ApiKeyFile = None,
    app: Annotated[str | None, option("APP", "Check for this application instead of the key's.")] = None,
    *,
    run: PrintOptions,
) -> None:
    """
    Check whether an API key is usable now; exit code 4 if it is not.

    Example: gamcli key verify --api-key-file - --app portal < key.txt
    """
    from gamcli.actions import diagnosis  # noqa: PLC0415 - start-up
    from gamcli.rules.diagnosis import KeyVerification  # noqa: PLC0415 - start-up

    out = run.make_output(KeyVerification)
    secret = require_secret(api_key_file, "--api-key-file", "API key")
    with run.cli.open_gam() as gam:
        verification = diagnosis.verify(gam, secret, app)
    out.print_record(verification)
    if not verification.valid:
        if verification.key is None and parse_api_key_id(secret) is None:
            out.print_note(f"not a valid API key; to see why: {command('key', 'inspect')}")
        raise typer.Exit(REFUSED)


@verbs.command()
def explain(key: OptionalKeyArgument = None, api_key_file: ApiKeyFile = None, *, run: ListOptions) -> None:
    """
    Check an API key against every rule of the grant, and suggest fixes.

    Exit code 4 if a rule rejects the key.
    """
    from gamcli.actions import diagnosis  # noqa: PLC0415 - start-up
    from gamcli.rules.diagnosis import RuleResult  # noqa: PLC0415 - start-up

    out = run.make_output(RuleResult, wraps=True)
    if key is not None and api_key_file is not None:
        raise UsageError("KEY and --api-key-file cannot be combined", "use only one of them")
    secret = None if key is not None else require_secret(api_key_file, "--api-key-file", "API key")
    with run.cli.open_gam() as gam:
        results = diagnosis.explain(gam, key) if key is not None else ()
        results = diagnosis.explain_secret(gam, secret) if secret is not None else results
    if not results:
        raise NotFoundError("the API key is not in this store", command("key", "inspect"))
    out.print_records(RuleResult, results)
    if any(result.holds is False for result in results):
        raise typer.Exit(REFUSED)


@verbs.command()
def inspect(api_key_file: ApiKeyFile = None, *, run: PrintOptions) -> None:
    """
    Check a credential's format, with or without a store; exit code 4 if damaged.

    Imported keys have other formats; they are recognized only if they are in the store.

    Example: pbpaste | gamcli key inspect --api-key-file -
    """
    from gamcli.actions import keys  # noqa: PLC0415 - start-up
    from gamcli.rules import inspection  # noqa: PLC0415 - start-up

    out = run.make_output(inspection.Inspection)
    secret = require_secret(api_key_file, "--api-key-file", "API key", any_lines=True)
    result = inspection.inspect(secret.reveal())
    if result.type == "unknown":
        with suppress(StoreError), run.cli.open_gam() as gam:  # there may be no store
            key = keys.find_by_secret(gam, secret)
            result = inspection.Inspection("imported API key", key.id, None, ()) if key is not None else result
    out.print_record(result)
    if result.damage:
        raise typer.Exit(REFUSED)
