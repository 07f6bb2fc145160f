"""Suggests a fix after an endpoint has refused `gamcli try`, based on the request and the local store."""

from contextlib import ExitStack
from typing import TYPE_CHECKING

from gamcli.clients.exchange import ExchangeSpec
from gamcli.errors import StoreError, command
from gamcli.rules.grants import PASSWORD, GrantFacts, Rule, TokenRequest

if TYPE_CHECKING:
    from gamcli.actions import Gam
    from gamcli.commands.context import CliContext

CREDENTIAL_TYPES = {"api_key": "API key", "client_secret": "client secret"}
"""The type of credential by form parameter."""

TYPE_LABELS = {"API key": "an API key", "client secret": "a client secret"}

STORE_DEPENDENT_RULES = ("client_unknown", "key_unproven")
"""Violations that the local store reports only because the objects are in another store."""

LOCAL_AUTH_TYPE = "local"
"""The authentication type for passwords that `init` creates."""


def suggest_fix(cli: "CliContext", gam: "Gam | None", spec: ExchangeSpec) -> str | None:
    """Return a suggestion; `gam` is the local store if its own server was used."""
    from gamcli.rules.credentials import parse_api_key_id  # noqa: PLC0415 - start-up: needed only after a refusal

    is_damaged = spec.user_credential.parameter == "api_key" and parse_api_key_id(spec.user_credential.secret) is None
    inspection = command("key", "inspect", "--api-key-file", "FILE") if is_damaged else None
    return _find_swapped_secret(spec) or _suggest_for_rule(cli, gam, spec) or inspection


def _find_swapped_secret(spec: ExchangeSpec) -> str | None:
    from gamcli.rules.inspection import inspect  # noqa: PLC0415 - as above

    for credential in spec.credentials:
        actual, expected = inspect(credential.secret.reveal()).type, CREDENTIAL_TYPES.get(credential.parameter)
        if actual in TYPE_LABELS and expected is not None and actual != expected:
            return f"{credential.source} contains {TYPE_LABELS[actual]}, not {TYPE_LABELS[expected]}"
    return None


def _suggest_for_rule(cli: "CliContext", gam: "Gam | None", spec: ExchangeSpec) -> str | None:
    from gamcli.actions import diagnosis  # noqa: PLC0415 - as above

    try:
        with ExitStack() as stack:
            refusal = diagnosis.find_refusal(gam or stack.enter_context(cli.open_gam()), _build_token_request(spec))
    except StoreError:
        return None
    if refusal is None:
        return None
    rule, facts = refusal
    if gam is None and facts.key is None and rule.name in STORE_DEPENDENT_RULES:
        return None
    return _explain_mismatch(spec, rule, facts) or rule.fix(facts)


def _build_token_request(spec: ExchangeSpec) -> TokenRequest:
    client_secret, proof = (credential.secret for credential in spec.credentials)
    request = TokenRequest(
        client_id=spec.client_id,
        client_secret=client_secret,
        authentication_type_name=spec.parameters.get("authentication_type_name", ""),
        username=spec.parameters.get("username", ""),
        scope=spec.parameters.get("scope", ""),
    )
    if spec.user_credential.parameter == PASSWORD:
        return request._replace(grant=PASSWORD, password=proof)
    return request._replace(api_key=proof)


def _explain_mismatch(spec: ExchangeSpec, rule: Rule, facts: GrantFacts) -> str | None:
    """Return a better explanation than the fix of the rule, for some common mistakes."""
    key = facts.key
    if (
        rule.name == "auth_type_wrong"
        and facts.parameters.grant == PASSWORD
        and "authentication_type_name" not in spec.parameters
    ):
        return f"--auth-type {LOCAL_AUTH_TYPE}"
    if rule.name == "key_unproven" and key is not None and facts.parameters.api_key.matches(key.digest):
        if facts.app is not None and key.client_id != facts.app.client_id:
            return f"the key belongs to application '{key.app}'"
        return f"the key belongs to user '{key.user}'"
    return None
