"""`gamcli help TOPIC`: what is true of all commands."""

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Annotated, Literal

import typer

from gamcli.commands import EXIT_CODES
from gamcli.commands.options import new_group
from gamcli.commands.settings import SETTINGS
from gamcli.errors import UsageError, command
from gamcli.render.output import FORMATS, Output

verbs = new_group()


def exit_codes() -> Iterator[str]:
    """Yield the exit codes and their meanings."""
    yield from (f"{code:>4}  {meaning}" for code, meaning in EXIT_CODES.items())


def environment() -> Iterator[str]:
    """Yield the environment variables and their meanings."""
    rows = {
        **{each.variable: f"{each.description} (setting {each.name})" for each in SETTINGS.values()},
        "GAMCLI_CONFIG": "the user's config file",
        "NO_COLOR": "when not empty: no colours",
        "TERM": "dumb: no colours",
    }
    width = max(map(len, rows))
    yield from (f"{name.ljust(width)}  {meaning}" for name, meaning in rows.items())


def formats() -> Iterator[str]:
    """Yield what -o takes."""
    width = max(map(len, FORMATS))
    yield from (f"{name.ljust(width)}  {meaning}" for name, meaning in FORMATS.items())


def manifest() -> Iterator[str]:
    """Yield what a manifest may hold, from the table that reads it."""
    from gamcli.provision import toml_text  # noqa: PLC0415 - start-up: the other topics need it not
    from gamcli.provision.fields import SECTIONS  # noqa: PLC0415

    yield "TOML, one or more files; the JSON Schema for editors: gamcli help manifest --schema"
    yield "${NAME}, ${NAME:-default} and ${file:PATH} are replaced in values; $$ is a dollar sign"
    width = max(len(field.name) for section in SECTIONS.values() for field in section.taken())
    for section in SECTIONS.values():
        yield ""
        yield f"{section.header}  {section.about}"
        for field in section.taken():
            default = section.default(field)
            known = "" if default in ("", (), {}) else f" (default {toml_text.value(default)})"
            yield f"  {field.name.ljust(width)}  {field.kind.says}: {field.about}{known}"
    yield ""
    yield "in a seed alone  what `serve --ephemeral --seed FILE` takes too; a client_secret may stand there as it is"
    for section in SECTIONS.values():
        for field in filter(attrgetter("seed"), section.fields):
            yield f"  {section.header} {field.name}  {field.kind.says}: {field.about}"


def openapi() -> Iterator[str]:
    """Yield the OpenAPI document of the endpoints that `serve` answers."""
    from gamcli.render import machine  # noqa: PLC0415 - start-up: the other topics need it not
    from gamcli.server.endpoints import openapi as described  # noqa: PLC0415 - as above

    yield machine.json_document(described.build_document())


TOPICS: dict[str, Callable[[], Iterator[str]]] = {
    "exit-codes": exit_codes,
    "environment": environment,
    "formats": formats,
    "manifest": manifest,
    "openapi": openapi,
}


@verbs.command("help")
def topic(
    name: Annotated[
        Literal["exit-codes", "environment", "formats", "manifest", "openapi"] | None,
        typer.Argument(metavar="TOPIC", help="Without one, the topics are listed.", show_default=False),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Of manifest: print its JSON Schema.", show_default=False)
    ] = False,
) -> None:
    """Explain exit-codes, environment, formats, manifest or openapi."""
    if schema:
        _print_schema(name)
        return
    for line in TOPICS[name]() if name else TOPICS:
        Output.print_line(line)


def _print_schema(name: str | None) -> None:
    from gamcli.provision import schema  # noqa: PLC0415 - start-up, as above
    from gamcli.render import machine  # noqa: PLC0415

    if name != "manifest":
        raise UsageError("--schema goes with manifest", command("help", "manifest", "--schema"))
    Output.print_line(machine.json_document(schema.document()))
