"""The table of all commands and options, read from the live commands, for completion and generated documents."""

from collections.abc import Iterator
from typing import Any

import typer

from gamcli.actions.audit import AuditVerification
from gamcli.commands import root
from gamcli.commands.complete import CompletionRow
from gamcli.commands.scopes import ListedScope
from gamcli.model import App, AuditEntry, AuthType, Key, User
from gamcli.model.maintenance import BackupResult, CompactResult, MigrateResult, RestoreResult, StoreInfo
from gamcli.model.tokens import Token
from gamcli.render import machine
from gamcli.rules.diagnosis import KeyVerification
from gamcli.store import apps, audit, auth_types, keys, tokens, users
from gamcli.store.hash_chain import ChainHead


def render_table() -> str:
    """Return the contents of `completion_table.tsv`."""
    return "".join(f"{row.path}\t{row.text}\t{row.metavar}\t{row.help}\n" for row in completion_rows())


def completion_rows() -> Iterator[CompletionRow]:
    """Yield a row for each option, argument and subcommand; those of a command before those of its subcommands."""
    yield from _command_rows(typer.main.get_command(root.app), "")


def _command_rows(command: Any, path: str) -> Iterator[CompletionRow]:  # noqa: ANN401 - typer's commands
    position = 0
    for parameter in command.params:
        if getattr(parameter, "hidden", False):
            continue
        if parameter.param_type_name == "argument":
            suffix = "..." if parameter.nargs != 1 or parameter.multiple else ""
            yield CompletionRow(path, f"<{position}{suffix}>", _metavar(parameter), parameter.help or "")
            position += 1
        else:
            values = "" if parameter.is_flag else _values(parameter, path)
            for text in (*parameter.opts, *parameter.secondary_opts):
                yield CompletionRow(path, text, values, parameter.help or "")
    if path:
        yield CompletionRow(path, "--help", "", "Show this message and exit.")
    for name in getattr(command, "list_commands", lambda _: [])(None):
        verb = command.get_command(None, name)
        yield CompletionRow(path, name, "", _summary(verb) if path else root.NOUNS[name].summary)
        yield from _command_rows(verb, f"{path} {name}".strip())


def _summary(command: Any) -> str:  # noqa: ANN401 - typer's commands
    return str(command.help or "").partition("\n\n")[0].replace("\n", " ").removesuffix(".")


KINDS: dict[str, type] = {
    "app": App,
    "audit": AuditEntry,
    "audit head": ChainHead,
    "audit verify": AuditVerification,
    "auth-type": AuthType,
    "key": Key,
    "key verify": KeyVerification,
    "scope": ListedScope,
    "store backup": BackupResult,
    "store compact": CompactResult,
    "store info": StoreInfo,
    "store migrate": MigrateResult,
    "store restore": RestoreResult,
    "token": Token,
    "user": User,
}
"""The records that commands print, by noun or command, for the values of `--field`."""

ISSUED_FIELDS = {
    "app create": "client_secret", "app rotate-secret": "client_secret", "key generate": "api_key",
    "key rotate": "api_key",
}  # fmt: skip

SORTS = {
    "app": apps.SORTS, "audit": audit.SORTS, "auth-type": auth_types.SORTS, "key": keys.SORTS, "token": tokens.SORTS,
    "user": users.SORTS,
}  # fmt: skip
"""The fields by which lists can be sorted."""


def _values(parameter: Any, path: str) -> str:  # noqa: ANN401 - typer's parameters
    """Return the values of an option, joined by `|`, or its metavar when they are not known."""
    option, noun = parameter.opts[-1], path.partition(" ")[0]
    if option == "--sort":
        return "|".join((*SORTS[noun], *(f"-{name}" for name in SORTS[noun])))
    if option == "--action":
        return "|".join(audit.ACTIONS)
    kind = KINDS.get(path) or (KINDS.get(noun) if path not in OTHER_RECORDS else None)
    if option == "--field" and kind is not None:
        issued = (ISSUED_FIELDS[path],) if path in ISSUED_FIELDS else ()
        return "|".join((*issued, *machine.field_paths(kind)))
    return _metavar(parameter)


OTHER_RECORDS = ("key explain", "key inspect", "key forecast", "token prune")
"""The commands whose records are not those of their noun."""


def _metavar(parameter: Any) -> str:  # noqa: ANN401 - typer's parameters
    choices = getattr(parameter.type, "choices", None)
    if choices:
        return "|".join(map(str, choices))
    return str(parameter.metavar or parameter.type.name.upper()).removesuffix("...")
