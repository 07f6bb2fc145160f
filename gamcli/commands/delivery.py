"""How a new secret reaches whoever asked for it: alone on stdout, in the record, or in a file of its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gamcli.actions.changes import Keep, keep_nowhere
from gamcli.errors import ConflictError, FailedError, command
from gamcli.model import App, Key
from gamcli.render.output import Output
from gamcli.rules.credentials import Secret


@contextmanager
def place(path: str | None, *, dry_run: bool = False) -> Iterator[Keep]:
    """
    Open a new file of mode 0600 for a secret and yield what writes it there, synced; without a path, nothing.

    A dry run makes no file.

    Raises ConflictError when the file is there already. A file that got no secret is taken away again.
    """
    if path is not None and dry_run and Path(path).exists():
        raise _taken(path)
    if path is None or dry_run:
        yield keep_nowhere
        return
    descriptor = _opened(path)
    kept = False

    def keep(secret: Secret) -> None:
        nonlocal kept
        try:
            os.write(descriptor, f"{secret.reveal()}\n".encode())
            os.fsync(descriptor)
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


def _opened(path: str) -> int:
    try:
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError as error:
        raise _taken(path) from error
    except OSError as error:
        raise FailedError(f"cannot make the file {path}: {error.strerror}", "--out takes a new file") from error


def _taken(path: str) -> ConflictError:
    return ConflictError(f"the file {path} is there already", "--out takes a new file")


def answer(out: Output, record: object, issued: tuple[str, Secret | None], told: str, path: str | None) -> None:
    """Show `record` and the secret `issued` with it, under its field's name; what lies in a file is not shown too."""
    name, secret = issued
    if path is not None and secret is not None:
        out.note(f"{told}; the secret is in {path}")
    elif secret is None:
        out.changed(record, told)
    else:
        _show(out, record, (name, secret), told)
        if out.field not in (None, name):
            out.warn(f"the secret itself was not shown and is lost; next time: --field {name}, or --out FILE")


def _show(out: Output, record: object, issued: tuple[str, Secret], told: str) -> None:
    name, secret = issued
    try:
        out.issued(record, name, secret.reveal(), f"{told}; keep the secret now, it is not shown again")
        out.flush()
    except OSError as error:
        again = command("app", "rotate-secret", record.name) if isinstance(record, App) else _revoking(record)
        raise FailedError(f"{told}, but its secret could not be written: {error.strerror}", again) from error


def _revoking(record: object) -> str:
    assert isinstance(record, Key)
    return command("key", "revoke", record.id)
