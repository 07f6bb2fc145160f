"""
The checks of `gamcli doctor`: facts about a store and its surroundings in, findings with suggested commands out.

`wrong` means that someone has access who should not, someone is locked out, or data can be lost. `warn` needs attention
but may be intended.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from shlex import join
from typing import NamedTuple

from gamcli.errors import command, format_count
from gamcli.model import MAX_CLOCK_SKEW, format_rfc3339
from gamcli.model.doctor import OK, WARN, WRONG, DoctorFacts, DoctorFinding
from gamcli.model.overviews import CountWithNames
from gamcli.rules import file_diagnosis
from gamcli.rules.file_diagnosis import FindingRows

MAX_CLOCK_DIFFERENCE = timedelta(seconds=2)
"""As in `store.postgres.clock`."""

EXPIRY_WARNING = timedelta(days=30)


def _check_store(facts: DoctorFacts) -> FindingRows:
    if facts.store_problem is not None:
        yield WRONG, *facts.store_problem
    elif facts.version < facts.supported_version:
        message = (
            f"schema version {facts.version} is upgraded to {facts.supported_version} when the store is next opened"
        )
        yield WARN, message, command("store", "migrate")


def _check_settings(facts: DoctorFacts) -> FindingRows:
    if facts.settings_problem is not None:
        yield WRONG, *facts.settings_problem


def _check_shadowed_settings(facts: DoctorFacts) -> FindingRows:
    for setting in facts.shadowed_settings:
        shadowed = f"'{setting.shadowed_value}' from {setting.shadowed_origin}"
        message = f"{setting.name} is '{setting.value}' from {setting.origin}, which overrides {shadowed}"
        is_file = "/" in setting.origin
        yield WARN, message, command("config", "unset", setting.name) if is_file else join(("unset", setting.origin))


def _check_environment(facts: DoctorFacts) -> FindingRows:
    for name in facts.exposed_variables:
        message = f"the environment variable {name} contains a credential that every child process can read"
        yield WARN, message, join(("unset", name))


def _check_tls(facts: DoctorFacts) -> FindingRows:
    for problem in facts.tls_key_problems:
        yield WRONG, *problem
    for certificate in facts.certificates:
        path, ends_at = certificate.path, certificate.ends_at
        openssl = join(("openssl", "x509", "-noout", "-subject", "-enddate", "-in", path))
        if ends_at is None:
            yield WRONG, f"{path}: {certificate.problem}", openssl
        elif ends_at <= facts.now:
            yield WRONG, f"the certificate {path} expired at {format_rfc3339(ends_at)}", openssl
        elif ends_at <= facts.now + EXPIRY_WARNING:
            yield WARN, f"the certificate {path} expires at {format_rfc3339(ends_at)}", openssl


def _check_journal_mode(facts: DoctorFacts) -> FindingRows:
    if not facts.known_contents.uses_wal:
        message = "another program switched the store out of WAL mode: readers and writers now block each other"
        yield WRONG, message, command("store", "migrate")


def _check_clock(facts: DoctorFacts) -> FindingRows:
    if abs(facts.clock_difference) > MAX_CLOCK_DIFFERENCE:
        seconds = facts.clock_difference.total_seconds()
        message = f"the clock of the database is {abs(seconds):,.0f} seconds {'ahead' if seconds > 0 else 'behind'}"
        yield WARN, f"{message}; tokens expire by the clock of the database", "synchronize the clocks of both computers"
    contents = facts.known_contents
    for description, at in contents.latest_timestamps:
        if at > facts.now + MAX_CLOCK_SKEW:
            message = (
                f"{description} is from {format_rfc3339(at)}, in the future: the clock is wrong now, or was wrong then"
            )
            yield WRONG, message, "date -u"
            return
    if contents.clock_step is not None:
        seq, seconds = contents.clock_step
        message = f"the clock moved back {seconds:,} s before audit entry {seq}: expiry was delayed by that time"
        yield WARN, message, command("audit", "list")


def _check_default_auth_type(facts: DoctorFacts) -> FindingRows:
    name, enabled = facts.known_contents.default_auth_type
    if not enabled and facts.known_contents.default_type_uses:
        message = f"the default authentication type '{name}' is disabled: requests that name no type are refused"
        yield WRONG, message, command("auth-type", "update", name, "--enable")


def _check_auth_types(facts: DoctorFacts) -> FindingRows:
    for auth_type in facts.known_contents.disabled_auth_types:
        uses = [f"application '{name}' requires it" for name in auth_type.apps[:1]]
        if auth_type.keys:
            uses.insert(0, ("at least " if auth_type.has_more else "") + format_count(auth_type.keys, "active key"))
        if uses:
            message = f"the authentication type '{auth_type.name}' is disabled but in use: {'; '.join(uses)}"
            yield WRONG, message, command("auth-type", "update", auth_type.name, "--enable")


def _check_remote_rest(facts: DoctorFacts) -> FindingRows:
    apps = facts.known_contents.apps_without_rest
    if apps.number:
        message = f"{_format_names(apps, 'application')}: API keys are enabled, but remote REST authentication is not"
        yield WRONG, message, command("app", "update", apps.names[0], "--remote-rest")


def _check_unlimited_keys(facts: DoctorFacts) -> FindingRows:
    contents = facts.known_contents
    if not contents.unlimited_keys:
        return
    verb = "expires" if contents.unlimited_keys == 1 else "expire"
    message, fix = f"{format_count(contents.unlimited_keys, 'active key')} never {verb}", command("key", "forecast")
    if contents.apps_without_timeout:
        app = contents.apps_without_timeout[0]
        message += f"; application '{app}' has no API key timeout"
        fix = command("app", "update", app, "--api-key-timeout", "2160")
    elif (key := contents.unlimited_key) is not None:
        message += f"; {key} was issued before its application had a timeout"
        fix = command("key", "rotate", key, "--overlap", "7d")
    yield WARN, message, fix


def _check_expired_keys(facts: DoctorFacts) -> FindingRows:
    if number := facts.known_contents.expired_keys:
        verb = "has" if number == 1 else "have"
        yield WARN, f"{format_count(number, 'key')} {verb} expired without a successor", command("key", "due")


def _check_disabled_keys(facts: DoctorFacts) -> FindingRows:
    if number := facts.known_contents.disabled_keys:
        verb = "is" if number == 1 else "are"
        yield WARN, f"{format_count(number, 'key')} {verb} disabled", command("key", "list", "--disabled")


def _check_idle_apps(facts: DoctorFacts) -> FindingRows:
    apps = facts.known_contents.idle_apps
    if apps.number:
        message = f"{_format_names(apps, 'application')}: API keys are enabled, but none was issued"
        yield WARN, message, command("key", "generate", "--app", apps.names[0], "--user", "USER")


def _check_idle_users(facts: DoctorFacts) -> FindingRows:
    users = facts.known_contents.idle_users
    if users is not None and users.number:
        yield WARN, f"{_format_names(users, 'user')} without an API key", command("user", "show", users.names[0])


def _check_orphaned_tokens(facts: DoctorFacts) -> FindingRows:
    if number := facts.known_contents.orphaned_tokens:
        message = f"{format_count(number, 'token')} of deleted keys, users or applications can be pruned"
        yield WARN, message, command("token", "prune")
    if number := facts.known_contents.orphaned_sessions:
        sessions = format_count(number, "session")
        message = f"{sessions} of deleted applications or users, whose tokens could become usable again"
        yield WRONG, message, command("token", "prune")


def _format_names(sample: CountWithNames, noun: str) -> str:
    names = ", ".join(f"'{name}'" for name in sample.names)
    more = f" and {sample.number - len(sample.names):,} more" if sample.number > len(sample.names) else ""
    return f"{format_count(sample.number, noun)} ({names}{more})"


class DoctorCheck(NamedTuple):
    """A check, and its message when it finds nothing."""

    name: str
    run: Callable[[DoctorFacts], FindingRows]
    ok_message: str


ENVIRONMENT_CHECKS = (
    DoctorCheck("store", _check_store, "the store exists and has the current schema version"),
    DoctorCheck("modes", file_diagnosis.check_modes, "no other user can read or change the store and its settings"),
    DoctorCheck("owner", file_diagnosis.check_owner, "the files belong to you"),
    DoctorCheck("wal", file_diagnosis.check_wal, "no unexpected files next to the store"),
    DoctorCheck("copies", file_diagnosis.check_partial_copies, "no incomplete copies"),
    DoctorCheck("disk", file_diagnosis.check_disk, "enough disk space"),
    DoctorCheck("file-system", file_diagnosis.check_file_system, "the store is on a local file system"),
    DoctorCheck("config", _check_settings, "the settings are valid"),
    DoctorCheck("shadowed", _check_shadowed_settings, "no setting overrides another"),
    DoctorCheck("environment", _check_environment, "no environment variable contains a credential"),
    DoctorCheck("tls", _check_tls, "no certificate expires soon"),
)
"""The checks that need no readable store."""

CONTENTS_CHECKS = (
    DoctorCheck("log", _check_journal_mode, "the store is in WAL mode"),
    DoctorCheck("clock", _check_clock, "no entry is from the future"),
    DoctorCheck("default-type", _check_default_auth_type, "the default authentication type is enabled"),
    DoctorCheck("auth-types", _check_auth_types, "no active key needs a disabled authentication type"),
    DoctorCheck("remote-rest", _check_remote_rest, "every application with API keys allows remote REST authentication"),
    DoctorCheck("lasting-keys", _check_unlimited_keys, "every active key expires"),
    DoctorCheck("expired-keys", _check_expired_keys, "no key has expired without a successor"),
    DoctorCheck("disabled-keys", _check_disabled_keys, "no key is disabled"),
    DoctorCheck("idle-apps", _check_idle_apps, "every application with API keys enabled has one"),
    DoctorCheck("idle-users", _check_idle_users, "every user has a key"),
    DoctorCheck("orphaned-tokens", _check_orphaned_tokens, "every token has its key, user and application"),
)
"""The checks of the store's contents."""

FILE_CHECKS = {"wal", "copies", "disk", "file-system", "log"}
"""Checks that apply only to a SQLite file."""

DATABASE_MESSAGES = {
    "modes": "no other user can change the settings",
    "store": "the store can be reached and has the current schema version",
}
"""What checks report for a database when they find nothing, where that differs."""


def run_checks(facts: DoctorFacts) -> list[DoctorFinding]:
    """Run the checks that apply in order, and return at least one finding of each."""
    checks: Sequence[DoctorCheck] = (*ENVIRONMENT_CHECKS, *(CONTENTS_CHECKS if facts.contents is not None else ()))
    if not facts.has_file:
        checks = [
            check._replace(ok_message=DATABASE_MESSAGES.get(check.name, check.ok_message))
            for check in checks
            if check.name not in FILE_CHECKS and (facts.files or check.name not in ("modes", "owner"))
        ]
    findings: list[DoctorFinding] = []
    for check in checks:
        rows = [*check.run(facts)] or [(OK, check.ok_message, None)]
        findings += [DoctorFinding(check.name, *row) for row in rows]
    return findings
