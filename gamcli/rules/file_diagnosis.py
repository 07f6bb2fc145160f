"""The checks of `gamcli doctor` about the files of a store, the folder around them and the disk."""

from collections.abc import Iterator
from shlex import join

from gamcli.errors import command
from gamcli.model.doctor import WARN, WRONG, DoctorFacts
from gamcli.model.files import GROUP_AND_OTHERS_WRITE

MIB = 1024 * 1024
LOW_DISK_SPACE = 64 * MIB
"""Less than this may be used up in an hour of high load."""

LARGE_WAL = 64 * MIB
"""SQLite copies the log into the store every 4 MB, unless a process reads the store without a break."""

FindingRows = Iterator[tuple[str, str, str | None]]
"""Status, message, suggested command."""


def find_unsafe_modes(facts: DoctorFacts) -> list[tuple[str, int]]:
    """
    Return the files and folders that give other users access, each with a safe mode.

    Leaves out those of another user, and those that are not of a store: a setting could name any file.
    """
    own = (file for file in facts.files if file.is_recognized and file.uid == facts.uid)
    return [(file.path, file.mode & ~file.unsafe_mode_bits) for file in own if file.unsafe_mode_bits]


def check_modes(facts: DoctorFacts) -> FindingRows:
    for file in facts.files:
        bits = file.unsafe_mode_bits
        if bits:
            verb = "change" if bits & GROUP_AND_OTHERS_WRITE else "read"
            message = f"other users can {verb} the {file.role} {file.path} (mode {file.mode & 0o7777:o})"
            yield WRONG, message, join(("chmod", f"go-{'rwx' if file.is_secret else 'w'}", file.path))
        elif file.shared_access:
            message = f"other users can {file.shared_access} the store's folder {file.path}: use a private folder"
            yield WARN, message, None


def check_owner(facts: DoctorFacts) -> FindingRows:
    for file in facts.files:
        if file.belongs_to(facts.uid):
            continue
        message = f"the {file.role} {file.path} is owned by user {file.uid}"
        if facts.uid == 0:
            yield WARN, f"{message}, and you are root", join(("sudo", "-u", f"#{file.uid}", "gamcli", "doctor"))
        else:
            yield WRONG, f"{message}, who can change it", join(("sudo", "chown", str(facts.uid), file.path))


def check_wal(facts: DoctorFacts) -> FindingRows:
    sizes = {file.role: file.size for file in facts.files}
    if "WAL" in sizes and not sizes.get("store"):
        message = f"{facts.path}-wal exists without its store: SQLite would apply it to a store created there"
        yield WRONG, message, join(("mv", f"{facts.path}-wal", f"{facts.path}-wal.lost"))
    elif sizes.get("WAL", 0) > LARGE_WAL:
        size = _format_mib(sizes["WAL"])
        yield (
            WARN,
            f"the WAL is {size}: a process keeps a long read transaction open, or was killed",
            command("store", "compact"),
        )
    if "journal" in sizes:
        message = f"{facts.path}-journal was not written by gamcli: stores use a WAL instead"
        yield WARN, message, join(("ls", "-l", f"{facts.path}-journal"))


def check_partial_copies(facts: DoctorFacts) -> FindingRows:
    for file in facts.files:
        if file.role == "part":
            message = f"{file.path} ({_format_mib(file.size)}) is the incomplete copy of an interrupted backup"
            yield WARN, message, join(("rm", file.path))


def _format_mib(size: int) -> str:
    return f"{size // MIB:,} MiB"


def check_disk(facts: DoctorFacts) -> FindingRows:
    if facts.free_bytes is None:
        return
    size = sum(file.size for file in facts.files if file.role in ("store", "WAL"))
    df = join(("df", "-h", facts.path.rpartition("/")[0] or "/"))
    message = f"the disk of the store has {_format_mib(facts.free_bytes)} left"
    if facts.free_bytes < LOW_DISK_SPACE:
        yield WRONG, message, df
    elif facts.free_bytes < 2 * size:
        yield WARN, f"{message}, too little for a copy of the store ({_format_mib(size)})", df


def check_file_system(facts: DoctorFacts) -> FindingRows:
    if facts.is_on_network:
        message = f"the store is on a network file system ({facts.file_system}), where SQLite's locks may not hold"
        yield WARN, f"{message}: move it to a local disk", join(("df", "-T", facts.path))
