"""The screen of `gamcli doctor`."""

from gamcli.model.doctor import OK, WARN, WRONG, DoctorFinding
from gamcli.render import findings, panels

FINDINGS = [
    DoctorFinding("store", OK, "it exists"),
    DoctorFinding("wal", WARN, "it is large", "gamcli store compact"),
    DoctorFinding("modes", WRONG, "other users can read \x1b[31m", "chmod go-rwx 'a\x1bb'"),
    DoctorFinding("owner", WRONG, "not yours"),
]


def test_problems_come_first_with_their_fix_in_a_separate_line() -> None:
    assert (
        panels.render_panel(findings.build_panel("/gam/store.db", FINDINGS), None)
        == """\
doctor  /gam/store.db  2 problems, 1 warning

problems
  modes  other users can read ?[31m
         chmod go-rwx 'a?b'
  owner  not yours

warnings
  wal    it is large
         gamcli store compact

  ok     store"""
    )


def test_a_store_without_findings_has_no_problems() -> None:
    assert findings.summarize(FINDINGS[:1]) == "no problems"
    assert "ok" not in panels.render_panel(findings.build_panel("store.db", FINDINGS[1:]), None)
