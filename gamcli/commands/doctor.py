"""`gamcli doctor`: diagnose common problems of a store and its environment."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import product
from pathlib import Path
from shlex import join
from typing import Annotated

import typer

from gamcli.actions import doctor as actions
from gamcli.commands.config_files import find_foreign_owner
from gamcli.commands.context import CliContext, now
from gamcli.commands.options import PrintOptions, flag, new_group, option
from gamcli.commands.settings import SETTINGS, Settings
from gamcli.errors import UsageError
from gamcli.model.doctor import WRONG, Certificate, DoctorFacts, DoctorFinding, ReadProblem, ShadowedSetting
from gamcli.model.files import FileFacts
from gamcli.render.output import Output, add_global_options
from gamcli.rules import certificates, leak_detection
from gamcli.rules.credentials import Secret, parse_access_token
from gamcli.store.sqlite import files

verbs = new_group()

PROBLEMS_FOUND = 1

MAX_FILE_BYTES = 1 << 20
"""Read at most this much of a certificate or config file."""

CREDENTIAL_VARIABLES = ("GAM_API_KEY", "GAM_CLIENT_SECRET", "GAM_ACCESS_TOKEN")
"""Variables that contain a credential, whatever its format."""


@verbs.command()
def doctor(
    fix: Annotated[bool, flag("Restrict file permissions; change nothing else.", "--fix")] = False,
    tls_cert: Annotated[list[str] | None, option("FILE", "Also check this certificate; repeatable.")] = None,
    tls_key: Annotated[list[str] | None, option("FILE", "Also check this private key; repeatable.")] = None,
    *,
    run: PrintOptions,
) -> None:
    """
    Diagnose common problems of a store and its environment, and suggest fixes.

    Exit code 1 if there is a problem; warnings do not change the exit code. Only --fix changes anything. To check the
    database itself, use `gamcli store check`.
    """
    settings, settings_problem = _read_settings(run.cli.settings)
    out = CliContext(settings, run.cli.pager).output(run.output, run.field, DoctorFinding)
    keys = [_tls_key_facts(path) for path in tls_key or ()]
    environment = DoctorFacts(
        now=now(),
        uid=os.geteuid(),
        path=str(settings.store()),
        settings_problem=settings_problem,
        files=(*_config_file_facts(settings), *(key for key in keys if isinstance(key, FileFacts))),
        shadowed_settings=tuple(_find_shadowed(settings)),
        exposed_variables=tuple(_find_exposed_variables(os.environ)),
        certificates=tuple(_read_certificate(path) for path in tls_cert or ()),
        tls_key_problems=tuple(key for key in keys if isinstance(key, ReadProblem)),
    )
    facts, findings = actions.diagnose(environment, settings.store())
    if fix and _fix_modes(out, facts):
        changed = [(file, files.load_file_facts(Path(file.path), file.role)) for file in environment.files]
        reread = tuple(new._replace(is_secret=old.is_secret) for old, new in changed if new is not None)
        environment = replace(environment, files=reread)
        _, findings = actions.diagnose(environment, settings.store())
    _print_findings(out, environment.path, findings)


def _read_settings(settings: Settings) -> tuple[Settings, ReadProblem | None]:
    """Return the settings from all sources that are valid, and the first problem with the others."""
    problem = None
    for reads_files, environment in product((True, False), (settings.environment, {})):
        valid = Settings(settings.flags, environment, settings.user_file, reads_files=reads_files)
        try:
            for name in SETTINGS:
                valid.value(name)
        except UsageError as error:
            problem = problem or ReadProblem(error.message, error.hint)
        else:
            break
    return valid, problem


def _find_shadowed(settings: Settings) -> Iterator[ShadowedSetting]:
    """Yield settings that a source with higher priority overrides with another value, except flags and defaults."""
    for name in SETTINGS:
        sources = [source for source in settings.sources(name) if source[1] not in ("flag", "default")]
        for shadowed in sources[1:]:
            if shadowed[0] != sources[0][0]:
                yield ShadowedSetting(name, *sources[0], *shadowed)


def _find_exposed_variables(environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        is_token = parse_access_token(Secret(value)) is not None
        if _has_leak(os.fsencode(value)) or is_token or (name in CREDENTIAL_VARIABLES and value):
            yield name


def _has_leak(data: bytes) -> bool:
    return next(leak_detection.find_leaks([data]), None) is not None


def _config_file_facts(settings: Settings) -> Iterator[FileFacts]:
    for path in (settings.project_path, settings.user_path):
        is_own = path is not None and find_foreign_owner(path) is None
        facts = files.load_file_facts(path, "config file") if path is not None and is_own else None
        if facts is None:
            continue
        data = b""
        with suppress(OSError), Path(facts.path).open("rb") as file:
            data = file.read(MAX_FILE_BYTES)
        yield facts._replace(path=str(path), is_secret=_has_leak(data))


def _tls_key_facts(path: str) -> FileFacts | ReadProblem:
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except OSError as error:
        return ReadProblem(f"{path}: {str(error.strerror).lower()}", join(("ls", "-l", path)))
    facts = files.load_file_facts(Path(path).absolute(), "TLS key")
    return facts or ReadProblem(f"{path}: not a regular file", join(("ls", "-l", path)))


def _read_certificate(path: str) -> Certificate:
    try:
        with Path(path).open("rb") as file:
            text = file.read(MAX_FILE_BYTES).decode("ascii", "replace")
        return Certificate(path, min(certificates.read_expiry_dates(text)))
    except OSError as error:
        return Certificate(path, None, str(error.strerror).lower())
    except ValueError as error:
        return Certificate(path, None, str(error))


def _fix_modes(out: Output, facts: DoctorFacts) -> bool:
    """Restrict file modes that give access to others; return whether there were any."""
    has_changes = False
    for path, mode, problem in actions.restrict_modes(facts):
        has_changes = True
        if problem:
            out.print_warning(f"cannot change the mode of {path}: {problem}")
        else:
            out.print_note(f"chmod {mode:o} {path}")
    return has_changes


def _print_findings(out: Output, path: str, findings: list[DoctorFinding]) -> None:
    findings = [
        replace(finding, mend=finding.mend and add_global_options(finding.mend, out.global_options))
        for finding in findings
    ]
    if out.is_human:
        from gamcli.render import findings as panels  # noqa: PLC0415 - start-up: rich is slow to import

        out.print_panel(panels.build_panel(path, findings))
    else:
        out.print_records(DoctorFinding, findings)
    if any(finding.status == WRONG for finding in findings):
        raise typer.Exit(PROBLEMS_FOUND)
