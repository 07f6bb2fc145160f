"""
A disk after a power failure, rebuilt from a trace of system calls.

Of a file, what was written before its last sync is there, and of later writes any part. Of a folder, the names are
there that it had at its last sync; each later change of a name may be there or not, as POSIX allows.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

CALLS = (
    "openat,write,pwrite64,ftruncate,fsync,fdatasync,unlink,unlinkat,rename,renameat,renameat2,link,linkat,mkdir,"
    "mkdirat,sendto"
)
STRACE = ["strace", "-f", "-y", "-xx", "-s", "1000000", "-e", f"trace={CALLS}", "-o"]
"""Traces a program into the file that follows."""

_LINE = re.compile(r"(\d+) +(.*)")
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+)(?:<(.*)>)?.*")
_TEXT = re.compile(r'"((?:\\x..)*)"')
_DESCRIPTOR = re.compile(r"\d+<((?:\\x..|[^>])*)>")


class Sent(NamedTuple):
    """Data that left the program, and the files that were on disk by then."""

    data: bytes
    disk: "Disk"


class File:
    """A file, or a folder when it has no data; `waiting` are the writes since the last sync."""

    def __init__(self, data: bytes | None) -> None:
        self.is_folder = data is None
        self.synced = bytearray(data or b"")
        self.waiting: list[tuple[int, bytes]] = []
        self.end = len(self.synced)

    def write(self, at: int, data: bytes) -> None:
        self.waiting.append((at, data))
        self.end = max(self.end, at + len(data))

    def sync(self) -> None:
        for write in self.waiting:
            _apply(self.synced, *write)
        self.waiting.clear()

    def survivor(self, rng: Random) -> bytes:
        data = bytearray(self.synced)
        for write in self.waiting:
            if rng.random() < 0.5:
                _apply(data, *write)
        return bytes(data)


def _apply(data: bytearray, at: int, new: bytes) -> None:
    data.extend(bytes(max(0, at - len(data))))
    data[at : at + len(new)] = new


class Disk:
    """The files below `root`, by path, as programs see them and as they are on disk."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._names = {self._root: File(None)}
        for path in sorted(root.rglob("*")):
            self._names[str(path)] = File(path.read_bytes() if path.is_file() else None)
        self._synced = dict(self._names)
        self._offsets: dict[tuple[str, str], int] = {}

    def replay(self, trace: Path) -> Iterator[Sent]:
        """Follow the calls of a program; yield whenever data leaves it."""
        begun: dict[str, str] = {}
        for text in trace.read_text(encoding="ascii").splitlines():
            line = _LINE.match(text)
            if line is None:
                continue
            process, call = line[1], line[2]
            if call.endswith("<unfinished ...>"):
                begun[process] = call.removesuffix("<unfinished ...>").rstrip()
                if call.startswith(("write(", "sendto(")):  # it may have left already
                    yield from self._find_sent(call)
                continue
            resumed = re.match(r"<\.\.\. \w+ resumed>,? ?(.*)", call)
            call = begun.pop(process, "") + resumed[1] if resumed else call
            if not resumed:
                yield from self._find_sent(call)
            found = _CALL.fullmatch(call)
            if found and int(found[3]) >= 0:
                self._do(process, found)

    def _find_sent(self, call: str) -> Iterator[Sent]:
        name, _, arguments = call.partition("(")
        to = _DESCRIPTOR.match(arguments)
        target = _decode(to[1]) if to else ""
        if (name == "sendto" or (name == "write" and not target.startswith("/"))) and (text := _TEXT.search(arguments)):
            yield Sent(_bytes(text[1]), self)

    def _do(self, process: str, call: "re.Match[str]") -> None:
        name, arguments = call[1], call[2]
        paths = [_decode(f'"{each}"') for each in _TEXT.findall(arguments)]
        to = _DESCRIPTOR.match(arguments)
        target = _decode(to[1]) if to else ""
        if name == "openat":
            self._open(process, arguments, _decode(call[4] or ""))
        elif name.startswith("mkdir"):
            self._names.setdefault(self._absolute(arguments, paths[0]), File(None))
        elif name.startswith("unlink"):
            self._names.pop(self._absolute(arguments, paths[0]), None)
        elif name.startswith(("rename", "link")):
            source, destination = (self._absolute(arguments, path) for path in paths)
            if self._is_below(destination) and source in self._names:
                self._names[destination] = self._names[source]
                if name.startswith("rename"):
                    del self._names[source]
        elif target in self._names:
            self._change(name, arguments, target, int(call[3]))

    def _absolute(self, arguments: str, path: str) -> str:
        """Return the path; calls without the descriptor of a folder are relative to `root`, where programs work."""
        folder = re.search(r"(?:AT_FDCWD|\d+)<((?:\\x..|[^>])*)>", arguments)
        return path if path.startswith("/") else f"{_decode(folder[1]) if folder else self._root}/{path}"

    def _is_below(self, path: str) -> bool:
        return path.startswith(f"{self._root}/") and not path.endswith("-shm")

    def _open(self, process: str, arguments: str, path: str) -> None:
        if self._is_below(path) and "O_CREAT" in arguments and path not in self._names:
            self._names[path] = File(b"")
        del process

    def _change(self, name: str, arguments: str, path: str, result: int) -> None:
        file = self._names[path]
        text = _TEXT.search(arguments)
        if name == "write" and text:
            file.write(file.end, _bytes(text[1])[:result])
        elif name == "pwrite64" and text:
            file.write(int(arguments.rpartition(", ")[2]), _bytes(text[1])[:result])
        elif name == "ftruncate":
            file.sync()
            file.end = int(arguments.rpartition(", ")[2])
            del file.synced[file.end :]
        elif name in ("fsync", "fdatasync"):
            file.sync()
            if file.is_folder:
                self._sync_names(path)

    def _sync_names(self, folder: str) -> None:
        for names in (self._synced, self._names):
            for path in [each for each in names if each.rpartition("/")[0] == folder]:
                if path in self._names:
                    self._synced[path] = self._names[path]
                else:
                    self._synced.pop(path, None)

    def survive(self, target: Path, rng: Random) -> None:
        """Write to the empty folder `target` what a power failure at this moment leaves."""
        kept = dict(self._synced)
        for path in sorted({*self._synced, *self._names}):
            if self._synced.get(path) is not self._names.get(path) and rng.random() < 0.5:
                kept[path] = self._names.get(path, kept.get(path, File(None)))
                if path not in self._names:
                    del kept[path]
        for path in sorted(kept):
            if path != self._root and self._is_reachable(path, kept):
                place = target / path.removeprefix(f"{self._root}/")
                if kept[path].is_folder:
                    place.mkdir(mode=0o700)
                else:
                    place.touch(mode=0o600)
                    place.write_bytes(kept[path].survivor(rng))

    def _is_reachable(self, path: str, kept: dict[str, File]) -> bool:
        folder = path.rpartition("/")[0]
        return folder == self._root or (folder in kept and self._is_reachable(folder, kept))


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _decode(text: str) -> str:
    text = text.strip('"')
    return _bytes(text).decode(errors="replace") if text.startswith("\\x") else text
