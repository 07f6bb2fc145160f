"""The settings of an application as options of `gamcli app create` and `gamcli app update`."""

from datetime import timedelta
from typing import Annotated, Any

from gamcli.commands.command_help import OptionGroup
from gamcli.commands.options import flag, option
from gamcli.errors import UsageError
from gamcli.rules import durations

API_KEYS, TOKENS = "API keys", "Access tokens"

Scopes = Annotated[
    list[str] | None,
    option("SCOPE", "Publish this scope; a+b for several, repeatable. Replaces all scopes.", "--scope"),
]


class AppSettings(OptionGroup):
    """The settings that `create` and `update` have."""

    remote_rest: Annotated[bool | None, flag("Allow token requests over HTTP.", "--remote-rest/--no-remote-rest")] = (
        None
    )
    api_keys: Annotated[bool | None, flag("Accept API keys.", "--api-keys/--no-api-keys", panel=API_KEYS)] = None
    api_key_timeout: Annotated[
        str | None,
        option("DURATION", "Lifetime of new keys, such as 90d, or a number of hours; 0 for no expiry.", panel=API_KEYS),
    ] = None
    api_key_auth_type: Annotated[
        str | None,
        option("AUTH_TYPE", "Authentication type that requests with API keys must name, or 'any'.", panel=API_KEYS),
    ] = None
    scope_choice: Annotated[
        bool | None,
        flag(
            "Allow keys with fewer scopes than published.",
            "--api-key-scope-choice/--no-api-key-scope-choice",
            panel=API_KEYS,
        ),
    ] = None
    token_timeout: Annotated[
        int | None, option("MINUTES", "Lifetime of access tokens; 0 for no expiry.", panel=TOKENS)
    ] = None
    renewals: Annotated[
        int | None,
        option("N", "Maximum number of times a token can be refreshed.", "--token-renewals", panel=TOKENS),
    ] = None
    require_scope: Annotated[
        bool | None, flag("Require a scope in password grants.", "--require-scope/--no-require-scope", panel=TOKENS)
    ] = None
    share_ids: Annotated[
        bool | None,
        flag("Return the same user GUIDs to all applications.", "--share-user-ids/--no-share-user-ids", panel=TOKENS),
    ] = None
    one_token: Annotated[
        bool | None,
        flag(
            "Revoke a user's earlier tokens when a new one is issued.",
            "--one-token-per-user/--no-one-token-per-user",
            panel=TOKENS,
        ),
    ] = None

    def collect(self, description: str | None) -> dict[str, Any]:
        """Return the settings that were given on the command line, by the field names of the record."""
        hours = None if self.api_key_timeout is None else _parse_hours(self.api_key_timeout)
        given = {
            "description": description,
            "remote_rest": self.remote_rest,
            "api_keys.enabled": self.api_keys,
            "api_keys.timeout_hours": hours,
            "api_keys.auth_type": self.api_key_auth_type,
            "api_keys.scope_choice": self.scope_choice,
            "token.timeout_minutes": self.token_timeout,
            "token.renewals": self.renewals,
            "require_scope": self.require_scope,
            "share_user_ids": self.share_ids,
            "one_token_per_user": self.one_token,
        }
        settings: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if self.api_key_auth_type == "any":
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
