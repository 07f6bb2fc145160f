"""Usage errors: the problem in plain words, and what was probably meant as the hint. Imported only for errors."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gamcli.commands import complete, store_options
from gamcli.commands.complete import CompletionRow
from gamcli.errors import UsageError, command
from gamcli.rules.credentials import Secret, parse_api_key_id
from gamcli.rules.names import closest_match

PROGRAM = "gamcli"

_TYPER_HINT = r"\.? \(?((?:Did you mean|Choose from|Possible options)[^()]*)\)?$"
_NO_COMMAND = r"No such command '([^']*)'"
_NO_OPTION = r"No such option: (-\S+)"
_NO_VALUE = r"Option '(--\S+)' requires an argument"
_EXTRA_ARGUMENT = "unexpected extra argument"
_FORMAT_ERROR = r"'(env|github)' is not one of 'table'"
"""The error for a format that only some commands have."""

MAX_SUGGESTIONS = 3

SYNONYMS = {
    "add": "create", "new": "create", "rm": "delete", "remove": "delete", "del": "delete", "ls": "list",
    "get": "show", "info": "show", "describe": "show", "edit": "update", "set": "update",
}  # fmt: skip
"""Verbs that other programs have, and ours."""

KEY_SYNONYMS = {"create": "generate", "issue": "generate", "delete": "revoke"}
"""The verbs of keys that the other nouns have."""

OPTION_SYNONYMS = {
    "--force": ("--yes", "--accept-invalidating N"), "-f": ("--yes", "--accept-invalidating N"),
    "--yes": ("--accept-invalidating N",), "-y": ("--yes", "--accept-invalidating N"),
    "--ttl": ("--expires-in DURATION",), "--json": ("--output json",), "--csv": ("--output csv",),
    "--format": ("--output FORMAT",), "--file": ("--from FILE", "--api-key-file FILE"),
    "--last": ("--limit N",), "--from": ("--since TIME",), "--after": ("--since TIME",), "--before": ("--until TIME",),
}  # fmt: skip
"""Options that other programs have, and ours, of which a command has some."""

TOKEN_FILTERS = {"--user": "USER", "--app": "APP", "--key": "KEY"}
"""The options that select several tokens, and the metavars of their values."""


def unknown_command(words: Sequence[str], nouns: Sequence[str]) -> UsageError:
    """Return the error for a first word that is not a command; it may be the verb of one."""
    rows = complete.read_table()
    verb = words[0]
    verbs = {row.path: _translate_verb(verb, row.path) for row in rows}
    having = list(dict.fromkeys(row.path for row in rows if row.path in nouns and row.text == verbs[row.path]))
    named = [noun for noun in having if noun in [word.removesuffix("s") for word in words[1:2]]]
    near = closest_match(verb, nouns)
    if any(row.path == "" and row.text == f"--{verb}" for row in rows):
        hint = f"{PROGRAM} --{verb}"
    elif named or 0 < len(having) <= MAX_SUGGESTIONS:
        hint = ", or ".join(command(noun, verbs[noun]) for noun in named or having)
    else:
        hint = f"did you mean {near}?" if near else f"{PROGRAM} --help"
    return UsageError(f"unknown command '{verb}'", hint)


def translate_error(problem: Any, arguments: Sequence[str]) -> UsageError:  # noqa: ANN401 - typer's own errors
    text = " ".join(problem.format_message().split()).removesuffix(".")
    advice = re.search(_TYPER_HINT, text)
    message = text[: advice.start()] if advice else text
    rows = complete.read_table()
    words, _, _ = complete.parse_words(rows, arguments)
    path = context.command_path if (context := getattr(problem, "ctx", None)) else f"{PROGRAM} {words}".strip()
    own_rows = [row for row in rows if row.path == words]
    hint = (
        _pasted_key_hint(arguments)
        or _key_file_hint(message, words)
        or _subcommand_hint(message, words, rows)
        or _format_hint(message, rows)
        or _option_position_hint(getattr(problem, "option_name", None), path, words, rows)
        or _value_hint(message, path, own_rows)
        or _token_filter_hint(message, words, arguments)
        or _option_hint(message, path, own_rows)
        or _help_hint(message, arguments, words, rows)
        or _status_hint(message, path, own_rows)
        or (_lowercase_first(advice[1]) if advice else None)
        or _argument_hint(message, path, own_rows, arguments)
        or _missing_option_hint(message, own_rows)
        or f"{path} --help"
    )
    if _EXTRA_ARGUMENT in message:  # the argument may be a secret
        message = "too many arguments"
    return UsageError(_lowercase_first(_describe_number(message)), hint)


def _lowercase_first(text: str) -> str:
    return text[:1].lower() + text[1:]


_OUT_OF_RANGE = r"(.*) is not in the range (?:(\d+)<=x<=|x>=(\d+))(\d*)"


def _describe_number(message: str) -> str:
    """Return typer's message about a number, with its limits as people write them."""
    found = re.fullmatch(_OUT_OF_RANGE, message)
    if found is None:
        return re.sub(r"is not a valid int(?: range)?$", "is not a whole number", message)
    problem, first, only_first, last = found.groups()
    return f"{problem} is not {only_first} or more" if only_first else f"{problem} is not between {first} and {last}"


def _pasted_key_hint(arguments: Sequence[str]) -> str | None:
    if all(parse_api_key_id(Secret(word)) is None for word in arguments):
        return None
    return "use --api-key-file FILE; the API key that you typed is now in your shell history"


def _key_file_hint(message: str, words: str) -> str | None:
    """Return how to name a key to the commands that need the whole key."""
    takes_file = words in ("key import", "key verify", "key inspect") and _EXTRA_ARGUMENT in message
    return command(*words.split(), "--api-key-file", "FILE") if takes_file else None


def key_path_hint(message: str, arguments: Sequence[str]) -> str | None:
    """Return how to pass a file to a command that took its path as the ID of a key, or None."""
    files = [word for word in arguments if message == f"no key with ID '{word}'" and Path(word).is_file()]
    if not files:
        return None
    rows = complete.read_table()
    words, _, _ = complete.parse_words(rows, arguments)
    takes_file = any(row.path == words and row.text == "--api-key-file" for row in rows)
    return command(*(words.split() if takes_file else ("key", "inspect")), "--api-key-file", files[0])


def _translate_verb(verb: str, noun: str) -> str:
    known = SYNONYMS.get(verb, verb)
    return KEY_SYNONYMS.get(known, known) if noun == "key" else known


def _subcommand_hint(message: str, words: str, rows: list[CompletionRow]) -> str | None:
    """Return the subcommand that an unknown one stands for, or the closest one, or None."""
    unknown = re.fullmatch(_NO_COMMAND, message)
    if unknown is None:
        return None
    verbs = sorted({row.path.removeprefix(f"{words} ") for row in rows if row.path.startswith(f"{words} ")})
    known = _translate_verb(unknown[1], words)
    containing = [verb for verb in verbs if known in (verb, *verb.split("-"))]
    if containing:
        return command(*words.split(), containing[0])
    near = closest_match(unknown[1], verbs)
    return f"did you mean '{near}'?" if near else None


def _format_hint(message: str, rows: list[CompletionRow]) -> str | None:
    """Return the commands that have a format which this command does not have, or None."""
    wrong = re.search(_FORMAT_ERROR, message)
    if wrong is None:
        return None
    commands = [row.path for row in rows if row.text == "--output" and wrong[1] in row.metavar.split("|")]
    return f"commands with -o {wrong[1]}: {', '.join(commands)}"


def _missing_option_hint(message: str, own_rows: list[CompletionRow]) -> str | None:
    """Return the required option with the name of its value and its help, or None."""
    options = {row.text: row for row in own_rows if row.text.startswith("--")}
    missing = options.get(message.removeprefix("Missing option '").removesuffix("'"))
    return f"{missing.text} {missing.metavar}: {_lowercase_first(missing.help).removesuffix('.')}" if missing else None


def _value_hint(message: str, path: str, own_rows: list[CompletionRow]) -> str | None:
    """Return an option that was typed without its value, with the name of the value, or None."""
    option = re.fullmatch(_NO_VALUE, message)
    metavars = [row.metavar for row in own_rows if option and row.text == option[1] and "|" not in row.metavar]
    return f"{path} {option[1]} {metavars[0]}" if option and metavars else None


def _option_position_hint(option: str | None, path: str, words: str, rows: list[CompletionRow]) -> str | None:
    """Return where an option belongs that was typed too early or too late, or None."""
    places = {f"{PROGRAM} {row.path}".strip(): row for row in rows if row.text == option}
    if path in places:
        return None
    if PROGRAM in places:
        usage = f"{option} {places[PROGRAM].metavar}".strip()
        return f"{option} comes before the command: {PROGRAM} {usage} {words or '...'}"
    if any(place.startswith(f"{path} ") for place in places):
        return f"{option} comes after the command: {PROGRAM} {words or '...'} {option}"
    return None


def _option_hint(message: str, path: str, own_rows: list[CompletionRow]) -> str | None:
    """Return what an unknown option stands for: another option, an argument, or an option that begins with it."""
    unknown = re.fullmatch(_NO_OPTION, message)
    if unknown is None:
        return None
    option = unknown[1]
    options = [row.text for row in own_rows if row.text.startswith("--")]
    for synonym in OPTION_SYNONYMS.get(option, ()):
        if synonym.split()[0] in options:
            return f"use {synonym}"
    if any(row.text.startswith("<") and row.metavar == option.removeprefix("--").upper() for row in own_rows):
        return _usage(path, own_rows)
    if option == "--out":
        return "use > FILE"
    begun = [each for each in options if len(option) == len("-u") and each.startswith(f"-{option}")]
    return f"possible options: {', '.join(sorted(begun))}" if 0 < len(begun) <= MAX_SUGGESTIONS else None


def _token_filter_hint(message: str, words: str, arguments: Sequence[str]) -> str | None:
    """Return how to revoke all tokens of a user, an application or a key, or None."""
    unknown = re.fullmatch(_NO_OPTION, message)
    if words != "token revoke" or unknown is None or unknown[1] not in TOKEN_FILTERS:
        return None
    found = command("token", "list", unknown[1], TOKEN_FILTERS[unknown[1]], "--status", "active", "--field", "id")
    return f"{found} | xargs -n 1 {command(*store_options(arguments), 'token', 'revoke')}"


def _help_hint(message: str, arguments: Sequence[str], words: str, rows: list[CompletionRow]) -> str | None:
    """Return the help of the command after `gamcli help`, which shows pages of the manual, or None."""
    if words != "help" or _EXTRA_ARGUMENT not in message:
        return None
    asked, _, _ = complete.parse_words(rows, [word for word in arguments if word != "help"])
    return f"{PROGRAM} {asked} --help" if asked else None


def _argument_hint(message: str, path: str, own_rows: list[CompletionRow], arguments: Sequence[str]) -> str | None:
    """
    Return how a command that got too many or too few arguments is used, or None.

    In `plan --owner FILE`, the option took the last argument as its value, which the hint shows.
    """
    if message.startswith("Missing argument"):
        metavars = {row.text: row.metavar for row in own_rows if row.text.startswith("--") and "|" not in row.metavar}
        option = next(iter(arguments[-2:-1]), "")
        return _usage(f"{path} {option} {metavars[option]}" if metavars.get(option) else path, own_rows)
    return _usage(path, own_rows) if _EXTRA_ARGUMENT in message else None


def _usage(path: str, own_rows: list[CompletionRow]) -> str:
    """Return a command with its arguments, or with its options for a user and an application, or its help."""
    arguments = [row.metavar for row in own_rows if row.text.startswith("<")]
    options = [f"{row.text} {row.metavar}" for row in own_rows if row.text in ("--user", "--app")]
    return " ".join([path, *(arguments or options or ["--help"])])


def _status_hint(message: str, path: str, own_rows: list[CompletionRow]) -> str | None:
    """Return the option that selects keys by what tables show as their status, or None."""
    wrong = re.search(r"'--status': '(\w+)' is not one of", message)
    return f"{path} --{wrong[1]}" if wrong and any(row.text == f"--{wrong[1]}" for row in own_rows) else None
