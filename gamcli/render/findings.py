"""What a doctor found, as people read it: what is wrong first, each with its mend in a line that can be copied."""

from collections.abc import Sequence

from gamcli.errors import format_count
from gamcli.model.doctor import OK, WARN, WRONG, DoctorFinding
from gamcli.render.panels import Panel, PanelSection, Row
from gamcli.render.text import clean

HEADINGS = {WRONG: "wrong", WARN: "worth a look"}


def build_panel(path: str, findings: Sequence[DoctorFinding]) -> Panel:
    """Return the screen of a doctor who looked at the store at `path`."""
    sections = [PanelSection(head, _rows(findings, status)) for status, head in HEADINGS.items()]
    fine = [each.check for each in findings if each.status == OK]
    sections.append(PanelSection("", [("in order", ", ".join(fine))] if fine else []))
    return Panel("doctor", path, summarize(findings), tuple(sections))


def _rows(findings: Sequence[DoctorFinding], status: str) -> list[Row]:
    rows: list[Row] = []
    for each in findings:
        if each.status == status:
            rows.append((each.check, clean(each.message)))
            rows += [("", clean(each.mend))] if each.mend else []
    return rows


def summarize(findings: Sequence[DoctorFinding]) -> str:
    """Return the counts in a few words."""
    statuses = [each.status for each in findings]
    wrong, warned = statuses.count(WRONG), statuses.count(WARN)
    return f"{wrong} wrong, {format_count(warned, 'warning')}" if wrong or warned else "nothing is wrong"
