"""The root command: its options, and the nouns, each imported when it is called."""

import gc
from collections.abc import Sequence
from copy import copy
from functools import cache, partial
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from gamcli import __version__
from gamcli.commands.command_help import GroupedCommand, check_path, expand_groups, require_option_values
from gamcli.commands.context import CliContext
from gamcli.commands.settings import Settings
from gamcli.errors import FailedError, UsageError
from gamcli.render.output import Output


class CommandEntry(NamedTuple):
    """
    A word after `gamcli`: its module in `commands`, its line in `gamcli --help`, the name of its Typer there.

    The verbs of `more_modules` are loaded only when `module` does not have the called one.
    """

    module: str
    summary: str
    typer_name: str = "verbs"
    more_modules: tuple[str, ...] = ()


NOUNS = {
    "quickstart": CommandEntry("quickstart", "Run the whole flow once, on a temporary store"),
    "init": CommandEntry("init", "Create the store"),
    "auth-type": CommandEntry("auth_types", "Manage authentication types"),
    "app": CommandEntry("apps", "Manage applications, their settings and client secrets"),
    "user": CommandEntry("users", "Manage users and their fields"),
    "key": CommandEntry(
        "keys",
        "Issue, list, rotate, verify and revoke API keys",
        more_modules=("key_import", "diagnosis", "key_changes", "key_rotation"),
    ),
    "token": CommandEntry("tokens", "List, revoke and prune access tokens"),
    "audit": CommandEntry("audit", "Show, verify and export the audit log"),
    "scope": CommandEntry("scopes", "List the scopes and their claims"),
    "plan": CommandEntry("provisioning", "Show what manifests would change", "plans"),
    "apply": CommandEntry("provisioning", "Change the store to match manifests", "applies"),
    "drift": CommandEntry("provisioning", "Check whether the store still matches manifests", "drifts"),
    "export": CommandEntry("export", "Print the store as a manifest"),
    "serve": CommandEntry("serve", "Serve the token endpoint over HTTP"),
    "run": CommandEntry("run", "Run a program with a short-lived access token instead of a key"),
    "try": CommandEntry("try_", "Exchange a key once and show the requests as curl commands"),
    "doctor": CommandEntry("doctor", "Diagnose common problems and suggest fixes"),
    "store": CommandEntry("store", "Inspect, check, back up and restore the store"),
    "conformance": CommandEntry("conformance", "Compare a server with the contract, request by request"),
    "scan": CommandEntry("scan", "Find leaked credentials in files, git history and streams"),
    "config": CommandEntry("config", "Show and change settings"),
    "completion": CommandEntry("completion", "Print the completion script of a shell"),
    "help": CommandEntry("help", "Show and search the manual"),
}
"""All nouns, in the order of `gamcli --help`."""


class LazyGroup(TyperGroup):
    """Imports a noun only when it is called, so that `key generate` does not load `serve`."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - typer's context
        return list(NOUNS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002 - as above
        return _load_command(cmd_name, None) if cmd_name in NOUNS else None

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's own types
        require_option_values(self.get_params(ctx), ctx, args)
        rest: list[str] = super().parse_args(ctx, args)
        return rest

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - typer's own types
        """Return the command of a noun; raises UsageError that suggests the closest match of an unknown one."""
        if args and args[0] not in NOUNS and not args[0].startswith("-"):
            from gamcli.commands import usage_errors  # noqa: PLC0415 - only errors need it

            raise usage_errors.unknown_command(args, [*NOUNS])
        if args and args[0] in NOUNS:
            command = _load_command(args[0], args[1] if len(args) > 1 else None)
            is_bare = len(args) == 1 and isinstance(command, TyperGroup) and not command.invoke_without_command
            return args[0], command, ["--help"] if is_bare else args[1:]
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - typer's own types
        with formatter.section("Commands"):
            formatter.write_dl([(name, f"{noun.summary}.") for name, noun in NOUNS.items()])


@cache
def _load_command(noun: str, verb: str | None) -> Any:  # noqa: ANN401 - typer's own types
    """Import a noun and build its command; of its verbs only the called one, since typer builds all that it gets."""
    entry = NOUNS[noun]
    verbs: typer.Typer = copy(getattr(import_module(f"gamcli.commands.{entry.module}"), entry.typer_name))
    called = [command for command in verbs.registered_commands if _command_name(command) == verb]
    if called:
        verbs.registered_commands = called
    else:
        verbs.registered_groups = []
        for module in entry.more_modules:
            verbs.add_typer(import_module(f"gamcli.commands.{module}").verbs)
    nested = (group.typer_instance for group in verbs.registered_groups)
    more = (info for group in nested if group for info in group.registered_commands)
    for info in (*verbs.registered_commands, *more):
        info.cls = GroupedCommand if info.cls is TyperCommand else info.cls
        info.callback = expand_groups(info.callback) if info.callback else None
    command = typer.main.get_group(verbs) if called else typer.main.get_command(verbs)
    if not gc.isenabled():
        gc.freeze()  # the objects of start-up stay; scanning them takes as long as the command
        gc.enable()
    return command


def _command_name(command: Any) -> str:  # noqa: ANN401 - typer's own types
    return str(command.name or typer.main.get_command_name(command.callback.__name__))


app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,  # ours is faster: see complete.py
    rich_markup_mode=None,  # rich makes help three times slower
    pretty_exceptions_enable=False,  # a traceback that prints variables prints secrets
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 250},
)


def _print_version(requested: bool) -> None:
    if requested:
        Output.print_line(f"gamcli {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    store: Annotated[str | None, typer.Option(metavar="FILE", help="Use this store: a file, or postgresql://…")] = None,
    store_url_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Read the URL of the store, with its password, from FILE.")
    ] = None,
    config: Annotated[str | None, typer.Option(metavar="FILE", help="Use this file as the user's config file.")] = None,
    no_color: Annotated[bool, typer.Option("--no-color", help="Do not use colors.", show_default=False)] = False,
    no_pager: Annotated[bool, typer.Option("--no-pager", help="Do not use a pager.", show_default=False)] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only warnings and errors.", show_default=False)] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.", show_default=False),
    ] = False,
) -> None:
    """
    Manage the API keys of GAM-style applications, and serve the token endpoint for them.

    To start: gamcli quickstart
    """
    del version
    for option, path in (("--store", store), ("--store-url-file", store_url_file), ("--config", config)):
        check_path(option, f"{option} FILE", path)
    if store and store_url_file:
        raise UsageError("--store and --store-url-file cannot be combined", "leave one of them out")
    flags: dict[str, object] = {"store": store, "store_url_file": store_url_file}
    flags |= {"no_color": no_color or None, "no_pager": no_pager or None, "quiet": quiet or None}
    context.obj = CliContext(Settings.from_flags(flags, config))
    context.call_on_close(partial(context.obj.pager.show, Output.print_notice))
    if context.invoked_subcommand is None:
        from gamcli.commands import overview  # noqa: PLC0415 - start-up

        overview.show_store(context.obj)


@cache
def _build_root_command() -> Any:  # noqa: ANN401 - typer's own types
    return typer.main.get_command(app)


def dispatch(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code; every failure is raised as GamcliError."""
    command = _build_root_command()
    try:
        with command.make_context("gamcli", list(arguments)) as context:
            command.invoke(context)
    except typer.Exit as done:
        return done.exit_code
    except typer.Abort as stopped:
        if isinstance(stopped.__context__, KeyboardInterrupt):  # typer raises Abort for Ctrl-C and for end of input
            Output.print_notice("nothing was changed")
            raise KeyboardInterrupt from stopped
        raise FailedError("no answer: nothing was changed") from stopped
    except typer.TyperException as problem:
        from gamcli.commands import usage_errors  # noqa: PLC0415 - only errors need it

        raise usage_errors.translate_error(problem, arguments) from problem
    return 0
