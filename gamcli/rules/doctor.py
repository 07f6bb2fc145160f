"""
What is commonly wrong around a store, as a table of checks: facts come in, findings with their mends go out.

`wrong` is what lets somebody in, keeps somebody out, or loses something; `warn` is worth a look and may be meant so.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from shlex import join
from typing import NamedTuple

from gamcli.errors import command
from gamcli.model import CLOCKS_DIFFER, rfc3339
from gamcli.model.doctor import OK, WARN, WRONG, Contents, Facts, FileFacts, Finding
from gamcli.model.overviews import Shut

MIB = 1024 * 1024
LITTLE_ROOM = 64 * MIB
"""With less room than this, a busy hour may fill the disk."""

LARGE_WAL = 64 * MIB
"""A log so large was not taken into the store for long: SQLite does that every 4 MB, unless somebody always reads."""

SOON = timedelta(days=30)
"""A certificate that ends so soon should be on its way by now."""

OTHERS = 0o077
OTHERS_WRITE = 0o022
STICKY = 0o1000

Judged = Iterator[tuple[str, str, str | None]]
"""Status, message, mend."""


def forbidden(file: FileFacts) -> int:
    """Return those bits of a file's mode that let others in where they should not be."""
    if file.role == "folder" and file.mode & STICKY:
        return 0
    return file.mode & (OTHERS if file.secret else OTHERS_WRITE)


def modes(facts: Facts) -> list[tuple[str, int]]:
    """Return the files and folders that let others in, each with the mode that does not."""
    return [(each.path, each.mode & ~forbidden(each)) for each in facts.files if forbidden(each)]


def _store(facts: Facts) -> Judged:
    if facts.store is not None:
        yield WRONG, *facts.store
    elif facts.version > facts.known_version:
        wanted = f"the store has version {facts.version}; this gamcli knows {facts.known_version}: upgrade gamcli"
        yield WRONG, wanted, "gamcli --version"
    elif facts.version < facts.known_version:
        behind = f"the store has version {facts.version}; whatever opens it next makes it version {facts.known_version}"
        yield WARN, behind, command("store", "migrate")


def _modes(facts: Facts) -> Judged:
    for file in facts.files:
        found = forbidden(file)
        if found:
            can = "change" if found & OTHERS_WRITE else "read"
            told = f"others can {can} the {file.role} {file.path} (mode {file.mode & 0o7777:o})"
            yield WRONG, told, join(("chmod", f"go-{'rwx' if file.secret else 'w'}", file.path))
        elif file.role == "folder" and file.mode & 0o002:
            yield WARN, f"others can put files beside the store, into {file.path}: a folder of your own is safer", None


def _owner(facts: Facts) -> Judged:
    for file in facts.files:
        if file.owner == facts.user or (file.role == "folder" and file.owner == 0):
            continue
        told = f"the {file.role} {file.path} belongs to user {file.owner}"
        if facts.user == 0:
            yield WARN, f"{told}, and you are root", join(("sudo", "-u", f"#{file.owner}", "gamcli", "doctor"))
        else:
            yield WRONG, f"{told}, who can change it", join(("sudo", "chown", str(facts.user), file.path))


def _wal(facts: Facts) -> Judged:
    sizes = {file.role: file.size for file in facts.files}
    if "WAL" in sizes and not sizes.get("store"):
        told = f"{facts.path}-wal lies there without its store: a store that is put there would take it in"
        yield WRONG, told, join(("mv", f"{facts.path}-wal", f"{facts.path}-wal.lost"))
    elif sizes.get("WAL", 0) > LARGE_WAL:
        told = f"{_mib(sizes['WAL'])} wait beside the store: a process reads without end, or was killed"
        yield WARN, told, command("store", "compact")
    if "journal" in sizes:
        told = f"{facts.path}-journal is not gamcli's: a store never has one"
        yield WARN, told, join(("ls", "-l", f"{facts.path}-journal"))


def _left(facts: Facts) -> Judged:
    for file in facts.files:
        if file.role == "part":
            told = f"{file.path}, {_mib(file.size)}, is the beginning of a copy that was killed on its way"
            yield WARN, told, join(("rm", file.path))


def _mib(size: int) -> str:
    return f"{size // MIB:,} MiB"


def _disk(facts: Facts) -> Judged:
    if facts.free is None:
        return
    size = sum(file.size for file in facts.files if file.role in ("store", "WAL"))
    see = join(("df", "-h", facts.path.rpartition("/")[0] or "/"))
    if facts.free < LITTLE_ROOM:
        yield WRONG, f"the disk of the store has {_mib(facts.free)} left", see
    elif facts.free < 2 * size:
        yield WARN, f"the disk has {_mib(facts.free)} left: no room to copy a store of {_mib(size)}", see


def _settings(facts: Facts) -> Judged:
    if facts.settings is not None:
        yield WRONG, *facts.settings


def _shadowed(facts: Facts) -> Judged:
    for each in facts.hidden:
        told = (
            f"{each.name} is '{each.value}', from {each.origin}; '{each.lost}' of {each.lost_origin} counts for nothing"
        )
        by_file = "/" in each.origin
        yield WARN, told, command("config", "unset", each.name) if by_file else join(("unset", each.origin))


def _environment(facts: Facts) -> Judged:
    for name in facts.variables:
        told = f"the variable {name} holds a credential, which every program started from here can read"
        yield WARN, told, join(("unset", name))


def _tls(facts: Facts) -> Judged:
    for trouble in facts.tls_keys:
        yield WRONG, *trouble
    for each in facts.certificates:
        renew = join(("openssl", "x509", "-noout", "-subject", "-enddate", "-in", each.path))
        if each.ends_at is None:
            yield WRONG, f"{each.path}: {each.trouble}", renew
        elif each.ends_at <= facts.now:
            yield WRONG, f"the certificate {each.path} ended {rfc3339(each.ends_at)}", renew
        elif each.ends_at <= facts.now + SOON:
            yield WARN, f"the certificate {each.path} ends {rfc3339(each.ends_at)}", renew


def _log(_: Facts, found: Contents) -> Judged:
    if not found.keeps_log:
        told = "another program took its log (WAL) away: readers and writers wait, and nobody sees who has it open"
        yield WARN, told, command("store", "migrate")


def _clock(facts: Facts, found: Contents) -> Judged:
    for what, at in found.latest:
        if at > facts.now + CLOCKS_DIFFER:
            told = f"{what} is from {rfc3339(at)}, which is yet to come: this clock was set back, or was ahead then"
            yield WRONG, told, "date -u"
            return
    if found.stepped_back is not None:
        seq, seconds = found.stepped_back
        told = f"the clock went back {seconds:,} s before audit entry {seq}: what ends by then lived so much longer"
        yield WARN, told, command("audit", "list")


def _default_type(_: Facts, found: Contents) -> Judged:
    name, enabled = found.default_type
    if not enabled:
        told = f"the default authentication type '{name}' is disabled: requests that name none are refused"
        yield WRONG, told, command("auth-type", "update", name, "--enable")


def _auth_types(_: Facts, found: Contents) -> Judged:
    for each in found.shut_types:
        needs = [("at least " if each.more else "") + _count(each.keys, "live key")] if each.keys else []
        needs += [f"application '{name}' allows no other" for name in each.apps[:1]]
        if needs:
            told = f"the authentication type '{each.name}' is disabled, and needed: {'; '.join(needs)}"
            yield WRONG, told, command("auth-type", "update", each.name, "--enable")


def _remote_rest(_: Facts, found: Contents) -> Judged:
    if found.no_rest.number:
        told = f"{_names(found.no_rest, 'application')} take API keys, but no token requests: remote REST is off"
        yield WRONG, told, command("app", "update", found.no_rest.names[0], "--remote-rest")


def _lasting(_: Facts, found: Contents) -> Judged:
    if found.lasting:
        told = f"{_count(found.lasting, 'live key')} never expire{'s' * (found.lasting == 1)}"
        if found.lasting_apps:
            app = found.lasting_apps[0]
            yield WARN, f"{told}; '{app}' sets no timeout", command("app", "update", app, "--api-key-timeout", "2160")
        elif found.lasting_key is not None:
            made = f"{told}; {found.lasting_key} was made before its application set a timeout"
            yield WARN, made, command("key", "rotate", found.lasting_key, "--overlap", "7d")
        else:
            yield WARN, told, command("key", "forecast")


def _apps_idle(_: Facts, found: Contents) -> Judged:
    if found.apps_idle.number:
        told = f"{_names(found.apps_idle, 'application')} without a key, though they take them"
        yield WARN, told, command("key", "generate", "--app", found.apps_idle.names[0], "--user", "USER")


def _users_idle(_: Facts, found: Contents) -> Judged:
    if found.users_idle is not None and found.users_idle.number:
        told = f"{_names(found.users_idle, 'user')} without a key, and so without use"
        yield WARN, told, command("user", "show", found.users_idle.names[0])


def _tokens(_: Facts, found: Contents) -> Judged:
    if found.orphans:
        told = f"{_count(found.orphans, 'token')} of keys, users or applications that are gone: dead, and in the way"
        yield WARN, told, command("token", "prune")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _names(shut: Shut, noun: str) -> str:
    told = ", ".join(f"'{name}'" for name in shut.names)
    more = f" and {shut.number - len(shut.names):,} more" if shut.number > len(shut.names) else ""
    return f"{_count(shut.number, noun)} ({told}{more})"


class Check(NamedTuple):
    """A name, what judges the facts, and what is said when it finds nothing."""

    name: str
    judge: Callable[[Facts], Judged]
    fine: str


def _of(judge: Callable[[Facts, Contents], Judged]) -> Callable[[Facts], Judged]:
    """Return what judges the contents of a store that could be looked into."""

    def judged(facts: Facts) -> Judged:
        assert facts.contents is not None
        return judge(facts, facts.contents)

    return judged


AROUND = (
    Check("store", _store, "it is there, and of the version that this gamcli makes"),
    Check("modes", _modes, "nobody else can read the store, or change what decides over it"),
    Check("owner", _owner, "the files are yours"),
    Check("wal", _wal, "nothing lies beside the store that should not"),
    Check("copies", _left, "no copy was cut short"),
    Check("disk", _disk, "there is room"),
    Check("config", _settings, "the settings can be read"),
    Check("shadowed", _shadowed, "no setting hides another"),
    Check("environment", _environment, "no variable holds a credential"),
    Check("tls", _tls, "no certificate named here is at its end"),
)
"""The checks of what is around a store; they work without one."""

WITHIN = (
    Check("log", _of(_log), "readers and writers of the store go side by side"),
    Check("clock", _of(_clock), "nothing in the store is from the future"),
    Check("default-type", _of(_default_type), "the default authentication type is enabled"),
    Check("auth-types", _of(_auth_types), "no live key needs a disabled authentication type"),
    Check("remote-rest", _of(_remote_rest), "applications that take API keys answer token requests"),
    Check("lasting-keys", _of(_lasting), "every live key expires"),
    Check("idle-apps", _of(_apps_idle), "every application that takes API keys has one"),
    Check("idle-users", _of(_users_idle), "every user has a key"),
    Check("orphaned-tokens", _of(_tokens), "every token has its key, user and application"),
)
"""The checks of what a store holds."""


def examine(facts: Facts) -> list[Finding]:
    """Return what each check came to, in the order of the table; one may find several things."""
    checks: Sequence[Check] = AROUND if facts.contents is None else (*AROUND, *WITHIN)
    return [finding for check in checks for finding in _findings(check, facts)]


def _findings(check: Check, facts: Facts) -> Iterable[Finding]:
    found = [Finding(check.name, *each) for each in check.judge(facts)]
    return found or [Finding(check.name, OK, check.fine)]
