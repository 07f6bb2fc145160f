"""`gamcli scope`: the scopes and what each reveals."""

from dataclasses import dataclass

import typer

from gamcli.commands.context import CliContext
from gamcli.commands.options import Field, Format, Limit, Wide, new_group
from gamcli.rules import scopes

verbs = new_group("List the scopes and their claims.")


@verbs.callback()
def _keep_subcommand() -> None:
    """Make `list` a subcommand, although it is the only one."""


@dataclass(frozen=True, slots=True)
class ListedScope:
    """A row of the list."""

    name: str
    reveals: str
    claims: tuple[str, ...]


ATTRIBUTE_SCOPE = ListedScope("user_<AttributeID>", "one attribute, if some user has it", ("attributes",))


@verbs.command("list")
def list_(
    context: typer.Context, limit: Limit = None, wide: Wide = False, output: Format = None, field: Field = None
) -> None:
    """List scopes, in the order that responses use."""
    rows = [ListedScope(scope.name, scope.description, scope.claims) for scope in scopes.TABLE.values()]
    out = CliContext.from_typer(context).output(output, field, ListedScope, wide=wide)
    out.print_records(ListedScope, [*rows, ATTRIBUTE_SCOPE][:limit])
