"""
Format scan findings as SARIF 2.1.0 (OASIS), for the code scanning of GitHub and GitLab, and for editors.

A credential is identified by its ID and a fingerprint; its text does not appear.
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
    "client secret": (
        "gam-client-secret",
        "GAM client secret",
        "Replace it: gamcli app rotate-secret APP --overlap 0",
    ),
}
"""The rule of each kind of credential: its ID, title and remediation."""

SEVERITY = "9.1"
"""GitHub's code scanning shows it as critical."""

LEVELS = {True: "error", None: "warning", False: "note"}
"""The level of a credential that is valid, of unknown status, and invalid."""


_ESCAPED_BYTE = re.compile(r"\\x([89a-f][0-9a-f])")
"""A byte of a file name that is not UTF-8, as findings show it; a URI encodes it differently."""


def format_lines(findings: Iterable[ScanFinding], now: datetime) -> Iterator[str]:
    """Yield the lines of a SARIF document, one result per line."""
    yield f'{{"$schema": {machine.json_line(SCHEMA)}, "version": "2.1.0", "runs": [{{'
    driver = {"name": "gamcli", "version": __version__, "semanticVersion": __version__, "rules": [*_rules()]}
    yield f'"tool": {machine.json_line({"driver": driver})},'
    yield '"columnKind": "unicodeCodePoints",'
    yield '"results": ['
    pending = ""
    for sighting in findings:
        if pending:
            yield f"{pending},"
        pending = machine.json_line(_result(sighting, now))
    if pending:
        yield pending
    yield "]}]}"


def _rules() -> Iterator[machine.JsonObject]:
    for name, title, remediation in RULES.values():
        yield {
            "id": name,
            "name": title.title().replace(" ", ""),
            "shortDescription": {"text": title},
            "fullDescription": {"text": f"{title}, detected by its format and checksum"},
            "help": {"text": remediation},
            "defaultConfiguration": {"level": LEVELS[True]},
            "properties": {"tags": ["security", "secret"], "security-severity": SEVERITY},
        }


def _result(finding: ScanFinding, now: datetime) -> machine.JsonObject:
    values = machine.to_dict(finding, now)
    region = {"startLine": finding.line, "startColumn": finding.column}
    properties = ("commit", "id", "status", "live", "user", "app", "last_used_at", "length")
    return {
        "ruleId": RULES[finding.kind][0],
        "ruleIndex": [*RULES].index(finding.kind),
        "level": LEVELS[finding.live],
        "message": {"text": format_message(finding)},
        "locations": [{"physicalLocation": {"artifactLocation": _artifact_location(finding.file), "region": region}}],
        "partialFingerprints": {"secret/v1": finding.fingerprint},
        "properties": {name: values[name] for name in properties if values[name] is not None},
    }


def format_message(finding: ScanFinding) -> str:
    """Return the finding in a sentence."""
    key_id = f" {finding.id}" if finding.id else ""
    owner = (f" of {finding.user} for" if finding.user else " of") + f" {finding.app}" if finding.app else ""
    since = f", since commit {finding.commit}" if finding.commit else ""
    cut = f", truncated after {finding.length} characters" if finding.cut_short else ""
    return f"{RULES[finding.kind][1]}{key_id}{owner}: {finding.status}{cut}{since}"


def _artifact_location(file: str) -> machine.JsonObject:
    """Return the location of a file, relative to the working directory if it is inside."""
    path = Path(_ESCAPED_BYTE.sub(lambda match: chr(0xDC00 + int(match[1], 16)), file))  # PEP 383
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(path.as_posix().encode(errors="surrogateescape")), "uriBaseId": "%SRCROOT%"}
