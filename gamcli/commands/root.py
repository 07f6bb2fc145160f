"""The root of the command line: its options, its nouns (each imported when it is called), and typer's own errors."""

import gc
import re
from collections.abc import Sequence
from copy import copy
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

from gamcli import __version__
from gamcli.commands import complete
from gamcli.commands.context import CliContext
from gamcli.errors import FailedError, UsageError
from gamcli.rules.names import closest_match

PROGRAM = "gamcli"


class Noun(NamedTuple):
    """A word after `gamcli`: the module of its verbs, what help says of it, and what they are called there."""

    module: str
    summary: str
    typer_name: str = "verbs"


NOUNS = {
    "quickstart": Noun("quickstart", "See the whole story happen, on a store of its own"),
    "init": Noun("init", "Create the store"),
    "auth-type": Noun("auth_types", "Authentication types"),
    "app": Noun("apps", "Applications: what they publish, whom they trust, their secrets"),
    "user": Noun("users", "Users and their fields"),
    "key": Noun("keys", "API keys: issue, list, doubt, revoke"),
    "token": Noun("tokens", "Access tokens that were issued"),
    "audit": Noun("audit", "The audit trail: who did what, when, from where"),
    "scope": Noun("scopes", "The scopes, and what each reveals"),
    "plan": Noun("provisioning", "What files in git would change", "plans"),
    "apply": Noun("provisioning", "Make the store as files in git say", "applies"),
    "drift": Noun("provisioning", "Whether the store still is as files in git say", "drifts"),
    "export": Noun("export", "Print what the store holds as a manifest"),
    "serve": Noun("serve", "Answer token requests over HTTP"),
    "run": Noun("run", "Run a program with a short-lived token instead of a key"),
    "try": Noun("try_", "Show one real exchange with an endpoint, and its curl lines"),
    "doctor": Noun("doctor", "What is commonly wrong, each with its mend"),
    "store": Noun("store", "The file of the store: facts, checks, backups, restoring"),
    "conformance": Noun("conformance", "Hold a server against the contract, row by row"),
    "scan": Noun("scan", "Find credentials that leaked: whose they are, whether they live"),
    "config": Noun("config", "Settings, and where each comes from"),
    "completion": Noun("completion", "Print the completion script of a shell"),
    "help": Noun("help", "Exit codes, environment, formats"),
}
"""Everything that gamcli can be asked for, in the order of help."""

# What typer says beyond the problem is our hint.
_FORMAT_ERROR = re.compile(r"'(env|github)' is not one of 'table'")
"""A format that is not of all commands, where a command does not have it."""

_TYPER_HINT = re.compile(r"\.? \(?((?:Did you mean|Choose from|Possible options)[^()]*)\)?$")


_NO_COMMAND = re.compile(r"No such command '([^']*)'")


class LazyGroup(TyperGroup):
    """Imports a noun when it is called, so that `key generate` does not pay for `serve`."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - typer's context
        """Return the nouns in the order of help."""
        return list(NOUNS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002 - as above
        """Return the command of a noun, or None when there is no such noun."""
        return _load_command(cmd_name, None) if cmd_name in NOUNS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - typer's own types
        """Find the noun; for an unknown one name the nearest."""
        if args and args[0] not in NOUNS and not args[0].startswith("-"):
            near = closest_match(args[0], NOUNS)
            raise UsageError(f"no command '{args[0]}'", f"did you mean {near}?" if near else f"{PROGRAM} --help")
        if args and args[0] in NOUNS:
            return args[0], _load_command(args[0], args[1] if len(args) > 1 else None), args[1:]
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - typer's own types
        """Write the nouns without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, noun.summary) for name, noun in NOUNS.items()])


def _load_command(noun: str, verb: str | None) -> Any:  # noqa: ANN401 - typer's own types
    """Return the command of a noun; of its verbs typer builds all that it is given, so it is given the one called."""
    verbs: typer.Typer = getattr(import_module(f"gamcli.commands.{NOUNS[noun].module}"), NOUNS[noun].typer_name)
    called = [each for each in verbs.registered_commands if _command_name(each) == verb]
    if called:
        verbs = copy(verbs)
        verbs.registered_commands, verbs.registered_groups = called, []
    found = typer.main.get_group(verbs) if called else typer.main.get_command(verbs)
    if not gc.isenabled():
        gc.freeze()  # what start-up made stays: looking through it takes as long as the command
        gc.enable()
    return found


def _command_name(command: Any) -> str:  # noqa: ANN401 - typer's own types
    return str(command.name or typer.main.get_command_name(command.callback.__name__))


app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,  # our own is faster: see completing
    rich_markup_mode=None,  # plain help costs a third
    pretty_exceptions_enable=False,  # a traceback that prints variables prints secrets
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from gamcli.render.output import Output  # noqa: PLC0415 - the fast path is in commands.main

        Output.print_line(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    store: Annotated[str | None, typer.Option(metavar="FILE", help="The file of the store.")] = None,
    config: Annotated[str | None, typer.Option(metavar="FILE", help="The user's config file.")] = None,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours.", show_default=False)] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only warnings and errors.", show_default=False)] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.", show_default=False),
    ] = False,
) -> None:
    """
    Administer API keys of GAM style applications, and answer for them.

    To begin: gamcli quickstart
    """
    del version
    if store == "":  # it would be the folder that we are in
        raise UsageError("--store names no file", "--store PATH, or leave it out")
    flags = {"store": store, "no_color": no_color or None, "quiet": quiet or None}
    context.obj = CliContext.from_flags(flags, config)
    if context.invoked_subcommand is None:
        from gamcli.commands import overview  # noqa: PLC0415 - start-up

        overview.show_store(context.obj)


def dispatch(arguments: Sequence[str]) -> int:
    """Run the command that `arguments` name; raises GamcliError for whatever goes wrong."""
    command = typer.main.get_command(app)
    try:
        with command.make_context(PROGRAM, list(arguments)) as context:
            command.invoke(context)
    except typer.Exit as done:
        return done.exit_code
    except typer.Abort as stopped:
        if isinstance(stopped.__context__, KeyboardInterrupt):  # typer makes one of Ctrl-C and of the end of input
            raise KeyboardInterrupt from stopped
        raise FailedError("nothing was done") from stopped
    except typer.TyperException as problem:
        raise _translate_error(problem, arguments) from problem
    return 0


def _translate_error(problem: Any, arguments: Sequence[str]) -> UsageError:  # noqa: ANN401 - typer's own errors
    whole = " ".join(problem.format_message().split()).removesuffix(".")
    advice = _TYPER_HINT.search(whole)
    message = whole[: advice.start()] if advice else whole
    if "unexpected extra argument" in message:
        message = message.partition(" (")[0]  # it may be a secret
    rows = complete.read_table()
    words, _, _ = complete.parse_words(rows, arguments)
    path = context.command_path if (context := getattr(problem, "ctx", None)) else f"{PROGRAM} {words}".strip()
    hint = (
        _pasted_key_hint(arguments)
        or _subcommand_hint(message, words, rows)
        or _format_hint(message, rows)
        or _option_position_hint(getattr(problem, "option_name", None), path, words, rows)
    )
    return UsageError(_lowercase_first(message), hint or (_lowercase_first(advice[1]) if advice else f"{path} --help"))


def _lowercase_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _pasted_key_hint(arguments: Sequence[str]) -> str | None:
    """Return where a whole API key belongs, which stands among the words of a command line, or None."""
    from gamcli.rules.credentials import Secret, parse_api_key_id  # noqa: PLC0415 - only errors need it

    if all(parse_api_key_id(Secret(word)) is None for word in arguments):
        return None
    return "a key is given with --api-key-file FILE; the one that was typed is in the history of the shell now"


def _subcommand_hint(message: str, words: str, rows: list[complete.CompletionRow]) -> str | None:
    """Return the verb that one which is not there is the beginning of, or None."""
    asked = _NO_COMMAND.fullmatch(message)
    verbs = {row.path.removeprefix(f"{words} ") for row in rows if row.path.startswith(f"{words} ")}
    near = closest_match(asked[1], sorted(verbs)) if asked else None
    return f"did you mean '{near}'?" if near else None


def _format_hint(message: str, rows: list[complete.CompletionRow]) -> str | None:
    """Return which commands have the format for credentials that one has not, or None."""
    asked = _FORMAT_ERROR.search(message)
    if asked is None:
        return None
    having = [row.path for row in rows if row.text == "--output" and asked[1] in row.metavar.split("|")]
    return f"-o {asked[1]} goes with: {', '.join(having)}"


def _option_position_hint(option: str | None, path: str, words: str, rows: list[complete.CompletionRow]) -> str | None:
    """Return where an option belongs that was typed too early or too late, or None."""
    places = {f"{PROGRAM} {row.path}".strip(): row for row in rows if row.text == option}
    if path in places:
        return None
    if PROGRAM in places:
        given = f"{option} {places[PROGRAM].metavar}".strip()
        return f"{option} comes before the command: {PROGRAM} {given} {words or '...'}"
    if any(place.startswith(f"{path} ") for place in places):
        return f"{option} comes after the command: {PROGRAM} {words or '...'} {option}"
    return None
