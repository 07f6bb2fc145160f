"""
What was asked of a server and what came of it, for tests to assert on: the records that the log writes as lines.

A record is there before its answer leaves: whoever has the answer finds the record.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import overload

from gamcli.errors import ConflictError, FailedError
from gamcli.server.log import Entry, as_json


class Journal(Sequence[Entry]):
    """The requests in the order of their answers; `clear` forgets them."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """Take the record of a request."""
        self._entries.append(entry)

    def clear(self) -> None:
        """Forget what was asked so far."""
        self._entries.clear()

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> list[Entry]: ...
    def __getitem__(self, place: int | slice) -> Entry | list[Entry]:
        return self._entries[place]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries))

    def __repr__(self) -> str:
        return "\n".join(["Journal:", *map(as_json, self._entries)])


class JournalFile:
    """A file with a JSON object a line, each written whole at once; one from an earlier run begins anew."""

    def __init__(self, path: str | Path) -> None:
        try:
            _require_journal(Path(path))
            self._file = FileIO(path, "w")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "no such file"
            raise FailedError(f"cannot write the journal {path}: {why}", "--journal FILE") from error

    def add(self, entry: Entry) -> None:
        """Write the record of a request."""
        with suppress(OSError):  # a full disk: whoever counts the lines finds out, and the clients go on
            self._file.write(f"{as_json(entry)}\n".encode())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


_BEGINNING = b'{"time":'


def _require_journal(path: Path) -> None:
    """Raise ConflictError for a file that is something else: a slip of the fingers must not end a manifest."""
    if path.is_file() and path.stat().st_size > 0:
        with path.open("rb") as file:
            if file.read(len(_BEGINNING)) != _BEGINNING:
                raise ConflictError(f"{path} is there already, and is no journal", "--journal FILE, a new one")
