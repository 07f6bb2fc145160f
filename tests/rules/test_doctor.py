"""The checks of `gamcli doctor`: each problem is found, with its suggested command."""

import shlex
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from gamcli.model.doctor import (
    OK,
    WARN,
    WRONG,
    Certificate,
    DisabledAuthType,
    DoctorFacts,
    DoctorFinding,
    ReadProblem,
    ShadowedSetting,
    StoreContents,
)
from gamcli.model.files import FileFacts
from gamcli.model.overviews import CountWithNames
from gamcli.rules import doctor, file_diagnosis
from tests.cases import for_each

NOBODY = CountWithNames(0, ())
MIB = 1024 * 1024
STORE = FileFacts("store", "/gam/store.db", 0o600, 1000, MIB)


@pytest.fixture
def contents(now: datetime) -> StoreContents:
    return StoreContents(
        uses_wal=True,
        latest_timestamps=(("an audit entry", now),),
        clock_step=None,
        default_auth_type=("apikey", True),
        default_type_uses=0,
        disabled_auth_types=(DisabledAuthType("old", 0, ()),),
        apps_without_rest=NOBODY,
        unlimited_keys=0,
        unlimited_key=None,
        apps_without_timeout=(),
        idle_apps=NOBODY,
        idle_users=NOBODY,
        orphaned_tokens=0,
        disabled_keys=0,
        expired_keys=0,
    )


@pytest.fixture
def facts(now: datetime, contents: StoreContents) -> DoctorFacts:
    return DoctorFacts(
        now=now,
        uid=1000,
        path=STORE.path,
        version=3,
        supported_version=3,
        files=(FileFacts("folder", "/gam", 0o700, 0, 4096, is_secret=False), STORE),
        free_bytes=1000 * MIB,
        certificates=(Certificate("a.pem", now + timedelta(days=31)),),
        contents=contents,
    )


def worse(facts: DoctorFacts) -> list[DoctorFinding]:
    return [each for each in doctor.run_checks(facts) if each.status != OK]


def only(facts: DoctorFacts) -> tuple[str, str, str | None]:
    (finding,) = worse(facts)
    assert finding.message[:1] == finding.message[:1].lower() or finding.message[:1] == "/"
    assert not finding.message.endswith(".")
    return finding.check, finding.status, finding.mend


def test_where_nothing_is_wrong_each_check_says_so_once(facts: DoctorFacts) -> None:
    names = [check.name for check in (*doctor.ENVIRONMENT_CHECKS, *doctor.CONTENTS_CHECKS)]
    assert [(each.check, each.status, each.mend) for each in doctor.run_checks(facts)] == [
        (name, OK, None) for name in names
    ]


def test_without_a_look_into_the_store_only_what_is_around_it_is_judged(facts: DoctorFacts) -> None:
    missing = replace(facts, contents=None, store_problem=ReadProblem("there is no store", "gamcli init"))
    finding = doctor.run_checks(missing)
    assert [each.check for each in finding] == [check.name for check in doctor.ENVIRONMENT_CHECKS]
    assert finding[0] == DoctorFinding("store", WRONG, "there is no store", "gamcli init")


def test_an_older_version_is_reported(facts: DoctorFacts) -> None:
    assert only(replace(facts, version=2, contents=None))[:2] == ("store", WARN)


@for_each(
    ("role", "mode", "secret", "fix"),
    [
        ("store", 0o644, True, "chmod go-rwx /gam/x"),
        ("WAL", 0o640, True, "chmod go-rwx /gam/x"),
        ("copy", 0o604, True, "chmod go-rwx /gam/x"),
        ("config file", 0o664, False, "chmod go-w /gam/x"),
        ("folder", 0o777, False, "chmod go-w /gam/x"),
    ],
)
def test_a_file_that_lets_others_in_is_wrong(facts: DoctorFacts, role: str, mode: int, secret: bool, fix: str) -> None:  # noqa: FBT001 - a table
    open_ = replace(facts, files=(STORE, FileFacts(role, "/gam/x", mode, 1000, 1, secret)))
    assert only(open_) == ("modes", WRONG, fix)
    (path, closed), *rest = file_diagnosis.find_unsafe_modes(open_)
    assert path == "/gam/x"
    assert rest == []
    assert (
        file_diagnosis.find_unsafe_modes(replace(facts, files=(FileFacts(role, path, closed, 1000, 1, secret),))) == []
    )
    assert closed & 0o700 == mode & 0o700


@for_each(
    ("mode", "message"),
    [
        (0o100604, "other users can read the store /gam/x (mode 604)"),
        (0o100601, "other users can read the store /gam/x (mode 601)"),
        (0o100620, "other users can change the store /gam/x (mode 620)"),
        (0o104640, "other users can read the store /gam/x (mode 4640)"),
    ],
)
def test_what_others_can_do_with_a_file_is_reported_with_its_mode(facts: DoctorFacts, mode: int, message: str) -> None:
    (finding,) = worse(replace(facts, files=(FileFacts("store", "/gam/x", mode, 1000, 1),)))
    assert finding.message == message


def test_a_folder_that_all_share_is_a_warning(facts: DoctorFacts) -> None:
    shared = replace(facts, files=(FileFacts("folder", "/tmp", 0o1777, 0, 1, is_secret=False), STORE))
    assert only(shared) == ("modes", WARN, None)
    assert file_diagnosis.find_unsafe_modes(shared) == []


def test_a_folder_that_others_may_enter_is_a_warning(facts: DoctorFacts) -> None:
    shared = replace(facts, files=(FileFacts("folder", "/gam", 0o710, 1000, 1, is_secret=False), STORE))
    assert only(shared) == ("modes", WARN, None)


@pytest.mark.parametrize(("uid", "is_recognized"), [(1001, True), (0, True), (1000, False)])
def test_the_mode_of_what_is_not_ones_own_store_is_not_changed(
    facts: DoctorFacts, uid: int, *, is_recognized: bool
) -> None:
    store = STORE._replace(mode=0o644)
    assert file_diagnosis.find_unsafe_modes(replace(facts, files=(store,))) == [(STORE.path, 0o600)]
    other = store._replace(uid=uid, is_recognized=is_recognized)
    assert file_diagnosis.find_unsafe_modes(replace(facts, files=(other,))) == []


def test_a_file_of_somebody_else_is_wrong_but_for_root(facts: DoctorFacts) -> None:
    foreign = replace(facts, files=(STORE._replace(uid=1001),))
    assert only(foreign) == ("owner", WRONG, "sudo chown 1000 /gam/store.db")
    assert only(replace(foreign, uid=0)) == ("owner", WARN, "sudo -u '#1001' gamcli doctor")


def test_a_log_without_its_store_is_wrong(facts: DoctorFacts) -> None:
    wal = STORE._replace(role="WAL", path="/gam/store.db-wal")
    assert only(replace(facts, files=(wal,))) == ("wal", WRONG, "mv /gam/store.db-wal /gam/store.db-wal.lost")
    assert worse(replace(facts, files=(STORE, wal))) == []


def test_a_large_log_and_a_journal_are_warnings(facts: DoctorFacts) -> None:
    wal = STORE._replace(role="WAL", path="/gam/store.db-wal", size=64 * MIB)
    assert worse(replace(facts, files=(STORE, wal))) == []
    wal = wal._replace(size=64 * MIB + 1)
    assert only(replace(facts, files=(STORE, wal))) == ("wal", WARN, "gamcli store compact")
    journal = STORE._replace(role="journal", path="/gam/store.db-journal")
    assert only(replace(facts, files=(STORE, journal))) == ("wal", WARN, "ls -l /gam/store.db-journal")


def test_sizes_are_reported_in_whole_mebibytes(facts: DoctorFacts) -> None:
    (finding,) = worse(replace(facts, files=(STORE, FileFacts("WAL", "/gam/store.db-wal", 0o600, 1000, 99 * MIB - 1))))
    assert finding.message.startswith("the WAL is 98 MiB: ")


def test_what_a_killed_copy_left_is_a_warning(facts: DoctorFacts) -> None:
    part = STORE._replace(role="part", path="/gam/.a b.db.0123abcd.part")
    assert only(replace(facts, files=(STORE, part))) == ("copies", WARN, "rm '/gam/.a b.db.0123abcd.part'")


def test_a_disk_without_room_is_wrong(facts: DoctorFacts) -> None:
    assert only(replace(facts, free_bytes=63 * MIB)) == ("disk", WRONG, "df -h /gam")
    large = replace(facts, files=(STORE._replace(size=600 * MIB),))
    assert only(large) == ("disk", WARN, "df -h /gam")
    assert worse(replace(facts, free_bytes=None)) == []
    assert only(replace(facts, path="/store.db", free_bytes=0)) == ("disk", WRONG, "df -h /")


def test_settings_that_cannot_be_read_are_wrong(facts: DoctorFacts) -> None:
    assert only(replace(facts, settings_problem=ReadProblem("no such setting", "fix the file"))) == (
        "config",
        WRONG,
        "fix the file",
    )


def test_a_setting_that_hides_another_is_a_warning(facts: DoctorFacts) -> None:
    hidden = ShadowedSetting("store", "/a", "GAMCLI_STORE", "/b", "/here/gamcli.toml")
    assert only(replace(facts, shadowed_settings=(hidden,))) == ("shadowed", WARN, "unset GAMCLI_STORE")
    hidden = ShadowedSetting("store", "/a", "/here/gamcli.toml", "/b", "/home/config.toml")
    assert only(replace(facts, shadowed_settings=(hidden,))) == ("shadowed", WARN, "gamcli config unset store")


def test_a_credential_in_the_environment_is_a_warning(facts: DoctorFacts) -> None:
    assert only(replace(facts, exposed_variables=("GAM_API_KEY",))) == ("environment", WARN, "unset GAM_API_KEY")


@pytest.mark.parametrize(("days", "status"), [(0, WRONG), (-1, WRONG), (30, WARN)])
def test_a_certificate_at_its_end_is_reported(facts: DoctorFacts, now: datetime, days: int, status: str) -> None:
    assert only(replace(facts, certificates=(Certificate("a b.pem", now + timedelta(days=days)),)))[:2] == (
        "tls",
        status,
    )


def test_a_certificate_that_cannot_be_read_is_wrong(facts: DoctorFacts) -> None:
    (finding,) = worse(replace(facts, certificates=(Certificate("a.pem", None, "no such file"),)))
    assert (finding.check, finding.status, finding.message) == ("tls", WRONG, "a.pem: no such file")


@pytest.mark.parametrize(("seconds", "word"), [(600, "600 seconds ahead"), (-600, "600 seconds behind")])
def test_a_clock_that_differs_from_that_of_the_database_is_a_warning(
    facts: DoctorFacts, seconds: int, word: str
) -> None:
    (finding,) = worse(replace(facts, clock_difference=timedelta(seconds=seconds)))
    assert (finding.check, finding.status) == ("clock", WARN)
    assert word in finding.message


def test_a_tls_key_that_cannot_be_read_is_wrong(facts: DoctorFacts) -> None:
    assert only(replace(facts, tls_key_problems=(ReadProblem("k.pem: no such file", "ls -l k.pem"),))) == (
        "tls",
        WRONG,
        "ls -l k.pem",
    )


@for_each(
    ("change", "expected"),
    [
        ({"uses_wal": False}, ("log", WRONG, "gamcli store migrate")),
        ({"clock_step": (7, 3600)}, ("clock", WARN, "gamcli audit list")),
        (
            {"default_auth_type": ("apikey", False), "default_type_uses": 2},
            ("default-type", WRONG, "gamcli auth-type update apikey --enable"),
        ),
        (
            {"disabled_auth_types": (DisabledAuthType("my old", 2, ()),)},
            ("auth-types", WRONG, "gamcli auth-type update 'my old' --enable"),
        ),
        (
            {"disabled_auth_types": (DisabledAuthType("old", 0, ("portal",)),)},
            ("auth-types", WRONG, "gamcli auth-type update old --enable"),
        ),
        (
            {"apps_without_rest": CountWithNames(1, ("portal",))},
            ("remote-rest", WRONG, "gamcli app update portal --remote-rest"),
        ),
        ({"unlimited_keys": 1}, ("lasting-keys", WARN, "gamcli key forecast")),
        (
            {"unlimited_keys": 2, "apps_without_timeout": ("portal", "shop")},
            ("lasting-keys", WARN, "gamcli app update portal --api-key-timeout 2160"),
        ),
        (
            {"unlimited_keys": 1, "unlimited_key": "8tUNiLqM"},
            ("lasting-keys", WARN, "gamcli key rotate 8tUNiLqM --overlap 7d"),
        ),
        (
            {"idle_apps": CountWithNames(1, ("portal",))},
            ("idle-apps", WARN, "gamcli key generate --app portal --user USER"),
        ),
        ({"idle_users": CountWithNames(5, ("a", "b", "c"))}, ("idle-users", WARN, "gamcli user show a")),
        ({"expired_keys": 1}, ("expired-keys", WARN, "gamcli key due")),
        ({"disabled_keys": 2}, ("disabled-keys", WARN, "gamcli key list --disabled")),
        ({"orphaned_tokens": 3}, ("orphaned-tokens", WARN, "gamcli token prune")),
        ({"orphaned_sessions": 1}, ("orphaned-tokens", WRONG, "gamcli token prune")),
    ],
)
def test_what_a_store_holds_is_judged(
    facts: DoctorFacts, contents: StoreContents, change: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    assert only(replace(facts, contents=contents._replace(**change))) == expected


def test_users_too_many_to_count_are_no_finding(facts: DoctorFacts, contents: StoreContents) -> None:
    assert worse(replace(facts, contents=contents._replace(idle_users=None))) == []


def test_what_is_from_the_future_is_wrong(facts: DoctorFacts, contents: StoreContents, now: datetime) -> None:
    soon, late = ("a", now + timedelta(minutes=5)), ("b", now + timedelta(minutes=6))
    assert worse(replace(facts, contents=contents._replace(latest_timestamps=(soon,)))) == []
    assert only(replace(facts, contents=contents._replace(latest_timestamps=(soon, late, late)))) == (
        "clock",
        WRONG,
        "date -u",
    )


def test_numbers_are_reported_in_good_english(facts: DoctorFacts, contents: StoreContents) -> None:
    message = (
        contents._replace(unlimited_keys=1),
        contents._replace(unlimited_keys=1200),
        contents._replace(idle_users=CountWithNames(5, ("a", "b"))),
        contents._replace(disabled_auth_types=(DisabledAuthType("old", 7, ("pay",), has_more=True),)),
        contents._replace(expired_keys=1),
        contents._replace(expired_keys=2),
        contents._replace(disabled_keys=1),
        contents._replace(disabled_keys=2),
    )
    assert [worse(replace(facts, contents=each))[0].message for each in message] == [
        "1 active key never expires",
        "1,200 active keys never expire",
        "5 users ('a', 'b' and 3 more) without an API key",
        "the authentication type 'old' is disabled but in use: at least 7 active keys; application 'pay' requires it",
        "1 key has expired without a successor",
        "2 keys have expired without a successor",
        "1 key is disabled",
        "2 keys are disabled",
    ]


def test_a_fix_is_a_line_for_a_shell(facts: DoctorFacts) -> None:
    for finding in worse(replace(facts, files=(FileFacts("store", "/a b/'; rm -rf x", 0o666, 1001, 0),), free_bytes=0)):
        assert finding.mend is not None
        assert shlex.split(finding.mend)[-1] in ("/a b/'; rm -rf x", "/gam")


def test_a_store_on_a_network_file_system_is_a_warning(facts: DoctorFacts) -> None:
    assert only(replace(facts, file_system="nfs4")) == ("file-system", WARN, "df -T /gam/store.db")
    assert worse(replace(facts, file_system="ext4")) == []


def test_a_database_without_files_has_no_checks_of_files(facts: DoctorFacts) -> None:
    names = [each.check for each in doctor.run_checks(replace(facts, has_file=False, files=()))]
    assert {"modes", "owner", *doctor.FILE_CHECKS}.isdisjoint(names)
    assert "clock" in names
    with_files = [each.check for each in doctor.run_checks(replace(facts, has_file=False, files=(STORE,)))]
    assert {"modes", "owner"} <= {*with_files}
