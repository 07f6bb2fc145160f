"""The example that quickstart and tests use: an application that accepts API keys, a user, and their key."""

from dataclasses import dataclass

from gamcli.actions import Gam, apps, keys, users
from gamcli.actions.apps import AppSpec
from gamcli.rules.credentials import Secret

APP, USER = "portal", "ana"
SCOPES = "gam_user_data+gam_user_roles"
TIMEOUT_HOURS = 2160


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client needs to request tokens."""

    client_id: str
    client_secret: Secret
    api_key: Secret

    def environment_variables(self) -> dict[str, str]:
        return {
            "GAM_CLIENT_ID": self.client_id,
            "GAM_CLIENT_SECRET": self.client_secret.reveal(),
            "GAM_API_KEY": self.api_key.reveal(),
        }


def app_spec() -> AppSpec:
    settings = {"remote_rest": True, "api_keys.enabled": True, "api_keys.timeout_hours": TIMEOUT_HOURS}
    return AppSpec(APP, settings, (SCOPES,))


def user_fields() -> dict[str, object]:
    return {"email": f"{USER}@example.com", "first_name": "Ana", "roles": ("operator",)}


def create_example(gam: Gam) -> Credentials:
    """Create the application, the user and the key in a store that has its repository."""
    app = apps.create(gam, app_spec())
    assert app.secret is not None
    users.create(gam, USER, user_fields())
    key = keys.generate(gam, keys.KeySpec(USER, APP))
    return Credentials(app.record.client_id, app.secret, key.secret)
