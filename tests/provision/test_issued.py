"""New secrets and their names."""

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

ApplyManifest = Callable[..., Applied]


def names(done: Applied) -> list[str]:
    return [name for name, _ in done.issued.variables()]


def test_every_secret_has_its_own_name(apply_manifest: ApplyManifest) -> None:
    assert names(apply_manifest(TEXT)) == [
        "GAM_CLIENT_ID_CUSTOMER_PORTAL",
        "GAM_CLIENT_ID_CUSTOMER_PORTAL_2",
        "GAM_CLIENT_SECRET_CUSTOMER_PORTAL",
        "GAM_CLIENT_SECRET_CUSTOMER_PORTAL_2",
        "GAM_API_KEY_ANA_CUSTOMER_PORTAL",
        "GAM_API_KEY_ANA_CUSTOMER_PORTAL_2",
    ]


def test_names_are_the_same_in_every_run(apply_manifest: ApplyManifest) -> None:
    first = TEXT.rpartition("[[key]]")[0]
    apply_manifest(first)
    assert names(apply_manifest(TEXT)) == ["GAM_CLIENT_ID_CUSTOMER_PORTAL_2", "GAM_API_KEY_ANA_CUSTOMER_PORTAL_2"]


def test_names_are_counted_in_the_order_of_the_manifest(apply_manifest: ApplyManifest) -> None:
    apply_manifest("[app.b-b]\n")
    assert names(apply_manifest("[app.b_b]\n[app.b-b]\n")) == ["GAM_CLIENT_ID_B_B", "GAM_CLIENT_SECRET_B_B"]
    assert names(apply_manifest("[app.b_b]\n[app.b-b]\n[app.'b b']\n")) == [
        "GAM_CLIENT_ID_B_B_3",
        "GAM_CLIENT_SECRET_B_B_3",
    ]


def test_a_name_with_a_suffix_does_not_collide(apply_manifest: ApplyManifest) -> None:
    found = names(apply_manifest("[app.a]\n[app.A-]\n[app.a_]\n[app.a__2]\n"))
    assert len(found) == len(set(found)) == 8


def test_a_key_for_an_unlisted_application_has_a_name(apply_manifest: ApplyManifest) -> None:
    apply_manifest(f"[app.portal]\n{APP}[user.ana]\n")
    done = apply_manifest('[[key]]\nuser = "ana"\napp = "portal"\n')
    assert names(done) == ["GAM_CLIENT_ID_PORTAL", "GAM_API_KEY_ANA_PORTAL"]


def test_variables_and_json_hold_the_same_secrets(apply_manifest: ApplyManifest) -> None:
    issued = apply_manifest(TEXT).issued
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


def test_an_empty_result_is_false(apply_manifest: ApplyManifest) -> None:
    assert not apply_manifest("[user.ana]\n").issued
