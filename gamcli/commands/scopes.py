"""`gamcli scope`: the scopes, and what each reveals."""

from dataclasses import dataclass

import typer

from gamcli.commands.options import Field, Format, Limit, noun
from gamcli.commands.session import Session
from gamcli.rules import scopes

verbs = noun("The scopes, and what each reveals.")


@verbs.callback()
def _verbs() -> None:
    """Keep `list` a verb of its own while it is the only one."""


@dataclass(frozen=True, slots=True)
class ListedScope:
    """A row of the scope table, as it is shown."""

    name: str
    reveals: str
    claims: tuple[str, ...]


ATTRIBUTES = ListedScope("user_<AttributeID>", "one attribute, when some user carries it", ("attributes",))


@verbs.command("list")
def list_(context: typer.Context, limit: Limit = None, output: Format = None, field: Field = None) -> None:
    """List the scopes in the order in which answers join them."""
    rows = [*(ListedScope(scope.name, scope.reveals, scope.claims) for scope in scopes.TABLE.values()), ATTRIBUTES]
    Session.of(context).output(output, field, ListedScope).records(ListedScope, rows[:limit])
