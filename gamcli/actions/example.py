"""The small world of examples: an application that takes API keys, a user of it, and their key."""

from dataclasses import dataclass

from gamcli.actions import Gam, apps, keys, users
from gamcli.actions.apps import AppSpec
from gamcli.rules.credentials import Secret

APP, USER = "portal", "ana"
SCOPES = "gam_user_data+gam_user_roles"
TIMEOUT_HOURS = 2160


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client holds: whom it speaks for, and with what."""

    client_id: str
    client_secret: Secret
    api_key: Secret

    def environment_variables(self) -> dict[str, str]:
        """Return names and values as environments have them."""
        return {
            "GAM_CLIENT_ID": self.client_id,
            "GAM_CLIENT_SECRET": self.client_secret.reveal(),
            "GAM_API_KEY": self.api_key.reveal(),
        }


def app_spec() -> AppSpec:
    """Return the application."""
    changes = {"remote_rest": True, "api_keys.enabled": True, "api_keys.timeout_hours": TIMEOUT_HOURS}
    return AppSpec(APP, changes, (SCOPES,))


def user_fields() -> dict[str, object]:
    """Return the fields of the user."""
    return {"email": f"{USER}@example.com", "first_name": "Ana", "roles": ("operator",)}


def create_example(gam: Gam) -> Credentials:
    """Make it all in a store that has its repository."""
    app = apps.create(gam, app_spec())
    assert app.secret is not None
    users.create(gam, USER, user_fields())
    key = keys.generate(gam, keys.KeySpec(USER, APP))
    assert key.secret is not None
    return Credentials(app.record.client_id, app.secret, key.secret)
