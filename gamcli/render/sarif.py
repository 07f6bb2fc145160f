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
from gamcli.model.findings import ScanFinding
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


_ESCAPED_BYTE = re.compile(r"\\x([89a-f][0-9a-f])")
"""A byte of a file's name that is no UTF-8, as it is told; a URI has a form of its own for it."""


def format_lines(findings: Iterable[ScanFinding], now: datetime) -> Iterator[str]:
    """Yield the lines of one SARIF document, a leak a line."""
    yield f'{{"$schema": {machine.json_line(SCHEMA)}, "version": "2.1.0", "runs": [{{'
    driver = {"name": "gamcli", "version": __version__, "semanticVersion": __version__, "rules": [*_rules()]}
    yield f'"tool": {machine.json_line({"driver": driver})},'
    yield '"columnKind": "unicodeCodePoints",'
    yield '"results": ['
    before = ""
    for sighting in findings:
        if before:
            yield f"{before},"
        before = machine.json_line(_result(sighting, now))
    if before:
        yield before
    yield "]}]}"


def _rules() -> Iterator[machine.JsonObject]:
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


def _result(finding: ScanFinding, now: datetime) -> machine.JsonObject:
    more = machine.to_dict(finding, now)
    known = ("commit", "id", "status", "live", "user", "app", "last_used_at")
    return {
        "ruleId": RULES[finding.kind][0],
        "ruleIndex": [*RULES].index(finding.kind),
        "level": LEVELS[finding.live],
        "message": {"text": format_message(finding)},
        "locations": [{"physicalLocation": _location(finding)}],
        "partialFingerprints": {"secret/v1": finding.fingerprint},
        "properties": {name: more[name] for name in known if more[name] is not None},
    }


def format_message(finding: ScanFinding) -> str:
    """Return what was found, in a sentence."""
    who = f" {finding.id}" if finding.id else ""
    whose = (f" of {finding.user} for" if finding.user else " of") + f" {finding.app}" if finding.app else ""
    since = f", since commit {finding.commit}" if finding.commit else ""
    return f"{RULES[finding.kind][1]}{who}{whose}: {finding.status}{since}"


def _location(finding: ScanFinding) -> machine.JsonObject:
    return {
        "artifactLocation": _artifact_location(finding.file),
        "region": {"startLine": finding.line, "startColumn": finding.column},
    }


def _artifact_location(file: str) -> machine.JsonObject:
    """Return where a file is: relative to here when it lies below, as code scanning asks for."""
    path = Path(_ESCAPED_BYTE.sub(lambda found: chr(0xDC00 + int(found[1], 16)), file))  # PEP 383
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(path.as_posix().encode(errors="surrogateescape")), "uriBaseId": "%SRCROOT%"}
