"""What a doctor found, as people read it: what is wrong first, each with its mend in a line that can be copied."""

from collections.abc import Sequence

from gamcli.model.doctor import OK, WARN, WRONG, Finding
from gamcli.render.output import count
from gamcli.render.panels import Panel, Row, Section
from gamcli.render.text import clean

HEADS = {WRONG: "wrong", WARN: "worth a look"}


def panel(path: str, findings: Sequence[Finding]) -> Panel:
    """Return the screen of a doctor who looked at the store at `path`."""
    sections = [Section(head, _rows(findings, status)) for status, head in HEADS.items()]
    fine = [each.check for each in findings if each.status == OK]
    sections.append(Section("", [("in order", ", ".join(fine))] if fine else []))
    return Panel("doctor", path, summary(findings), tuple(sections))


def _rows(findings: Sequence[Finding], status: str) -> list[Row]:
    rows: list[Row] = []
    for each in findings:
        if each.status == status:
            rows.append((each.check, clean(each.message)))
            rows += [("", clean(each.mend))] if each.mend else []
    return rows


def summary(findings: Sequence[Finding]) -> str:
    """Return the counts in a few words."""
    statuses = [each.status for each in findings]
    wrong, warned = statuses.count(WRONG), statuses.count(WARN)
    return f"{wrong} wrong, {count(warned, 'warning')}" if wrong or warned else "nothing is wrong"
