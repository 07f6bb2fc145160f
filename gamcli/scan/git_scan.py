"""
Scans the history of a git repository, or the files staged for the next commit.

Each object of the history is read once, in pack order. Only if one contains a credential are the commits walked, from
the oldest, to find the one that added it. Names of files, branches and tags are searched too. No hook, pager or filter
of the repository runs, and nothing is fetched.
"""

import os
import re
import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from shlex import quote
from subprocess import DEVNULL, PIPE, Popen
from tempfile import TemporaryFile
from typing import IO

from gamcli.errors import FailedError, UsageError, format_count
from gamcli.model.findings import ScanSource
from gamcli.rules.credentials import Secret
from gamcli.rules.leak_detection import Leak, find_leaks, may_contain_credential
from gamcli.scan import git_environment
from gamcli.scan.archives import ArchiveScanner, spool
from gamcli.scan.file_scan import display_path
from gamcli.scan.git_objects import (
    CHUNK_BYTES,
    MESSAGE_OBJECTS,
    GitObject,
    parse_diff_tree,
    parse_raw_entries,
    read_fields,
    read_objects,
)
from gamcli.scan.magic import has_zip_end, is_archive, peek, watch_zip_end

GIT_OPTIONS = ("--no-pager", "--no-replace-objects", "--no-optional-locks", "-c", "core.fsmonitor=false")
"""Read objects as they are, and run nothing that the repository configures."""

LocatedLeaks = Iterator[tuple[ScanSource, Leak]]

MemberLeak = tuple[str, Leak]
"""A leak in an object, and the name of the member of an archive that it is in, which begins with `!`, or nothing."""


class GitRepository:
    """
    The repository of `folder`, or without one that of the working directory or of GIT_DIR; `warn` receives warnings.

    `incomplete` counts what could not be read: the rest of a shallow or partial clone, and members of archives.
    """

    def __init__(
        self,
        folder: str | None,
        warn: Callable[[str], None],
        *,
        reads_archives: bool = True,
        allows_partial: bool = False,
    ) -> None:
        self.objects = 0
        self.bytes_read = 0
        self.incomplete = 0
        self._folder = folder or "."
        self._warn = warn
        self._reads_archives = reads_archives
        self._allows_partial = allows_partial
        self._environment = git_environment.build(os.environ, folder)
        self._names_have_leaks = False
        self._unread: dict[str, list[tuple[str, str]]] = {}
        with self._run_git("rev-parse", "--is-shallow-repository") as output:
            self._is_shallow = output.read().strip() == b"true"

    def scan_history(self) -> LocatedLeaks:
        """Yield each secret in the history once, where it was first added."""
        if self._is_shallow:
            self._report_incomplete(
                "this clone is shallow and lacks most of the history; to fetch it: git fetch --unshallow"
            )
        self._require_complete()
        with self._run_git(*_LIST_MISSING) as missing:  # at the same time: it walks the history as well
            yield from self._scan_objects()
            if count := _count_missing(missing):
                self._report_incomplete(f"this clone lacks {format_count(count, 'object')} of its history: git fsck")

    def _scan_objects(self) -> LocatedLeaks:
        seen: set[Secret] = set()
        yield from _skip_seen(self._scan_ref_names(), seen)
        with self._run_git("cat-file", "--batch-all-objects", "--batch", "--unordered", "--buffer") as stream:
            leaks_by_object, tags = self._find_objects_with_leaks(stream)
        if leaks_by_object or self._names_have_leaks or self._unread:
            with closing(self._locate_objects()) as locations:
                yield from _skip_seen(self._scan_locations(locations, leaks_by_object), seen)
        for name, source in tags.items():
            yield from ((source, leak) for _, leak in leaks_by_object.pop(name, ()))
        if unreachable := {leak.secret for _, leak in chain(*leaks_by_object.values())} - seen:
            self._warn(f"{len(unreachable)} more in objects that no branch, tag or stash refers to")

    def _scan_locations(
        self, locations: Iterator[tuple[str, ScanSource]], leaks_by_object: dict[str, list[MemberLeak]]
    ) -> LocatedLeaks:
        """Yield the leaks of the objects where they first appear, and those in the names of files."""
        for name, source in locations:
            if self._names_have_leaks:
                yield from scan_name(source)
            yield from self._locate(source, name, leaks_by_object.pop(name, ()))
            if not (leaks_by_object or self._names_have_leaks or self._unread):
                break

    def _locate(self, source: ScanSource, object_id: str, leaks: Iterable[MemberLeak]) -> LocatedLeaks:
        """Yield the leaks of an object with its place, and report what of it could not be read."""
        for member, leak in leaks:
            yield _display(source, member), leak
        for member, reason in self._unread.pop(object_id, ()):
            self._report_incomplete(f"cannot read {_display(source, member).file} completely: {reason}")

    def _scan_ref_names(self) -> LocatedLeaks:
        """Yield the credentials in the names of branches, tags and other refs."""
        with self._run_git("for-each-ref", "--format=%(refname)") as refs:
            for ref in refs:
                yield from scan_name(ScanSource(os.fsdecode(ref.rstrip(b"\n"))))

    def _report_incomplete(self, message: str) -> None:
        self.incomplete += 1
        self._warn(message)

    def _locate_objects(self) -> Generator[tuple[str, ScanSource]]:
        """Yield the objects of the history with their locations: in commits, from the oldest, then in other refs."""
        with (
            self._run_git(*_LIST_STASHES) as stashes,
            self._run_git("rev-list", "--reverse", "--date-order", "--all", "--stdin", stdin=stashes) as commits,
            self._run_git(*_DIFF_TREE, stdin=commits) as stream,
        ):
            yield from parse_diff_tree(stream)
        with self._run_git(*_LIST_REFS) as refs, self._run_git(*_RESOLVE_REFS, stdin=refs) as stream:
            for kind, name, ref in map(bytes.split, stream):
                if kind == b"blob":
                    yield name.decode(), ScanSource(os.fsdecode(ref))
                elif kind == b"tree":
                    with self._run_git("ls-tree", "-r", "-z", name.decode()) as files:
                        for entry, _, path in (field.partition(b"\t") for field in read_fields(files)):
                            yield entry.split()[2].decode(), ScanSource(os.fsdecode(path), name.decode())

    def _require_complete(self) -> None:
        """Raise FailedError if the repository is a partial clone with missing objects."""
        with self._run_git("config", "--list", "--name-only") as output:
            is_partial = any(_PARTIAL_CLONE_KEY.fullmatch(line) for line in output)
        if not is_partial:
            return
        with self._run_git(*_LIST_MISSING) as output:
            missing = _count_missing(output)
        if missing and not self._allows_partial:
            message = f"this clone is partial and lacks {format_count(missing, 'object')} of the history"
            raise FailedError(message, "git fetch --refetch --no-filter")

    def _find_objects_with_leaks(self, stream: IO[bytes]) -> tuple[dict[str, list[MemberLeak]], dict[str, ScanSource]]:
        """Return the leaks of each object that has any, and the tags among those objects."""
        leaks_by_object: dict[str, list[MemberLeak]] = {}
        tags: dict[str, ScanSource] = {}
        for git_object in self._read_objects(stream):
            leaks = self._find_object_leaks(git_object)
            if git_object.kind == "tree":
                self._names_have_leaks = self._names_have_leaks or bool(leaks)
            elif leaks:
                leaks_by_object[git_object.id] = leaks
            if leaks and git_object.kind == "tag":
                tags[git_object.id] = ScanSource(MESSAGE_OBJECTS["tag"], git_object.id)
        return leaks_by_object, tags

    def _find_object_leaks(self, git_object: GitObject) -> list[MemberLeak]:
        """Return the leaks of an object; most objects are small and have none."""
        if git_object.size > CHUNK_BYTES:
            head, chunks = peek(git_object.chunks)
        else:
            head = b"".join(git_object.chunks)
            if git_object.kind in MESSAGE_OBJECTS:
                head = _select_text(head)
            chunks = iter([head])
        if git_object.kind == "blob" and self._reads_archives:
            if is_archive(head) or (git_object.size <= CHUNK_BYTES and has_zip_end(head)):
                return self._scan_archive(git_object.id, chunks)
            chunks = watch_zip_end(chunks, partial(self._keep_unread, git_object.id, ""))
        if git_object.size <= CHUNK_BYTES and not may_contain_credential(head):
            return []
        return [("", leak) for leak in find_leaks(chunks)]

    def _scan_archive(self, object_id: str, chunks: Iterable[bytes]) -> list[MemberLeak]:
        """Return the leaks in an archive, each with the name of its member."""
        with spool(chunks) as file:
            return [*ArchiveScanner(partial(self._keep_unread, object_id)).scan(file, "")]

    def _keep_unread(self, object_id: str, member: str, reason: str) -> None:
        self._unread.setdefault(object_id, []).append((member, reason))

    def scan_staged(self) -> LocatedLeaks:
        with self._run_git(*_DIFF_STAGED) as diff, TemporaryFile() as ids:
            paths = []
            for columns, path in parse_raw_entries(diff):
                if columns[3].strip(b"0"):  # deleted and unmerged files have no object
                    ids.write(columns[3] + b"\n")
                    paths.append(path)
            ids.seek(0)
            with self._run_git("cat-file", "--batch", "--buffer", stdin=ids) as stream:  # raises if git stops early
                for path, git_object in zip(paths, self._read_objects(stream), strict=False):
                    yield from scan_name(ScanSource(path))
                    yield from self._locate(ScanSource(path), git_object.id, self._find_object_leaks(git_object))

    def _read_objects(self, stream: IO[bytes]) -> Iterator[GitObject]:
        """Yield and count the objects in the output of `git cat-file --batch`."""
        for git_object in read_objects(stream):
            self.objects += 1
            self.bytes_read += git_object.size
            yield git_object

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
                    env=self._environment,
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

_LIST_MISSING = ("rev-list", "--all", "--objects", "--quiet", "--missing=print")
"""Objects that a partial or damaged repository lacks."""

_LIST_REFS = ("for-each-ref", "--format=%(refname)^{} %(refname)")
_RESOLVE_REFS = ("cat-file", "--batch-check=%(objecttype) %(objectname) %(rest)", "--buffer")
"""The targets of refs, with nested tags resolved; mostly commits, which the walk has seen."""

_DIFF_STAGED = (
    "diff", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev", "--no-relative", "--ignore-submodules",
)  # fmt: skip


def _count_missing(output: Iterable[bytes]) -> int:
    return sum(line.startswith(b"?") for line in output)


def scan_name(source: ScanSource) -> LocatedLeaks:
    """Yield the credentials in the name of a file or a ref, which may not be redacted yet, and redact it."""
    if "gam" in source.file:
        for leak in find_leaks([os.fsencode(source.file)]):
            yield _display(source), leak._replace(line=1, column=1)


def _display(source: ScanSource, member: str = "") -> ScanSource:
    """Return where something is as text, without credentials in the name."""
    return source._replace(file=display_path(source.file + member))


def _select_text(content: bytes) -> bytes:
    """Return the message of a commit or a tag; all of it if its author or another field may have a credential."""
    fields, _, message = content.partition(b"\n\n")
    return content if may_contain_credential(fields) else message


def _skip_seen(leaks: LocatedLeaks, seen: set[Secret]) -> LocatedLeaks:
    for source, leak in leaks:
        if leak.secret not in seen:
            seen.add(leak.secret)
            yield source, leak


def _git_error(folder: str, subcommand: str, stderr: str) -> FailedError | UsageError:
    lines = [line for line in stderr.splitlines() if line and not line.startswith("warning: ")]
    message = lines[0].removeprefix("fatal: ") if lines else "no error message"
    if subcommand == "rev-parse":
        hint = f"git -C {quote(folder)} status" if Path(folder).is_dir() else "name the folder of a git repository"
        return UsageError(f"cannot open the git repository at {display_path(folder)}: {message}", hint)
    return FailedError(f"git {subcommand} failed: {message}", "git fsck")
