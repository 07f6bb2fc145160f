"""Reads what git prints: objects with their content, and the entries of raw diffs."""

import os
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple

from gamcli.errors import FailedError
from gamcli.model.findings import ScanSource

CHUNK_BYTES = 1 << 18

MESSAGE_OBJECTS = {"commit": "commit message", "tag": "tag message"}
"""Objects that are not files but contain text that people write."""


class GitObject(NamedTuple):
    """A git object; read its `chunks` before the next object."""

    id: str
    kind: str
    size: int
    chunks: Iterable[bytes]


class _ObjectReader:
    """Reads the content of one object from a stream."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self.remaining = size
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        while self.remaining:
            chunk = self._stream.read(min(self.remaining, CHUNK_BYTES))
            if not chunk:
                raise FailedError("git stopped in the middle of an object", "git fsck")
            self.remaining -= len(chunk)
            yield chunk


def read_objects(stream: IO[bytes]) -> Iterator[GitObject]:
    """Yield the objects in the output of `git cat-file --batch`."""
    while header := stream.readline():
        name, kind, *more = header.decode().split()
        if not more:
            raise FailedError(f"git cannot find the object {name}", "git fsck")
        reader = _ObjectReader(stream, int(more[0]))
        yield GitObject(name, kind, reader.remaining, reader)
        for _ in reader:
            pass
        stream.read(1)


def parse_diff_tree(stream: IO[bytes]) -> Iterator[tuple[str, ScanSource]]:
    """Yield the objects that commits add, and the commits themselves, in the order of the walk."""
    commit = ""
    for entry, path in parse_raw_entries(stream):
        if len(entry) == 1:
            commit = entry[0].decode()
            yield commit, ScanSource(MESSAGE_OBJECTS["commit"], commit)
        else:
            yield entry[3].decode(), ScanSource(path, commit)


def parse_raw_entries(stream: IO[bytes]) -> Iterator[tuple[list[bytes], str]]:
    """Yield the columns and the path of each entry of `--raw -z`; a commit has one column and no path."""
    fields = read_fields(stream)
    for field in fields:
        yield field.split(), os.fsdecode(next(fields)) if field.startswith(b":") else ""


def read_fields(stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.read(CHUNK_BYTES):
        *fields, rest = (rest + chunk).split(b"\0")
        yield from fields
