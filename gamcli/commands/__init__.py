"""
The command line: parse, call one action, show the result; a file a noun.

`main` is the one edge to the shell. What `--version` and completion need is answered here before typer is imported,
since start-up is a feature.
"""

import gc
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from gamcli import __version__, errors
from gamcli.render.text import print_line

EXIT_CODES = {
    0: "done",
    1: "failed for another reason; `doctor` found something wrong",
    2: "wrong usage, or a value that cannot be",
    3: "not found",
    4: "refused: a rule said no; `key verify` of a key that may not be used",
    5: "conflict: already there, or the change would kill live keys and nobody accepted that",
    6: "changes pending: `drift`, `plan --exit-code`",
    7: "attention due: `key due` found keys to rotate, `scan` a credential that lives, or may, "
    "`conformance` a row that differs",
    8: "the store is missing, busy, damaged, or of a newer version; its audit trail was tampered with",
    127: "the program behind `--` cannot be found; else `serve -- CMD` and `run -- CMD` end with its own code",
    130: "interrupted",
}
"""What gamcli answers to the shell; `gamcli help exit-codes` prints it."""

EXIT_CODE_BY_ERROR = {
    errors.UsageError: 2,
    errors.NotFoundError: 3,
    errors.RefusedError: 4,
    errors.ConflictError: 5,
    errors.StoreError: 8,
    errors.FailedError: 1,
}
"""The exit code of each kind of error, those below it included."""

INTERRUPTED = 130


def entry_point() -> None:
    """Run the program `gamcli`."""
    gc.disable()  # nothing that start-up makes is garbage; `root` turns it on again
    _prepare_streams()
    code = main()
    sys.stderr.flush()
    os._exit(code)  # what Python would tidy up for a tenth of the run, the system takes back anyway


def _prepare_streams() -> None:
    """Speak UTF-8 whatever the locale; a stream that came closed is empty, takes no data, or talks to nowhere."""
    for number, (name, flag) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:  # its number would go to the next file that is opened: the store
            assert os.open(os.devnull, os.O_WRONLY if name == "stderr" else os.O_RDONLY) == number
            setattr(sys, name, open(number, flag, encoding="utf-8"))  # noqa: PTH123, SIM115 - for good
    for stream, mistakes in ((sys.stdin, "strict"), (sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=mistakes)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's own) and return its exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        code = _run_command(arguments)
        sys.stdout.flush()
    except errors.GamcliError as error:
        code = exit_code(error)
        _report_error(error, arguments)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        code = 0
        _discard_stdout()
    except OSError as error:
        code = 1
        _discard_stdout()
        reason = error.strerror or str(error)
        _report_error(errors.FailedError(reason[:1].lower() + reason[1:], "the output could not be written"), arguments)
    return code


def _run_command(arguments: list[str]) -> int:
    if arguments == ["--version"]:
        print_line(f"gamcli {__version__}")
        return 0
    if arguments[:1] == ["__complete"]:
        from gamcli.commands import complete  # noqa: PLC0415 - start-up

        return complete.print_completions(arguments[1:])
    from gamcli.commands import root  # noqa: PLC0415 - start-up

    return root.dispatch(arguments)


def _report_error(error: errors.GamcliError, arguments: Sequence[str]) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415 - start-up

    from gamcli.render import output  # noqa: PLC0415 - start-up

    error.hint = output.add_global_options(error.hint, store_options(arguments)) if error.hint else None
    output.print_error(error, datetime.now(UTC), as_json=wants_json(arguments))


def store_options(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the words that name the store and the config file: what a hint must say too, to mean the same."""
    named = ("--store", "--config")
    found: tuple[str, ...] = ()
    for word, value in zip(arguments, [*arguments[1:], ""], strict=True):
        if word in named:
            found += (word, value)
        elif word.startswith(tuple(f"{name}=" for name in named)):
            found += (word,)
    return found


def exit_code(error: errors.GamcliError) -> int:
    """Return the exit code of an error."""
    return next(EXIT_CODE_BY_ERROR[kind] for kind in type(error).__mro__ if kind in EXIT_CODE_BY_ERROR)


def wants_json(arguments: Sequence[str]) -> bool:
    """Say whether the command line asks for JSON, even when it cannot be parsed."""
    pairs = zip(arguments, [*arguments[1:], ""], strict=True)
    asked = [value for word, value in pairs if word in ("-o", "--output")]
    asked += [word.partition("=")[2] for word in arguments if word.startswith("--output=")]
    asked += [word[2:] for word in arguments if word.startswith("-o") and len(word) > len("-o")]
    return (asked[-1] if asked else os.environ.get("GAMCLI_OUTPUT", "")) in ("json", "jsonl")


def _discard_stdout() -> None:
    """Leave the rest of the output to nobody: its reader has what it wanted, or it cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
