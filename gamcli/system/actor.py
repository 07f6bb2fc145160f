"""The actor of audit entries: OS user and host, the user before sudo, and the CI job."""

import os
from collections.abc import Mapping

MAX_VALUE_CHARS = 200
"""Environment variables may have any length."""

CI_JOBS = {
    "github": ("GITHUB_REPOSITORY", "GITHUB_RUN_ID"),
    "gitlab": ("CI_PROJECT_PATH", "CI_JOB_ID"),
    "buildkite": ("BUILDKITE_PIPELINE_SLUG", "BUILDKITE_BUILD_NUMBER"),
    "circleci": ("CIRCLE_PROJECT_REPONAME", "CIRCLE_BUILD_NUM"),
    "azure": ("SYSTEM_TEAMPROJECT", "BUILD_BUILDID"),
    "bitbucket": ("BITBUCKET_REPO_FULL_NAME", "BITBUCKET_BUILD_NUMBER"),
    "codebuild": ("CODEBUILD_BUILD_ID",),
    "teamcity": ("TEAMCITY_BUILDCONF_NAME", "BUILD_NUMBER"),
    "travis": ("TRAVIS_REPO_SLUG", "TRAVIS_JOB_NUMBER"),
    "drone": ("DRONE_REPO", "DRONE_BUILD_NUMBER"),
    "woodpecker": ("CI_REPO", "CI_PIPELINE_NUMBER"),
    "jenkins": ("JENKINS_URL", "JOB_NAME", "BUILD_NUMBER"),
}
"""The variables that identify a job run, by CI system; all of them must be set."""

ORIGINAL_USER_VARIABLES = {"sudo": "SUDO_USER", "doas": "DOAS_USER"}
"""The variable with the original user, by the program that switched users."""


def describe_actor(environment: Mapping[str, str]) -> str:
    """Return the actor, such as `root@build7 sudo=ana github=acme/portal#4711`."""
    parts = [f"{_sanitize(_os_user())}@{_sanitize(_host_name())}"]
    for name, variable in ORIGINAL_USER_VARIABLES.items():
        if environment.get(variable):
            parts.append(f"{name}={_sanitize(environment[variable])}")
    for name, variables in CI_JOBS.items():
        values = [_sanitize(environment[variable]) for variable in variables if environment.get(variable)]
        if len(values) == len(variables):
            parts.append(f"{name}={'#'.join(values)}")
    return " ".join(parts)


def _sanitize(text: str) -> str:
    """Return `text` as one printable word of limited length."""
    cut = text if len(text) <= MAX_VALUE_CHARS else f"{text[:MAX_VALUE_CHARS]}..."
    return "".join("_" if letter.isspace() else letter if letter.isprintable() else "?" for letter in cut)


def _os_user() -> str:
    try:
        import pwd  # noqa: PLC0415 - not on Windows

        return pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, KeyError):
        import getpass  # noqa: PLC0415 - the fallback

        try:
            return getpass.getuser()
        except (ImportError, KeyError, OSError):  # the user has no name, as in some containers
            return f"uid-{os.geteuid()}"


def _host_name() -> str:
    try:
        return os.uname().nodename
    except AttributeError:  # Windows
        import socket  # noqa: PLC0415 - the fallback

        return socket.gethostname()
