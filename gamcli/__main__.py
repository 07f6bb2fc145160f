"""`python -m gamcli` is `gamcli`."""

from gamcli.commands import run

run()
