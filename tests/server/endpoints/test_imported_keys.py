"""API keys of another system at the token endpoint."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from gamcli.actions import Gam, keys
from gamcli.rules.credentials import Secret

LEGACY = "legacy & key = 100 % +" + "x" * 2026


def test_an_imported_key_is_accepted_and_logged_by_its_id_also_when_it_is_refused(
    gam: Gam, post: Callable[..., Any], lines: list[str], forward: Callable[[timedelta], None]
) -> None:
    spec = keys.KeySpec("ana", "portal", expires_in=timedelta(days=1), replace=True, api_key=Secret(LEGACY))
    key_id = keys.generate(gam, spec).record.id
    assert post(api_key=LEGACY).status == 200
    assert json.loads(post(api_key=LEGACY[:-1]).body)["error"]["code"] == "11"
    forward(timedelta(days=2))
    assert post(api_key=LEGACY).status == 401
    logged = [
        dict(word.partition("=")[::2] for word in line.split() if "=" in word) for line in lines if "POST" in line
    ]
    assert [line.get("key", "-") for line in logged] == [key_id, "-", key_id]
    assert not any("legacy" in line for line in lines)
