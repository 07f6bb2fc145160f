"""Files of a store, and what others may do with them."""

from typing import NamedTuple

GROUP_AND_OTHERS = 0o077
GROUP_AND_OTHERS_WRITE = 0o022
STICKY = 0o1000
OTHERS_WRITE = 0o002
OTHERS_ENTER = 0o011

NETWORK_FILE_SYSTEMS = frozenset(
    (
        "nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "ncpfs", "beegfs",
        "gpfs", "orangefs", "vboxsf", "virtiofs", "prl_fs", "vmhgfs",
    )
)  # fmt: skip
"""
Types on Linux, where SQLite's locks may not hold: also folders that a virtual machine shares with its host, and those
that begin with `fuse.`, such as fuse.sshfs.
"""


FOLDERS = ("folder", "parent folder")
"""The roles of the folder of a store, and of a folder above it in which another user can replace that folder."""


def is_network_file_system(name: str) -> bool:
    return name in NETWORK_FILE_SYSTEMS or name == "fuse" or name.startswith("fuse.")


class FileFacts(NamedTuple):
    """
    A file; `role` is its purpose, `is_secret` means that only its owner may read it.

    `is_recognized` means that its content is that of a store, or it was named on the command line.
    """

    role: str
    path: str
    mode: int
    uid: int
    size: int
    is_secret: bool = True
    is_recognized: bool = True

    @property
    def is_folder(self) -> bool:
        return self.role in FOLDERS

    @property
    def shared_access(self) -> str:
        """What others can do in a folder that is otherwise safe: "create files in", "enter", or ""."""
        if self.role != "folder" or self.unsafe_mode_bits:
            return ""
        return "create files in" if self.mode & OTHERS_WRITE else "enter" if self.mode & OTHERS_ENTER else ""

    def belongs_to(self, uid: int) -> bool:
        """Return whether it belongs to this user; a folder may also belong to root."""
        return self.uid == uid or (self.is_folder and self.uid == 0)

    @property
    def unsafe_mode_bits(self) -> int:
        """The bits of the mode that give others access; in a folder with the sticky bit they cannot replace files."""
        if self.is_folder and self.mode & STICKY:
            return 0
        return self.mode & (GROUP_AND_OTHERS if self.is_secret else GROUP_AND_OTHERS_WRITE)
