"""
The environment of the git commands that a scan runs.

The variables of git may name another repository than the one that was asked for, and hide parts of its history. They
are dropped, unless they name the repository that is searched, as in its hooks.
"""

import os
from collections.abc import Mapping
from subprocess import DEVNULL, PIPE, run

SAFE = {
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_GRAFT_FILE": os.devnull,
}
"""Fetch nothing (git before 2.44 knows only the second variable), and ignore .git/info/grafts, which hides commits."""

_KEPT_PREFIXES = ("GIT_CONFIG", "GIT_EXEC_PATH", "GIT_TRACE")
"""Variables that do not choose a repository. Containers set `safe.directory` with GIT_CONFIG_COUNT."""

_OF_THE_REPOSITORY = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH",
)  # fmt: skip
"""What git sets for hooks: `git commit --all` uses another index, and the objects of a push are in quarantine."""


def build(environment: Mapping[str, str], folder: str | None) -> dict[str, str]:
    """Return the environment for the repository of `folder`; None is the one that git itself would choose."""
    cleaned = {
        name: value
        for name, value in environment.items()
        if not name.startswith("GIT_") or name.startswith(_KEPT_PREFIXES)
    } | SAFE
    own = {name: environment[name] for name in _OF_THE_REPOSITORY if name in environment}
    if not own:
        return cleaned
    if folder is not None and _find_git_folder(folder, cleaned) != _find_git_folder(".", cleaned | own):
        return cleaned
    index = own.get("GIT_INDEX_FILE")
    return cleaned | own | ({"GIT_INDEX_FILE": os.path.abspath(index)} if index else {})  # noqa: PTH100 - links stay


def _find_git_folder(folder: str, environment: Mapping[str, str]) -> str | None:
    """Return the folder of the repository, without links, or None if there is none."""
    command = ["git", "-C", folder, "rev-parse", "--absolute-git-dir"]
    try:
        found = run(command, env=environment, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, check=False)  # noqa: S603 - git of the PATH
    except (OSError, ValueError):
        return None
    return os.path.realpath(os.fsdecode(found.stdout.rstrip(b"\n"))) if found.returncode == 0 else None
