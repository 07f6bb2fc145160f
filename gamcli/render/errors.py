"""Printing errors: the message, the keys or lines concerned, and a hint that can be typed."""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gamcli.errors import DeclinedError, GamcliError
from gamcli.render.output import print_message
from gamcli.render.text import clean, redact


def print_error(error: GamcliError, now: datetime, *, as_json: bool = False) -> None:
    """Print an error as message, details and hint, or as one JSON object."""
    if as_json:
        from gamcli.render import machine  # noqa: PLC0415 - only asked-for JSON needs it

        sys.stderr.write(f"{redact(machine.format_error(error, now))}\n")
        return
    print_message(error.message if isinstance(error, DeclinedError) else f"error: {error.message}")
    print_impacts(getattr(error, "impacts", ()), show_all=getattr(error, "shows_all", False))
    for line in getattr(error, "lines", ()):
        print_message(line)
    for problem in getattr(error, "problems", ()):
        sys.stderr.write(f"{redact(clean(problem))}\n")  # like compilers: editors recognize FILE:LINE
    if error.hint:
        print_message(f"hint: {error.hint}")


MAX_SHOWN_IMPACTS = 10


def print_impacts(impacts: Sequence[object], *, show_all: bool) -> None:
    """Print the keys that a change affects: the first ten, or all of them."""
    shown = impacts if show_all else impacts[:MAX_SHOWN_IMPACTS]
    for impact in shown:
        print_message(format_impact(impact))
    if len(shown) < len(impacts):
        print_message(f"  … and {len(impacts) - len(shown):,} more; --show-all lists all")


def format_impact(impact: Any) -> str:  # noqa: ANN401 - model.KeyImpact, but errors import nothing of model
    key = impact.key
    used = f"last used {key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never used"
    return f"  {key.id}  {key.user} for {key.app}, {used}: {impact.reason}"
