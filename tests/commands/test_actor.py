"""The actor of audit entries."""

import getpass
import os
import pwd
from collections.abc import Callable
from typing import Any

import pytest

from gamcli.system.actor import CI_JOBS, MAX_VALUE_CHARS, describe_actor
from tests.cases import for_each

HERE = f"{pwd.getpwuid(os.geteuid()).pw_name}@{os.uname().nodename}"
NOBODY_SET = {name: "" for variables in CI_JOBS.values() for name in variables}


def test_the_os_user_and_the_host_are_reported() -> None:
    assert (
        describe_actor({})
        == describe_actor(NOBODY_SET)
        == describe_actor({"SUDO_USER": "", "USER": "eva", "LOGNAME": "eva"})
        == HERE
    )


def test_the_original_user_before_sudo_is_reported() -> None:
    assert describe_actor({"SUDO_USER": "ana"}) == f"{HERE} sudo=ana"
    assert describe_actor({"DOAS_USER": "eva"}) == f"{HERE} doas=eva"


@for_each(
    ("environment", "expected"),
    [
        ({"GITHUB_REPOSITORY": "acme/portal", "GITHUB_RUN_ID": "4711"}, "github=acme/portal#4711"),
        ({"CI_PROJECT_PATH": "acme/portal", "CI_JOB_ID": "7"}, "gitlab=acme/portal#7"),
        ({"BUILDKITE_PIPELINE_SLUG": "portal", "BUILDKITE_BUILD_NUMBER": "7"}, "buildkite=portal#7"),
        ({"JENKINS_URL": "https://ci.example.org/", "JOB_NAME": "a b", "BUILD_NUMBER": "7"},
         "jenkins=https://ci.example.org/#a_b#7"),
        ({"CODEBUILD_BUILD_ID": "portal:7f"}, "codebuild=portal:7f"),
        ({"SYSTEM_TEAMPROJECT": "Portal", "BUILD_BUILDID": "7"}, "azure=Portal#7"),
    ],
)  # fmt: skip
def test_the_job_of_a_ci_system_is_reported(environment: dict[str, str], expected: str) -> None:
    assert describe_actor(environment) == f"{HERE} {expected}"


@for_each("system", CI_JOBS)
def test_a_ci_job_is_reported_only_with_all_its_variables(system: str) -> None:
    environment = dict.fromkeys(CI_JOBS[system], "x")
    assert describe_actor(environment) == f"{HERE} {system}={'#'.join(['x'] * len(environment))}"
    del environment[CI_JOBS[system][-1]]
    assert describe_actor(environment) == HERE


def test_values_of_variables_are_sanitized() -> None:
    found = describe_actor({"SUDO_USER": "a b\n\x1b[31m\udcff", "CODEBUILD_BUILD_ID": "x" * 10_000})
    assert found == f"{HERE} sudo=a_b_?[31m? codebuild={'x' * MAX_VALUE_CHARS}..."


def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object) -> Any:  # noqa: ANN401 - never returns
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setattr(getpass, "getuser", lambda: "eva")
    assert describe_actor({}).startswith("eva@")
    monkeypatch.setattr(getpass, "getuser", nobody)
    assert describe_actor({}).startswith(f"uid-{os.geteuid()}@")


def test_the_audit_log_has_the_actor_of_every_command(
    world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "ana")
    monkeypatch.setenv("CODEBUILD_BUILD_ID", "b\udc807")
    assert world("user", "create", "eva").code == 0
    (found,) = world("audit", "list", "--actor", "ana", "-o", "json").json
    assert found["target"] == "eva"
    assert found["actor"].endswith(" sudo=ana codebuild=b?7")
