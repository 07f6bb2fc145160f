"""
Where a new secret goes: to stdout, to a new file, or to the outputs of a GitHub Actions step.

A file is written within the transaction that issues the secret: both are kept, or neither. Stdout is written after the
commit, so a printed secret is always valid; whether stdout can be written is checked before the change.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from gamcli.actions import Gam
from gamcli.actions.changes import SaveSecret, discard_secret
from gamcli.commands.options import IssueOptions
from gamcli.errors import FailedError, UsageError, command
from gamcli.model import App, Key
from gamcli.render.output import Output
from gamcli.rules.credentials import Secret
from gamcli.system.new_files import open_or_create, require_new, sync_folder, write_all

RecordWithSecret = App | Key
"""The records that have a secret."""

AppendOutputs = Callable[[Sequence[Secret], Sequence[tuple[str, str]]], None]
"""Masks secrets in the log of the step, then appends names and values to its outputs."""


@contextmanager
def open_destination(out: Output, path: str | None, *, dry_run: bool) -> Iterator[SaveSecret[RecordWithSecret]]:
    """
    Yield a function that saves the secret of a record: in the new file `path`, or in the outputs of the step.

    A dry run creates no file. Raises ConflictError when the file exists, UsageError when there are no outputs to append
    to. The function raises FailedError when stdout, which gets the secret later, cannot be written.
    """
    if out.format == "github":
        if path is not None:
            raise UsageError("--out and -o github cannot be combined", "-o github writes to the file of $GITHUB_OUTPUT")
        with open_step_outputs() as append:
            yield lambda record, secret: append([secret], out.client_variables(record, secret.reveal()))
    elif dry_run:
        if path is not None:
            require_new(path, "--out")
        yield discard_secret
    elif path is None:
        yield lambda *_: out.require_writable_stdout("use --out FILE to write the secret to a file")
    else:
        with _write_to_file(out, path) as save_secret:
            yield save_secret


@contextmanager
def open_for_issuing(run: IssueOptions, out: Output) -> Iterator[tuple[Gam, SaveSecret[RecordWithSecret]]]:
    """Open the store and the destination of a new secret."""
    with (
        run.open_for_change(out) as gam,
        open_destination(out, run.out_file, dry_run=run.dry_run) as save_secret,
    ):
        yield gam, save_secret


@contextmanager
def _write_to_file(out: Output, path: str) -> Iterator[SaveSecret[RecordWithSecret]]:
    """Create a file with mode 0600; remove it when no secret was written or the change failed."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        require_new(path, "--out")
        raise FailedError(
            f"cannot create {path}: {error.strerror}", "use --out with a file in an existing folder"
        ) from error
    is_written = False

    def save_secret(record: RecordWithSecret, secret: Secret) -> None:
        nonlocal is_written
        try:
            write_all(descriptor, out.format_secret(record, _secret_name(record), secret.reveal()).encode())
            sync_folder(Path(path).parent)
        except OSError as error:
            raise FailedError(
                f"cannot write {path}: {error.strerror}", "free some space, or choose another file"
            ) from error
        is_written = True

    try:
        yield save_secret
    except BaseException:
        is_written = False
        raise
    finally:
        os.close(descriptor)
        if not is_written:
            Path(path).unlink()


@contextmanager
def open_step_outputs() -> Iterator[AppendOutputs]:
    """
    Open the outputs of a GitHub Actions step; when the change fails, what was appended is truncated again.

    The masks are printed before any value is written. Raises UsageError when there is no file to append to.
    """
    from gamcli.render import credentials  # noqa: PLC0415 - start-up: most secrets go to stdout

    path = os.environ.get("GITHUB_OUTPUT")
    if not path:
        raise UsageError("-o github: $GITHUB_OUTPUT is not set", "run it in a step of a GitHub Actions workflow")
    try:
        descriptor = open_or_create(path, os.O_APPEND | os.O_WRONLY)
    except OSError as error:
        raise UsageError(f"cannot append to {path}: {error.strerror}", "check $GITHUB_OUTPUT") from error
    size_before = os.fstat(descriptor).st_size

    def append(secrets: Sequence[Secret], variables: Sequence[tuple[str, str]]) -> None:
        try:
            _print_masks([credentials.format_github_mask(secret.reveal()) for secret in secrets])
            write_all(descriptor, (_missing_newline(path) + credentials.format_github_outputs(variables)).encode())
        except OSError as error:
            raise FailedError(f"cannot write {path}: {error.strerror}", "check $GITHUB_OUTPUT") from error

    try:
        yield append
    except BaseException:
        with suppress(OSError):  # a pipe cannot be truncated
            os.ftruncate(descriptor, size_before)
        raise
    finally:
        os.close(descriptor)


def _print_masks(masks: Sequence[str]) -> None:
    try:
        for mask in masks:
            Output.print_line(mask)
        Output.flush()
    except OSError as error:
        raise FailedError(f"cannot write to stdout: {error.strerror}", "masks must be logged first") from error


def _missing_newline(path: str) -> str:
    """Return a line end when the last line of the file has none."""
    with suppress(OSError), Path(path).open("rb") as file:
        if file.seekable() and file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            return "" if file.read(1) == b"\n" else "\n"
    return ""


def print_result(
    out: Output, record: RecordWithSecret, secret: Secret | None, message: str, path: str | None = None
) -> None:
    """Print `record`, `message` and the new `secret`, unless it was written to a file."""
    name = _secret_name(record)
    if out.format == "github":
        if secret is None:
            print_record(out, record)
        out.print_note(f"{message}; written to $GITHUB_OUTPUT")
    elif path is not None and secret is not None:
        out.print_note(f"{message}; secret written to {path}")
    elif secret is None:
        out.print_change(record, message)
    else:
        try:
            out.print_secret(record, name, secret.reveal(), f"{message}; save the secret now; it is not shown again")
        except OSError as error:
            hint = (
                command("app", "rotate-secret", record.name, "--overlap", "0")
                if isinstance(record, App)
                else command("key", "revoke", record.id)
            )
            raise FailedError(f"{message}, but its secret could not be written: {error.strerror}", hint) from error
        if out.field not in (None, name):
            out.print_warning(f"the secret was not printed and is lost; next time use --field {name}, or --out FILE")


def print_record(out: Output, record: RecordWithSecret) -> None:
    """Print a record whose secret is not known."""
    if out.format != "github":
        out.print_record(record)
        return
    with open_step_outputs() as append:
        append((), out.client_variables(record))


def _secret_name(record: RecordWithSecret) -> str:
    return "api_key" if isinstance(record, Key) else "client_secret"
