"""Scans of files and folders."""

import os
import threading
from pathlib import Path
from random import Random
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamcli.errors import UsageError
from gamcli.rules.credentials import mint_api_key
from gamcli.rules.leak_detection import MAX_LENGTH
from gamcli.scan import file_scan
from gamcli.scan.file_scan import CHUNK_BYTES, FileScanner, display_path, require_readable

KEY = mint_api_key(Random(1).randbytes)[1].reveal()


@pytest.fixture
def reader() -> FileScanner:
    def warn(message: str) -> None:
        pytest.fail(message)

    return FileScanner(warn)


def look(reader: FileScanner, *paths: str) -> list[tuple[str, int, int]]:
    return [(source.file, leak.line, leak.column) for source, leak in reader.scan(paths)]


@pytest.fixture
def tree(place: Path) -> Path:
    for name in ("b/c/deep.py", "b/d/last.py", "b/first.py", "a.py", ".git/config", "b/.git/config", ".hidden"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(f"\n {KEY}", encoding="utf-8")
    (place / "b" / "clean.py").write_text("nothing", encoding="utf-8")
    (place / "b" / "empty.py").touch()
    return place


def test_a_folder_is_searched_recursively_in_order(reader: FileScanner, tree: Path) -> None:
    assert tree
    found = look(reader, ".")
    assert found == [(name, 2, 2) for name in (".hidden", "a.py", "b/first.py", "b/c/deep.py", "b/d/last.py")]
    assert (reader.files, reader.unreadable) == (7, 0)
    assert reader.bytes_read == 5 * (len(KEY) + 2) + len("nothing")


def test_a_named_git_folder_is_searched(reader: FileScanner, tree: Path) -> None:
    assert look(reader, ".git", "./a.py") == [(".git/config", 2, 2), ("a.py", 2, 2)]
    assert look(reader, str(tree / "b" / "c")) == [(str(tree / "b/c/deep.py"), 2, 2)]


def test_symlinks_in_a_folder_are_not_followed_but_named_ones_are(reader: FileScanner, tree: Path) -> None:
    (tree / "b" / "c" / "up").symlink_to(tree)
    (tree / "b" / "c" / "other").symlink_to(tree / "a.py")
    assert look(reader, "b/c") == [("b/c/deep.py", 2, 2)]
    assert look(reader, "b/c/up/b/c", "b/c/other") == [("b/c/up/b/c/deep.py", 2, 2), ("b/c/other", 2, 2)]


def test_pipes_and_sockets_in_a_folder_are_skipped(reader: FileScanner, place: Path) -> None:
    os.mkfifo(place / "pipe")
    assert look(reader, ".") == []
    assert reader.files == 0


def test_a_named_pipe_is_read(reader: FileScanner, place: Path) -> None:
    os.mkfifo(place / "pipe")
    writer = threading.Thread(target=(place / "pipe").write_text, args=(f"x\n{KEY}\n",))
    writer.start()
    assert look(reader, "pipe") == [("pipe", 2, 1)]
    writer.join()
    assert (reader.files, reader.bytes_read) == (1, len(KEY) + 3)


@pytest.fixture(params=[1, 7, MAX_LENGTH - 1, MAX_LENGTH, 64])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(file_scan, "CHUNK_BYTES", request.param)
    assert isinstance(request.param, int)
    return request.param


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(before=st.integers(0, 200), after=st.integers(0, 200))
def test_a_leak_across_chunks_is_found(small: int, place: Path, before: int, after: int) -> None:
    assert small
    (place / "file").write_bytes(b"x" * before + KEY.encode() + b"y" * after)
    reader = FileScanner(pytest.fail)
    assert look(reader, "file") == [("file", 1, before + 1)]
    assert reader.bytes_read == before + len(KEY) + after


def test_the_end_of_one_file_is_not_joined_to_the_next(small: int, reader: FileScanner, place: Path) -> None:
    assert small
    (place / "a").write_text(KEY[:30], encoding="ascii")
    (place / "b").write_text(KEY[30:], encoding="ascii")
    assert [leak.length for _, leak in reader.scan(["."])] == [30]


@pytest.mark.parametrize("place_of_it", [0, CHUNK_BYTES - 20, 3 * CHUNK_BYTES])
def test_leaks_in_large_files_have_the_right_line(reader: FileScanner, place: Path, place_of_it: int) -> None:
    lines = place_of_it // 10
    (place / "log").write_bytes(b"123456789\n" * lines + KEY.encode() + b"\n" * CHUNK_BYTES)
    assert look(reader, "log") == [("log", lines + 1, 1)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_files_are_read(reader: FileScanner, place: Path, encoding: str) -> None:
    text = f"clé\r\nkey={KEY}\r\n"
    (place / "a.ps1").write_bytes((text if encoding == "utf-16" else f"\ufeff{text}").encode(encoding))
    assert look(reader, "a.ps1") == [("a.ps1", 2, 5)]


def test_unreadable_files_are_reported_and_skipped(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tree
    refuse(monkeypatch, os, "scandir", "b")
    refuse(monkeypatch, os, "open", "a.py")
    warnings: list[str] = []
    reader = FileScanner(warnings.append)
    assert look(reader, ".") == [(".hidden", 2, 2)]
    assert warnings == ["cannot read a.py: Permission denied", "cannot read b: Permission denied"]
    assert (reader.files, reader.unreadable) == (1, 2)


def refuse(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, refused: str) -> None:
    real = getattr(module, name)

    def careful(path: str | int, *more: object, **others: object) -> object:
        if path == refused:
            raise PermissionError(13, "Permission denied")
        return real(path, *more, **others)

    monkeypatch.setattr(module, name, careful)


def test_a_file_that_is_read_in_small_pieces_is_searched_whole(
    reader: FileScanner, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those in /proc are."""
    (place / "a").write_text("x" * 20 + KEY, encoding="ascii")
    read = os.read
    monkeypatch.setattr(os, "read", lambda descriptor, size: read(descriptor, min(size, 10)))
    assert look(reader, ".") == [("a", 1, 21)]


def test_a_file_deleted_between_two_reads_is_reported(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "b").mkdir()
    (place / "b" / "a").write_text(KEY, encoding="ascii")

    def vanish(_: FileScanner, path: str) -> bool:
        Path(path).unlink()
        return True

    monkeypatch.setattr(FileScanner, "_may_contain_credential", vanish)
    monkeypatch.setattr(file_scan, "SMALL_BYTES", 1)
    warnings: list[str] = []
    assert look(FileScanner(warnings.append), "b") == []
    assert warnings == ["cannot read b/a: No such file or directory"]
    (place / "a").write_text(KEY, encoding="ascii")
    with pytest.raises(UsageError, match="cannot read a: No such file or directory"):
        look(FileScanner(warnings.append), "./a")


@pytest.mark.parametrize("path", ["nothing", "nothing/in/it", "nul\0"])
def test_a_missing_path_is_reported_before_anything_is_read(tree: Path, path: str) -> None:
    assert tree
    with pytest.raises(UsageError, match=r"cannot read (nothing|nul)"):
        require_readable(["a.py", "-", path])
    require_readable(["a.py", "-", "."])


@pytest.mark.parametrize("refused", ["a.py", "b"])
def test_a_named_path_that_cannot_be_read_is_an_error(
    tree: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    assert tree
    with monkeypatch.context() as patched:
        refuse(patched, os, "open", refused)
        with pytest.raises(UsageError, match=f"cannot read {refused}: Permission denied"):
            require_readable([".hidden", refused])
    refuse(monkeypatch, os, "scandir", "b")
    refuse(monkeypatch, os, "open", "a.py")
    with pytest.raises(UsageError, match=f"cannot read {refused}: Permission denied"):
        look(FileScanner(pytest.fail), ".hidden", refused)


def test_an_unreadable_working_directory_is_an_error(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tree
    refuse(monkeypatch, os, "scandir", ".")
    for name in (".", "./", "./."):
        with pytest.raises(UsageError, match=r"cannot read \.: Permission denied"):
            look(FileScanner(pytest.fail), name)


def test_a_stream_that_cannot_be_read_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(FileScanner, "_read_chunks", fail)
    with pytest.raises(UsageError, match="cannot read stdin: Input/output error"):
        look(FileScanner(pytest.fail), "-")


def test_the_name_of_everything_in_a_folder_is_searched_once(reader: FileScanner, place: Path) -> None:
    folder, link, target = (mint_api_key(Random(seed).randbytes)[1].reveal() for seed in (1, 2, 3))
    (place / "a" / folder / "b").mkdir(parents=True)
    for name in "12":
        (place / "a" / folder / "b" / name).touch()
    (place / "c").symlink_to(target)
    (place / link).symlink_to("c")
    os.mkfifo(place / f"{KEY}.pipe")
    found = [(source.file, leak.secret.reveal()) for source, leak in reader.scan(["."])]
    expected = [("a/gamkey_...", folder), ("c", target), ("gamkey_...", link), ("gamkey_....pipe", KEY)]
    assert sorted(found) == expected


@pytest.mark.parametrize("name", [KEY, f"{KEY}/a"])
def test_the_name_of_an_argument_is_searched(reader: FileScanner, place: Path, name: str) -> None:
    path = place / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    assert [leak.secret.reveal() for _, leak in reader.scan([str(place / KEY)])] == [KEY]


def test_file_names_are_shown_as_text_without_secrets() -> None:
    assert display_path(os.fsdecode(b"caf\xe9.txt")) == "caf\\xe9.txt"
    assert display_path(f"a/{KEY}.bak") == "a/gamkey_....bak"
