"""What a doctor found, as people read it."""

from gamcli.model.doctor import OK, WARN, WRONG, DoctorFinding
from gamcli.render import findings, panels

FOUND = [
    DoctorFinding("store", OK, "it is there"),
    DoctorFinding("wal", WARN, "it is large", "gamcli store compact"),
    DoctorFinding("modes", WRONG, "others can read \x1b[31m", "chmod go-rwx 'a\x1bb'"),
    DoctorFinding("owner", WRONG, "not yours"),
]


def test_what_is_wrong_comes_first_each_fix_in_a_line_separate() -> None:
    assert (
        panels.render_panel(findings.build_panel("/gam/store.db", FOUND), None)
        == """\
doctor  /gam/store.db  2 wrong, 1 warning

wrong
  modes     others can read ?[31m
            chmod go-rwx 'a?b'
  owner     not yours

worth a look
  wal       it is large
            gamcli store compact

  in order  store"""
    )


def test_where_nothing_is_wrong_that_is_said() -> None:
    assert findings.summarize(FOUND[:1]) == "nothing is wrong"
    assert "in order" not in panels.render_panel(findings.build_panel("store.db", FOUND[1:]), None)
