"""`gamcli doctor`: what is commonly wrong, each with its mend."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from shlex import join
from typing import Annotated

import typer

from gamcli.actions import doctor as actions
from gamcli.commands.options import Field, Format, noun
from gamcli.commands.session import Session, now
from gamcli.commands.settings import SETTINGS, Settings
from gamcli.errors import UsageError
from gamcli.model.doctor import WRONG, Certificate, Facts, FileFacts, Finding, Hidden, Trouble
from gamcli.render import output as voice
from gamcli.render.output import Output
from gamcli.rules import certificates, leak_detection
from gamcli.rules.credentials import Secret, access_token_row
from gamcli.store.sqlite import doctor as store

verbs = noun()

SOMETHING_WRONG = 1
"""The exit code of an answer that says so."""

LARGEST_FILE = 1 << 20
"""So many bytes of a certificate, or of a config file, are read."""

OURS = ("GAM_API_KEY", "GAM_CLIENT_SECRET", "GAM_ACCESS_TOKEN")
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
    session = Session.of(context)
    settings, trouble = _readable(session.settings)
    out = replace(session, settings=settings).output(output, field, Finding)
    keys = [_tls_key(path) for path in tls_key or ()]
    around = Facts(
        now=now(),
        user=os.geteuid(),
        path=str(settings.store()),
        settings=trouble,
        files=(*_config_files(settings), *(each for each in keys if isinstance(each, FileFacts))),
        hidden=tuple(_hidden(settings)),
        variables=tuple(_variables(os.environ)),
        certificates=tuple(each for path in tls_cert or () for each in _certificates(path)),
        tls_keys=tuple(each for each in keys if isinstance(each, Trouble)),
    )
    facts, findings = actions.examine(around)
    if fix and _fixed(out, facts):
        around = replace(around, files=tuple(_again(around.files)))
        _, findings = actions.examine(around)
    _tell(out, around.path, findings)


def _readable(settings: Settings) -> tuple[Settings, Trouble | None]:
    """Return the settings as far as they can be read, and what keeps the others from it."""
    found = None
    sources = (settings, replace(settings, environment={}), replace(settings, reads_files=False))
    for each in (*sources, replace(settings, environment={}, reads_files=False)):
        try:
            for _ in each.each():
                pass
        except UsageError as error:
            found = found or Trouble(error.message, error.hint)
        else:
            return each, found
    return each, found


def _hidden(settings: Settings) -> Iterator[Hidden]:
    """Yield what one source says in vain because another says otherwise; a flag and a default hide nothing."""
    for name in SETTINGS:
        said = [each for each in settings.sources(name) if each.origin not in ("flag", "default")]
        for lost in said[1:]:
            if lost.value != said[0].value:
                yield Hidden(name, said[0].value, said[0].origin, lost.value, lost.origin)


def _variables(environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        leak = next(leak_detection.search([os.fsencode(value)]), None)
        if leak or access_token_row(Secret(value)) is not None or (name in OURS and value):
            yield name


def _config_files(settings: Settings) -> Iterator[FileFacts]:
    for path in (settings.project_path, settings.user_path):
        found = store.one(path, "config file") if path is not None else None
        if found is not None:
            yield found._replace(
                path=str(path), secret=next(leak_detection.search([_beginning(found.path)]), None) is not None
            )


def _beginning(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(LARGEST_FILE)
    except OSError:
        return b""


def _tls_key(path: str) -> FileFacts | Trouble:
    """Return the facts of a private key, or why a server could not read it."""
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except OSError as error:
        return Trouble(f"{path}: {str(error.strerror).lower()}", join(("ls", "-l", path)))
    found = store.one(Path(path).absolute(), "TLS key")
    return found or Trouble(f"{path}: not a regular file", join(("ls", "-l", path)))


def _certificates(path: str) -> Iterator[Certificate]:
    try:
        with Path(path).open("rb") as file:
            text = file.read(LARGEST_FILE).decode("ascii", "replace")
        yield Certificate(path, min(certificates.ends(text)))
    except OSError as error:
        yield Certificate(path, None, str(error.strerror).lower())
    except ValueError as error:
        yield Certificate(path, None, str(error))


def _fixed(out: Output, facts: Facts) -> bool:
    """Change the modes that let others in, say so, and return whether there were any."""
    any_found = False
    for path, mode, failed in actions.close(facts):
        any_found = True
        if failed:
            out.warn(f"the mode of {path} cannot be changed: {failed}")
        else:
            out.note(f"chmod {mode:o} {path}")
    return any_found


def _again(files: tuple[FileFacts, ...]) -> Iterator[FileFacts]:
    """Yield the files as they lie there now."""
    for each in files:
        found = store.one(Path(each.path), each.role)
        if found is not None:
            yield found._replace(secret=each.secret)


def _tell(out: Output, path: str, findings: list[Finding]) -> None:
    hinted = [
        replace(each, mend=voice.hinted(each.mend, out.before)) if each.mend is not None else each for each in findings
    ]
    if out.is_human:
        from gamcli.render import findings as shown  # noqa: PLC0415 - programs need no screens

        out.screen(shown.panel(path, hinted))
    else:
        out.records(Finding, hinted)
    if any(each.status == WRONG for each in findings):
        raise typer.Exit(SOMETHING_WRONG)
