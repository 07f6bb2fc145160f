"""
Scans the history of a git repository, or the files staged for the next commit.

Each object of the history is read once, in pack order. Only if one contains a credential are the commits walked, from
the oldest, to find the one that added it. No hook, pager or filter of the repository runs, and nothing is fetched.
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
"""Read objects as they are, and run nothing that the repository configures."""

GIT_ENVIRONMENT = {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": ""}
"""Keeps git from fetching the missing objects of a partial clone; git before 2.44 knows only the second variable."""

MESSAGE_OBJECTS = {"commit": "commit message", "tag": "tag message"}
"""Objects that are not files but contain text that people write."""

LocatedLeaks = Iterator[tuple[ScanSource, Leak]]


class GitObject(NamedTuple):
    """A git object; read its `chunks` before the next object."""

    id: str
    kind: str
    size: int
    chunks: Iterable[bytes]


class GitRepository:
    """The repository of `folder`; `warn` receives warnings."""

    def __init__(self, folder: str, warn: Callable[[str], None]) -> None:
        self.objects = 0
        self.bytes_read = 0
        self._folder = folder
        self._warn = warn
        with self._run_git("rev-parse", "--is-shallow-repository") as output:
            self._is_shallow = output.read().strip() == b"true"

    def scan_history(self) -> LocatedLeaks:
        """Yield each secret in the history once, where it was first added."""
        if self._is_shallow:
            self._warn("this clone is shallow and lacks most of the history; to fetch it: git fetch --unshallow")
        self._require_complete()
        with self._run_git("cat-file", "--batch-all-objects", "--batch", "--unordered", "--buffer") as stream:
            leaks_by_object, tags = self._find_objects_with_leaks(stream)
        if not leaks_by_object:
            return
        seen: set[Secret] = set()
        with closing(self._locate_objects()) as locations:
            for name, source in locations:
                for leak in leaks_by_object.pop(name, ()):
                    if leak.secret not in seen:
                        seen.add(leak.secret)
                        yield source, leak
                if not leaks_by_object:
                    break
        for name, source in tags.items():
            yield from ((source, leak) for leak in leaks_by_object.pop(name))
        self._warn_unreachable({leak.secret for leak in chain(*leaks_by_object.values())} - seen)

    def _locate_objects(self) -> Generator[tuple[str, ScanSource]]:
        """Yield the objects of the history with their locations: in commits, from the oldest, then in other refs."""
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
        """Raise FailedError if the repository is a partial clone with missing objects."""
        with self._run_git("config", "--list", "--name-only") as output:
            is_partial = any(_PARTIAL_CLONE_KEY.fullmatch(line) for line in output)
        if not is_partial:
            return
        with self._run_git("rev-list", "--all", "--objects", "--quiet", "--missing=print") as output:
            missing = sum(line.startswith(b"?") for line in output)
        if missing:
            message = f"this clone is partial and lacks {format_count(missing, 'object')} of the history"
            raise FailedError(message, "git fetch --refetch --no-filter")

    def _find_objects_with_leaks(self, stream: IO[bytes]) -> tuple[dict[str, list[Leak]], dict[str, ScanSource]]:
        """Return the leaks of each object that has any, and the tags among those objects."""
        leaks_by_object: dict[str, list[Leak]] = {}
        tags: dict[str, ScanSource] = {}
        for git_object in self._read_objects(stream):
            leaks = _find_object_leaks(git_object)
            if leaks:
                leaks_by_object[git_object.id] = leaks
            if leaks and git_object.kind == "tag":
                tags[git_object.id] = ScanSource(MESSAGE_OBJECTS["tag"], git_object.id)
        return leaks_by_object, tags

    def _warn_unreachable(self, secrets: set[Secret]) -> None:
        if secrets:
            self._warn(f"{len(secrets)} more in objects that no branch, tag or stash refers to")

    def scan_staged(self) -> LocatedLeaks:
        """Yield the credentials in the staged files."""
        with self._run_git(*_DIFF_STAGED) as diff, TemporaryFile() as ids:
            paths = []
            for columns, path in _parse_raw_entries(diff):
                if columns[3].strip(b"0"):  # deleted and unmerged files have no object
                    ids.write(columns[3] + b"\n")
                    paths.append(path)
            ids.seek(0)
            with self._run_git("cat-file", "--batch", "--buffer", stdin=ids) as stream:
                # if git stops early, `_run_git` raises the error
                for path, git_object in zip(paths, self._read_objects(stream), strict=False):
                    for leak in _find_object_leaks(git_object):
                        yield ScanSource(path), leak

    def _read_objects(self, stream: IO[bytes]) -> Iterator[GitObject]:
        """Yield the objects in the output of `git cat-file --batch`."""
        while header := stream.readline():
            name, kind, *more = header.decode().split()
            if not more:
                raise FailedError(f"git cannot find the object {name}", "git fsck")
            reader = _ObjectReader(stream, int(more[0]))
            self.objects += 1
            self.bytes_read += reader.remaining
            yield GitObject(name, kind, reader.remaining, reader)
            for _ in reader:
                pass
            stream.read(1)

    @contextmanager
    def _run_git(self, *arguments: str, stdin: "IO[bytes] | int" = DEVNULL) -> Iterator[IO[bytes]]:
        """Run git and yield its output; raises FailedError unless git fails only because its output was not read."""
        argv = ["git", "-C", self._folder, *GIT_OPTIONS, *arguments]
        with TemporaryFile() as errors:
            try:
                process = Popen(  # noqa: S603 - git of the PATH
                    argv,
                    stdin=stdin,
                    stdout=PIPE,
                    stderr=errors,
                    bufsize=CHUNK_BYTES,
                    env={**os.environ, **GIT_ENVIRONMENT},
                )
            except OSError as error:
                raise FailedError(f"cannot run git: {error.strerror}", "install git, or scan files instead") from error
            with process:
                assert process.stdout is not None
                yield process.stdout
            if process.returncode not in (0, -signal.SIGPIPE):
                errors.seek(0)
                raise _git_error(self._folder, arguments[0], errors.read(CHUNK_BYTES).decode(errors="replace"))


_PARTIAL_CLONE_KEY = re.compile(rb"(remote\..*\.promisor|extensions\.partialclone)\n")
_DIFF_TREE = ("diff-tree", "--stdin", "-r", "-m", "--root", "--always", "--raw", "-z", "--no-renames", "--no-abbrev")
_LIST_STASHES = ("rev-list", "--walk-reflogs", "--glob=refs/stas[h]")
"""All stashes: the ref is the latest, its reflog has the others; a pattern may match nothing."""

_LIST_REFS = ("for-each-ref", "--format=%(refname)^{} %(refname)")
_RESOLVE_REFS = ("cat-file", "--batch-check=%(objecttype) %(objectname) %(rest)", "--buffer")
"""The targets of refs, with nested tags resolved; mostly commits, which the walk has seen."""

_DIFF_STAGED = (
    "diff", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev", "--no-relative", "--ignore-submodules",
)  # fmt: skip


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


def _find_object_leaks(git_object: GitObject) -> list[Leak]:
    """Return the leaks of an object; most objects are small and have none."""
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
    """Yield the objects that commits add, and the commits themselves, in the order of the walk."""
    commit = ""
    for entry, path in _parse_raw_entries(stream):
        if len(entry) == 1:
            commit = entry[0].decode()
            yield commit, ScanSource(MESSAGE_OBJECTS["commit"], commit)
        else:
            yield entry[3].decode(), ScanSource(path, commit)


def _parse_raw_entries(stream: IO[bytes]) -> Iterator[tuple[list[bytes], str]]:
    """Yield the columns and the path of each entry of `--raw -z`; a commit has one column and no path."""
    fields = _read_fields(stream)
    for field in fields:
        yield field.split(), display_git_path(next(fields)) if field.startswith(b":") else ""


def _read_fields(stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.read(CHUNK_BYTES):
        *fields, rest = (rest + chunk).split(b"\0")
        yield from fields


def display_git_path(path: bytes) -> str:
    return display_path(path.decode("utf-8", "surrogateescape"))


def _git_error(folder: str, subcommand: str, stderr: str) -> FailedError | UsageError:
    lines = [line for line in stderr.splitlines() if line and not line.startswith("warning: ")]
    message = lines[0].removeprefix("fatal: ") if lines else "no error message"
    if subcommand == "rev-parse":
        return UsageError(f"cannot open the git repository at {display_path(folder)}: {message}", "git -C PATH status")
    return FailedError(f"git {subcommand} failed: {message}", "git fsck")
