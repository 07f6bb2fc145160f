"""What to type after an endpoint has refused `gamcli try`, as far as the request itself and the store of here tell."""

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from gamcli.clients.exchange import ExchangeSpec
from gamcli.errors import StoreError, command
from gamcli.rules.grants import PASSWORD, GrantFacts, Rule, TokenRequest

if TYPE_CHECKING:
    from gamcli.actions import Gam
    from gamcli.commands.context import CliContext

CREDENTIAL_TYPES = {"api_key": "API key", "client_secret": "client secret"}
"""Which kind of credential goes into a parameter."""

TYPE_LABELS = {"API key": "an API key", "client secret": "a client secret"}

STORE_DEPENDENT_RULES = ("client_unknown", "key_unproven")
"""What the store of here says of what another store knows."""

LOCAL_AUTH_TYPE = "local"
"""The type that passwords are for, in every store that `init` has made."""


def suggest_fix(cli: "CliContext", gam: "Gam | None", spec: ExchangeSpec) -> str | None:
    """Return what mends the request, or what it stands on; `gam` where the store of here was the one that was asked."""
    return _find_swapped_secret(spec) or _suggest_for_rule(cli, gam, spec) or _suggest_inspection(spec)


def _find_swapped_secret(spec: ExchangeSpec) -> str | None:
    """Return which secret is of another kind than it should be."""
    from gamcli.rules.inspection import inspect  # noqa: PLC0415 - only refusals are looked into

    for each in spec.credentials:
        found, wanted = inspect(each.secret.reveal()).type, CREDENTIAL_TYPES.get(each.parameter)
        if found in TYPE_LABELS and wanted is not None and found != wanted:
            return f"{each.source} holds {TYPE_LABELS[found]}, not {TYPE_LABELS[wanted]}"
    return None


def _suggest_inspection(spec: ExchangeSpec) -> str | None:
    """Return what looks at a key that has not the form of one."""
    from gamcli.rules.credentials import parse_api_key_id  # noqa: PLC0415 - as above

    is_damaged = spec.user_credential.parameter == "api_key" and parse_api_key_id(spec.user_credential.secret) is None
    return command("key", "inspect", "--api-key-file", "FILE") if is_damaged else None


def _suggest_for_rule(cli: "CliContext", gam: "Gam | None", spec: ExchangeSpec) -> str | None:
    from gamcli.actions import diagnosis  # noqa: PLC0415 - as above

    try:
        with ExitStack() as stack:
            broken = diagnosis.find_refusal(gam or stack.enter_context(cli.open_gam()), _build_token_request(spec))
    except StoreError:
        return None
    if broken is None or (gam is None and broken[1].key is None and broken[0].name in STORE_DEPENDENT_RULES):
        return None
    return _explain_mismatch(spec, *broken) or broken[0].fix(broken[1])


def _build_token_request(spec: ExchangeSpec) -> TokenRequest:
    """Return the request as the endpoint has read it."""
    client_secret, proof = (each.secret for each in spec.credentials)
    request = TokenRequest(
        client_id=spec.client_id,
        client_secret=client_secret,
        authentication_type_name=spec.parameters.get("authentication_type_name", ""),
        username=spec.parameters.get("username", ""),
        scope=spec.parameters.get("scope", ""),
    )
    if spec.user_credential.parameter == PASSWORD:
        return replace(request, grant=PASSWORD, password=proof)
    return replace(request, api_key=proof)


def _explain_mismatch(spec: ExchangeSpec, rule: Rule, facts: GrantFacts) -> str | None:
    """Return what to say instead of what was said, where no command mends it."""
    key = facts.key
    if (
        rule.name == "auth_type_wrong"
        and facts.parameters.grant == PASSWORD
        and "authentication_type_name" not in spec.parameters
    ):
        return f"--auth-type {LOCAL_AUTH_TYPE}"
    if rule.name == "key_unproven" and key is not None and facts.parameters.api_key.matches(key.digest):
        if facts.app is not None and key.client_id != facts.app.client_id:
            return f"the key is one for application '{key.app}'"
        return f"the key is one of user '{key.user}'"
    return None
