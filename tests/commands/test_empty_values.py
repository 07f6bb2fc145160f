"""Options and arguments that are empty, as from a variable that is not set: refused, never as if they were absent."""

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]

CASES = (
    "key list --user {}",
    "key revoke {}",
    "key revoke --user {}",
    "key rotate {} --overlap 1d",
    "key rotate {} --due 14d --overlap 1d --out new.csv",
    "key generate --user {} --app portal",
    "key generate --user ana --app portal --request-id {}",
    "key generate --user ana --app portal --expires-in {}",
    "app create new --client-id {}",
    "app list --field {}",
    "auth-type set-default {}",
    "audit verify --head {}",
    "export --app {}",
    "serve --ephemeral --port 0 --host {} --allow-http -- true",
    "serve --ephemeral --port 0 --metrics {} -- true",
    "store migrate --to {}",
    "token revoke {}",
)


@pytest.mark.parametrize("case", CASES)
def test_an_empty_value_is_refused(world: Run, case: str) -> None:
    head = world("audit", "head").out
    ran = world(*("" if word == "{}" else word for word in case.split()))
    assert (ran.code in (2, 3), ran.out) == (True, "")
    assert any(text in ran.err for text in ("''", " is empty", "missing option", "can be combined only")), ran.err
    assert world("audit", "head").out == head
