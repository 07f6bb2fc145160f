"""`gamcli help TOPIC`: the pages of the manual, and references that are generated from the program."""

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Annotated

from gamcli import manual
from gamcli.commands.context import CliContext, now
from gamcli.commands.options import Run, argument, flag, new_group
from gamcli.commands.settings import SETTINGS
from gamcli.errors import NotFoundError, UsageError, command
from gamcli.render.output import Output
from gamcli.rules.names import closest_match

verbs = new_group()


def environment_variables() -> dict[str, str]:
    """Return the environment variables that gamcli reads, each with its meaning."""
    return {
        **{setting.variable: f"{setting.description} (setting {setting.name})" for setting in SETTINGS.values()},
        "GAMCLI_CONFIG": "the user's config file",
        "NO_COLOR": "disables colors if it is not empty",
        "TERM": "disables colors if it is `dumb`",
        "PAGER": "pager for lists and pages that are longer than the terminal; default `less -FRX`; empty for none",
    }


def format_rows(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    return (f"{name.ljust(width)}  {meaning}" for name, meaning in rows)


def manifest() -> Iterator[str]:
    """Yield what a manifest may hold, from the table that reads it."""
    from gamcli.provision import toml_format  # noqa: PLC0415 - start-up: the other topics need it not
    from gamcli.provision.fields import SECTIONS  # noqa: PLC0415

    yield "TOML, one or more files; the JSON Schema for editors: gamcli help manifest --schema"
    yield "${NAME}, ${NAME:-default} and ${file:PATH} are replaced in values and names; $$ is a dollar sign"
    width = max(len(field.name) for section in SECTIONS.values() for field in section.allowed_fields())
    for section in SECTIONS.values():
        yield ""
        yield f"{section.header}  {section.about}"
        for field in section.allowed_fields():
            default = section.default(field)
            known = "" if default in ("", (), {}) else f" (default {toml_format.format_value(default)})"
            yield f"  {field.name.ljust(width)}  {field.type.label}: {field.about}{known}"
    yield ""
    yield "[defaults.app], [defaults.key]  defaults of all applications and keys"
    yield ""
    yield "seeds only  fields that only `serve --ephemeral --seed FILE` accepts; secrets and IDs can be any text there"
    for section in SECTIONS.values():
        for field in filter(attrgetter("seed"), section.fields):
            yield f"  {section.header} {field.name}  {field.type.label}: {field.about}"


def openapi() -> Iterator[str]:
    """Yield the OpenAPI document of the endpoints that `serve` answers."""
    from gamcli.render import machine  # noqa: PLC0415 - start-up: the other topics need it not
    from gamcli.server.endpoints import openapi as described  # noqa: PLC0415 - as above

    yield machine.json_document(described.build_document())


REFERENCES: dict[str, Callable[[], Iterator[str]]] = {
    "manifest": manifest,
    "environment": lambda: format_rows(environment_variables().items()),
    "openapi": openapi,
}


@verbs.command("help")
def topic(
    name: Annotated[str | None, argument("TOPIC", "A topic, or a word to search for.")] = None,
    schema: Annotated[bool, flag("Print the JSON Schema of manifests.", "--schema")] = False,
    seed: Annotated[bool, flag("With --schema: print the schema of seeds for tests.", "--seed")] = False,
    *,
    run: Run,
) -> None:
    """
    Show a page of the manual, or list the pages that mention a word.

    Without TOPIC, list all topics.

    Example: gamcli help keys
    """
    out = _find_output(run.cli)
    if schema:
        _print_schema(name, seed=seed)
    elif name is None:
        _print_topics((*manual.PAGES, *manual.REFERENCES))
    elif name in REFERENCES:
        out.print_reference(REFERENCES[name]())
    elif name in manual.PAGES:
        out.print_page(manual.read_page(name))
    else:
        _search(out, name)


def _find_output(cli: CliContext) -> Output:
    """Return the output of the settings, or of the defaults: help is needed most when the settings are invalid."""
    try:
        return cli.output()
    except UsageError:
        return Output("table", None, now, pager=cli.pager)


def _print_topics(names: Iterable[str]) -> None:
    for line in format_rows((name, manual.read_title(name)) for name in names):
        Output.print_line(line)


def _search(out: Output, word: str) -> None:
    from gamcli.commands.root import NOUNS  # noqa: PLC0415 - root imports this module

    pages = manual.find_pages(word)
    if not pages:
        near = closest_match(word, [*manual.PAGES, *REFERENCES, *NOUNS])
        hint = f"did you mean {near}? all topics: {command('help')}" if near else command("help")
        raise NotFoundError(f"no page of the manual mentions '{word}'", hint)
    _print_topics(pages)
    if word in NOUNS:
        out.print_note(f"for the options of the command: {command(word, '--help')}")


def _print_schema(name: str | None, *, seed: bool) -> None:
    from gamcli.provision import schema  # noqa: PLC0415 - start-up
    from gamcli.render import machine  # noqa: PLC0415

    if name != "manifest":
        raise UsageError("--schema requires the topic manifest", command("help", "manifest", "--schema"))
    Output.print_line(machine.json_document(schema.build_schema(seed=seed)))
