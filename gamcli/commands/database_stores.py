"""What `gamcli store` does for stores in a database."""

from pathlib import Path

from gamcli.actions import copying
from gamcli.commands.context import CliContext
from gamcli.commands.locations import parse_location, read_url_file
from gamcli.errors import UsageError
from gamcli.render.output import Output

COMMAND_LINES = {
    "backup": ("back up a database with its own tools", "pg_dump --schema={schema} --dbname='{url}' --file=backup.sql"),
    "restore": ("restore a database with its own tools", "psql --dbname='{url}' --file=backup.sql"),
    "compact": ("it frees the space of deleted rows itself", "psql --dbname='{url}' --command='VACUUM (ANALYZE)'"),
}
"""Why a command is for files only, and the command line to use for a database instead."""


def require_file(cli: CliContext, verb: str) -> Path:
    """Return the path of the store; raises UsageError with the command line to use for a database instead."""
    location = cli.settings.store()
    if isinstance(location, Path):
        return location
    reason, line = COMMAND_LINES[verb]
    raise UsageError(f"the store is a PostgreSQL database: {reason}", location.format_command(line))


def copy_store(cli: CliContext, out: Output, to: str | None, to_url_file: str | None) -> None:
    """Copy the store to another one, named by its location or by a file with its URL."""
    target = read_url_file(Path(to_url_file)) if to_url_file else parse_location(str(to), "--to")
    result = copying.copy_store(cli.settings.store(), target)
    out.print_change(result, f"copied {result.rows:,} rows to {result.path}; head of the audit log: {result.head[:12]}")
    out.print_note(f"use it with: --store '{result.path}'")
