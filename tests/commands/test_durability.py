"""New files are for their owner alone, and on disk, with their names, before gamcli reports success."""

import os
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gamcli.actions import Gam, keys
from gamcli.actions.keys import KeySpec
from gamcli.bulk import rotation_results

Run = Callable[..., Any]


class Event(NamedTuple):
    """A call: creation of a file or folder, a change of its content, a name that is given, or a sync."""

    call: str
    path: str
    flags: int = 0
    mode: int = 0o777


class Calls:
    """Records calls of the `os` module, which gamcli uses for each file that it creates; SQLite's are not seen."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.events: list[Event] = []
        self._real = {
            name: getattr(os, name) for name in ("open", "write", "fsync", "mkdir", "link", "rename", "replace")
        }
        for name in self._real:
            patch.setattr(os, name, getattr(self, f"_{name}"))

    def _open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:  # noqa: ANN401
        descriptor: int = self._real["open"](path, flags, mode, dir_fd=dir_fd)
        if flags & os.O_CREAT:
            self.events.append(Event("create", _path_of(descriptor), flags, mode))
        return descriptor

    def _write(self, descriptor: int, data: bytes) -> int:
        self.events.append(Event("write", _path_of(descriptor)))
        return int(self._real["write"](descriptor, data))

    def _fsync(self, descriptor: int) -> None:
        self._real["fsync"](descriptor)
        self.events.append(Event("sync", _path_of(descriptor)))

    def _mkdir(self, path: Any, mode: int = 0o777) -> None:  # noqa: ANN401
        self._real["mkdir"](path, mode)
        self.events.append(Event("name", os.path.realpath(path)))

    def _link(self, source: Any, target: Any, **more: Any) -> None:  # noqa: ANN401
        self._real["link"](source, target, **more)
        self.events.append(Event("name", os.path.realpath(target)))

    def _rename(self, source: Any, target: Any) -> None:  # noqa: ANN401
        self._real["rename"](source, target)
        self.events.append(Event("name", os.path.realpath(target)))

    def _replace(self, source: Any, target: Any) -> None:  # noqa: ANN401
        self._real["replace"](source, target)
        self.events.append(Event("name", os.path.realpath(target)))

    def after(self, index: int, call: str, path: str) -> bool:
        return any(event.call == call and event.path == path for event in self.events[index:])


def _path_of(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux names open files")

GENERATE = ("key", "generate", "--user", "ana", "--app", "portal")
CREATING = {
    "key generate": ((*GENERATE, "--out", "out/file"), "out/file"),
    "app create": (("app", "create", "gate", "--out", "out/file"), "out/file"),
    "app rotate-secret": (("app", "rotate-secret", "portal", "--overlap", "0", "--out", "out/file"), "out/file"),
    "bulk": (("key", "generate", "--from", "in.csv", "--out", "out/file"), "out/file"),
    "bulk folder": (("key", "generate", "--from", "in.csv", "--out-dir", "out/dir"), "out/dir"),
    "rotation": (("key", "rotate", "--due", "14d", "--overlap", "1h", "--out", "out/file"), "out/file"),
    "rotation folder": (("key", "rotate", "--due", "14d", "--overlap", "1h", "--out-dir", "out/dir"), "out/dir"),
    "apply": (("apply", "m.toml", "--secrets-out", "out/file"), "out/file"),
    "plan": (("plan", "m.toml", "--out", "out/file"), "out/file"),
    "backup": (("store", "backup", "out/file"), "out/file"),
    "init": (("--store", "out/a/b/s.db", "init"), "out/a/b/s.db"),
}


@pytest.mark.parametrize("what", CREATING)
def test_a_new_file_and_its_name_are_on_disk_and_nothing_was_taken_over(
    world: Run, place: Path, monkeypatch: pytest.MonkeyPatch, what: str, ago: Callable[[timedelta], Gam]
) -> None:
    assert world("app", "list").code == 0
    monkeypatch.chdir(place)
    (place / "in.csv").write_text("user,app\nana,portal\n", encoding="utf-8")
    (place / "m.toml").write_text("[user.max]\n[[key]]\nuser = 'max'\napp = 'portal'\n", encoding="utf-8")
    (place / "out").mkdir()
    if "rotation" in what:
        keys.generate(ago(timedelta(days=29)), KeySpec("ana", "portal", expires_in=timedelta(days=30)))
    words, result = CREATING[what]
    before = os.umask(0)
    with monkeypatch.context() as patch:
        calls = Calls(patch)
        try:
            ran = world(*words)
        finally:
            os.umask(before)
    assert ran.code == 0, ran.err
    out = os.path.realpath(place / "out")
    events = [(index, each) for index, each in enumerate(calls.events) if each.path.startswith(f"{out}/")]
    assert any(each.path == os.path.realpath(place / result) for _, each in events)
    for index, event in events:
        if event.path.endswith("-lock"):
            continue
        if event.call == "create":
            assert (event.flags & os.O_EXCL, event.mode) == (os.O_EXCL, 0o600)
            assert calls.after(index, "sync", event.path) or what == "init"  # SQLite writes and syncs it
        if event.call == "write":
            assert calls.after(index, "sync", event.path)
        if event.call == "name" or (event.call == "create" and not event.path.endswith(".part")):
            assert calls.after(index, "sync", os.path.dirname(event.path))  # noqa: PTH120 - a text
    modes = {stat.S_IMODE(each.stat().st_mode) for each in (place / "out").rglob("*") if each.is_file()}
    assert modes <= {0o600}


def test_the_name_of_a_rotated_key_is_on_disk_before_its_transaction_commits(
    world: Run, place: Path, monkeypatch: pytest.MonkeyPatch, ago: Callable[[timedelta], Gam]
) -> None:
    assert world("app", "list").code == 0
    key, secret = keys.generate(ago(timedelta(0)), KeySpec("ana", "portal"))
    with rotation_results.open_folder(str(place / "out"), lambda _: True) as save, monkeypatch.context() as patch:
        calls = Calls(patch)
        save(key, secret)  # the transaction that calls it commits next
        created = next(index for index, event in enumerate(calls.events) if event.call == "create")
        assert calls.after(created, "sync", os.path.realpath(place / "out"))


@pytest.mark.parametrize("what", ["key generate", "app create", "bulk", "apply", "plan", "backup"])
def test_a_link_that_is_there_already_is_neither_followed_nor_replaced(
    world: Run, place: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.chdir(place)
    (place / "in.csv").write_text("user,app\nana,portal\n", encoding="utf-8")
    (place / "m.toml").write_text("[user.max]\n[[key]]\nuser = 'max'\napp = 'portal'\n", encoding="utf-8")
    (place / "out").mkdir()
    (place / "out" / "file").symlink_to(place / "target")
    ran = world(*CREATING[what][0])
    assert ran.code in (1, 5)
    assert not (place / "target").exists()
    assert (place / "out" / "file").is_symlink()


def test_bulk_output_is_not_continued_through_a_link(world: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    (place / "in.csv").write_text("user,app\nana,portal\n", encoding="utf-8")
    assert world("key", "generate", "--from", "in.csv", "--out", "real.csv").code == 0
    (place / "link.csv").symlink_to("real.csv")
    assert world("key", "generate", "--from", "in.csv", "--out", "link.csv").code == 1
    assert world("key", "generate", "--from", "in.csv", "--out", "real.csv").code == 0
