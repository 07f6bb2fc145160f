"""
The file next to a store that processes lock to open or replace it, and where they share what they know about it.

It has mode 0600, so that no other user can hold the lock, and it is never deleted.
"""

import os
from contextlib import suppress
from pathlib import Path

from gamcli.store.sqlite.connection import is_writable

SUFFIX = "-lock"
"""What follows the name of the store in that of the lock file."""


def open_lock_file(path: Path) -> int | None:
    """Open the lock file, or create it for the owner of the store; None where this user can do neither."""
    name = f"{os.path.realpath(path)}{SUFFIX}"
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK
    for _ in range(2):
        try:
            return os.open(name, flags)
        except FileNotFoundError:
            if path.exists() and not is_writable(path.resolve()):  # reading creates no file
                return None
            with suppress(OSError):
                return _create_lock_file(name, flags, path)
        except OSError:
            return None
    return None


def _create_lock_file(name: str, flags: int, path: Path) -> int:
    descriptor = os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o600)
    give_to_owner(descriptor, path)
    return descriptor


def give_to_owner(file: int | Path, path: Path) -> None:
    """
    Give a file that root created to the owner of the store, as SQLite does: root must not lock the owner out.

    Not the target of a link: in their own folder, the owner may have replaced the file with a link to any file.
    """
    if os.geteuid() == 0:
        with suppress(OSError):
            status = os.stat(path)  # noqa: PTH116 - at every start
            os.chown(file, status.st_uid, status.st_gid, follow_symlinks=isinstance(file, int))
