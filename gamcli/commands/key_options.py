"""What is asked of a new key, as options of `gamcli key generate`."""

from typing import Annotated

import typer

UserOption = Annotated[
    str | None, typer.Option(metavar="USER", help="Whose key it is: name, email or GUID.", show_default=False)
]
AppOption = Annotated[
    str | None, typer.Option(metavar="APP", help="What it is for: name or client id.", show_default=False)
]
Scopes = Annotated[
    list[str] | None,
    typer.Option(metavar="SCOPE", help="What it reveals: a+b, repeatable. Default: all published.", show_default=False),
]
AuthTypeOption = Annotated[
    str | None,
    typer.Option(metavar="AUTH_TYPE", help="Default: the one that the application allows, or the repository's."),
]
ExpiresIn = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Such as 90d; never beyond the application's timeout.")
]
Label = Annotated[str, typer.Option(metavar="TEXT", help="What it is for.", show_default=False)]
Replace = Annotated[
    bool, typer.Option("--replace", help="End the live key of this user and application now.", show_default=False)
]
RequestId = Annotated[
    str | None,
    typer.Option(metavar="ID", help="Names this request: whoever repeats it gets the same key, never a second one."),
]
Overlap = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Or let it retire: it lives so long beside the new one.")
]
