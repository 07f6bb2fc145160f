"""Create and replace files atomically; without another mode, they are readable only by their owner."""

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gamcli.errors import ConflictError, FailedError

_TEMPORARY_NAME = r"\..+\.([0-9]+)\.gamcli\.part"


def require_new(path: str, option: str) -> None:
    """Raise ConflictError when `path` exists."""
    if os.path.lexists(path):
        raise ConflictError(f"the file {path} already exists", f"use {option} with a new file")


def write_new_file(path: str, text: str, option: str, *, overwrite: bool = False) -> None:
    """
    Write `text` to a new file of mode 0600, atomically, and sync it and its folder to disk.

    Raises ConflictError when `path` exists, unless `overwrite` is set, and FailedError when it cannot be written.
    """
    target = Path(path)
    part = target.parent / f".{target.name}.{os.getpid()}.gamcli.part"  # `with_name` refuses "." and "/"
    try:
        _remove_leftovers(target.parent)
        _write_and_sync(part, text)
        try:
            if overwrite:
                _rename(part, target)
            else:
                os.link(part, target)
        except OSError:  # it exists, or this file system has no hard links
            require_new(path, option)
            part.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        raise FailedError(f"cannot write {path}: {error.strerror}", f"use {option} with another file") from error
    finally:
        with suppress(OSError):
            part.unlink()


def _remove_leftovers(folder: Path) -> None:
    """Delete the temporary files of killed processes: they can contain secrets."""
    for path in folder.iterdir():
        left = re.fullmatch(_TEMPORARY_NAME, path.name)
        if left and not _is_running(int(left[1])):
            with suppress(OSError):
                path.unlink()


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


@contextmanager
def replacing(target: Path, text: str, mode: int = 0o600) -> Iterator[Path]:
    """Write `text` to a new file next to `target` and yield its path; then rename or delete it. Raises OSError."""
    new = target.parent / f".{os.getpid()}.{target.name}"  # `with_name` refuses "." and "/"
    try:
        _write_and_sync(new, text, mode)
        yield new
        _rename(new, target)
    finally:
        new.unlink(missing_ok=True)


def _rename(new: Path, target: Path) -> None:
    """Rename `new` to `target`, unless that is a link, a device or a folder; raises OSError."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(target.lstat().st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
    new.replace(target)


def open_or_create(path: str | Path, flags: int) -> int:
    """
    Open a file with `flags` or create it with mode 0600; raises OSError.

    Follows a symbolic link to an existing file, such as /dev/stderr; never creates a file through one.
    """
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        try:
            return os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError as error:
            raise OSError(errno.ELOOP, "it is a symbolic link to a missing file") from error


def _write_and_sync(path: Path, text: str, mode: int = 0o600) -> None:
    """Create a file without following links; one that a killed process left is replaced."""
    with suppress(OSError):
        path.unlink()
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data` and sync it to disk; raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Sync the entry of a new file, so that it survives a power failure; ignore systems that cannot sync folders."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
