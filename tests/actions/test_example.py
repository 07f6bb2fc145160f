"""The small world of examples."""

from gamcli.actions import Gam, diagnosis, example


def test_the_key_of_the_example_may_be_used(gam: Gam) -> None:
    made = example.create_example(gam)
    verdict = diagnosis.verify(gam, made.api_key, made.client_id)
    assert verdict.valid, verdict.message


def test_credentials_show_themselves_to_environments_alone(gam: Gam) -> None:
    made = example.create_example(gam)
    found = made.environment_variables()
    assert [*found] == ["GAM_CLIENT_ID", "GAM_CLIENT_SECRET", "GAM_API_KEY"]
    assert found["GAM_CLIENT_SECRET"].startswith("gamsec_")
    assert found["GAM_API_KEY"].startswith("gamkey_")
    assert found["GAM_API_KEY"] not in repr(made)
