"""`gamcli config`: settings and where they come from."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from gamcli.commands import config_files, settings
from gamcli.commands.context import CliContext
from gamcli.commands.options import DryRunOption, ListOptions, PrintOptions, Run, argument, flag, new_group
from gamcli.errors import FailedError, UsageError
from gamcli.render.output import Output
from gamcli.store.sqlite import files
from gamcli.system import new_files

PROJECT_FILE_MODE = 0o644
"""A project file can be read by everyone; a new file of the user only by the user."""

verbs = new_group("Show and change settings.")

SettingArgument = Annotated[str, argument("SETTING", "Setting, such as store; `gamcli config list` shows all.")]
Project = Annotated[bool, flag("Use the project's gamcli.toml instead of the user's file.", "--project")]


@dataclass(frozen=True, slots=True)
class ListedSetting:
    """A setting and its value."""

    name: str
    value: object


@dataclass(frozen=True, slots=True)
class ListedSettingWithOrigin:
    """A setting, its value and its source."""

    name: str
    value: object
    origin: str


@verbs.command("list")
def list_(
    origin: Annotated[bool, flag("Show the source of each value.", "--origin")] = False, *, run: ListOptions
) -> None:
    """List all settings and their values."""
    rows = [ListedSettingWithOrigin(name, *next(run.cli.settings.sources(name))) for name in settings.SETTINGS]
    if origin:
        run.make_output(ListedSettingWithOrigin, wraps=True).print_records(ListedSettingWithOrigin, rows)
    else:
        out = run.make_output(ListedSetting, wraps=True)
        out.print_records(ListedSetting, [ListedSetting(row.name, row.value) for row in rows])


@verbs.command()
def get(name: SettingArgument, run: PrintOptions) -> None:
    """Print the value of a setting."""
    value, origin = next(run.cli.settings.sources(name))
    out = run.make_output(ListedSettingWithOrigin)
    if out.is_human:
        Output.print_line(str(value).lower() if isinstance(value, bool) else str(value))
    else:
        out.print_record(ListedSettingWithOrigin(settings.find_setting(name).name, value, origin))


@verbs.command("set")
def set_(
    name: SettingArgument,
    value: Annotated[str, argument("VALUE", "New value.")],
    project: Project = False,
    dry_run: DryRunOption = False,
    *,
    run: Run,
) -> None:
    """Change a setting in the user's config file; comments are kept."""
    after = settings.parse_value(name, value)
    name, path, before = _change(run.cli, name, after, project=project, save=not dry_run)
    out = run.cli.output()  # only now, since this change may have fixed an invalid file
    if dry_run:
        _print_plan(out, name, before, after)
    else:
        out.print_note(f"set {name} in {path}")


@verbs.command()
def unset(name: SettingArgument, project: Project = False, dry_run: DryRunOption = False, *, run: Run) -> None:
    """Remove a setting from the user's config file."""
    name, path, before = _change(run.cli, name, None, project=project, save=not dry_run)
    out = run.cli.output()  # only now, since this change may have fixed an invalid file
    if dry_run:
        _print_plan(out, name, before, None)
    else:
        out.print_note(f"{name} is not set in {path}" if before is None else f"removed {name} from {path}")


def _change(cli: CliContext, name: str, after: object, *, project: bool, save: bool) -> tuple[str, Path, object]:
    """Set a setting, or remove it when `after` is None; return its name, the file, and the value before."""
    name, *earlier_names = settings.find_setting(name).names
    *groups, last = name.split(".")
    path = _config_path(cli, project)

    def edit(table: Any) -> object:  # noqa: ANN401 - tomlkit's table
        for group in groups:
            found = table.get(group, {}) if after is None else table.setdefault(group, {})
            table = _require_toml_table(found, path)
        earlier = [table.pop(each.rpartition(".")[2], None) for each in earlier_names]
        before = next((value for value in (table.get(last), *earlier) if value is not None), None)
        if after is None:
            table.pop(last, None)
        else:
            table[last] = after
        return before

    before = _edit_file(path, name, edit, save=save) if after is not None or path.is_file() else None
    return name, path, before


def _print_plan(out: Output, name: str, before: object, after: object) -> None:
    from gamcli.model.plan import CREATE, DELETE, UPDATE, Change, FieldChange, Plan  # noqa: PLC0415 - plans are rare

    action = CREATE if before is None else DELETE if after is None else UPDATE
    changes = () if before == after else (Change(action, "setting", name, (FieldChange("value", before, after),)),)
    out.print_plan(Plan.from_changes(changes, ()))


@verbs.command()
def path(project: Project = False, *, run: Run) -> None:
    """Print the path of the user's config file."""
    Output.print_line(str(_config_path(run.cli, project)))


def _config_path(cli: CliContext, project: bool) -> Path:
    if not project:
        return cli.settings.user_path
    path = cli.settings.project_path
    if path is not None:
        config_files.require_own_project_file(path)
    return path or Path.cwd() / settings.PROJECT_FILE


def _require_toml_table(value: Any, path: Path) -> Any:  # noqa: ANN401 - tomlkit's table
    if not isinstance(value, dict):
        raise UsageError(f"{path}: '{value}' is not a table", "fix the file, or use another with --config FILE")
    return value


def _edit_file(path: Path, name: str, change: Callable[[Any], object], *, save: bool) -> object:
    """
    Apply `change` to the table [gamcli] of the file, and return its result.

    A setting of that `name` outside the table is removed, since it is ignored there.
    """
    import tomlkit  # noqa: PLC0415 - only writing needs it
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415

    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8-sig")) if path.is_file() else tomlkit.document()
        outside = document.pop(name, None)
        result = change(_require_toml_table(document.setdefault(config_files.TABLE, tomlkit.table()), path))
        if save:
            _write_file(path, tomlkit.dumps(document))
    except (ValueError, TOMLKitError, RecursionError) as error:
        reason = config_files.describe_read_error(error)
        raise UsageError(f"cannot read the config file {path}: {reason}", config_files.FIX_HINT) from error
    except OSError as error:
        raise FailedError(f"cannot write {path}: {error.strerror}", "use another file with --config FILE") from error
    return outside if result is None else result


def _write_file(path: Path, text: str) -> None:
    target = Path(os.path.realpath(path))  # keeps a symbolic link
    files.make_directory(target.parent)
    with new_files.replacing(target, text) as new:
        if target.exists():
            new.chmod(stat.S_IMODE(target.stat().st_mode))
        elif path.name == settings.PROJECT_FILE:
            new.chmod(PROJECT_FILE_MODE)
