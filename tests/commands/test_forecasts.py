"""`gamcli key forecast`: how many keys expire when."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gamcli.render import human

Run = Callable[..., Any]


@pytest.fixture
def soon(world: Run) -> Run:
    world("app", "create", "intranet", "--remote-rest", "--api-keys")
    assert world("key", "generate", "--user", "ana", "--app", "portal", "--expires-in", "9d").code == 0
    assert world("key", "generate", "--user", "ana", "--app", "intranet").code == 0
    return world


def test_a_forecast_is_a_row_a_week_with_a_bar(soon: Run) -> None:
    ran = soon("key", "forecast")
    assert ran.code == 0
    head, *rows = ran.out.splitlines()
    assert head.split() == ["START", "END", "KEYS"]
    assert len(rows) == 13
    assert [row for row in rows if row.endswith("1     " + "█" * human.MAX_BAR_WIDTH)] == [
        row for row in rows if "█" in row
    ]
    assert ran.err == "gamcli: 1 active key never expires\n"


def test_programs_get_the_counts_of_periods_in_utc(soon: Run) -> None:
    found = soon("key", "forecast", "--by", "day", "--within", "10d", "-o", "json").json
    assert [*found[0]] == ["start", "end", "keys"]
    assert found[0]["start"] == f"{datetime.now(UTC):%Y-%m-%d}T00:00:00Z"
    day = f"{datetime.now(UTC) + timedelta(days=9):%Y-%m-%d}"
    assert [each["start"][:10] for each in found if each["keys"]] == [day]
    assert soon("key", "forecast", "--within", "3w", "-o", "csv").out.startswith("start,end,keys\n")


def test_what_expires_later_is_reported_next_to_the_forecast(soon: Run) -> None:
    ran = soon("key", "forecast", "--by", "month", "--within", "2d")
    assert "gamcli: 1 active key expires after " in ran.err
    assert ran.code == 0


@pytest.mark.usefixtures("soon")
def test_a_forecast_fits_a_terminal(terminal: Run) -> None:
    ran = terminal("key", "forecast", columns=80, NO_COLOR="1")
    assert len([line for line in ran.out.splitlines() if line.startswith("2")]) == 13
    assert len([line for line in ran.out.splitlines() if "█" in line]) == 1


@pytest.mark.usefixtures("soon")
def test_a_terminal_of_another_locale_gets_bars_in_ascii(new_program: Run) -> None:
    ran = new_program("key", "forecast", env={**os.environ, "LC_ALL": "de_DE.ISO-8859-1"})
    assert "█" not in ran.out
    assert "1     " + "#" * human.MAX_BAR_WIDTH in ran.out
