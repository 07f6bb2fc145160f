"""The properties of a new key as options of `gamcli key generate`."""

from enum import StrEnum
from typing import Annotated

import typer

from gamcli.commands.command_help import OUTPUT

UserOption = Annotated[
    str | None, typer.Option(metavar="USER", help="User that the key is for: name, email or GUID.", show_default=False)
]
AppOption = Annotated[
    str | None,
    typer.Option(metavar="APP", help="Application that the key is for: name or client ID.", show_default=False),
]
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SCOPE", help="Scope; a+b for several, repeatable. Default: all published scopes.", show_default=False
    ),
]
ExpiresIn = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Lifetime, such as 90d; limited by the application's timeout.")
]
ExpiresAt = Annotated[
    str | None, typer.Option(metavar="DATE", help="Expiry date instead of a lifetime, such as 2027-06-30.")
]
Label = Annotated[str, typer.Option(metavar="TEXT", help="Label, such as the key's purpose.", show_default=False)]
Replace = Annotated[
    bool, typer.Option("--replace", help="Replace the active key of this user and application.", show_default=False)
]
Overlap = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Replace it, and keep the old key valid for this long.")
]
RequestId = Annotated[
    str | None,
    typer.Option(metavar="ID", help="Make retries safe: a repeated ID returns the same key."),
]


OutDir = Annotated[
    str | None,
    typer.Option(
        "--out-dir",
        metavar="DIR",
        help="With --from: write each key to a file (mode 0600) in this folder.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]


class KeyStatus(StrEnum):
    """The values of `--status`."""

    ACTIVE = "active"
    RETIRING = "retiring"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REPLACED = "replaced"
    INVALIDATED = "invalidated"


UserFilterOption = Annotated[str | None, typer.Option("--user", metavar="USER", help="Select only keys of this user.")]
AppFilterOption = Annotated[
    str | None, typer.Option("--app", metavar="APP", help="Select only keys for this application.")
]
