"""The settings of an application as options of `gamcli app create` and `gamcli app update`."""

from datetime import timedelta
from typing import Annotated, Any

import typer

from gamcli.errors import UsageError
from gamcli.rules import durations

API_KEYS, TOKENS = "API keys", "Access tokens"

Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope", metavar="SCOPE", help="Publish this scope; a+b for several, repeatable.", show_default=False
    ),
]
RemoteRest = Annotated[
    bool | None,
    typer.Option("--remote-rest/--no-remote-rest", help="Allow token requests over HTTP.", show_default=False),
]
ApiKeys = Annotated[
    bool | None,
    typer.Option("--api-keys/--no-api-keys", help="Accept API keys.", show_default=False, rich_help_panel=API_KEYS),
]
ApiKeyTimeout = Annotated[
    str | None,
    typer.Option(
        "--api-key-timeout",
        metavar="DURATION",
        help="Lifetime of new keys, such as 90d, or in hours; 0 for no expiry.",
        rich_help_panel=API_KEYS,
    ),
]
ApiKeyAuthType = Annotated[
    str | None,
    typer.Option(
        "--api-key-auth-type",
        metavar="AUTH_TYPE",
        help="Authentication type that requests with API keys must name, or 'any'.",
        rich_help_panel=API_KEYS,
    ),
]
AllowScopeChoice = Annotated[
    bool | None,
    typer.Option(
        "--api-key-scope-choice/--no-api-key-scope-choice",
        help="Allow keys with fewer scopes than published.",
        show_default=False,
        rich_help_panel=API_KEYS,
    ),
]
TokenTimeout = Annotated[
    int | None,
    typer.Option(
        "--token-timeout",
        metavar="MINUTES",
        help="Lifetime of access tokens; 0 for no expiry.",
        rich_help_panel=TOKENS,
    ),
]
Renewals = Annotated[
    int | None,
    typer.Option(
        "--token-renewals",
        metavar="N",
        help="Maximum number of times a token can be refreshed.",
        rich_help_panel=TOKENS,
    ),
]
RequireScope = Annotated[
    bool | None,
    typer.Option(
        "--require-scope/--no-require-scope",
        help="Require a scope in password grants.",
        show_default=False,
        rich_help_panel=TOKENS,
    ),
]
ShareUserIds = Annotated[
    bool | None,
    typer.Option(
        "--share-user-ids/--no-share-user-ids",
        help="Return the same user GUIDs to all applications.",
        show_default=False,
        rich_help_panel=TOKENS,
    ),
]
OneTokenPerUser = Annotated[
    bool | None,
    typer.Option(
        "--one-token-per-user/--no-one-token-per-user",
        help="Revoke a user's earlier tokens when a new one is issued.",
        show_default=False,
        rich_help_panel=TOKENS,
    ),
]

SETTING_BY_PARAMETER = {
    "description": "description",
    "remote_rest": "remote_rest",
    "api_keys": "api_keys.enabled",
    "api_key_timeout": "api_keys.timeout_hours",
    "api_key_auth_type": "api_keys.auth_type",
    "scope_choice": "api_keys.scope_choice",
    "token_timeout": "token.timeout_minutes",
    "renewals": "token.renewals",
    "require_scope": "require_scope",
    "share_ids": "share_user_ids",
    "one_token": "one_token_per_user",
}
"""The field of the record that each option sets, by the name of its parameter."""


def collect_settings(context: typer.Context) -> dict[str, Any]:
    """Return the settings that were given on the command line, by the field names of the record."""
    given = {name: context.params[parameter] for parameter, name in SETTING_BY_PARAMETER.items()}
    settings = {name: value for name, value in given.items() if value is not None}
    if "api_keys.timeout_hours" in settings:
        settings["api_keys.timeout_hours"] = _parse_hours(str(settings["api_keys.timeout_hours"]))
    if settings.get("api_keys.auth_type") == "any":
        settings["api_keys.auth_type"] = None
    return settings


def _parse_hours(text: str) -> int:
    """Return the hours of a duration; a number alone is in hours, as in GAM."""
    number = text.strip()
    if number.lstrip("-").isdecimal() and number.isascii():
        return int(number)
    hours, rest = divmod(durations.parse(text), timedelta(hours=1))
    if rest:
        raise UsageError(f"'{text}' is not a whole number of hours", f"use {hours + 1}h")
    return hours
