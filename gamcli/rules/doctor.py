"""
What is commonly wrong around a store, as a table of checks: facts come in, findings with their mends go out.

`wrong` is what lets somebody in, keeps somebody out, or loses something; `warn` is worth a look and may be meant so.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from shlex import join
from typing import NamedTuple

from gamcli.errors import command
from gamcli.model import MAX_CLOCK_SKEW, format_rfc3339
from gamcli.model.doctor import OK, WARN, WRONG, DoctorFacts, DoctorFinding, FileFacts, StoreContents
from gamcli.model.overviews import CountWithNames

MIB = 1024 * 1024
LOW_DISK_SPACE = 64 * MIB
"""With less room than this, a busy hour may fill the disk."""

LARGE_WAL = 64 * MIB
"""A log so large was not taken into the store for long: SQLite does that every 4 MB, unless somebody always reads."""

EXPIRY_WARNING = timedelta(days=30)
"""A certificate that ends so soon should be on its way by now."""

GROUP_AND_OTHERS = 0o077
GROUP_AND_OTHERS_WRITE = 0o022
STICKY = 0o1000

FindingRows = Iterator[tuple[str, str, str | None]]
"""Status, message, mend."""


def unsafe_mode_bits(file: FileFacts) -> int:
    """Return those bits of a file's mode that let others in where they should not be."""
    if file.role == "folder" and file.mode & STICKY:
        return 0
    return file.mode & (GROUP_AND_OTHERS if file.is_secret else GROUP_AND_OTHERS_WRITE)


def find_unsafe_modes(facts: DoctorFacts) -> list[tuple[str, int]]:
    """Return the files and folders that let others in, each with the mode that does not."""
    return [(each.path, each.mode & ~unsafe_mode_bits(each)) for each in facts.files if unsafe_mode_bits(each)]


def _check_store(facts: DoctorFacts) -> FindingRows:
    if facts.store_problem is not None:
        yield WRONG, *facts.store_problem
    elif facts.version > facts.supported_version:
        wanted = f"the store has version {facts.version}; this gamcli knows {facts.supported_version}: upgrade gamcli"
        yield WRONG, wanted, "gamcli --version"
    elif facts.version < facts.supported_version:
        behind = (
            f"the store has version {facts.version}; whatever opens it next makes it version {facts.supported_version}"
        )
        yield WARN, behind, command("store", "migrate")


def _check_modes(facts: DoctorFacts) -> FindingRows:
    for file in facts.files:
        found = unsafe_mode_bits(file)
        if found:
            can = "change" if found & GROUP_AND_OTHERS_WRITE else "read"
            told = f"others can {can} the {file.role} {file.path} (mode {file.mode & 0o7777:o})"
            yield WRONG, told, join(("chmod", f"go-{'rwx' if file.is_secret else 'w'}", file.path))
        elif file.role == "folder" and file.mode & 0o002:
            yield WARN, f"others can put files beside the store, into {file.path}: a folder of your own is safer", None


def _check_owner(facts: DoctorFacts) -> FindingRows:
    for file in facts.files:
        if file.uid == facts.uid or (file.role == "folder" and file.uid == 0):
            continue
        told = f"the {file.role} {file.path} belongs to user {file.uid}"
        if facts.uid == 0:
            yield WARN, f"{told}, and you are root", join(("sudo", "-u", f"#{file.uid}", "gamcli", "doctor"))
        else:
            yield WRONG, f"{told}, who can change it", join(("sudo", "chown", str(facts.uid), file.path))


def _check_wal(facts: DoctorFacts) -> FindingRows:
    sizes = {file.role: file.size for file in facts.files}
    if "WAL" in sizes and not sizes.get("store"):
        told = f"{facts.path}-wal lies there without its store: a store that is put there would take it in"
        yield WRONG, told, join(("mv", f"{facts.path}-wal", f"{facts.path}-wal.lost"))
    elif sizes.get("WAL", 0) > LARGE_WAL:
        told = f"{_format_mib(sizes['WAL'])} wait beside the store: a process reads without end, or was killed"
        yield WARN, told, command("store", "compact")
    if "journal" in sizes:
        told = f"{facts.path}-journal is not gamcli's: a store never has one"
        yield WARN, told, join(("ls", "-l", f"{facts.path}-journal"))


def _check_partial_copies(facts: DoctorFacts) -> FindingRows:
    for file in facts.files:
        if file.role == "part":
            told = f"{file.path}, {_format_mib(file.size)}, is the beginning of a copy that was killed on its way"
            yield WARN, told, join(("rm", file.path))


def _format_mib(size: int) -> str:
    return f"{size // MIB:,} MiB"


def _check_disk(facts: DoctorFacts) -> FindingRows:
    if facts.free_bytes is None:
        return
    size = sum(file.size for file in facts.files if file.role in ("store", "WAL"))
    see = join(("df", "-h", facts.path.rpartition("/")[0] or "/"))
    if facts.free_bytes < LOW_DISK_SPACE:
        yield WRONG, f"the disk of the store has {_format_mib(facts.free_bytes)} left", see
    elif facts.free_bytes < 2 * size:
        yield (
            WARN,
            f"the disk has {_format_mib(facts.free_bytes)} left: no room to copy a store of {_format_mib(size)}",
            see,
        )


def _check_settings(facts: DoctorFacts) -> FindingRows:
    if facts.settings_problem is not None:
        yield WRONG, *facts.settings_problem


def _check_shadowed_settings(facts: DoctorFacts) -> FindingRows:
    for each in facts.shadowed_settings:
        told = f"{each.name} is '{each.value}', from {each.origin}; '{each.shadowed_value}' of {each.shadowed_origin} counts for nothing"
        by_file = "/" in each.origin
        yield WARN, told, command("config", "unset", each.name) if by_file else join(("unset", each.origin))


def _check_environment(facts: DoctorFacts) -> FindingRows:
    for name in facts.exposed_variables:
        told = f"the variable {name} holds a credential, which every program started from here can read"
        yield WARN, told, join(("unset", name))


def _check_tls(facts: DoctorFacts) -> FindingRows:
    for trouble in facts.tls_key_problems:
        yield WRONG, *trouble
    for each in facts.certificates:
        renew = join(("openssl", "x509", "-noout", "-subject", "-enddate", "-in", each.path))
        if each.ends_at is None:
            yield WRONG, f"{each.path}: {each.problem}", renew
        elif each.ends_at <= facts.now:
            yield WRONG, f"the certificate {each.path} ended {format_rfc3339(each.ends_at)}", renew
        elif each.ends_at <= facts.now + EXPIRY_WARNING:
            yield WARN, f"the certificate {each.path} ends {format_rfc3339(each.ends_at)}", renew


def _check_journal_mode(_: DoctorFacts, found: StoreContents) -> FindingRows:
    if not found.uses_wal:
        told = "another program took its log (WAL) away: readers and writers wait, and nobody sees who has it open"
        yield WARN, told, command("store", "migrate")


def _check_clock(facts: DoctorFacts, found: StoreContents) -> FindingRows:
    for what, at in found.latest_timestamps:
        if at > facts.now + MAX_CLOCK_SKEW:
            told = (
                f"{what} is from {format_rfc3339(at)}, which is yet to come: this clock was set back, or was ahead then"
            )
            yield WRONG, told, "date -u"
            return
    if found.clock_step is not None:
        seq, seconds = found.clock_step
        told = f"the clock went back {seconds:,} s before audit entry {seq}: what ends by then lived so much longer"
        yield WARN, told, command("audit", "list")


def _check_default_auth_type(_: DoctorFacts, found: StoreContents) -> FindingRows:
    name, enabled = found.default_auth_type
    if not enabled:
        told = f"the default authentication type '{name}' is disabled: requests that name none are refused"
        yield WRONG, told, command("auth-type", "update", name, "--enable")


def _check_auth_types(_: DoctorFacts, found: StoreContents) -> FindingRows:
    for each in found.disabled_auth_types:
        needs = [("at least " if each.has_more else "") + _format_count(each.keys, "live key")] if each.keys else []
        needs += [f"application '{name}' allows no other" for name in each.apps[:1]]
        if needs:
            told = f"the authentication type '{each.name}' is disabled, and needed: {'; '.join(needs)}"
            yield WRONG, told, command("auth-type", "update", each.name, "--enable")


def _check_remote_rest(_: DoctorFacts, found: StoreContents) -> FindingRows:
    if found.apps_without_rest.number:
        told = f"{_format_names(found.apps_without_rest, 'application')} take API keys, but no token requests: remote REST is off"
        yield WRONG, told, command("app", "update", found.apps_without_rest.names[0], "--remote-rest")


def _check_unlimited_keys(_: DoctorFacts, found: StoreContents) -> FindingRows:
    if found.unlimited_keys:
        told = f"{_format_count(found.unlimited_keys, 'live key')} never expire{'s' * (found.unlimited_keys == 1)}"
        if found.apps_without_timeout:
            app = found.apps_without_timeout[0]
            yield WARN, f"{told}; '{app}' sets no timeout", command("app", "update", app, "--api-key-timeout", "2160")
        elif found.unlimited_key is not None:
            made = f"{told}; {found.unlimited_key} was made before its application set a timeout"
            yield WARN, made, command("key", "rotate", found.unlimited_key, "--overlap", "7d")
        else:
            yield WARN, told, command("key", "forecast")


def _check_idle_apps(_: DoctorFacts, found: StoreContents) -> FindingRows:
    if found.idle_apps.number:
        told = f"{_format_names(found.idle_apps, 'application')} without a key, though they take them"
        yield WARN, told, command("key", "generate", "--app", found.idle_apps.names[0], "--user", "USER")


def _check_idle_users(_: DoctorFacts, found: StoreContents) -> FindingRows:
    if found.idle_users is not None and found.idle_users.number:
        told = f"{_format_names(found.idle_users, 'user')} without a key, and so without use"
        yield WARN, told, command("user", "show", found.idle_users.names[0])


def _check_orphaned_tokens(_: DoctorFacts, found: StoreContents) -> FindingRows:
    if found.orphaned_tokens:
        told = f"{_format_count(found.orphaned_tokens, 'token')} of keys, users or applications that are gone: dead, and in the way"
        yield WARN, told, command("token", "prune")


def _format_count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _format_names(sample: CountWithNames, noun: str) -> str:
    told = ", ".join(f"'{name}'" for name in sample.names)
    more = f" and {sample.number - len(sample.names):,} more" if sample.number > len(sample.names) else ""
    return f"{_format_count(sample.number, noun)} ({told}{more})"


class DoctorCheck(NamedTuple):
    """A name, what judges the facts, and what is said when it finds nothing."""

    name: str
    run: Callable[[DoctorFacts], FindingRows]
    ok_message: str


def _check_contents(check: Callable[[DoctorFacts, StoreContents], FindingRows]) -> Callable[[DoctorFacts], FindingRows]:
    """Return what judges the contents of a store that could be looked into."""

    def judged(facts: DoctorFacts) -> FindingRows:
        assert facts.contents is not None
        return check(facts, facts.contents)

    return judged


ENVIRONMENT_CHECKS = (
    DoctorCheck("store", _check_store, "it is there, and of the version that this gamcli makes"),
    DoctorCheck("modes", _check_modes, "nobody else can read the store, or change what decides over it"),
    DoctorCheck("owner", _check_owner, "the files are yours"),
    DoctorCheck("wal", _check_wal, "nothing lies beside the store that should not"),
    DoctorCheck("copies", _check_partial_copies, "no copy was cut short"),
    DoctorCheck("disk", _check_disk, "there is room"),
    DoctorCheck("config", _check_settings, "the settings can be read"),
    DoctorCheck("shadowed", _check_shadowed_settings, "no setting hides another"),
    DoctorCheck("environment", _check_environment, "no variable holds a credential"),
    DoctorCheck("tls", _check_tls, "no certificate named here is at its end"),
)
"""The checks of what is around a store; they work without one."""

CONTENTS_CHECKS = (
    DoctorCheck("log", _check_contents(_check_journal_mode), "readers and writers of the store go side by side"),
    DoctorCheck("clock", _check_contents(_check_clock), "nothing in the store is from the future"),
    DoctorCheck(
        "default-type", _check_contents(_check_default_auth_type), "the default authentication type is enabled"
    ),
    DoctorCheck("auth-types", _check_contents(_check_auth_types), "no live key needs a disabled authentication type"),
    DoctorCheck(
        "remote-rest", _check_contents(_check_remote_rest), "applications that take API keys answer token requests"
    ),
    DoctorCheck("lasting-keys", _check_contents(_check_unlimited_keys), "every live key expires"),
    DoctorCheck("idle-apps", _check_contents(_check_idle_apps), "every application that takes API keys has one"),
    DoctorCheck("idle-users", _check_contents(_check_idle_users), "every user has a key"),
    DoctorCheck(
        "orphaned-tokens", _check_contents(_check_orphaned_tokens), "every token has its key, user and application"
    ),
)
"""The checks of what a store holds."""


def run_checks(facts: DoctorFacts) -> list[DoctorFinding]:
    """Return what each check came to, in the order of the table; one may find several things."""
    checks: Sequence[DoctorCheck] = (
        ENVIRONMENT_CHECKS if facts.contents is None else (*ENVIRONMENT_CHECKS, *CONTENTS_CHECKS)
    )
    return [finding for check in checks for finding in _run_check(check, facts)]


def _run_check(check: DoctorCheck, facts: DoctorFacts) -> Iterable[DoctorFinding]:
    found = [DoctorFinding(check.name, *each) for each in check.run(facts)]
    return found or [DoctorFinding(check.name, OK, check.ok_message)]
