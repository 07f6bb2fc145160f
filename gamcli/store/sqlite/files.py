"""The files of a store: the database, SQLite's files next to it, backups, and the folder around them."""

import glob
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from gamcli.errors import StoreMissingError, StoreUnusableError, command
from gamcli.model.files import FOLDERS, FileFacts
from gamcli.store.sqlite import file_header

STALE_SECONDS = 3600
"""A temporary file that was not written for this long was left behind."""

ROLES = {"": "store", "-wal": "WAL", "-shm": "SHM", "-journal": "journal", "-lock": "lock file"}

TEMPORARY_NAME = r"\..+\.[0-9a-f]{8}\.part(-wal|-shm|-journal)?"
"""The names that `backups.temporary_file` gives."""


def store_exists(path: Path) -> bool:
    """Return whether there is a non-empty file at `path`; raises StoreUnusableError when the path cannot be trusted."""
    require_trusted_path(path)
    require_not_directory(path)
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError as error:
        raise StoreUnusableError(f"cannot reach the store {path}: {error.strerror}", "--store PATH") from error


def require_exists(path: Path) -> None:
    """Raise StoreMissingError unless there is a store that is not empty."""
    if not store_exists(path):
        raise StoreMissingError(f"the store {path} does not exist", command("--store", str(path), "init"))


def require_not_directory(path: Path) -> None:
    try:
        is_directory = path.is_dir()
    except OSError:  # the parent folder is not accessible: opening the file reports it
        return
    if is_directory:
        raise StoreUnusableError(f"{path} is a folder; a store is a file", f"--store {path / 'store.db'}")


def find_files(path: Path) -> Iterator[FileFacts]:
    """
    Yield the facts of the folder, the store, all files whose names start with that of the store, and unsafe parents.

    Only copies are recognized here: what is in a store may still be in its WAL.
    """
    try:
        siblings = sorted(path.parent.glob(f"{glob.escape(path.name)}*"))
    except OSError:
        return
    for each in (path.parent, *siblings):
        role = "folder" if each == path.parent else ROLES.get(each.name.removeprefix(path.name), "copy")
        facts = load_file_facts(each, role)
        if facts is not None:
            is_recognized = role == "copy" and file_header.has_store_header(each)
            yield facts._replace(is_secret=role != "folder", is_recognized=is_recognized)
    yield from _find_unsafe_parents(path.parent)


def _find_unsafe_parents(folder: Path) -> Iterator[FileFacts]:
    """Yield the folders above `folder` whose owner or others can replace what is in them, such as `folder`."""
    trusted = {0, os.geteuid(), *(each.uid for each in [load_file_facts(folder, "folder")] if each)}
    for parent in folder.parents:
        facts = load_file_facts(parent, "parent folder")
        if facts is not None and (facts.uid not in trusted or _others_can_replace(parent)):
            yield facts._replace(is_secret=False, is_recognized=False)


def find_leftover_files(path: Path, now: datetime) -> Iterator[FileFacts]:
    """Yield the temporary files of backups that were killed."""
    try:
        parts = [each for each in sorted(path.parent.iterdir()) if re.fullmatch(TEMPORARY_NAME, each.name)]
    except OSError:
        return
    for each in parts:
        facts = load_file_facts(each, "part")
        if facts is not None and each.stat().st_mtime < now.timestamp() - STALE_SECONDS:
            yield facts


def load_file_facts(path: Path, role: str) -> FileFacts | None:
    """Return the facts of a regular file, or of a folder with that role; None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode) and role not in FOLDERS:
        return None
    return FileFacts(role, str(path), stat.S_IMODE(status.st_mode), status.st_uid, status.st_size)


def find_free_bytes(path: Path) -> int | None:
    """Return the free bytes on the disk, or None when unknown."""
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return None


def find_file_system(path: Path) -> str | None:
    """Return the type of the file system of a folder, such as ext4 or nfs4; None where Linux does not tell."""
    try:
        device, mounts = path.stat().st_dev, Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return parse_mount_table(mounts, f"{os.major(device)}:{os.minor(device)}")


def parse_mount_table(table: str, device: str) -> str | None:
    """Return the type of the file system with this device number in a table like /proc/self/mountinfo (proc(5))."""
    for line in table.splitlines():
        mount, _, source = line.partition(" - ")
        if device in mount.split()[2:3]:
            return source.split()[0]
    return None


def make_directory(path: Path) -> None:
    """Create `path` and its missing parents with mode 0700."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
        sync(each.parent)
    if not path.is_dir():
        raise NotADirectoryError(20, "part of the path is not a folder")


def make_empty_file(path: Path) -> None:
    """
    Create a file of mode 0600, synced to disk, or give that mode to an existing empty one.

    Raises OSError, and StoreUnusableError for an empty file of another user, who could have it open.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        sync(path.parent)
    status = path.stat()
    if stat.S_ISREG(status.st_mode) and status.st_size == 0:
        if status.st_uid != os.geteuid():
            raise StoreUnusableError(f"the empty file {path} is owned by user {status.st_uid}", "--store PATH")
        path.chmod(0o600)


def sync(path: Path) -> None:
    """Flush a file or a folder to disk; folders are skipped where they cannot be flushed. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        if not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def set_mode(path: Path, mode: int) -> None:
    """Change the mode of a file or folder without following a link. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


MAX_LINKS = 40
"""The limit of the system (Linux: MAXSYMLINKS)."""


def require_trusted_path(path: Path) -> None:
    """Raise StoreUnusableError when `path` contains a symbolic link that another user could have created."""
    for link, owner in _links(path):
        if owner not in (0, os.geteuid()) or _others_can_replace(link.parent):
            raise StoreUnusableError(
                f"the path of the store contains the link {link}, which another user could have created",
                f"--store {os.path.realpath(path)}, if you trust the target of the link",
            )


def _others_can_replace(folder: Path) -> bool:
    """Return whether others, except those of the caller's group, can replace what is in a folder."""
    status = folder.stat()
    others = stat.S_IWOTH if status.st_gid == os.getegid() else stat.S_IWOTH | stat.S_IWGRP
    return bool(status.st_mode & others) and not status.st_mode & stat.S_ISVTX


def _links(path: Path) -> Iterator[tuple[Path, int]]:
    path = path.absolute()
    here, remaining, count = Path(path.anchor), [*reversed(path.parts[1:])], 0
    while remaining and count < MAX_LINKS:
        here, part = here.parent if remaining[-1] == ".." else here / remaining[-1], remaining.pop()
        try:
            status = os.lstat(here)
        except OSError:
            return  # opening the file reports it
        if part != ".." and stat.S_ISLNK(status.st_mode):
            yield here, status.st_uid
            target = here.readlink()
            count, here = count + 1, Path(target.anchor) if target.is_absolute() else here.parent
            remaining += reversed(target.parts[target.is_absolute() :])
