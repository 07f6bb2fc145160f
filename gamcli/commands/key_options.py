"""The properties of a new key, and filters of keys, as options of `gamcli key`."""

from enum import StrEnum
from typing import Annotated

import typer

from gamcli.actions.keys import KeySpec
from gamcli.commands.command_help import CHANGE, OUTPUT, OptionGroup
from gamcli.commands.options import IfMissing, IssueOptions, Preview, flag, option, parse_duration, parse_expiry
from gamcli.errors import UsageError


class KeyStatus(StrEnum):
    """The values of `--status`."""

    ACTIVE = "active"
    RETIRING = "retiring"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REPLACED = "replaced"
    INVALIDATED = "invalidated"


UserOption = Annotated[str | None, option("USER", "User of the key: name, email or GUID.")]
AppOption = Annotated[str | None, option("APP", "Application of the key: name or client ID.")]
UserFilterOption = Annotated[str | None, option("USER", "Select the keys of this user.", "--user")]
AppFilterOption = Annotated[str | None, option("APP", "Select the keys for this application.", "--app")]
IgnoredAuthType = Annotated[str | None, typer.Option("--auth-type", hidden=True)]
"""An earlier option: a key is not bound to an authentication type."""
RequestId = Annotated[str | None, option("ID", "Make retries safe: a repeated ID returns the same key.")]
Reissue = Annotated[
    int | None, option("N", "With --from: give exactly N delivered keys new secrets.", panel=CHANGE, min=0)
]
OutDir = Annotated[
    str | None,
    option("DIR", "Write each of many keys to its own file (mode 0600) in this folder.", "--out-dir", panel=OUTPUT),
]


class KeyIssueOptions(IssueOptions):
    """Issues a key."""

    dry_run: Preview = False


class NewKeyOptions(OptionGroup):
    """The properties of a new key."""

    scope: Annotated[
        list[str] | None, option("SCOPE", "Scope; a+b for several, repeatable.", default="all published scopes")
    ] = None
    expires_in: Annotated[
        str | None, option("DURATION", "Lifetime, such as 90d; limited by the application's timeout.")
    ] = None
    expires_at: Annotated[str | None, option("DATE", "Expiry date, such as 2027-06-30, instead of a lifetime.")] = None
    label: Annotated[str, option("TEXT", "Label, such as the purpose of the key.")] = ""
    replace: Annotated[bool, flag("Replace the active key of this user and application.", "--replace")] = False
    overlap: Annotated[str | None, option("DURATION", "Replace the active key, but keep it valid for this long.")] = (
        None
    )
    request_id: RequestId = None
    if_missing: IfMissing = False

    def make_spec(self, user: str | None, app: str | None, hint: str) -> KeySpec:
        """Return the settings of the key; raises UsageError for missing or contradictory options."""
        if not user or not app:
            missing = [name for name, value in (("'--user'", user), ("'--app'", app)) if not value]
            raise UsageError(f"missing option {' and '.join(missing)}", hint)
        if self.replace and self.overlap is not None:
            raise UsageError("--replace and --overlap cannot be combined", "--replace revokes the old key immediately")
        lifetime, instant = parse_expiry(self.expires_in, self.expires_at)
        scopes = tuple(self.scope) if self.scope else None
        overlap = parse_duration(self.overlap)
        return KeySpec(user, app, scopes, lifetime, self.label, self.replace, overlap, instant)
