"""The example application, user and key."""

from gamcli.actions import Gam, diagnosis, example


def test_the_example_key_is_accepted(gam: Gam) -> None:
    made = example.create_example(gam)
    verdict = diagnosis.verify(gam, made.api_key, made.client_id)
    assert verdict.valid, verdict.message


def test_credentials_are_revealed_only_as_environment_variables(gam: Gam) -> None:
    made = example.create_example(gam)
    found = made.environment_variables()
    names = ["GAM_CLIENT_ID", "GAM_CLIENT_SECRET", "GAM_API_KEY", "GAM_USERNAME", "GAM_PASSWORD"]
    assert [*found][:5] == names
    assert found["GAM_API_KEY_ANA_PORTAL"] == found["GAM_API_KEY"]
    assert len(found) == 10
    assert found["GAM_CLIENT_SECRET"].startswith("gamsec_")
    assert found["GAM_API_KEY"].startswith("gamkey_")
    assert found["GAM_API_KEY"] not in repr(made)
