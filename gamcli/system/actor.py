"""Who acts and from where, as the audit trail tells it: OS user and host, the user behind, the CI job and its run."""

import os
from collections.abc import Mapping

MAX_VALUE_CHARS = 200
"""So many letters of a value are told: variables can be set to anything."""

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
"""Which variables name a job and its run, by CI system; all of them must be set."""

ORIGINAL_USER_VARIABLES = {"sudo": "SUDO_USER", "doas": "DOAS_USER"}
"""Which variable names who became another user, by the program that they did it with."""


def describe_actor(environment: Mapping[str, str]) -> str:
    """Return who acts, in words without blanks within: `root@build7 sudo=ana github=acme/portal#4711`."""
    parts = [f"{_sanitize(_os_user())}@{_sanitize(_host_name())}"]
    parts += [
        f"{name}={_sanitize(environment[each])}"
        for name, each in ORIGINAL_USER_VARIABLES.items()
        if environment.get(each)
    ]
    for name, variables in CI_JOBS.items():
        found = [_sanitize(environment[each]) for each in variables if environment.get(each)]
        if len(found) == len(variables):
            parts.append(f"{name}={'#'.join(found)}")
    return " ".join(parts)


def _sanitize(text: str) -> str:
    """Return `text` as one printable word of the length that is told."""
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
        except (ImportError, KeyError, OSError):  # nobody gave this user a name: so it is in some containers
            return f"uid-{os.geteuid()}"


def _host_name() -> str:
    try:
        return os.uname().nodename
    except AttributeError:  # Windows
        import socket  # noqa: PLC0415 - the fallback

        return socket.gethostname()
