"""New secrets, and the names under which they are handed out."""

import json
from collections.abc import Callable

from gamcli.provision.apply import Applied

APP = 'scopes = ["gam_user_data"]\nremote_rest = true\napi_keys = { enabled = true }\n'
TEXT = f"""
[app."Customer portal"]
{APP}
[app.customer_portal]
{APP}
[user.ana]
[[key]]
user = "ana"
app = "Customer portal"
[[key]]
user = "ana"
app = "customer_portal"
"""

Do = Callable[..., Applied]


def names(done: Applied) -> list[str]:
    return [name for name, _ in done.issued.variables()]


def test_every_secret_has_a_name_separate(applied: Do) -> None:
    assert names(applied(TEXT)) == [
        "GAM_CLIENT_ID_CUSTOMER_PORTAL",
        "GAM_CLIENT_ID_CUSTOMER_PORTAL_2",
        "GAM_CLIENT_SECRET_CUSTOMER_PORTAL",
        "GAM_CLIENT_SECRET_CUSTOMER_PORTAL_2",
        "GAM_API_KEY_ANA_CUSTOMER_PORTAL",
        "GAM_API_KEY_ANA_CUSTOMER_PORTAL_2",
    ]


def test_a_name_stays_the_same_from_run_to_run(applied: Do) -> None:
    first = TEXT.rpartition("[[key]]")[0]
    applied(first)
    assert names(applied(TEXT)) == ["GAM_CLIENT_ID_CUSTOMER_PORTAL_2", "GAM_API_KEY_ANA_CUSTOMER_PORTAL_2"]


def test_names_are_counted_in_the_order_of_the_manifest(applied: Do) -> None:
    applied("[app.b-b]\n")
    assert names(applied("[app.b_b]\n[app.b-b]\n")) == ["GAM_CLIENT_ID_B_B", "GAM_CLIENT_SECRET_B_B"]
    assert names(applied("[app.b_b]\n[app.b-b]\n[app.'b b']\n")) == ["GAM_CLIENT_ID_B_B_3", "GAM_CLIENT_SECRET_B_B_3"]


def test_a_counted_name_never_meets_one_that_is_so(applied: Do) -> None:
    found = names(applied("[app.a]\n[app.A-]\n[app.a_]\n[app.a__2]\n"))
    assert len(found) == len(set(found)) == 8


def test_a_key_for_an_application_of_the_store_has_a_name_too(applied: Do) -> None:
    applied(f"[app.portal]\n{APP}[user.ana]\n")
    done = applied('[[key]]\nuser = "ana"\napp = "portal"\n')
    assert names(done) == ["GAM_CLIENT_ID_PORTAL", "GAM_API_KEY_ANA_PORTAL"]


def test_variables_and_json_hold_the_same_secrets(applied: Do) -> None:
    issued = applied(TEXT).issued
    lines = dict(issued.variables())
    assert {secret.reveal() for secret in issued.secrets()} < {*lines.values()}
    found = json.loads(issued.to_json())
    assert found["apps"][0] == {
        "name": "Customer portal",
        "client_id": lines["GAM_CLIENT_ID_CUSTOMER_PORTAL"],
        "client_secret": lines["GAM_CLIENT_SECRET_CUSTOMER_PORTAL"],
    }
    assert found["keys"][1]["api_key"] == lines["GAM_API_KEY_ANA_CUSTOMER_PORTAL_2"]
    assert set(found["keys"][1]) == {"id", "user", "app", "client_id", "api_key"}


def test_nothing_issued_is_nothing(applied: Do) -> None:
    assert not applied("[user.ana]\n").issued
