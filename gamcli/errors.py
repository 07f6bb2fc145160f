"""
The errors that gamcli reports, as one family: a message and a hint, without exit code or HTTP status.

GamcliError             base class, never raised itself
├── UsageError          invalid command line or invalid value
│   ├── UnconfirmedError     an irreversible change was not confirmed
│   └── ProblemsError        an input file has problems, each listed with its line
├── NotFoundError       no object has this name
│   └── ProgramNotFoundError   the program to run cannot be found or started
├── RefusedError        a rule rejected the request
├── ConflictError       the object already exists, or conflicts with another one
│   ├── InvalidatesKeysError   the change would invalidate API keys without confirmation
│   ├── ReactivatesError       the restore would make revoked keys usable again without confirmation
│   ├── DeliveredKeysError     a bulk run would give new secrets to delivered keys without confirmation
│   └── DeletesObjectsError    the change would delete many objects without confirmation
├── StoreError          base class, never raised itself
│   ├── StoreMissingError    the store does not exist
│   ├── StoreBusyError       another process has locked the store
│   │   └── StoreChangedError    the facts that a transaction is based on have changed
│   ├── StoreUnusableError   not a store, damaged, read-only, the disk is full, or the database cannot be reached
│   │   └── DamagedRowError      a row has values that gamcli never writes
│   ├── StoreUnknownOutcomeError   the connection was lost during a commit
│   ├── StoreAuditLogError   the audit log was changed
│   └── StoreVersionError    schema newer than this gamcli, or SQLite library too old
└── FailedError         any other failure with an explanation
    └── DeclinedError        a question was answered with no

`commands` maps these errors to exit codes, `server` maps them to HTTP responses.
"""

from collections.abc import Sequence


def command(*words: str) -> str:
    """Return a `gamcli` command line for a hint, quoted for a POSIX shell."""
    from shlex import join  # noqa: PLC0415 - only errors need it

    places = range(len(words))
    dashed = (place for place in places if words[place].startswith("-") and not _is_option(words[place]))
    first = next((place for place in dashed if not words[place - 1].startswith("--")), len(words))
    return join(("gamcli", *words[:first], *(("--",) if first < len(words) else ()), *words[first:]))


def _is_option(word: str) -> bool:
    return word.startswith("--") and word.removeprefix("--").replace("-", "").isalpha()


def format_count(number: int, noun: str) -> str:
    """Return `1 key`, `2 keys` or `1,200 keys`."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


class GamcliError(Exception):
    """
    The base class of all errors that users see.

    `code` is what scripts read in `-o json`. `message` is one line without a full stop. `hint` is a suggested command
    or the valid values, or None.
    """

    code = "failed"

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(GamcliError):
    """The command line or a value is invalid."""

    code = "usage"


class UnconfirmedError(UsageError):
    """An irreversible change was not confirmed."""

    code = "unconfirmed"


class Problem:
    """A problem in a line of an input file; `file` as given by the user, `line` from 1."""

    __slots__ = ("file", "line", "message")  # a plain class: every run imports this module, dataclasses take longer

    def __init__(self, file: str, line: int, message: str) -> None:
        self.file = file
        self.line = line
        self.message = message

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return f"Problem({str(self)!r})"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class ProblemsError(UsageError):
    """Input files have problems, all listed in `problems`; nothing was changed."""

    code = "faults"

    def __init__(self, problems: Sequence[Problem], hint: str | None = None) -> None:
        message = f"found {format_count(len(problems), 'problem')}; nothing was changed"
        super().__init__(message, hint or "fix the lines listed, then run the command again")
        self.problems = problems


class NotFoundError(GamcliError):
    """No object has the given name."""

    code = "not_found"


class ProgramNotFoundError(NotFoundError):
    """The program to run does not exist or cannot be started."""


class RefusedError(GamcliError):
    """
    A rule rejected the request; `rule` is its name in `rules` and in the table of refusals.

    `cause` says which of several causes it was, where the table has a message for each; it is never what a client sent.
    """

    code = "refused"

    def __init__(self, rule: str, message: str, hint: str | None = None, cause: str = "") -> None:
        super().__init__(message, hint)
        self.rule = rule
        self.cause = cause


class ConflictError(GamcliError):
    """The object already exists, or conflicts with another one."""

    code = "conflict"


class InvalidatesKeysError(ConflictError):
    """The change would permanently invalidate active API keys; `impacts` lists them, `shows_all` prints them all."""

    code = "ends_keys"

    def __init__(self, message: str, hint: str, impacts: Sequence[object]) -> None:
        super().__init__(message, hint)
        self.impacts = impacts
        self.shows_all = False


class ReactivatesError(ConflictError):
    """A restore would make keys, tokens, users or applications usable again; `lines` name them, with commands."""

    code = "reactivates"

    def __init__(self, count: int, lines: Sequence[str]) -> None:
        noun = "object" if count == 1 else "objects"
        super().__init__(
            f"this makes {count:,} {noun} usable again",
            f"add --accept-reactivating {count} to confirm, or use --revoke-again",
        )
        self.lines = lines
        self.count = count


class DeliveredKeysError(ConflictError):
    """Keys would get new secrets although theirs were delivered to a file; `problems` name the rows and files."""

    code = "delivered_keys"

    def __init__(self, count: int, problems: Sequence[Problem]) -> None:
        super().__init__(
            f"{format_count(count, 'key')} of this input {'was' if count == 1 else 'were'} delivered before",
            f"use the earlier output, or --reissue {count} to invalidate the delivered secrets and issue new ones",
        )
        self.problems = problems


class DeletesObjectsError(ConflictError):
    """The change would delete many objects, whose number was not confirmed."""

    code = "deletes_objects"


class StoreError(GamcliError):
    """The base class of errors of the store."""

    code = "store"


class StoreMissingError(StoreError):
    """There is no store at the path."""

    code = "store_missing"


class StoreBusyError(StoreError):
    """Another process kept the store locked until the timeout."""

    code = "store_busy"

    def __init__(self, message: str, hint: str | None = None, path: object = None) -> None:
        super().__init__(message, hint)
        self.path = path


class StoreChangedError(StoreBusyError):
    """Something else changed the store between a decision and the commit, so nothing was saved."""


class StoreUnusableError(StoreError):
    """The file is not a store, is damaged or read-only, or its disk is full; the database cannot be reached."""

    code = "store_unusable"


class DamagedRowError(StoreUnusableError):
    """
    A row of the store has values that gamcli never writes.

    `problem` is what is wrong with it, `row` names it with its table, `store` is the name of the store, both if known.
    """

    def __init__(self, problem: str, row: str = "", store: str = "") -> None:
        place = f" in {row}" if row else ""
        super().__init__(f"the store {store}{' ' * bool(store)}is damaged: {problem}{place}", command("store", "check"))
        self.problem = problem
        self.row = row

    def with_store(self, store: str) -> "DamagedRowError":
        return DamagedRowError(self.problem, self.row, store)


class StoreUnknownOutcomeError(StoreError):
    """The connection to the database was lost during a commit: it is not known whether the change was saved."""

    code = "store_outcome_unknown"


class StoreAuditLogError(StoreError):
    """The audit log was changed after it was written."""

    code = "store_trail"


class StoreVersionError(StoreError):
    """The store's schema is newer than this gamcli, or the SQLite library is too old."""

    code = "store_version"


class FailedError(GamcliError):
    """Any other failure with an explanation, such as a port in use or a file that cannot be written."""


class DeclinedError(FailedError):
    """A question on the terminal was answered with no: nothing was changed."""

    code = "declined"

    def __init__(self) -> None:
        super().__init__("nothing was changed")
