"""The settings of an application as options of `gamcli app create` and `update`."""

from typing import Annotated

import typer

from gamcli.commands.options import drop_none

Scopes = Annotated[
    list[str] | None, typer.Option("--scope", metavar="SCOPE", help="Publish it: a+b, repeatable.", show_default=False)
]
RemoteRest = Annotated[
    bool | None, typer.Option("--remote-rest/--no-remote-rest", help="Answer its token requests.", show_default=False)
]
ApiKeys = Annotated[bool | None, typer.Option("--api-keys/--no-api-keys", help="Take API keys.", show_default=False)]
ApiKeyTimeout = Annotated[
    int | None, typer.Option("--api-key-timeout", metavar="HOURS", help="How long new keys live; 0 = never ending.")
]
ApiKeyAuthType = Annotated[
    str | None,
    typer.Option("--api-key-auth-type", metavar="AUTH_TYPE", help="The one type its keys may have, or 'any'."),
]
AllowScopeChoice = Annotated[
    bool | None,
    typer.Option(
        "--api-key-scope-choice/--no-api-key-scope-choice", help="Keys may carry fewer scopes.", show_default=False
    ),
]
TokenTimeout = Annotated[
    int | None,
    typer.Option("--token-timeout", metavar="MINUTES", help="How long access tokens live; 0 = never ending."),
]
Renewals = Annotated[int | None, typer.Option("--token-renewals", metavar="N", help="How often a token renews.")]
RequireScope = Annotated[
    bool | None,
    typer.Option("--require-scope/--no-require-scope", help="Password grants must name a scope.", show_default=False),
]
ShareUserIds = Annotated[
    bool | None,
    typer.Option("--share-user-ids/--no-share-user-ids", help="Tell it the users' GUIDs.", show_default=False),
]
OneTokenPerUser = Annotated[
    bool | None,
    typer.Option(
        "--one-token-per-user/--no-one-token-per-user", help="A new token ends the earlier ones.", show_default=False
    ),
]


def collect_settings(
    description: str | None,
    remote_rest: bool | None,
    api_keys: bool | None,
    timeout: int | None,
    auth_type: str | None,
    scope_choice: bool | None,
    token_timeout: int | None,
    renewals: int | None,
    require_scope: bool | None,
    share_ids: bool | None,
    one_token: bool | None,
) -> dict[str, object]:
    """Return the settings that were given, by the names of the record."""
    named = {
        "description": description,
        "remote_rest": remote_rest,
        "api_keys.enabled": api_keys,
        "api_keys.timeout_hours": timeout,
        "api_keys.auth_type": auth_type,
        "api_keys.scope_choice": scope_choice,
        "token.timeout_minutes": token_timeout,
        "token.renewals": renewals,
        "require_scope": require_scope,
        "share_user_ids": share_ids,
        "one_token_per_user": one_token,
    }
    found = drop_none(**named)
    return {**found, "api_keys.auth_type": None} if auth_type == "any" else found
