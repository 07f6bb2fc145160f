"""`gamcli scope`: the scopes, and what each reveals."""

from dataclasses import dataclass

import typer

from gamcli.commands.context import CliContext
from gamcli.commands.options import Field, Format, Limit, new_group
from gamcli.rules import scopes

verbs = new_group("The scopes, and what each reveals.")


@verbs.callback()
def _keep_subcommand() -> None:
    """Keep `list` a verb of its own while it is the only one."""


@dataclass(frozen=True, slots=True)
class ListedScope:
    """A row of the scope table, as it is shown."""

    name: str
    reveals: str
    claims: tuple[str, ...]


ATTRIBUTE_SCOPE = ListedScope("user_<AttributeID>", "one attribute, when some user carries it", ("attributes",))


@verbs.command("list")
def list_(context: typer.Context, limit: Limit = None, output: Format = None, field: Field = None) -> None:
    """List the scopes in the order in which answers join them."""
    rows = [
        *(ListedScope(scope.name, scope.description, scope.claims) for scope in scopes.TABLE.values()),
        ATTRIBUTE_SCOPE,
    ]
    CliContext.from_typer(context).output(output, field, ListedScope).print_records(ListedScope, rows[:limit])
