"""Which processes have a file open, where the system shows it: Linux, for the user's own processes."""

import os
from contextlib import suppress


def name_other_processes(message: str, path: str) -> str:
    """Return `message` with the PIDs of the other processes that have the file `path` open, where they are known."""
    pids = [pid for pid in _find_processes(os.path.realpath(path)) if pid != os.getpid()]
    others = f"another process (PID {', '.join(map(str, pids))})"
    return message.replace("another process", others) if pids else message


def _find_processes(target: str) -> list[int]:
    try:
        pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 - names, not paths
    except OSError:
        return []
    return [pid for pid in pids if _has_open(pid, target)]


def _has_open(pid: int, target: str) -> bool:
    folder = f"/proc/{pid}/fd"
    with suppress(OSError):  # the process of another user, or one that has just ended
        for descriptor in os.listdir(folder):  # noqa: PTH208 - as above
            with suppress(OSError):
                if os.readlink(f"{folder}/{descriptor}") == target:  # noqa: PTH115 - as above
                    return True
    return False
