"""The file of a store: whether it is there, which one it is, and the folder around it."""

import os
from pathlib import Path

from gamcli.errors import StoreUnusableError


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells the file at `path` from every other one, None when there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - for every request: half the time of Path.stat
    except OSError:
        return None
    return found.st_dev, found.st_ino


def holds_something(path: Path) -> bool:
    """Say whether there is a file at `path` that is not empty."""
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError as error:
        raise StoreUnusableError(f"the store {path} cannot be reached: {error.strerror}", "--store PATH") from error


def make_folder(path: Path) -> None:
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
