"""Check the files of a store: modes, owners and the file system. `rules.doctor` judges the same facts."""

import stat
from pathlib import Path
from shlex import join, quote

from gamcli.model.files import GROUP_AND_OTHERS_WRITE, FileFacts, is_network_file_system
from gamcli.model.maintenance import StoreCheck
from gamcli.store.sqlite import files


def check_files(path: Path, uid: int) -> list[StoreCheck]:
    """
    Check who may access the store, its copies, SQLite's files next to it and its folder, and where it is.

    Symbolic links are followed. `doctor` reports the same; what it warns of is a remark here.
    """
    known = sorted(files.find_files(path.resolve()), key=lambda each: list(MODE_CHECKS).index(each.role))
    file_system = files.find_file_system(path.resolve().parent)
    what = "no network file system was found"
    if file_system is not None and is_network_file_system(file_system):
        what = f"{file_system}: a network file system, where SQLite's locks may not hold"
    where = StoreCheck("file system", ok=True, what=what)
    return [*(_check_mode(each) for each in known), _check_owner(known, uid), where]


MODE_CHECKS = {
    "store": "mode of the store",
    "WAL": "mode of the wal file",
    "SHM": "mode of the shm file",
    "journal": "mode of the journal file",
    "lock file": "mode of the lock file",
    "copy": "mode of a copy",
    "folder": "mode of the folder",
    "parent folder": "mode of a parent folder",
}
"""The roles of files, and the names of their checks, in the order of the results."""


def _check_mode(file: FileFacts) -> StoreCheck:
    name, mode = MODE_CHECKS[file.role], f"{stat.S_IMODE(file.mode):04o}"
    if not file.unsafe_mode_bits:
        remark = f": other users can {file.shared_access} it" if file.shared_access else ""
        return StoreCheck(name, ok=True, what=mode + remark)
    action = "replace files in" if file.is_folder and file.unsafe_mode_bits & GROUP_AND_OTHERS_WRITE else "access"
    fix = f"chmod {'go-w' if file.is_folder else '600'} {quote(file.path)}"
    return StoreCheck(name, ok=False, what=f"{mode}: other users can {action} {file.path}", mend=fix)


def _check_owner(known: list[FileFacts], uid: int) -> StoreCheck:
    foreign = next((each for each in known if not each.belongs_to(uid)), None)
    if foreign is None:
        return StoreCheck("owner", ok=True, what="the files belong to you")
    what = f"the {foreign.role} {foreign.path} is owned by user {foreign.uid}"
    if uid == 0:
        return StoreCheck("owner", ok=True, what=f"{what}, and you are root")
    return StoreCheck(
        "owner", ok=False, what=f"{what}, who can change it", mend=join(("chown", str(uid), foreign.path))
    )
