"""
The output of `gamcli key rotate --due`: a CSV file that later runs continue, or a folder with a file for each new key.

A key is written before its transaction commits. So the last row of a file may have a key that was never saved; the next
run removes that row. In a folder a key has a name that ends in `.part` until the end of the run, or the next one.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gamcli.actions.changes import SaveSecret
from gamcli.bulk.results_file import create_file, lock_output, open_existing, require_private
from gamcli.bulk.results_folder import file_name
from gamcli.errors import ConflictError, FailedError
from gamcli.model import Key, format_rfc3339
from gamcli.render.csv_cells import escape_formula, format_row
from gamcli.rules.credentials import Secret
from gamcli.system.new_files import sync_folder, write_all

COLUMNS = ("id", "user", "app", "client_id", "api_key", "scopes", "expires_at", "replaces")
HEADER = f"{','.join(COLUMNS)}\n".encode()


PART = ".part"
"""The end of the name of a file whose key may not be saved yet."""


@contextmanager
def open_file(path: str, is_saved: Callable[[str], bool]) -> Iterator[SaveSecret[Key]]:
    """Open a new file, or one of an earlier run; `is_saved` says whether a key with that ID exists."""
    descriptor = open_existing(path)
    if descriptor is None:
        descriptor = create_file(path)
        sync_folder(Path(path).parent)
        os.write(descriptor, HEADER)
    else:
        lock_output(path, descriptor)
        require_private(path, os.fstat(descriptor))
        _remove_unsaved_row(path, descriptor, is_saved)
    try:
        os.lseek(descriptor, 0, os.SEEK_END)
        yield lambda key, secret: _write(path, descriptor, _csv_row(key, secret))
    finally:
        os.close(descriptor)


def _remove_unsaved_row(path: str, descriptor: int, is_saved: Callable[[str], bool]) -> None:
    data = Path(path).read_bytes()
    if not data.startswith(HEADER):
        raise ConflictError(f"the file {path} already exists", "use --out with a new file, or that of an earlier run")
    end = data.rfind(b"\n") + 1
    start = data.rfind(b"\n", 0, end - 1) + 1
    if start and not is_saved(data[start:end].decode().partition(",")[0]):
        end = start
    os.truncate(descriptor, end)


def _csv_row(key: Key, secret: Secret) -> bytes:
    expires_at = "" if key.expires_at is None else format_rfc3339(key.expires_at)
    names = escape_formula(key.user), escape_formula(key.app)
    row = (key.id, *names, key.client_id, secret.reveal(), "+".join(key.scopes), expires_at, key.replaces or "")
    return f"{format_row(row)}\n".encode()


@contextmanager
def open_folder(path: str, is_saved: Callable[[str], bool]) -> Iterator[SaveSecret[Key]]:
    """Open a folder, which is created if it is missing; each new key that is saved becomes a file with mode 0600."""
    folder = Path(path)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)
    except OSError as error:
        raise FailedError(f"cannot create {path}: {error.strerror}", "use --out-dir with another folder") from error

    def save(key: Key, secret: Secret) -> None:
        name = str(folder / f".{file_name(key.user, key.app, key.id)}{PART}")
        descriptor = create_file(name)
        try:
            _write(name, descriptor, f"{secret.reveal()}\n".encode())
        finally:
            os.close(descriptor)
        sync_folder(folder)

    _finish_files(folder, is_saved)
    try:
        yield save
    finally:
        _finish_files(folder, is_saved)


def _finish_files(folder: Path, is_saved: Callable[[str], bool]) -> None:
    """Give the files of saved keys their names, and delete those of keys that were never saved."""
    for part in folder.glob(f".*.key{PART}"):
        name = part.name.removeprefix(".").removesuffix(PART)
        if is_saved(name.removesuffix(".key").rpartition("-")[2]):
            part.rename(folder / name)
        else:
            part.unlink()
    sync_folder(folder)


def _write(path: str, descriptor: int, data: bytes) -> None:
    size_before = os.fstat(descriptor).st_size
    try:
        write_all(descriptor, data)
    except OSError as error:
        with suppress(OSError):
            os.truncate(descriptor, size_before)
        raise FailedError(
            f"cannot write {path}: {error.strerror}", "free some space, then run the same command again"
        ) from error
