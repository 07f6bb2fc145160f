"""The example that quickstart and tests use: an application that accepts API keys, a user with a password, a key."""

from dataclasses import dataclass, replace

from gamcli.actions import Gam, apps, auth_types, keys, users
from gamcli.actions.apps import AppSpec
from gamcli.rules import passwords
from gamcli.rules.credentials import Secret

APP, USER = "portal", "ana"
SCOPES = "gam_user_data+gam_user_roles"
TIMEOUT_HOURS = 2160
RENEWALS = 10
PASSWORD = "ana-password"  # noqa: S105 - of a user in a store in memory


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client needs to request tokens."""

    client_id: str
    client_secret: Secret
    api_key: Secret

    def environment_variables(self) -> dict[str, str]:
        """Return each value under a short name, and under one with the application or user."""
        values = {
            "GAM_CLIENT_ID": (APP, self.client_id),
            "GAM_CLIENT_SECRET": (APP, self.client_secret.reveal()),
            "GAM_API_KEY": (f"{USER}_{APP}", self.api_key.reveal()),
            "GAM_USERNAME": (USER, USER),
            "GAM_PASSWORD": (USER, PASSWORD),
        }
        named = {f"{name}_{of.upper()}": value for name, (of, value) in values.items()}
        return {name: value for name, (_, value) in values.items()} | named


def app_spec() -> AppSpec:
    settings = {"remote_rest": True, "api_keys.enabled": True, "api_keys.timeout_hours": TIMEOUT_HOURS}
    return AppSpec(APP, settings, (SCOPES,))


def user_fields() -> dict[str, object]:
    return {"email": f"{USER}@example.com", "first_name": "Ana", "roles": ("operator",)}


def create_example(gam: Gam) -> Credentials:
    """
    Create the application, the user and the key in a store in memory that has its repository.

    The user can log in with PASSWORD, and tokens can be renewed.
    """
    spec = app_spec()
    app = apps.create(gam, replace(spec, settings={**spec.settings, "token.renewals": RENEWALS}))
    assert app.secret is not None
    auth_types.update(gam, "local", {"enabled": True})
    users.create(gam, USER, user_fields())
    users.set_password(gam, USER, Secret(PASSWORD), passwords.SEED_COST)
    key = keys.generate(gam, keys.KeySpec(USER, APP))
    return Credentials(app.record.client_id, app.secret, key.secret)
