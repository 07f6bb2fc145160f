"""Files that must be new, whole and for their owner alone: plans, and the secrets of many objects at once."""

import os
from contextlib import suppress
from pathlib import Path

from gamcli.errors import ConflictError, FailedError


def require_new(path: str, option: str) -> None:
    """Raise ConflictError when there is something at `path` already."""
    if os.path.lexists(path):
        raise ConflictError(f"the file {path} is there already", f"{option} takes a new file")


def write_new_file(path: str, text: str, option: str, *, overwrite: bool = False) -> None:
    """
    Write `text` to a new file of mode 0600, synced with its folder: whoever sees it sees all of it.

    With `over`, what is there already gives way.

    Raises ConflictError when there is something at `path` already, FailedError when it cannot be written.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        _write_and_sync(part, text)
        try:
            if overwrite:
                part.replace(target)
            else:
                os.link(part, target)
        except OSError:  # there is something already, or no links in this file system
            require_new(path, option)
            part.rename(target)
        _sync_folder(target.parent)
    except OSError as error:
        raise FailedError(f"cannot write {path}: {error.strerror}", f"{option} takes a new file") from error
    finally:
        with suppress(OSError):
            part.unlink()


def create_private_file(path: Path, mode: int = 0o600) -> int:
    """
    Make a file beside its later place, no link followed, and return it open to write; raises OSError.

    What lies there is of a run that was killed, and gives way.
    """
    with suppress(OSError):
        path.unlink()
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY, mode)


def _write_and_sync(path: Path, text: str) -> None:
    descriptor = create_private_file(path)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink()
        raise


def _sync_folder(folder: Path) -> None:
    """Let the name of a new file survive a power cut; where folders cannot be synced, it does without."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
