"""
What can go wrong, as one family: facts and a hint, no exit code and no HTTP status.

GamcliError             never raised itself
├── UsageError          wrong usage, or a value that cannot be
│   ├── UnconfirmedError     nobody said yes to what cannot be undone
│   └── FaultsError          a file has faults, all of them told with their lines
├── NotFoundError       nothing has that name
├── RefusedError        a rule said no
├── ConflictError       already there, or in the way of something else
│   └── EndsKeysError   live keys would end, and nobody accepted that
├── StoreError          never raised itself
│   ├── StoreMissingError    there is no store yet
│   ├── StoreBusyError       another process holds it
│   ├── StoreUnusableError   not a store, damaged, read-only, or the disk is full
│   ├── StoreTrailError      its audit trail is not what was written
│   └── StoreVersionError    of a newer gamcli, or the SQLite library is too old
└── FailedError         anything else that we can explain

What belongs here: error classes and the form of a hint. The meaning of an error to a shell is in `commands`,
its meaning to an HTTP client in `server`.
"""

from collections.abc import Sequence


def command(*words: str) -> str:
    """Return the `gamcli` command line of `words`, quoted for a POSIX shell, as hints show it."""
    from shlex import join  # noqa: PLC0415 - only errors need it

    places = range(len(words))
    dashed = (place for place in places if words[place].startswith("-") and not _is_option(words[place]))
    first = next((place for place in dashed if not words[place - 1].startswith("--")), len(words))
    return join(("gamcli", *words[:first], *(("--",) if first < len(words) else ()), *words[first:]))


def _is_option(word: str) -> bool:
    return word.startswith("--") and word.removeprefix("--").replace("-", "").isalpha()


class GamcliError(Exception):
    """
    The base of all errors that users see; never raised itself.

    `code` is what scripts read in `-o json`, `message` says what is wrong in one line without a full stop,
    `hint` is what to type instead (or None).
    """

    code = "failed"

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(GamcliError):
    """The command line or a value cannot be."""

    code = "usage"


class UnconfirmedError(UsageError):
    """What cannot be undone was asked for, and nobody said yes."""

    code = "unconfirmed"


class Problem:
    """What is wrong in a line of a file; `file` as it was given, `line` from 1."""

    __slots__ = ("file", "line", "message")  # no NamedTuple, no dataclass: every run starts by importing this file

    def __init__(self, file: str, line: int, message: str) -> None:
        self.file = file
        self.line = line
        self.message = message

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return f"Fault({str(self)!r})"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class ProblemsError(UsageError):
    """Files that were handed in have faults, all of them in `faults`; nothing was done."""

    code = "faults"

    def __init__(self, problems: Sequence[Problem], hint: str | None = None) -> None:
        count = "1 fault" if len(problems) == 1 else f"{len(problems)} faults"
        super().__init__(f"{count}, so nothing was changed", hint or "mend each line that is named, and run it again")
        self.problems = problems


class NotFoundError(GamcliError):
    """Nothing has the name that was given."""

    code = "not_found"


class RefusedError(GamcliError):
    """A rule of keys and grants said no; `rule` is its name in `rules` and in the refusal table."""

    code = "refused"

    def __init__(self, rule: str, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.rule = rule


class ConflictError(GamcliError):
    """Something is there already, or stands in the way."""

    code = "conflict"


class InvalidatesKeysError(ConflictError):
    """The change would end live keys for good; `impacts` lists them (`model.Impact`)."""

    code = "ends_keys"

    def __init__(self, message: str, hint: str, impacts: Sequence[object]) -> None:
        super().__init__(message, hint)
        self.impacts = impacts


class StoreError(GamcliError):
    """The base of what the store reports; never raised itself."""

    code = "store"


class StoreMissingError(StoreError):
    """There is no store at the path yet."""

    code = "store_missing"


class StoreBusyError(StoreError):
    """Another process holds the store for longer than we wait."""

    code = "store_busy"


class StoreUnusableError(StoreError):
    """The file is no store, is damaged, cannot be written, or its disk is full."""

    code = "store_unusable"


class StoreAuditLogError(StoreError):
    """The audit trail is not what was written."""

    code = "store_trail"


class StoreVersionError(StoreError):
    """The store is of a newer gamcli, or the SQLite library is too old for it."""

    code = "store_version"


class FailedError(GamcliError):
    """Anything else that can be explained: a port in use, a file that cannot be written."""
