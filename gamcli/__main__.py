"""`python -m gamcli` is `gamcli`."""

from gamcli.commands import entry_point

entry_point()
