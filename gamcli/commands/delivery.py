"""
How a new secret reaches whoever asked for it: on stdout, in a file of its own, or as the outputs of a GitHub step.

A file gets it within the transaction that makes it: both are kept, or neither. What stdout gets follows that, so that
a secret on stdout is one that counts; whether anybody takes it there is found out before, as far as it can be.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from gamcli.actions.changes import SaveSecret, discard_secret
from gamcli.errors import ConflictError, FailedError, UsageError, command
from gamcli.model import App, Key
from gamcli.render.output import Output
from gamcli.rules.credentials import Secret

RecordWithSecret = App | Key
"""Records that come with credentials."""

AppendOutputs = Callable[[Sequence[Secret], Sequence[tuple[str, str]]], None]
"""Masks secrets in the log of a step, then appends names and values to its outputs."""


@contextmanager
def open_destination(out: Output, path: str | None, *, dry_run: bool = False) -> Iterator[SaveSecret[RecordWithSecret]]:
    """
    Yield what puts the secret of a record where it is to go: into the new file at `path`, or the outputs of a step.

    A dry run makes no file. Raises ConflictError when the file is there already, UsageError when there are no outputs
    to append to. What it yields raises FailedError when nobody takes what stdout is to get.
    """
    if out.format == "github":
        with _write_to_step_outputs(out, path) as keep:
            yield keep
    elif path is not None and dry_run and os.path.lexists(path):
        raise _file_exists_error(path)
    elif dry_run:
        yield discard_secret
    elif path is None:
        yield lambda *_: out.require_writable_stdout("--out FILE takes the secret too")
    else:
        with _write_to_file(out, path) as keep:
            yield keep


@contextmanager
def _write_to_step_outputs(out: Output, path: str | None) -> Iterator[SaveSecret[RecordWithSecret]]:
    if path is not None:
        raise UsageError("--out and -o github contradict each other", "leave --out out: $GITHUB_OUTPUT names the file")
    with open_step_outputs() as append:
        yield lambda record, secret: append([secret], out.client_variables(record, secret.reveal()))


@contextmanager
def _write_to_file(out: Output, path: str) -> Iterator[SaveSecret[RecordWithSecret]]:
    """Make a file of mode 0600; when it got no secret, or that never came to be, it is taken away again."""
    descriptor = _create_file(path)
    kept = False

    def keep(record: RecordWithSecret, secret: Secret) -> None:
        nonlocal kept
        name = "api_key" if isinstance(record, Key) else "client_secret"
        try:
            _write_all(descriptor, out.format_secret(record, name, secret.reveal()))
        except OSError as error:
            raise FailedError(f"cannot write {path}: {error.strerror}", "make room, or choose another file") from error
        kept = True

    try:
        yield keep
    except BaseException:
        kept = False
        raise
    finally:
        os.close(descriptor)
        if not kept:
            Path(path).unlink()


def _create_file(path: str) -> int:
    try:
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError as error:
        raise _file_exists_error(path) from error
    except OSError as error:
        raise FailedError(f"cannot make the file {path}: {error.strerror}", "--out takes a new file") from error


def _file_exists_error(path: str) -> ConflictError:
    return ConflictError(f"the file {path} is there already", "--out takes a new file")


def _write_all(descriptor: int, text: str) -> None:
    """Write all of `text`, and return once it is on disk."""
    rest = memoryview(text.encode())
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)


@contextmanager
def open_step_outputs() -> Iterator[AppendOutputs]:
    """
    Open the outputs of a GitHub step; what was appended is cut off again when it never came to be.

    The masks leave before any value is written. Raises UsageError when there is no file to append to.
    """
    path = os.environ.get("GITHUB_OUTPUT")
    if not path:
        raise UsageError("-o github needs the file that $GITHUB_OUTPUT names", "run it in a GitHub workflow")
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    except OSError as error:
        raise UsageError(f"cannot append to {path}: {error.strerror}", "$GITHUB_OUTPUT names it") from error
    before = os.fstat(descriptor).st_size

    def append(secrets: Sequence[Secret], found: Sequence[tuple[str, str]]) -> None:
        try:
            _print_masks(secrets)
            _write_all(descriptor, _missing_newline(path) + _format_outputs(found))
        except OSError as error:
            raise FailedError(f"cannot write {path}: {error.strerror}", "$GITHUB_OUTPUT names it") from error

    try:
        yield append
    except BaseException:
        with suppress(OSError):  # a pipe cannot take back what it has passed on
            os.ftruncate(descriptor, before)
        raise
    finally:
        os.close(descriptor)


def _print_masks(secrets: Sequence[Secret]) -> None:
    from gamcli.render import credentials  # noqa: PLC0415 - start-up: a secret alone needs no names

    try:
        for secret in secrets:
            Output.print_line(credentials.format_github_mask(secret.reveal()))
        Output.flush()
    except OSError as error:
        raise FailedError(f"cannot write to stdout: {error.strerror}", "the log must take the masks first") from error


def _format_outputs(variables: Sequence[tuple[str, str]]) -> str:
    from gamcli.render import credentials  # noqa: PLC0415 - start-up, as above

    return credentials.format_github_outputs(variables)


def _missing_newline(path: str) -> str:
    """Return the line end that somebody has left out at the end of the file."""
    with suppress(OSError), Path(path).open("rb") as file:
        if file.seekable() and file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            return "" if file.read(1) == b"\n" else "\n"
    return ""


def print_result(
    out: Output, record: RecordWithSecret, issued: tuple[str, Secret | None], message: str, path: str | None = None
) -> None:
    """Show `record` and the secret `issued` with it, under its field's name; what lies in a file is not shown too."""
    name, secret = issued
    if out.format == "github":
        _report_step_outputs(out, record, message, issued=secret is not None)
    elif path is not None and secret is not None:
        out.print_note(f"{message}; the secret is in {path}")
    elif secret is None:
        out.print_change(record, message)
    else:
        _print_issued(out, record, (name, secret), message)
        if out.field not in (None, name):
            out.print_warning(f"the secret itself was not shown and is lost; next time: --field {name}, or --out FILE")


def _report_step_outputs(out: Output, record: RecordWithSecret, message: str, *, issued: bool) -> None:
    """Tell where the secret went; without one, the step gets what there is to know."""
    if not issued:
        print_record(out, record)
    out.print_note(f"{message}; $GITHUB_OUTPUT has it")


def print_record(out: Output, record: RecordWithSecret) -> None:
    """Show a record whose secret is not known."""
    if out.format != "github":
        out.print_record(record)
        return
    with open_step_outputs() as append:
        append((), out.client_variables(record))


def _print_issued(out: Output, record: RecordWithSecret, issued: tuple[str, Secret], message: str) -> None:
    name, secret = issued
    try:
        out.print_secret(record, name, secret.reveal(), f"{message}; keep the secret now, it is not shown again")
    except OSError as error:
        again = command("app", "rotate-secret", record.name) if isinstance(record, App) else _revoke_command(record)
        raise FailedError(f"{message}, but its secret could not be written: {error.strerror}", again) from error


def _revoke_command(record: Key) -> str:
    return command("key", "revoke", record.id)
