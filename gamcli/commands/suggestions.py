"""What to type after an endpoint has refused `gamcli try`, as far as the request itself and the store of here tell."""

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from gamcli.clients.exchange import Wish
from gamcli.errors import StoreError, command
from gamcli.rules.grants import PASSWORD, Facts, Rule, TokenRequest

if TYPE_CHECKING:
    from gamcli.actions import Gam
    from gamcli.commands.session import Session

KINDS = {"api_key": "API key", "client_secret": "client secret"}
"""Which kind of credential goes into a parameter."""

CALLED = {"API key": "an API key", "client secret": "a client secret"}

UNKNOWN_HERE = ("client_unknown", "key_unproven")
"""What the store of here says of what another store knows."""

LOCAL = "local"
"""The type that passwords are for, in every store that `init` has made."""


def of(session: "Session", gam: "Gam | None", wish: Wish) -> str | None:
    """Return what mends the request, or what it stands on; `gam` where the store of here was the one that was asked."""
    return _mistaken(wish) or _of_rule(session, gam, wish) or _damaged(wish)


def _mistaken(wish: Wish) -> str | None:
    """Return which secret is of another kind than it should be."""
    from gamcli.rules.inspection import inspect  # noqa: PLC0415 - only refusals are looked into

    for each in wish.credentials:
        found, wanted = inspect(each.secret.reveal()).type, KINDS.get(each.name)
        if found in CALLED and wanted is not None and found != wanted:
            return f"{each.place} holds {CALLED[found]}, not {CALLED[wanted]}"
    return None


def _damaged(wish: Wish) -> str | None:
    """Return what looks at a key that has not the form of one."""
    from gamcli.rules.credentials import api_key_id  # noqa: PLC0415 - as above

    is_damaged = wish.proof.name == "api_key" and api_key_id(wish.proof.secret) is None
    return command("key", "inspect", "--api-key-file", "FILE") if is_damaged else None


def _of_rule(session: "Session", gam: "Gam | None", wish: Wish) -> str | None:
    from gamcli.actions import diagnosis  # noqa: PLC0415 - as above

    try:
        with ExitStack() as stack:
            broken = diagnosis.refused(gam or stack.enter_context(session.gam()), _request(wish))
    except StoreError:
        return None
    if broken is None or (gam is None and broken[1].key is None and broken[0].name in UNKNOWN_HERE):
        return None
    return _instead(wish, *broken) or broken[0].mend(broken[1])


def _request(wish: Wish) -> TokenRequest:
    """Return the request as the endpoint has read it."""
    client_secret, proof = (each.secret for each in wish.credentials)
    request = TokenRequest(
        client_id=wish.client_id,
        client_secret=client_secret,
        authentication_type_name=wish.more.get("authentication_type_name", ""),
        username=wish.more.get("username", ""),
        scope=wish.more.get("scope", ""),
    )
    if wish.proof.name == PASSWORD:
        return replace(request, grant=PASSWORD, password=proof)
    return replace(request, api_key=proof)


def _instead(wish: Wish, rule: Rule, facts: Facts) -> str | None:
    """Return what to say instead of what was said, where no command mends it."""
    key = facts.key
    if rule.name == "auth_type_wrong" and facts.sent.grant == PASSWORD and "authentication_type_name" not in wish.more:
        return f"--auth-type {LOCAL}"
    if rule.name == "key_unproven" and key is not None and facts.sent.api_key.matches(key.digest):
        if facts.app is not None and key.client_id != facts.app.client_id:
            return f"the key is one for application '{key.app}'"
        return f"the key is one of user '{key.user}'"
    return None
