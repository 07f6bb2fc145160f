"""`gamcli scope`: the scopes and what each reveals."""

from dataclasses import dataclass

from gamcli.commands.options import Limit, ListOptions, new_group
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
def list_(limit: Limit = None, *, run: ListOptions) -> None:
    """List scopes, in the order that responses use."""
    rows = [ListedScope(scope.name, scope.description, scope.claims) for scope in scopes.TABLE.values()]
    run.make_output(ListedScope).print_records(ListedScope, [*rows, ATTRIBUTE_SCOPE][:limit])
