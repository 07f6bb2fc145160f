"""
What git keeps, as `scan` reads it: the history of a repository, and what is staged for the next commit.

Of a history every object comes once, in the order in which it is packed, whatever commits it is in. Only when one holds
something are the commits walked, from the first to the one that brought it. No hook, pager or filter that a repository
asks for is run, and nothing is fetched.
"""

import os
import re
import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from subprocess import DEVNULL, PIPE, Popen
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from gamcli.errors import FailedError, UsageError
from gamcli.model.findings import Source
from gamcli.render.output import count
from gamcli.rules.credentials import Secret
from gamcli.rules.leak_detection import UTF_16, Leak, may_hold, search
from gamcli.scan.file_scan import PIECE, shown

QUIETLY = ("--no-pager", "--no-replace-objects", "--no-optional-locks", "-c", "core.fsmonitor=false")
"""How git is asked: for things as they are, and without running what a repository names."""

ALONE = {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": ""}
"""What keeps git from fetching what a partial clone lacks; git before 2.44 hears the second alone."""

NOT_A_FILE = {"commit": "commit message", "tag": "tag message"}
"""Objects that people write into, and what each is called."""

Sighted = Iterator[tuple[Source, Leak]]


class Thing(NamedTuple):
    """An object of git; `pieces` are its bytes, to be read before the next one comes."""

    id: str
    kind: str
    size: int
    pieces: Iterable[bytes]


class Repository:
    """The repository that `folder` lies in; what should not be missed is told by `warn`."""

    def __init__(self, folder: str, warn: Callable[[str], None]) -> None:
        self.objects = 0
        self.size = 0
        self._folder = folder
        self._warn = warn
        with self._git("rev-parse", "--is-shallow-repository") as told:
            self._is_shallow = told.read().strip() == b"true"

    def history(self) -> Sighted:
        """Yield each secret that the history holds once, at the place where it lay first."""
        if self._is_shallow:
            self._warn("this clone is shallow, most of its history is not here; to get it: git fetch --unshallow")
        self._require_all_here()
        with self._git("cat-file", "--batch-all-objects", "--batch", "--unordered", "--buffer") as stream:
            holding, tags = self._holding(stream)
        if not holding:
            return
        seen: set[Secret] = set()
        with closing(self._places()) as places:
            for name, source in places:
                for leak in holding.pop(name, ()):
                    if leak.secret not in seen:
                        seen.add(leak.secret)
                        yield source, leak
                if not holding:
                    break
        for name, source in tags.items():
            yield from ((source, leak) for leak in holding.pop(name))
        self._tell_unreached({leak.secret for leak in chain(*holding.values())} - seen)

    def _places(self) -> Generator[tuple[str, Source]]:
        """Yield the objects of the history with where they lie: in commits, from the first, then in refs to others."""
        with (
            self._git(*_STASHED) as stashes,
            self._git("rev-list", "--reverse", "--date-order", "--all", "--stdin", stdin=stashes) as commits,
            self._git(*_WALK, stdin=commits) as stream,
        ):
            yield from _sources(stream)
        with self._git(*_REFS) as refs, self._git(*_NAMED, stdin=refs) as stream:
            for kind, name, ref in map(bytes.split, stream):
                if kind == b"blob":
                    yield name.decode(), Source(shown_path(ref))
                elif kind == b"tree":
                    yield from self._within(name.decode())

    def _within(self, tree: str) -> Iterator[tuple[str, Source]]:
        with self._git("ls-tree", "-r", "-z", tree) as stream:
            for field in _fields(stream):
                entry, _, path = field.partition(b"\t")
                yield entry.split()[2].decode(), Source(shown_path(path), tree)

    def _require_all_here(self) -> None:
        """Raise FailedError when the repository is a partial clone, and lacks objects that others have."""
        with self._git("config", "--list", "--name-only") as told:
            is_partial = any(_PARTIAL.fullmatch(line) for line in told)
        if not is_partial:
            return
        with self._git("rev-list", "--all", "--objects", "--quiet", "--missing=print") as told:
            missing = sum(line.startswith(b"?") for line in told)
        if missing:
            lacking = (
                f"this clone is partial: {count(missing, 'object')} of its history cannot be searched, being elsewhere"
            )
            raise FailedError(lacking, "git fetch --refetch --no-filter")

    def _holding(self, stream: IO[bytes]) -> tuple[dict[str, list[Leak]], dict[str, Source]]:
        """Return what each object holds that holds something, and those of them that no commit brings: tags."""
        holding: dict[str, list[Leak]] = {}
        tags: dict[str, Source] = {}
        for thing in self._things(stream):
            leaks = _leaks(thing)
            if leaks:
                holding[thing.id] = leaks
            if leaks and thing.kind == "tag":
                tags[thing.id] = Source(NOT_A_FILE["tag"], thing.id)
        return holding, tags

    def _tell_unreached(self, secrets: set[Secret]) -> None:
        if secrets:
            self._warn(f"{len(secrets)} more only in what no branch, tag or stash reaches: staged, or left behind")

    def staged(self) -> Sighted:
        """Yield what lies in the files that are staged, as they are staged."""
        with self._git(*_STAGED) as told, TemporaryFile() as asked:
            paths = []
            for entry, path in _entries(told):
                if entry[3].strip(b"0"):  # what is deleted, or left open by a merge, has no object
                    asked.write(entry[3] + b"\n")
                    paths.append(path)
            asked.seek(0)
            with self._git("cat-file", "--batch", "--buffer", stdin=asked) as stream:
                for path, thing in zip(paths, self._things(stream), strict=False):  # where git fails, `_git` says so
                    for leak in _leaks(thing):
                        yield Source(path), leak

    def _things(self, stream: IO[bytes]) -> Iterator[Thing]:
        """Yield the objects that `git cat-file --batch` prints."""
        while header := stream.readline():
            name, kind, *more = header.decode().split()
            if not more:
                raise FailedError(f"git has lost the object {name}", "git fsck")
            rest = _Rest(stream, int(more[0]))
            self.objects += 1
            self.size += rest.left
            yield Thing(name, kind, rest.left, rest)
            for _ in rest:
                pass
            stream.read(1)

    @contextmanager
    def _git(self, *words: str, stdin: "IO[bytes] | int" = DEVNULL) -> Iterator[IO[bytes]]:
        """Run git and yield its output; raises FailedError when it fails, but for output that nobody read."""
        line = ["git", "-C", self._folder, *QUIETLY, *words]
        with TemporaryFile() as told:
            try:
                process = Popen(  # noqa: S603 - git of the PATH
                    line, stdin=stdin, stdout=PIPE, stderr=told, bufsize=PIECE, env={**os.environ, **ALONE}
                )
            except OSError as error:
                raise FailedError(f"git cannot be run: {error.strerror}", "install git, or name files") from error
            with process:
                assert process.stdout is not None
                yield process.stdout
            if process.returncode not in (0, -signal.SIGPIPE):
                told.seek(0)
                raise _failed(self._folder, words[0], told.read(PIECE).decode(errors="replace"))


_PARTIAL = re.compile(rb"(remote\..*\.promisor|extensions\.partialclone)\n")
_WALK = ("diff-tree", "--stdin", "-r", "-m", "--root", "--always", "--raw", "-z", "--no-renames", "--no-abbrev")
_STASHED = ("rev-list", "--walk-reflogs", "--glob=refs/stas[h]")
"""All stashes: the ref names the last one, its log those before; as a pattern it may be missing."""

_REFS = ("for-each-ref", "--format=%(refname)^{} %(refname)")
_NAMED = ("cat-file", "--batch-check=%(objecttype) %(objectname) %(rest)", "--buffer")
"""What refs name, behind tags of tags; mostly commits, which the walk has seen."""

_STAGED = (
    "diff", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev", "--no-relative", "--ignore-submodules",
)  # fmt: skip


class _Rest:
    """What is left of an object within a stream."""

    def __init__(self, stream: IO[bytes], left: int) -> None:
        self.left = left
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        while self.left:
            piece = self._stream.read(min(self.left, PIECE))
            if not piece:
                raise FailedError("git stopped in the middle of an object", "git fsck")
            self.left -= len(piece)
            yield piece


def _leaks(thing: Thing) -> list[Leak]:
    """Return what an object holds; most are small and hold nothing."""
    if thing.kind == "tree":
        return []
    if thing.size > PIECE:
        return list(search(thing.pieces))
    data = b"".join(thing.pieces)
    if thing.kind in NOT_A_FILE:
        data = data.partition(b"\n\n")[2]
    if may_hold(data) or data.startswith(UTF_16):
        return list(search([data]))
    return []


def _sources(stream: IO[bytes]) -> Iterator[tuple[str, Source]]:
    """Yield the objects that commits bring, and the commits themselves, in the order of the walk."""
    commit = ""
    for entry, path in _entries(stream):
        if len(entry) == 1:
            commit = entry[0].decode()
            yield commit, Source(NOT_A_FILE["commit"], commit)
        else:
            yield entry[3].decode(), Source(path, commit)


def _entries(stream: IO[bytes]) -> Iterator[tuple[list[bytes], str]]:
    """Yield the words and the path of each entry of `--raw -z`; a commit is one word, and has no path."""
    fields = _fields(stream)
    for field in fields:
        yield field.split(), shown_path(next(fields)) if field.startswith(b":") else ""


def _fields(stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while piece := stream.read(PIECE):
        *whole, rest = (rest + piece).split(b"\0")
        yield from whole


def shown_path(path: bytes) -> str:
    """Return a path of git as text."""
    return shown(path.decode("utf-8", "surrogateescape"))


def _failed(folder: str, verb: str, told: str) -> FailedError | UsageError:
    lines = [line for line in told.splitlines() if line and not line.startswith("warning: ")]
    what = lines[0].removeprefix("fatal: ") if lines else "it says no more"
    if verb == "rev-parse":
        return UsageError(f"no repository at {shown(folder)}: {what}", "git -C PATH status")
    return FailedError(f"git {verb} failed: {what}", "git fsck")
