"""The screen of `gamcli doctor`: problems first, each with its suggested command."""

from collections.abc import Sequence

from gamcli.errors import format_count
from gamcli.model.doctor import OK, WARN, WRONG, DoctorFinding
from gamcli.render.panels import Panel, PanelSection, Row
from gamcli.render.text import clean

HEADINGS = {WRONG: "problems", WARN: "warnings"}


def build_panel(path: str, findings: Sequence[DoctorFinding]) -> Panel:
    sections = [PanelSection(heading, _rows(findings, status)) for status, heading in HEADINGS.items()]
    passed = [finding.check for finding in findings if finding.status == OK]
    sections.append(PanelSection("", [("ok", ", ".join(passed))] if passed else []))
    return Panel("doctor", path, summarize(findings), tuple(sections))


def _rows(findings: Sequence[DoctorFinding], status: str) -> list[Row]:
    rows: list[Row] = []
    for finding in findings:
        if finding.status == status:
            rows.append((finding.check, clean(finding.message)))
            rows += [("", clean(finding.mend))] if finding.mend else []
    return rows


def summarize(findings: Sequence[DoctorFinding]) -> str:
    """Return the numbers of problems and warnings."""
    statuses = [finding.status for finding in findings]
    problems, warnings = statuses.count(WRONG), statuses.count(WARN)
    return (
        f"{format_count(problems, 'problem')}, {format_count(warnings, 'warning')}"
        if problems or warnings
        else "no problems"
    )
