"""
What fixes a refused request, for the journal: a request to the control API, or what to send instead.

A rule that has no line here keeps the command of `key explain` and `try`.
"""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from shlex import quote as quote_shell
from urllib.parse import quote

from gamcli.actions import Gam, apps, users
from gamcli.actions.grant_facts import read_facts
from gamcli.errors import GamcliError
from gamcli.rules import scopes
from gamcli.rules.api_key_grant import API_KEY_GRANT
from gamcli.rules.grants import PASSWORD, GrantFacts
from gamcli.rules.password_grant import PASSWORD_GRANT
from gamcli.server.dev.senders import find_token
from gamcli.server.endpoints import forms
from gamcli.server.endpoints.context import Trace
from gamcli.server.transport.messages import Request


def suggest_fix(gam: Gam, request: Request, trace: Trace) -> str:
    """Return what fixes a refused request in one line, without secrets; empty if nothing is known."""
    if trace.detail.startswith("fault "):
        return _curl("faults", method="DELETE")
    if trace.rule in FIXES_WITHOUT_FACTS:
        return FIXES_WITHOUT_FACTS[trace.rule]
    with suppress(GamcliError):
        facts = _load_facts(gam, request)
        if trace.rule in FIXES:
            return FIXES[trace.rule](facts)
        grant = PASSWORD_GRANT if facts.request and facts.request.grant == PASSWORD else API_KEY_GRANT
        return next((rule.fix(facts) or "" for rule in grant if rule.name == trace.rule), "")
    return ""


def _load_facts(gam: Gam, request: Request) -> GrantFacts:
    """Return what the store has about the request; raises GamcliError."""
    if request.path.lower().endswith("/userinfo"):
        token = find_token(gam, request)
        return GrantFacts(gam.now(), app=apps.show(gam, token.client_id), user=users.show(gam, token.user_guid))
    return read_facts(gam, forms.parse_token_request(request))


def _curl(path: str, body: Mapping[str, object] | None = None, method: str = "POST") -> str:
    data = f"-X {method}" if body is None else f"-d {quote_shell(json.dumps(body, ensure_ascii=False))}"
    return f'curl {data} "$GAM_CONTROL_URL/{path}"'


def _change(noun: str, name: str, verb: str) -> str:
    return _curl(f"{noun}/{quote(name, safe='')}/{verb}")


def _apply(section: str, name: str, line: str) -> str:
    return _curl("apply", {"manifest": f"[{section}.{json.dumps(name)}]\n{line}"})


def _variable(prefix: str, *names: str) -> str:
    return f"send the value of {prefix}_{re.sub('[^0-9A-Za-z]', '_', '_'.join(names)).upper()}"


def _another_auth_type(facts: GrantFacts) -> str:
    if facts.auth_type is not None and not facts.auth_type.enabled:
        return _apply("auth_type", facts.auth_type.name, "enabled = true")
    is_password = facts.request is not None and facts.request.grant == PASSWORD
    allowed = None if is_password else facts.known_app.api_keys.auth_type
    return f"send authentication_type_name={'local' if is_password else allowed or 'apikey'}"


def _new_key(facts: GrantFacts) -> str:
    key = facts.known_key
    return _curl("keys", {"user": key.user, "app": key.app, "replace": True})


def _right_key(facts: GrantFacts) -> str:
    key = facts.key
    if key is not None and facts.parameters.api_key.matches(key.digest):
        if key.client_id != facts.known_app.client_id:
            return f"the key is for application '{key.app}': {_variable('GAM_CLIENT_ID', key.app)}"
        return f"the key belongs to user '{key.user}': send username={key.user}, or leave it out"
    return "send the value of GAM_API_KEY"


def _right_password(facts: GrantFacts) -> str:
    if facts.user is None:
        return "send the name of a user of this server as username"
    if facts.user.password_hash is None:
        return _apply("user", facts.user.name, 'password = "..."')
    return _variable("GAM_PASSWORD", facts.user.name)


def _new_password(facts: GrantFacts) -> str:
    return _apply("user", facts.known_user.name, 'password = "another one"')


def _allowed_scopes(facts: GrantFacts) -> str:
    return f"request scopes of: {scopes.join(facts.allowed_scopes)}"


FIXES: dict[str, Callable[[GrantFacts], str]] = {
    "client_secret_missing": lambda f: _variable("GAM_CLIENT_SECRET", f.known_app.name),
    "client_secret_wrong": lambda f: _variable("GAM_CLIENT_SECRET", f.known_app.name),
    "app_disabled": lambda f: _change("apps", f.known_app.name, "enable"),
    "token_app_disabled": lambda f: _change("apps", f.known_app.name, "enable"),
    "remote_rest_off": lambda f: _apply("app", f.known_app.name, "remote_rest = true"),
    "auth_type_unavailable": _another_auth_type,
    "auth_type_wrong": _another_auth_type,
    "api_keys_off": lambda f: _apply("app", f.known_app.name, "api_keys = { enabled = true }"),
    "key_unproven": _right_key,
    "password_wrong": _right_password,
    "key_expired": _new_key,
    "key_revoked": _new_key,
    "key_replaced": _new_key,
    "key_invalidated": _new_key,
    "key_disabled": lambda f: _change("keys", f.known_key.id, "enable"),
    "user_inactive": lambda f: _change("users", f.known_user.name, "enable"),
    "token_user_inactive": lambda f: _change("users", f.known_user.name, "enable"),
    "user_blocked": lambda f: _change("users", f.known_user.name, "unblock"),
    "token_user_blocked": lambda f: _change("users", f.known_user.name, "unblock"),
    "password_must_change": _new_password,
    "password_expired": _new_password,
    "scope_missing": _allowed_scopes,
    "scope_beyond": _allowed_scopes,
    "scope_unpublished": _allowed_scopes,
}

FIXES_WITHOUT_FACTS = {
    "client_id_missing": "send the value of GAM_CLIENT_ID as client_id",
    "client_unknown": "send the value of GAM_CLIENT_ID as client_id",
    "grant_type_missing": "send grant_type=password or grant_type=refresh_token",
    "grant_type_unknown": "send grant_type=password or grant_type=refresh_token",
    "authorization_missing": "send the header Authorization: Bearer TOKEN",
    "token_unknown": "send the access_token of a token response",
    "token_expired": "request a new token, or renew it",
    "token_revoked": "request a new token",
    "refresh_unknown": "log in again",
    "refresh_used": "log in again, and use each refresh token once",
    "refresh_expired": "log in again",
    "refresh_revoked": "log in again",
    "renewals_spent": "log in again",
    "too_many_failures": "start the server without --max-failures",
    "path_unknown": "send token requests to /oauth/gam/v2.0/access_token below the base path",
}
