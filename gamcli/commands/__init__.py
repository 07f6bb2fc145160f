"""
The command line: one module for each noun, which parses options, calls one action and prints the result.

`main` runs one command line. It answers `--version` and completion itself, before typer is imported, to start fast.
"""

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from itertools import pairwise

from gamcli import __version__, errors
from gamcli.render.text import print_line

EXIT_CODES = {
    0: "success",
    1: "failed for any other reason; `doctor` found a problem",
    2: "usage error or invalid value",
    3: "not found",
    4: "refused by a rule; `key verify` found that the key is not valid",
    5: "conflict: it already exists, or the change would invalidate active keys and was not confirmed",
    6: "changes pending: `drift`, `plan --exit-code`",
    7: "attention needed: `key due` found keys to rotate, `scan` a credential that is or may be active, "
    "`conformance` a difference",
    8: "the store is missing, busy, damaged or of a newer version, or its audit log was tampered with",
    127: "the program after `--` was not found; otherwise `serve -- CMD` and `run -- CMD` exit with the code of CMD",
    130: "interrupted",
}

EXIT_CODE_BY_ERROR = {
    errors.UsageError: 2,
    errors.NotFoundError: 3,
    errors.ProgramNotFoundError: 127,
    errors.RefusedError: 4,
    errors.ConflictError: 5,
    errors.StoreError: 8,
    errors.FailedError: 1,
}
"""The exit code of each error class; subclasses use that of the nearest base class."""

INTERRUPTED = 130


class StdoutError(OSError):
    """The output could not be written."""


class _Stdout(TextIOWrapper):
    """Raises StdoutError, so that another OSError is never taken for trouble with the output."""

    def write(self, text: str, /) -> int:
        with _report_output_errors():
            return super().write(text)

    def flush(self) -> None:
        with _report_output_errors():
            super().flush()


@contextmanager
def _report_output_errors() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StdoutError(error.errno, error.strerror) from error


def entry_point() -> None:
    """Run the program `gamcli`."""
    gc.disable()  # start-up creates no garbage; `root` enables it again
    _prepare_streams()
    code = main()
    sys.stderr.flush()
    os._exit(code)  # skips the interpreter's cleanup, a tenth of the run time; the system frees everything anyway


def _prepare_streams() -> None:
    """
    Set the standard streams to UTF-8, whatever the locale, and replace closed ones.

    A closed stdin reads as empty, a closed stdout fails when it is written, a closed stderr discards what it gets.
    """
    for number, (name, flag) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:  # or the store would be opened as this descriptor
            assert os.open(os.devnull, os.O_WRONLY if name == "stderr" else os.O_RDONLY) == number
            setattr(sys, name, open(number, flag, encoding="utf-8"))  # noqa: PTH123, SIM115 - stays open
    for stream, on_error in ((sys.stdin, "strict"), (sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=on_error)
    if isinstance(sys.stdout, TextIOWrapper):
        by_line, at_once = sys.stdout.line_buffering, sys.stdout.write_through
        sys.stdout = _Stdout(sys.stdout.detach(), "utf-8", "surrogateescape", None, by_line, at_once)
        sys.__stdout__ = sys.stdout  # type: ignore[misc] # shutil asks it for the width of the terminal


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: `sys.argv`) and return its exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        _require_readable_arguments(arguments)
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
        _report_error(_describe_os_error(error), arguments)
    return code


def _require_readable_arguments(arguments: Sequence[str]) -> None:
    """Raise UsageError for arguments that the system decoded with another encoding than that of most terminals."""
    encoding = sys.getfilesystemencoding()
    if encoding.lower() not in ("utf-8", "utf8") and not all(map(str.isascii, arguments)):
        raise errors.UsageError(
            f"the encoding of the locale, {encoding}, cannot represent arguments that are not ASCII",
            "use a UTF-8 locale, such as LC_ALL=C.UTF-8",
        )


def _describe_os_error(error: OSError) -> errors.FailedError:
    """Return the reason of the system, with stdout or the file that it names."""
    reason = error.strerror or str(error)
    reason = reason[:1].lower() + reason[1:]
    if isinstance(error, StdoutError):
        return errors.FailedError(f"cannot write to stdout: {reason}", "write the output to another file or disk")
    if isinstance(error, FileNotFoundError) and error.filename is None and not _has_working_directory():
        return errors.FailedError("the working directory no longer exists", "cd FOLDER")
    named = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    return errors.FailedError(f"{named}{reason}", None)


def _has_working_directory() -> bool:
    try:
        return bool(os.getcwd())  # noqa: PTH109 - start-up: pathlib is not imported
    except FileNotFoundError:
        return False


def _run_command(arguments: list[str]) -> int:
    if arguments == ["--version"]:
        print_line(f"gamcli {__version__}")
        return 0
    if arguments[:1] == ["__complete"]:
        from gamcli.commands import complete  # noqa: PLC0415 - start-up

        complete.print_completions(arguments[1:])
        return 0
    from gamcli.commands import root  # noqa: PLC0415 - start-up

    return root.dispatch(arguments)


def _report_error(error: errors.GamcliError, arguments: Sequence[str]) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415 - start-up

    from gamcli.render import errors as error_output  # noqa: PLC0415 - start-up
    from gamcli.render import output  # noqa: PLC0415 - start-up

    if isinstance(error, errors.StoreBusyError) and error.path is not None:
        from gamcli.system import open_processes  # noqa: PLC0415 - as above

        error.message = open_processes.name_other_processes(error.message, str(error.path))
    if isinstance(error, errors.NotFoundError):
        from gamcli.commands import usage_errors  # noqa: PLC0415 - as above

        error.hint = usage_errors.key_path_hint(error.message, arguments) or error.hint
    error.hint = output.add_global_options(error.hint, store_options(arguments)) if error.hint else None
    error_output.print_error(error, datetime.now(UTC), as_json=wants_json(arguments))


def store_options(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return `--store` and `--config` with their values, which the command in a hint must repeat."""
    names = ("--store", "--store-url-file", "--config")
    options: tuple[str, ...] = ()
    for word, value in pairwise([*arguments, ""]):
        if word in names:
            options += (word, value)
        elif word.startswith(tuple(f"{name}=" for name in names)):
            options += (word,)
    return options


def exit_code(error: errors.GamcliError) -> int:
    return next(EXIT_CODE_BY_ERROR[kind] for kind in type(error).__mro__ if kind in EXIT_CODE_BY_ERROR)


def wants_json(arguments: Sequence[str]) -> bool:
    """Say whether the command line or a setting asks for JSON, even when the command line cannot be parsed."""
    words = arguments[: arguments.index("--")] if "--" in arguments else arguments
    formats = [value for word, value in pairwise([*words, ""]) if word in ("-o", "--output")]
    formats += [word.partition("=")[2] for word in words if word.startswith("--output=")]
    formats += [word[2:] for word in words if word.startswith("-o") and len(word) > len("-o")]
    return (formats[-1] if formats else _configured_format(words)) in ("json", "jsonl")


def _configured_format(arguments: Sequence[str]) -> str:
    from gamcli.commands import complete, settings  # noqa: PLC0415 - start-up

    try:
        return str(settings.Settings.from_flags({}, complete.option_value(arguments, "--config")).value("output"))
    except errors.GamcliError:  # the settings may be what is reported
        return "table"


def _discard_stdout() -> None:
    """Send the rest of the output to the null device: its reader is gone, or it cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
