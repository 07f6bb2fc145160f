"""The properties of a new key as options of `gamcli key generate`."""

from enum import StrEnum
from typing import Annotated

import typer

from gamcli.commands.command_help import CHANGE, OUTPUT

UserOption = Annotated[
    str | None, typer.Option(metavar="USER", help="User of the key: name, email or GUID.", show_default=False)
]
AppOption = Annotated[
    str | None,
    typer.Option(metavar="APP", help="Application of the key: name or client ID.", show_default=False),
]
Scopes = Annotated[
    list[str] | None,
    typer.Option(metavar="SCOPE", help="Scope; a+b for several, repeatable.", show_default="all published scopes"),
]
ExpiresIn = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Lifetime, such as 90d; limited by the application's timeout.")
]
ExpiresAt = Annotated[
    str | None, typer.Option(metavar="DATE", help="Expiry date, such as 2027-06-30, instead of a lifetime.")
]
Label = Annotated[str, typer.Option(metavar="TEXT", help="Label, such as the purpose of the key.", show_default=False)]
Replace = Annotated[
    bool, typer.Option("--replace", help="Replace the active key of this user and application.", show_default=False)
]
Overlap = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Replace the active key, but keep it valid for this long.")
]
RequestId = Annotated[
    str | None,
    typer.Option(metavar="ID", help="Make retries safe: a repeated ID returns the same key."),
]


Reissue = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=0, help="With --from: give exactly N delivered keys new secrets.", rich_help_panel=CHANGE
    ),
]
OutDir = Annotated[
    str | None,
    typer.Option(
        "--out-dir",
        metavar="DIR",
        help="Write each of many keys to its own file (mode 0600) in this folder.",
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


UserFilterOption = Annotated[str | None, typer.Option("--user", metavar="USER", help="Select the keys of this user.")]
AppFilterOption = Annotated[
    str | None, typer.Option("--app", metavar="APP", help="Select the keys for this application.")
]
