"""
The folder of `gamcli key generate --from --out-dir`: a file of mode 0600 with the API key for each row of the input.

The names are `USER-APP-ID.key`; letters that mean something to a shell or a file system are replaced by `_`.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from gamcli.actions import Gam
from gamcli.actions.bulk_issue import DeliveredKey
from gamcli.bulk.results_file import lock_output
from gamcli.errors import ConflictError, FailedError
from gamcli.store.batches import Batch
from gamcli.system.new_files import sync_folder

FOLDER_HINT = "use --out-dir with a folder that you can write"

MAX_PART = 60
"""The length of a user and of an application in a file name, in characters."""

_UNSAFE = re.compile(r"^[.-]*[^\w.@+-]+|^[.-]+|[^\w.@+-]+")


def file_name(user: str, app: str, key_id: str) -> str:
    """Return the name of the file for a key; the ID makes it unique."""
    parts = (_UNSAFE.sub("_", name)[:MAX_PART] for name in (user, app))
    return f"{'-'.join(parts)}-{key_id}.key"


class ResultsFolder:
    """The folder at `path`, open as `descriptor`."""

    def __init__(self, path: str, descriptor: int, *, is_new: bool) -> None:
        self.path = path
        self._descriptor = descriptor
        self._is_new = is_new

    def read_existing(self, _: Gam, batch: Batch | None) -> int:
        """Return how many rows an earlier run of `batch` wrote to this folder; raises ConflictError."""
        if batch is None:
            return 0
        if batch.output != os.path.abspath(self.path):  # noqa: PTH100 - as the batch keeps it
            if batch.delivered == 0 and os.path.exists(batch.output):  # noqa: PTH110 - as above
                raise ConflictError(f"an earlier run of this input wrote to {batch.output}", "use that output again")
            return 0
        if self._is_new and batch.delivered:
            raise ConflictError(
                f"an earlier run of this input wrote {batch.delivered:,} keys to {self.path}, which no longer exists",
                "restore the folder, or issue other keys",
            )
        return batch.delivered

    def begin(self) -> None:
        """Sync the name of the folder, which exists."""
        sync_folder(Path(self.path).parent)

    def append_keys(self, keys: Sequence[DeliveredKey]) -> None:
        """Write a file for each key, and sync all of them to disk."""
        for key in keys:
            name = file_name(key.user, key.terms.name, key.id)
            try:
                self._write(name, key.secret.reveal())
            except OSError as error:
                raise FailedError(
                    f"cannot write {self.path}/{name}: {error.strerror}",
                    "free some space, then run the same command again to issue the missing keys",
                ) from error
        with suppress(OSError):  # not every system can sync a folder
            os.fsync(self._descriptor)

    def _write(self, name: str, secret: str) -> None:
        """Write a file; one that an interrupted run left is replaced."""
        if not secret:  # the key of a repeated request, which was delivered before
            return
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._descriptor)
        flags = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY
        with os.fdopen(os.open(name, flags, 0o600, dir_fd=self._descriptor), "w", encoding="utf-8") as file:
            file.write(f"{secret}\n")
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def open_folder(path: str, *, dry_run: bool) -> Iterator[ResultsFolder]:
    """Open and lock the folder `path`; it is created with mode 0700, and removed again if nothing was written."""
    is_new = not Path(path).exists()
    try:
        if is_new:
            Path(path).mkdir(mode=0o700)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise FailedError(f"cannot write to the folder {path}: {error.strerror}", FOLDER_HINT) from error
    try:
        lock_output(path, descriptor)
        yield ResultsFolder(path, descriptor, is_new=is_new)
    except BaseException:
        dry_run = True
        raise
    finally:
        os.close(descriptor)
        if is_new and dry_run:
            with suppress(OSError):  # it has files
                Path(path).rmdir()
