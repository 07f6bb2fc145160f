"""`gamcli config`: settings, and where each comes from."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from gamcli.commands import settings
from gamcli.commands.context import CliContext
from gamcli.commands.options import DryRunOption, Field, Format, new_group
from gamcli.errors import FailedError, UsageError
from gamcli.render.output import Output
from gamcli.store.sqlite import files
from gamcli.system import new_files

PROJECT_FILE_MODE = 0o644
"""The file of a project is for all who work on it; what one user set is for that user alone."""

verbs = new_group("Settings, and where each comes from.")

SettingArgument = Annotated[str, typer.Argument(metavar="SETTING", help="Such as store; config list shows all.")]
Project = Annotated[
    bool, typer.Option("--project", help="In the project's gamcli.toml, not the user's file.", show_default=False)
]


@dataclass(frozen=True, slots=True)
class ListedSetting:
    """A setting as it stands."""

    name: str
    value: object


@dataclass(frozen=True, slots=True)
class ListedSettingWithOrigin:
    """A setting as it stands, and where that comes from."""

    name: str
    value: object
    origin: str


@verbs.command("list")
def list_(
    context: typer.Context,
    origin: Annotated[bool, typer.Option("--origin", help="Show where each comes from.", show_default=False)] = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """List all settings as they stand."""
    session = CliContext.from_typer(context)
    values = list(session.settings.all_values())
    if origin:
        session.output(output, field, ListedSettingWithOrigin).print_records(
            ListedSettingWithOrigin, [ListedSettingWithOrigin(*each) for each in values]
        )
    else:
        session.output(output, field, ListedSetting).print_records(
            ListedSetting, [ListedSetting(each.name, each.value) for each in values]
        )


@verbs.command()
def get(context: typer.Context, name: SettingArgument, output: Format = None, field: Field = None) -> None:
    """Print a setting as it stands."""
    session = CliContext.from_typer(context)
    found = session.settings.value(name)
    out = session.output(output, field, ListedSettingWithOrigin)
    if out.is_human:
        Output.print_line(str(found.value).lower() if isinstance(found.value, bool) else str(found.value))
    else:
        out.print_record(ListedSettingWithOrigin(*found))


@verbs.command("set")
def set_(
    context: typer.Context,
    name: SettingArgument,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Its value.", show_default=False)],
    project: Project = False,
    dry_run: DryRunOption = False,
) -> None:
    """Set a setting in the user's file; comments in it survive."""
    session = CliContext.from_typer(context)
    accepted = settings.parse_value(name, value)
    path = _config_path(session, project)

    def put(table: Any) -> object:  # noqa: ANN401 - tomlkit's table
        *groups, last = name.split(".")
        for group in groups:
            table = _require_toml_table(table.setdefault(group, {}), path)
        before = table.get(last)
        table[last] = accepted
        return before

    before = _edit_file(path, name, put, save=not dry_run)
    out = session.output()  # only now: what could not be read before may be mended
    if dry_run:
        _print_plan(out, name, before, accepted)
    else:
        out.print_note(f"set {name} in {path}")


@verbs.command()
def unset(
    context: typer.Context, name: SettingArgument, project: Project = False, dry_run: DryRunOption = False
) -> None:
    """Take a setting out of the user's file."""
    session = CliContext.from_typer(context)
    settings.find_setting(name)
    path = _config_path(session, project)

    def take(table: Any) -> object:  # noqa: ANN401 - tomlkit's table
        *groups, last = name.split(".")
        for group in groups:
            table = _require_toml_table(table.get(group, {}), path)
        return table.pop(last, None)

    before = _edit_file(path, name, take, save=not dry_run) if path.is_file() else None
    out = session.output()  # only now: what could not be read before may be mended
    if dry_run:
        _print_plan(out, name, before, None)
    else:
        out.print_note(f"{name} is not set in {path}" if before is None else f"took {name} out of {path}")


def _print_plan(out: Output, name: str, before: object, after: object) -> None:
    from gamcli.model.plan import CREATE, DELETE, UPDATE, Change, FieldChange, Plan  # noqa: PLC0415 - plans are rare

    action = CREATE if before is None else DELETE if after is None else UPDATE
    steps = () if before == after else (Change(action, "setting", name, (FieldChange("value", before, after),)),)
    out.print_plan(Plan.from_changes(steps, ()))


@verbs.command()
def path(context: typer.Context, project: Project = False) -> None:
    """Print the path of the user's file."""
    Output.print_line(str(_config_path(CliContext.from_typer(context), project)))


def _config_path(cli: CliContext, project: bool) -> Path:
    found = cli.settings
    return (found.project_path or Path.cwd() / settings.PROJECT_FILE) if project else found.user_path


def _require_toml_table(value: Any, path: Path) -> Any:  # noqa: ANN401 - tomlkit's table
    if not isinstance(value, dict):
        raise UsageError(f"{path}: '{value}' stands where a table should", "mend the file, or name another")
    return value


def _edit_file(path: Path, name: str, change: Callable[[Any], object], *, save: bool) -> object:
    """
    Apply `change` to the table [gamcli] of the file, `keep` what came of it, and return what `change` returned.

    What stands outside of the table under the `name` of the setting is taken away: there it never counted.
    """
    import tomlkit  # noqa: PLC0415 - only writing needs it
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415

    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.is_file() else tomlkit.document()
        stray = document.pop(name, None)
        found = change(_require_toml_table(document.setdefault(settings.TABLE, tomlkit.table()), path))
        if save:
            _write_atomically(path, tomlkit.dumps(document))
    except (UnicodeDecodeError, TOMLKitError) as error:
        raise UsageError(f"cannot read the config file {path}: {error}", "mend the file, or name another") from error
    except OSError as error:
        raise FailedError(f"cannot write {path}: {error.strerror}", "--config FILE names another") from error
    return stray if found is None else found


def _write_atomically(path: Path, text: str) -> None:
    """Write the file whole beside its place and rename it, so that it is never half there."""
    target = path.resolve()  # a link stays one
    files.make_directory(target.parent)
    beside = target.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(new_files.create_private_file(beside), "w", encoding="utf-8") as file:
        file.write(text)
    try:
        if target.exists():
            beside.chmod(stat.S_IMODE(target.stat().st_mode))
        elif path.name == settings.PROJECT_FILE:
            beside.chmod(PROJECT_FILE_MODE)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
