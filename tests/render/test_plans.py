"""Plans for people."""

import io
import re
from datetime import UTC, datetime

from gamcli.model import Key, KeyImpact
from gamcli.model.plan import CREATE, DELETE, UPDATE, Change, FieldChange, Plan
from gamcli.render import plans
from gamcli.render.output import make_console

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = Key("AbCdEfGh", "a\x1bna", "guid", "portal", "client", (), bytes(32), NOW, last_used_at=NOW)
PLAN = Plan.from_changes(
    [
        Change(CREATE, "user", "eva", (FieldChange("roles", None, ("a", "b")), FieldChange("city", None, "Salto"))),
        Change(UPDATE, "key", "AbCdEfGh", (FieldChange("expires_at", None, NOW),)),
        Change(DELETE, "app", "por\x1btal", (FieldChange("enabled", old=True, new=None),)),
    ],
    [KeyImpact(KEY, is_permanent=True, reason="gone"), KeyImpact(KEY, is_permanent=False, reason="off")],
)


def test_each_step_has_its_sign_and_each_field_its_line() -> None:
    assert list(plans.format_lines(PLAN)) == [
        "+ user eva",
        "    roles  a b",
        "    city   Salto",
        "~ key AbCdEfGh",
        "    expires_at  - -> 2026-03-01T12:00:00Z",
        "- app por?tal",
        "! key AbCdEfGh of a?na for portal is permanently invalidated: gone (last used 2026-03-01, never expires)",
        "! key AbCdEfGh of a?na for portal is suspended: off (last used 2026-03-01, never expires)",
    ]


def test_a_terminal_gets_colours_and_the_same_text() -> None:
    drawn = "".join(plans.render_lines(PLAN, make_console(Terminal(), no_color=True)))
    assert "".join(re.sub(r"\x1b\[[0-9;]*m", "", drawn).split()) == "".join("".join(plans.format_lines(PLAN)).split())
    assert "\x1b[32m+ user eva" in next(iter(plans.render_lines(PLAN, make_console(Terminal(), no_color=False))))


def test_the_summary_counts_what_there_is() -> None:
    assert plans.summarize(PLAN) == (
        "1 to create, 1 to update, 1 to delete; 1 active key would be permanently invalidated; "
        "1 active key would be suspended; nothing was changed"
    )
    assert plans.summarize(Plan.from_changes([], [])) == "nothing to change"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True
