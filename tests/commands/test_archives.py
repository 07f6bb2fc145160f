"""Scans of archives and compressed files."""

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from gamcli.rules.credentials import mint_api_key
from gamcli.scan import tar_members
from gamcli.scan.archives import ArchiveLimits, ArchiveScanner
from gamcli.scan.file_scan import FileScanner
from tests.cases import for_each

KEY, OTHER = (mint_api_key(Random(seed).randbytes)[1].reveal() for seed in (1, 2))
TEXT = f"\n key={KEY}\n".encode()
FOLLOWS = "a zip file that follows other data is read only from a file on disk"


def zip_up(name: str, data: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.mkdir("folder") if hasattr(archive, "mkdir") else None
        archive.writestr(name, data)
    return out.getvalue()


def tar_up(name: str, data: bytes, kind: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def look(*paths: str) -> tuple[list[tuple[str, int, int]], list[str]]:
    warnings: list[str] = []
    scanner = FileScanner(warnings.append)
    found = [(source.file, leak.line, leak.column) for source, leak in scanner.scan(paths)]
    assert scanner.unread_members == len(warnings)
    return found, warnings


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_a_compressed_file_is_searched(place: Path, suffix: str) -> None:
    (place / f"a.log.{suffix}").write_bytes(COMPRESSORS[suffix](b"x" * 3_000_000 + TEXT) + COMPRESSORS[suffix](TEXT))
    assert look(".") == ([(f"a.log.{suffix}", 2, 6), (f"a.log.{suffix}", 4, 6)], [])


@pytest.mark.parametrize("name", ["word/document.xml", "pkg/settings.py"])
def test_the_members_of_a_zip_file_are_named(place: Path, name: str) -> None:
    (place / "a.docx").write_bytes(zip_up(name, TEXT))
    (place / "stored.zip").write_bytes(zip_up(name, TEXT, zipfile.ZIP_STORED))
    assert look(".") == ([(f"a.docx!{name}", 2, 6), (f"stored.zip!{name}", 2, 6)], [])
    (found, _), _ = look("a.docx"), None
    assert found == [(f"a.docx!{name}", 2, 6)]


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("name", ["a.py", "d/" * 60 + "a.py", "é.py"])
def test_the_members_of_a_tar_file_are_named(place: Path, name: str, kind: int) -> None:
    (place / "a.tar").write_bytes(tar_up(name, TEXT, kind))
    (place / "b.tar.gz").write_bytes(gzip.compress(tar_up(name, TEXT, kind)))
    assert look(".") == ([(f"a.tar!{name}", 2, 6), (f"b.tar.gz!{name}", 2, 6)], [])


def test_archives_within_archives_are_searched(place: Path) -> None:
    inner = zip_up("in.tar.xz", lzma.compress(tar_up("b.py", TEXT)))
    (place / "a.whl").write_bytes(inner)
    assert look("a.whl") == ([("a.whl!in.tar.xz!b.py", 2, 6)], [])


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (b"", ([("stdin!a.py", 2, 6)], [])),
        (b"x", ([], [f"cannot read stdin completely: {FOLLOWS}"])),
    ],
)
def test_an_archive_in_a_pipe_is_searched_unless_it_follows_other_data(
    before: bytes, expected: tuple[list[tuple[str, int, int]], list[str]]
) -> None:
    reader, writer = os.pipe()
    os.write(writer, before + zip_up("a.py", TEXT))
    os.close(writer)
    saved = os.dup(0)
    os.dup2(reader, 0)
    try:
        assert look("-") == expected
    finally:
        os.dup2(saved, 0)
        for descriptor in (saved, reader):
            os.close(descriptor)


def test_names_of_files_and_members_are_searched_and_not_shown(place: Path) -> None:
    (place / "a.zip").write_bytes(zip_up(f"{KEY}.txt", b""))
    (place / f"{OTHER}.txt").touch()
    assert look(".") == ([("gamkey_....txt", 1, 1), ("a.zip!gamkey_....txt", 1, 1)], [])


def test_names_of_folders_and_targets_of_links_in_a_tar_file_are_searched(place: Path) -> None:
    long = "d/" * 60
    for kind in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
            for name, of_type, target in (
                (KEY, tarfile.DIRTYPE, ""),
                ("short", tarfile.SYMTYPE, OTHER),
                ("long", tarfile.LNKTYPE, (long if kind != tarfile.USTAR_FORMAT else "") + OTHER),
                ("other", tarfile.SYMTYPE, "x"),
            ):
                info = tarfile.TarInfo(name)
                info.type, info.linkname = of_type, target
                archive.addfile(info)
        (place / "a.tgz").write_bytes(gzip.compress(out.getvalue()))
        found, warnings = look("a.tgz")
        assert [each[0].removesuffix("/") for each in found] == ["a.tgz!gamkey_...", "a.tgz!short", "a.tgz!long"]
        assert warnings == []


def test_names_of_folders_and_the_comment_in_a_nested_zip_file_are_searched(place: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(f"{KEY}/", b"")
        archive.comment = OTHER.encode()
    (place / "a.zip").write_bytes(zip_up("b.zip", out.getvalue()))
    assert look("a.zip") == ([("a.zip!b.zip", 1, 1), ("a.zip!b.zip!gamkey_.../", 1, 1)], [])


def test_an_executable_zip_file_is_searched(place: Path) -> None:
    (place / "a.pyz").write_bytes(b"#!/usr/bin/env python3\n" + zip_up("__main__.py", TEXT))
    (place / "a.py").write_bytes(b"#!/usr/bin/env python3\n" + TEXT)
    assert look(".") == ([("a.py", 3, 6), ("a.pyz!__main__.py", 2, 6)], [])


PREFIX = b"MZ" + Random(3).randbytes(600)
LONG_PREFIX = PREFIX * 500
"""Longer than what is read at once."""


@for_each("prefix", [PREFIX, PREFIX * 60, LONG_PREFIX])
@for_each("end", [b"", b"signature\6" * 9])
def test_a_self_extracting_zip_file_is_searched(place: Path, prefix: bytes, end: bytes) -> None:
    data = prefix + zip_up("a.py", TEXT) + end
    (place / "setup.exe").write_bytes(data)
    assert look(".") == ([("setup.exe!a.py", 2, 6)], [])
    assert look("setup.exe") == ([("setup.exe!a.py", 2, 6)], [])
    assert [*FileScanner(pytest.fail, reads_archives=False).scan(["."])] == []
    (place / "setup.exe").write_bytes(gzip.compress(tar_up("setup.exe", prefix + OTHER.encode() + data)))
    found, warnings = look(".")
    names = [each[0] for each in found]
    if prefix == LONG_PREFIX:
        assert names == ["setup.exe!setup.exe"]
        assert warnings == [f"cannot read setup.exe!setup.exe completely: {FOLLOWS}"]
    else:
        assert (names, warnings) == (["setup.exe!setup.exe!a.py", "setup.exe!setup.exe"], [])


def test_a_comment_hides_no_zip_file_behind_other_data(place: Path) -> None:
    out = io.BytesIO(LONG_PREFIX)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("a.py", TEXT)
        archive.comment = b"\6" * 0xFFFF
    (place / "a").write_bytes(out.getvalue())
    assert look(".") == ([("a!a.py", 2, 6)], [])


@for_each("end", [b"PK\5\6", b"PK\5\6" + bytes(30), b"\6"])
def test_the_mark_of_a_zip_file_alone_is_none(place: Path, end: bytes) -> None:
    (place / "a").write_bytes(PREFIX + end)
    assert look(".") == ([], [])


@pytest.mark.parametrize("end", [b"garbage", b"\x1f\x8b\x08garbage"])
def test_what_precedes_damage_in_a_gzip_file_is_searched(place: Path, end: bytes) -> None:
    (place / "a.gz").write_bytes(gzip.compress(TEXT) + end)
    assert look("a.gz") == ([("a.gz", 2, 6)], ["cannot read a.gz completely: it is damaged or truncated"])


@pytest.mark.parametrize("cut", [600, 1200])
def test_the_members_of_a_truncated_archive_are_searched(place: Path, cut: int) -> None:
    noise = Random(1).randbytes(100_000)
    (place / "a.tar").write_bytes(tar_up("a", TEXT)[: 1024 + 512 + len(TEXT)])
    (place / "a.tgz").write_bytes(gzip.compress(tar_up("a", TEXT + noise))[:-cut])
    found, warnings = look(".")
    assert found == [("a.tar!a", 2, 6), ("a.tgz!a", 2, 6)]
    assert {each.split(":")[0] for each in warnings} == {f"cannot read a.{end} completely" for end in ("tar", "tgz")}


def test_what_follows_an_archive_is_searched(place: Path) -> None:
    (place / "a.zip").write_bytes(zip_up("a.py", TEXT) + OTHER.encode())
    found, _ = look("a.zip")
    assert {each[0] for each in found} == {"a.zip!a.py", "a.zip"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(os.urandom(999))[:-9], "it is damaged or truncated"),
        (bz2.compress(b"x" * 999)[:-9], "it is damaged or truncated"),
        (lzma.compress(b"x" * 999)[:-9], "it is damaged or truncated"),
        (tar_up("a", b"x" * 999)[:1300], "it is truncated"),
        (zip_up("a", b"x" * 999)[:-9], "it is damaged or truncated"),
        (b"7z\xbc\xaf\x27\x1c", "7z files are not supported"),
        (b"\x28\xb5\x2f\xfd", "Zstandard files are not supported"),
        (lzma.compress(b"x" * 999, lzma.FORMAT_ALONE), "LZMA files are not supported"),
        (b"LZIP\1", "lzip files are not supported"),
        (b"\x1f\x9d\x90", "compress files are not supported"),
        (b"\x89LZO\0\r\n\x1a\n", "lzop files are not supported"),
        (b"MSCF\0\0\0\0", "CAB files are not supported"),
        (b"\xed\xab\xee\xdb\3", "RPM files are not supported"),
        (b"!<arch>\ndebian-binary   ", "Debian package files are not supported"),
    ],
)
def test_an_archive_that_cannot_be_read_is_named(place: Path, data: bytes, reason: str) -> None:
    (place / "a.bin").write_bytes(data)
    assert look("a.bin") == ([], [f"cannot read a.bin completely: {reason}"])


def test_an_encrypted_or_damaged_member_is_named_and_the_others_are_read(place: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("locked", "broken", "open"):
            archive.writestr(name, TEXT if name == "open" else b"x" * 99)
    data = bytearray(out.getvalue())
    directory = data.index(b"PK\x01\x02")
    data[6] |= 1
    data[directory + 8] |= 1
    data[data.index(b"x" * 99, 140)] ^= 1
    (place / "a.zip").write_bytes(data)
    assert look("a.zip") == (
        [("a.zip!open", 2, 6)],
        [
            "cannot read a.zip!locked completely: it is encrypted",
            "cannot read a.zip!broken completely: it is damaged or truncated",
        ],
    )


def scan(data: bytes, limits: ArchiveLimits) -> tuple[list[str], list[tuple[str, str]]]:
    reported: list[tuple[str, str]] = []
    scanner = ArchiveScanner(lambda name, reason: reported.append((name, reason)), limits)
    return [name for name, _ in scanner.scan(io.BytesIO(data), "a")], reported


def test_depth_is_limited() -> None:
    data = TEXT
    for _ in range(3):
        data = zip_up("b", data)
    assert scan(data, ArchiveLimits(depth=3)) == (["a!b!b!b"], [])
    assert scan(data, ArchiveLimits(depth=2)) == ([], [("a!b!b", "archives are nested more than 2 deep")])


@pytest.mark.parametrize("limits", [ArchiveLimits(total_bytes=90_000), ArchiveLimits(ratio=2, free_bytes=90_000)])
def test_size_and_ratio_are_limited(limits: ArchiveLimits) -> None:
    bomb = zip_up("b", bytes(100_000) + TEXT)
    assert scan(bomb, limits) == ([], [("a", "it expands to too much data")])
    assert scan(zip_up("b", bytes(80_000) + TEXT), limits) == (["a!b"], [])
    assert scan(gzip.compress(bomb), limits) == ([], [("a", "it expands to too much data")])


def test_a_long_list_of_members_and_a_long_header_are_refused() -> None:
    data = bytearray(zip_up("b", TEXT))
    struct.pack_into("<I", data, data.rindex(b"PK\x05\x06") + 12, 1 << 26)
    assert scan(bytes(data), ArchiveLimits()) == ([], [("a", "it has too many members")])
    tar = bytearray(tar_up("é" * 60, TEXT))
    at = 512
    assert tar[at + 156 : at + 157] == b"x"
    tar[at + 124 : at + 136] = f"{tar_members.MAX_HEADER_BYTES + 1:011o}\0".encode()
    assert scan(bytes(tar), ArchiveLimits())[1] == [("a", "it has a header that is too long")]


def test_archives_are_not_opened_when_nobody_wants_it(place: Path) -> None:
    (place / "a.zip").write_bytes(zip_up("a.py", TEXT))
    scanner = FileScanner(pytest.fail, reads_archives=False)
    assert list(scanner.scan(["."])) == []
    assert scanner.files == 1


def test_a_device_without_an_end_is_left(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert place
    monkeypatch.setattr("gamcli.scan.file_scan.MAX_DEVICE_BYTES", 1 << 20)
    warnings: list[str] = []
    scanner = FileScanner(warnings.append)
    assert list(scanner.scan(["/dev/zero", "/dev/null"])) == []
    assert warnings == ["/dev/zero is a device: only the first 1 MiB were read"]
    assert scanner.unreadable == 1


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="only Linux has such files")
@pytest.mark.parametrize("path", ["/proc/self/environ", "/proc/cpuinfo"])
def test_files_without_an_end_to_seek_are_read(path: str) -> None:
    warnings: list[str] = []
    scanner = FileScanner(warnings.append)
    assert list(scanner.scan([path])) == []
    assert (scanner.files, warnings) == (1, [])


def test_a_line_break_in_an_extended_header_does_not_rename_the_member(place: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("é.py")
        info.pax_headers = {"comment": "a\n10 path=b\n"}
        info.size = len(TEXT)
        archive.addfile(info, io.BytesIO(TEXT))
    (place / "a.tar").write_bytes(out.getvalue())
    assert look(".") == ([("a.tar!é.py", 2, 6)], [])


def test_a_damaged_extended_header_is_reported() -> None:
    tar = tar_up("é.py", TEXT)
    for damaged in (b"x", b"0", b"9"):
        at = tar.index(b" path=")
        assert scan(tar[: at - 2] + damaged * 2 + tar[at:], ArchiveLimits())[1] == [("a", "it is damaged or truncated")]
