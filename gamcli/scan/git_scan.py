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

from gamcli.errors import FailedError, UsageError, format_count
from gamcli.model.findings import ScanSource
from gamcli.rules.credentials import Secret
from gamcli.rules.leak_detection import UTF_16, Leak, find_leaks, may_contain_credential
from gamcli.scan.file_scan import CHUNK_BYTES, display_path

GIT_OPTIONS = ("--no-pager", "--no-replace-objects", "--no-optional-locks", "-c", "core.fsmonitor=false")
"""How git is asked: for things as they are, and without running what a repository names."""

GIT_ENVIRONMENT = {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": ""}
"""What keeps git from fetching what a partial clone lacks; git before 2.44 hears the second alone."""

MESSAGE_OBJECTS = {"commit": "commit message", "tag": "tag message"}
"""Objects that people write into, and what each is called."""

LocatedLeaks = Iterator[tuple[ScanSource, Leak]]


class GitObject(NamedTuple):
    """An object of git; `pieces` are its bytes, to be read before the next one comes."""

    id: str
    kind: str
    size: int
    chunks: Iterable[bytes]


class GitRepository:
    """The repository that `folder` lies in; what should not be missed is told by `warn`."""

    def __init__(self, folder: str, warn: Callable[[str], None]) -> None:
        self.objects = 0
        self.bytes_read = 0
        self._folder = folder
        self._warn = warn
        with self._run_git("rev-parse", "--is-shallow-repository") as told:
            self._is_shallow = told.read().strip() == b"true"

    def scan_history(self) -> LocatedLeaks:
        """Yield each secret that the history holds once, at the place where it lay first."""
        if self._is_shallow:
            self._warn("this clone is shallow, most of its history is not here; to get it: git fetch --unshallow")
        self._require_complete()
        with self._run_git("cat-file", "--batch-all-objects", "--batch", "--unordered", "--buffer") as stream:
            holding, tags = self._find_objects_with_leaks(stream)
        if not holding:
            return
        seen: set[Secret] = set()
        with closing(self._locate_objects()) as places:
            for name, source in places:
                for leak in holding.pop(name, ()):
                    if leak.secret not in seen:
                        seen.add(leak.secret)
                        yield source, leak
                if not holding:
                    break
        for name, source in tags.items():
            yield from ((source, leak) for leak in holding.pop(name))
        self._warn_unreachable({leak.secret for leak in chain(*holding.values())} - seen)

    def _locate_objects(self) -> Generator[tuple[str, ScanSource]]:
        """Yield the objects of the history with where they lie: in commits, from the first, then in refs to others."""
        with (
            self._run_git(*_LIST_STASHES) as stashes,
            self._run_git("rev-list", "--reverse", "--date-order", "--all", "--stdin", stdin=stashes) as commits,
            self._run_git(*_DIFF_TREE, stdin=commits) as stream,
        ):
            yield from _parse_diff_tree(stream)
        with self._run_git(*_LIST_REFS) as refs, self._run_git(*_RESOLVE_REFS, stdin=refs) as stream:
            for kind, name, ref in map(bytes.split, stream):
                if kind == b"blob":
                    yield name.decode(), ScanSource(display_git_path(ref))
                elif kind == b"tree":
                    yield from self._list_tree(name.decode())

    def _list_tree(self, tree: str) -> Iterator[tuple[str, ScanSource]]:
        with self._run_git("ls-tree", "-r", "-z", tree) as stream:
            for field in _read_fields(stream):
                entry, _, path = field.partition(b"\t")
                yield entry.split()[2].decode(), ScanSource(display_git_path(path), tree)

    def _require_complete(self) -> None:
        """Raise FailedError when the repository is a partial clone, and lacks objects that others have."""
        with self._run_git("config", "--list", "--name-only") as told:
            is_partial = any(_PARTIAL_CLONE_KEY.fullmatch(line) for line in told)
        if not is_partial:
            return
        with self._run_git("rev-list", "--all", "--objects", "--quiet", "--missing=print") as told:
            missing = sum(line.startswith(b"?") for line in told)
        if missing:
            lacking = f"this clone is partial: {format_count(missing, 'object')} of its history cannot be searched, being elsewhere"
            raise FailedError(lacking, "git fetch --refetch --no-filter")

    def _find_objects_with_leaks(self, stream: IO[bytes]) -> tuple[dict[str, list[Leak]], dict[str, ScanSource]]:
        """Return what each object holds that holds something, and those of them that no commit brings: tags."""
        holding: dict[str, list[Leak]] = {}
        tags: dict[str, ScanSource] = {}
        for thing in self._read_objects(stream):
            leaks = _find_object_leaks(thing)
            if leaks:
                holding[thing.id] = leaks
            if leaks and thing.kind == "tag":
                tags[thing.id] = ScanSource(MESSAGE_OBJECTS["tag"], thing.id)
        return holding, tags

    def _warn_unreachable(self, secrets: set[Secret]) -> None:
        if secrets:
            self._warn(f"{len(secrets)} more only in what no branch, tag or stash reaches: staged, or left behind")

    def scan_staged(self) -> LocatedLeaks:
        """Yield what lies in the files that are staged, as they are staged."""
        with self._run_git(*_DIFF_STAGED) as told, TemporaryFile() as asked:
            paths = []
            for entry, path in _parse_raw_entries(told):
                if entry[3].strip(b"0"):  # what is deleted, or left open by a merge, has no object
                    asked.write(entry[3] + b"\n")
                    paths.append(path)
            asked.seek(0)
            with self._run_git("cat-file", "--batch", "--buffer", stdin=asked) as stream:
                for path, thing in zip(
                    paths, self._read_objects(stream), strict=False
                ):  # where git fails, `_git` says so
                    for leak in _find_object_leaks(thing):
                        yield ScanSource(path), leak

    def _read_objects(self, stream: IO[bytes]) -> Iterator[GitObject]:
        """Yield the objects that `git cat-file --batch` prints."""
        while header := stream.readline():
            name, kind, *more = header.decode().split()
            if not more:
                raise FailedError(f"git has lost the object {name}", "git fsck")
            rest = _ObjectReader(stream, int(more[0]))
            self.objects += 1
            self.bytes_read += rest.remaining
            yield GitObject(name, kind, rest.remaining, rest)
            for _ in rest:
                pass
            stream.read(1)

    @contextmanager
    def _run_git(self, *arguments: str, stdin: "IO[bytes] | int" = DEVNULL) -> Iterator[IO[bytes]]:
        """Run git and yield its output; raises FailedError when it fails, but for output that nobody read."""
        line = ["git", "-C", self._folder, *GIT_OPTIONS, *arguments]
        with TemporaryFile() as told:
            try:
                process = Popen(  # noqa: S603 - git of the PATH
                    line,
                    stdin=stdin,
                    stdout=PIPE,
                    stderr=told,
                    bufsize=CHUNK_BYTES,
                    env={**os.environ, **GIT_ENVIRONMENT},
                )
            except OSError as error:
                raise FailedError(f"git cannot be run: {error.strerror}", "install git, or name files") from error
            with process:
                assert process.stdout is not None
                yield process.stdout
            if process.returncode not in (0, -signal.SIGPIPE):
                told.seek(0)
                raise _git_error(self._folder, arguments[0], told.read(CHUNK_BYTES).decode(errors="replace"))


_PARTIAL_CLONE_KEY = re.compile(rb"(remote\..*\.promisor|extensions\.partialclone)\n")
_DIFF_TREE = ("diff-tree", "--stdin", "-r", "-m", "--root", "--always", "--raw", "-z", "--no-renames", "--no-abbrev")
_LIST_STASHES = ("rev-list", "--walk-reflogs", "--glob=refs/stas[h]")
"""All stashes: the ref names the last one, its log those before; as a pattern it may be missing."""

_LIST_REFS = ("for-each-ref", "--format=%(refname)^{} %(refname)")
_RESOLVE_REFS = ("cat-file", "--batch-check=%(objecttype) %(objectname) %(rest)", "--buffer")
"""What refs name, behind tags of tags; mostly commits, which the walk has seen."""

_DIFF_STAGED = (
    "diff", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev", "--no-relative", "--ignore-submodules",
)  # fmt: skip


class _ObjectReader:
    """What is left of an object within a stream."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self.remaining = size
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        while self.remaining:
            piece = self._stream.read(min(self.remaining, CHUNK_BYTES))
            if not piece:
                raise FailedError("git stopped in the middle of an object", "git fsck")
            self.remaining -= len(piece)
            yield piece


def _find_object_leaks(git_object: GitObject) -> list[Leak]:
    """Return what an object holds; most are small and hold nothing."""
    if git_object.kind == "tree":
        return []
    if git_object.size > CHUNK_BYTES:
        return list(find_leaks(git_object.chunks))
    data = b"".join(git_object.chunks)
    if git_object.kind in MESSAGE_OBJECTS:
        data = data.partition(b"\n\n")[2]
    if may_contain_credential(data) or data.startswith(UTF_16):
        return list(find_leaks([data]))
    return []


def _parse_diff_tree(stream: IO[bytes]) -> Iterator[tuple[str, ScanSource]]:
    """Yield the objects that commits bring, and the commits themselves, in the order of the walk."""
    commit = ""
    for entry, path in _parse_raw_entries(stream):
        if len(entry) == 1:
            commit = entry[0].decode()
            yield commit, ScanSource(MESSAGE_OBJECTS["commit"], commit)
        else:
            yield entry[3].decode(), ScanSource(path, commit)


def _parse_raw_entries(stream: IO[bytes]) -> Iterator[tuple[list[bytes], str]]:
    """Yield the words and the path of each entry of `--raw -z`; a commit is one word, and has no path."""
    fields = _read_fields(stream)
    for field in fields:
        yield field.split(), display_git_path(next(fields)) if field.startswith(b":") else ""


def _read_fields(stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while piece := stream.read(CHUNK_BYTES):
        *whole, rest = (rest + piece).split(b"\0")
        yield from whole


def display_git_path(path: bytes) -> str:
    """Return a path of git as text."""
    return display_path(path.decode("utf-8", "surrogateescape"))


def _git_error(folder: str, subcommand: str, stderr: str) -> FailedError | UsageError:
    lines = [line for line in stderr.splitlines() if line and not line.startswith("warning: ")]
    what = lines[0].removeprefix("fatal: ") if lines else "it says no more"
    if subcommand == "rev-parse":
        return UsageError(f"no repository at {display_path(folder)}: {what}", "git -C PATH status")
    return FailedError(f"git {subcommand} failed: {what}", "git fsck")
