"""Screens, drawn by rich and plain."""

from datetime import UTC, datetime, timedelta

from gamcli.render import panels
from tests.cases import for_each

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@for_each(
    ("length", "words"),
    [
        (timedelta(days=12, hours=5), "in 12 days"),
        (timedelta(days=1), "in 1 day"),
        (timedelta(hours=-3), "3 hours ago"),
        (timedelta(minutes=1, seconds=59), "in 2 minutes"),
        (timedelta(0), "a moment ago"),
        (timedelta(days=-20000), "20,000 days ago"),
    ],
)
def test_a_distance_is_reported_in_the_largest_unit(length: timedelta, words: str) -> None:
    assert panels.format_distance(NOW + length, NOW) == words


def test_a_plain_screen_is_aligned_and_leaves_out_what_is_empty() -> None:
    panel = panels.Panel(
        "kind", "na\x1bme", "", (panels.PanelSection("one", [("a", "1")]), panels.PanelSection("no", []),
        panels.PanelSection("", [("long", "x" * 300)]),
        panels.PanelSection("three", [("a", "b", "c"), ("dd", "", "e")]))
    )  # fmt: skip
    assert panels.render_panel(panel, None).splitlines() == [
        "kind  na?me", "", "one", "  a     1", "", f"  long  {'x' * 300}", "", "three", "  a   b  c", "  dd     e",
    ]  # fmt: skip
