"""The file of a store: whether it is there, which one it is, and the folder around it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from gamcli.errors import StoreUnusableError


def file_identity(path: Path) -> tuple[int, int] | None:
    """Return what tells the file at `path` from every other one, None when there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - for every request: half the time of Path.stat
    except OSError:
        return None
    return found.st_dev, found.st_ino


def store_exists(path: Path) -> bool:
    """Say whether there is a file at `path` that is not empty; raises StoreUnusableError when nobody can trust that."""
    require_trusted_path(path)
    require_not_directory(path)
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError as error:
        raise StoreUnusableError(f"the store {path} cannot be reached: {error.strerror}", "--store PATH") from error


def require_not_directory(path: Path) -> None:
    """Raise StoreUnusableError when there is a folder at `path`: a store is a file in one."""
    try:
        is_folder = path.is_dir()
    except OSError:  # in a folder that is closed to us: whoever opens the file says so
        return
    if is_folder:
        raise StoreUnusableError(f"{path} is a folder, a store is a file in one", f"--store {path / 'store.db'}")


def make_directory(path: Path) -> None:
    """Make `path` and what is missing above it, each for its owner alone."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    if not path.is_dir():
        raise NotADirectoryError(20, "a part of its path is no folder")


def set_mode(path: Path, mode: int) -> None:
    """Change the mode of the file or folder at `path` itself; a link is not followed. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


MAX_LINKS = 40
"""Where the system gives up too (Linux: MAXSYMLINKS)."""


def require_trusted_path(path: Path) -> None:
    """Raise StoreUnusableError when the way to `path` leads through a link that another user could have put there."""
    for link, owner in _links(path):
        folder = os.stat(link.parent)  # noqa: PTH116 - as the next
        if owner not in (0, os.geteuid()) or _is_shared(folder):
            raise StoreUnusableError(
                f"the way to the store leads through the link {link}, which another user could have put there",
                f"--store PATH without that link, if you trust where it leads: {os.path.realpath(path)}",
            )


def _is_shared(folder: os.stat_result) -> bool:
    """Say whether others can take the place of what we put into the folder; the group of this process is ours."""
    others = stat.S_IWOTH if folder.st_gid == os.getegid() else stat.S_IWOTH | stat.S_IWGRP
    return bool(folder.st_mode & others) and not folder.st_mode & stat.S_ISVTX


def _links(path: Path) -> Iterator[tuple[Path, int]]:
    """Yield each link that `path` leads through, and its owner."""
    path = path.absolute()
    here, ahead, met = Path(path.anchor), [*reversed(path.parts[1:])], 0
    while ahead and met < MAX_LINKS:
        here, part = here.parent if ahead[-1] == ".." else here / ahead[-1], ahead.pop()
        try:
            found = os.lstat(here)
        except OSError:
            return  # whoever opens it says so
        if part != ".." and stat.S_ISLNK(found.st_mode):
            yield here, found.st_uid
            target = here.readlink()
            met, here = met + 1, Path(target.anchor) if target.is_absolute() else here.parent
            ahead += reversed(target.parts[target.is_absolute() :])
