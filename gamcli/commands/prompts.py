"""Questions on a terminal: the texts of typer are replaced, and Ctrl-C leaves the line."""

import sys

import typer

from gamcli.errors import DeclinedError
from gamcli.render.output import Output
from gamcli.render.wrapping import wrap_message

ANSWERS = {"y": True, "yes": True, "n": False, "no": False, "": False}


def confirm(question: str) -> None:
    """Ask until the answer is yes or no; raises DeclinedError unless it is yes, and typer.Abort on Ctrl-C."""
    while (answer := ask(f"{question} [y/N]").lower()) not in ANSWERS:
        Output.print_notice("answer y or n")
    if not ANSWERS[answer]:
        raise DeclinedError


def ask(question: str) -> str:
    """Return the answer without outer whitespace; raises typer.Abort on Ctrl-C and at the end of the input."""
    try:
        return str(typer.prompt(wrap_message(question), default="", show_default=False, err=True)).strip()
    except typer.Abort:
        sys.stderr.write("\n")
        raise


def ask_secret(prompt: str, *, twice: bool) -> str:
    """Return a secret that is typed without echo, `twice` until both are equal."""
    while True:
        text = _read_hidden(prompt)
        if not twice or _read_hidden("Repeat for confirmation") == text:
            return text
        Output.print_notice("the two entries differ; try again")


def _read_hidden(prompt: str) -> str:
    while True:
        text = str(typer.prompt(prompt, default="", show_default=False, hide_input=True, err=True))
        if text:
            return text
        Output.print_notice("nothing was entered; try again, or press Ctrl-C")
