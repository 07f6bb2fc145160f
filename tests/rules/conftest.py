"""Facts that satisfy every rule: an application, user, key and request. Tests violate the rules one by one."""

from datetime import datetime, timedelta

import pytest

from gamcli.model import APIKEY, ApiKeyPolicy, App, AuthType, Key, Repository, TokenPolicy, User
from gamcli.rules.credentials import Secret
from gamcli.rules.grants import GrantFacts, TokenRequest

CLIENT_ID = "0123456789abcdef0123456789abcdef"
CLIENT_SECRET = Secret("gamsec_of-portal-long-enough-to-be-one")
API_KEY = Secret("gamkey_of-ana")


@pytest.fixture(scope="session")
def app(now: datetime) -> App:
    return App(
        name="portal",
        client_id=CLIENT_ID,
        secret_digest=CLIENT_SECRET.digest(),
        created_at=now,
        updated_at=now,
        scopes=("gam_user_data", "gam_user_roles"),
        remote_rest=True,
        api_keys=ApiKeyPolicy(enabled=True, timeout_hours=2160, auth_type="apikey", scope_choice=True),
        token=TokenPolicy(timeout_minutes=60),
    )


@pytest.fixture(scope="session")
def user(now: datetime) -> User:
    return User(
        guid="6f1b4a52-0d0e-4b5e-9c1f-0a1b2c3d4e5f", name="ana", created_at=now, updated_at=now, email="ana@example.com"
    )


@pytest.fixture(scope="session")
def auth_type(now: datetime) -> AuthType:
    return AuthType(
        name="apikey", type=APIKEY, description="", enabled=True, default=True, created_at=now, updated_at=now
    )


@pytest.fixture(scope="session")
def repository(now: datetime) -> Repository:
    return Repository("9d2c6f0e-7a1b-4c3d-8e5f-112233445566", "apikey", now, b"k" * 32)


@pytest.fixture(scope="session")
def key(now: datetime, app: App, user: User, auth_type: AuthType) -> Key:
    return Key(
        id="K1234567",
        user=user.name,
        user_guid=user.guid,
        app=app.name,
        client_id=app.client_id,
        auth_type=auth_type.name,
        scopes=("gam_user_data",),
        digest=API_KEY.digest(),
        created_at=now - timedelta(days=1),
        expires_at=now + timedelta(days=10),
    )


@pytest.fixture(scope="session")
def request_sent(app: App) -> TokenRequest:
    return TokenRequest(
        client_id=app.client_id, client_secret=CLIENT_SECRET, api_key=API_KEY, authentication_type_name="apikey"
    )


@pytest.fixture(scope="session")
def facts(
    app: App, auth_type: AuthType, user: User, key: Key, repository: Repository, request_sent: TokenRequest
) -> GrantFacts:
    return GrantFacts(
        now=app.created_at,
        app=app,
        auth_type=auth_type,
        user=user,
        key=key,
        repository=repository,
        request=request_sent,
    )
