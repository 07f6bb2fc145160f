"""
Leaks as SARIF 2.1.0 (OASIS), the format that code scanning of GitHub and GitLab and editors read.

A credential is told by its id and a fingerprint; its text is nowhere. Functions return text; `output` prints it.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from gamcli import __version__
from gamcli.model.findings import Sighting
from gamcli.render import machine

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

RULES = {
    "API key": ("gam-api-key", "GAM API key", "Revoke the key: gamcli key revoke ID --reason leaked"),
    "client secret": ("gam-client-secret", "GAM client secret", "Replace the secret: gamcli app rotate-secret APP"),
}
"""The rule of each kind of credential: its id, what it finds, and what to do then."""

SEVERITY = "9.1"
"""What code scanning of GitHub shows as critical."""

LEVELS = {True: "error", None: "warning", False: "note"}
"""How bad a credential is that lives, that may live, and that does not."""


_SPELLED = re.compile(r"\\x([89a-f][0-9a-f])")
"""A byte of a file's name that is no UTF-8, as it is told; a URI has a form of its own for it."""


def lines(sighted: Iterable[Sighting], now: datetime) -> Iterator[str]:
    """Yield the lines of one SARIF document, a leak a line."""
    yield f'{{"$schema": {machine.line(SCHEMA)}, "version": "2.1.0", "runs": [{{'
    driver = {"name": "gamcli", "version": __version__, "semanticVersion": __version__, "rules": [*_rules()]}
    yield f'"tool": {machine.line({"driver": driver})},'
    yield '"columnKind": "unicodeCodePoints",'
    yield '"results": ['
    before = ""
    for sighting in sighted:
        if before:
            yield f"{before},"
        before = machine.line(_result(sighting, now))
    if before:
        yield before
    yield "]}]}"


def _rules() -> Iterator[machine.Plain]:
    for name, found, mend in RULES.values():
        yield {
            "id": name,
            "name": found.title().replace(" ", ""),
            "shortDescription": {"text": found},
            "fullDescription": {"text": f"{found}, found by its form and its checksum"},
            "help": {"text": mend},
            "defaultConfiguration": {"level": LEVELS[True]},
            "properties": {"tags": ["security", "secret"], "security-severity": SEVERITY},
        }


def _result(sighting: Sighting, now: datetime) -> machine.Plain:
    more = machine.plain(sighting, now)
    known = ("commit", "id", "status", "live", "user", "app", "last_used_at")
    return {
        "ruleId": RULES[sighting.kind][0],
        "ruleIndex": [*RULES].index(sighting.kind),
        "level": LEVELS[sighting.live],
        "message": {"text": message(sighting)},
        "locations": [{"physicalLocation": _place(sighting)}],
        "partialFingerprints": {"secret/v1": sighting.fingerprint},
        "properties": {name: more[name] for name in known if more[name] is not None},
    }


def message(sighting: Sighting) -> str:
    """Return what was found, in a sentence."""
    who = f" {sighting.id}" if sighting.id else ""
    whose = (f" of {sighting.user} for" if sighting.user else " of") + f" {sighting.app}" if sighting.app else ""
    since = f", since commit {sighting.commit}" if sighting.commit else ""
    return f"{RULES[sighting.kind][1]}{who}{whose}: {sighting.status}{since}"


def _place(sighting: Sighting) -> machine.Plain:
    return {
        "artifactLocation": _artifact(sighting.file),
        "region": {"startLine": sighting.line, "startColumn": sighting.column},
    }


def _artifact(file: str) -> machine.Plain:
    """Return where a file is: relative to here when it lies below, as code scanning asks for."""
    path = Path(_SPELLED.sub(lambda found: chr(0xDC00 + int(found[1], 16)), file))  # PEP 383
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(path.as_posix().encode(errors="surrogateescape")), "uriBaseId": "%SRCROOT%"}
