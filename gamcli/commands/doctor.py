"""`gamcli doctor`: what is commonly wrong, each with its mend."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from shlex import join
from typing import Annotated

import typer

from gamcli.actions import doctor as actions
from gamcli.commands.context import CliContext, now
from gamcli.commands.options import Field, Format, new_group
from gamcli.commands.settings import SETTINGS, Settings
from gamcli.errors import UsageError
from gamcli.model.doctor import WRONG, Certificate, DoctorFacts, DoctorFinding, FileFacts, ReadProblem, ShadowedSetting
from gamcli.render import output as voice
from gamcli.render.output import Output
from gamcli.rules import certificates, leak_detection
from gamcli.rules.credentials import Secret, parse_access_token
from gamcli.store.sqlite import doctor as store

verbs = new_group()

PROBLEMS_FOUND = 1
"""The exit code of an answer that says so."""

MAX_FILE_BYTES = 1 << 20
"""So many bytes of a certificate, or of a config file, are read."""

CREDENTIAL_VARIABLES = ("GAM_API_KEY", "GAM_CLIENT_SECRET", "GAM_ACCESS_TOKEN")
"""Variables that hold a credential whatever it looks like."""

Fix = Annotated[
    bool, typer.Option("--fix", help="Take from others what file modes let them; nothing else.", show_default=False)
]
Cert = Annotated[
    list[str] | None, typer.Option("--tls-cert", metavar="FILE", help="A certificate to look at too; repeatable.")
]
TlsKey = Annotated[list[str] | None, typer.Option("--tls-key", metavar="FILE", help="Its key; repeatable.")]


@verbs.command()
def doctor(
    context: typer.Context,
    fix: Fix = False,
    tls_cert: Cert = None,
    tls_key: TlsKey = None,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Look for what is commonly wrong around a store and in it, and tell how to mend it.

    Exit code 1 when something is wrong: somebody gets in, is kept out, or something is lost. What is marked as a
    warning may be meant so and leaves it 0. Nothing is changed but with --fix; the pages of the store are checked by
    store check.
    """
    session = CliContext.from_typer(context)
    settings, trouble = _read_settings(session.settings)
    out = replace(session, settings=settings).output(output, field, DoctorFinding)
    keys = [_tls_key_facts(path) for path in tls_key or ()]
    around = DoctorFacts(
        now=now(),
        uid=os.geteuid(),
        path=str(settings.store()),
        settings_problem=trouble,
        files=(*_config_file_facts(settings), *(each for each in keys if isinstance(each, FileFacts))),
        shadowed_settings=tuple(_find_shadowed(settings)),
        exposed_variables=tuple(_find_exposed_variables(os.environ)),
        certificates=tuple(each for path in tls_cert or () for each in _read_certificates(path)),
        tls_key_problems=tuple(each for each in keys if isinstance(each, ReadProblem)),
    )
    facts, findings = actions.diagnose(around)
    if fix and _fix_modes(out, facts):
        around = replace(around, files=tuple(_reread(around.files)))
        _, findings = actions.diagnose(around)
    _print_findings(out, around.path, findings)


def _read_settings(settings: Settings) -> tuple[Settings, ReadProblem | None]:
    """Return the settings as far as they can be read, and what keeps the others from it."""
    found = None
    sources = (settings, replace(settings, environment={}), replace(settings, reads_files=False))
    for each in (*sources, replace(settings, environment={}, reads_files=False)):
        try:
            for _ in each.all_values():
                pass
        except UsageError as error:
            found = found or ReadProblem(error.message, error.hint)
        else:
            return each, found
    return each, found


def _find_shadowed(settings: Settings) -> Iterator[ShadowedSetting]:
    """Yield what one source says in vain because another says otherwise; a flag and a default hide nothing."""
    for name in SETTINGS:
        said = [each for each in settings.sources(name) if each.origin not in ("flag", "default")]
        for lost in said[1:]:
            if lost.value != said[0].value:
                yield ShadowedSetting(name, said[0].value, said[0].origin, lost.value, lost.origin)


def _find_exposed_variables(environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        leak = next(leak_detection.find_leaks([os.fsencode(value)]), None)
        if leak or parse_access_token(Secret(value)) is not None or (name in CREDENTIAL_VARIABLES and value):
            yield name


def _config_file_facts(settings: Settings) -> Iterator[FileFacts]:
    for path in (settings.project_path, settings.user_path):
        found = store.load_file_facts(path, "config file") if path is not None else None
        if found is not None:
            yield found._replace(
                path=str(path), is_secret=next(leak_detection.find_leaks([_read_prefix(found.path)]), None) is not None
            )


def _read_prefix(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_FILE_BYTES)
    except OSError:
        return b""


def _tls_key_facts(path: str) -> FileFacts | ReadProblem:
    """Return the facts of a private key, or why a server could not read it."""
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except OSError as error:
        return ReadProblem(f"{path}: {str(error.strerror).lower()}", join(("ls", "-l", path)))
    found = store.load_file_facts(Path(path).absolute(), "TLS key")
    return found or ReadProblem(f"{path}: not a regular file", join(("ls", "-l", path)))


def _read_certificates(path: str) -> Iterator[Certificate]:
    try:
        with Path(path).open("rb") as file:
            text = file.read(MAX_FILE_BYTES).decode("ascii", "replace")
        yield Certificate(path, min(certificates.read_expiry_dates(text)))
    except OSError as error:
        yield Certificate(path, None, str(error.strerror).lower())
    except ValueError as error:
        yield Certificate(path, None, str(error))


def _fix_modes(out: Output, facts: DoctorFacts) -> bool:
    """Change the modes that let others in, say so, and return whether there were any."""
    any_found = False
    for path, mode, failed in actions.restrict_modes(facts):
        any_found = True
        if failed:
            out.print_warning(f"the mode of {path} cannot be changed: {failed}")
        else:
            out.print_note(f"chmod {mode:o} {path}")
    return any_found


def _reread(files: tuple[FileFacts, ...]) -> Iterator[FileFacts]:
    """Yield the files as they lie there now."""
    for each in files:
        found = store.load_file_facts(Path(each.path), each.role)
        if found is not None:
            yield found._replace(is_secret=each.is_secret)


def _print_findings(out: Output, path: str, findings: list[DoctorFinding]) -> None:
    hinted = [
        replace(each, mend=voice.add_global_options(each.mend, out.global_options)) if each.mend is not None else each
        for each in findings
    ]
    if out.is_human:
        from gamcli.render import findings as shown  # noqa: PLC0415 - programs need no screens

        out.print_panel(shown.build_panel(path, hinted))
    else:
        out.print_records(DoctorFinding, hinted)
    if any(each.status == WRONG for each in findings):
        raise typer.Exit(PROBLEMS_FOUND)
