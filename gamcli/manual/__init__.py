"""The manual: Markdown pages, shown by `gamcli help TOPIC` and readable on a code host."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent

PAGES = (
    "keys", "apps", "users", "bulk", "jobs", "manifests", "ci", "scan", "audit", "security", "clients", "testing",
    "endpoint", "scopes", "errors", "conformance", "operations", "exit-codes", "formats", "settings", "gam",
)  # fmt: skip
"""The pages in the order in which `gamcli help` lists them: tasks first, then reference."""

REFERENCES = {
    "manifest": "All fields of a manifest",
    "environment": "All environment variables",
    "openapi": "The token endpoint as an OpenAPI 3.1 document",
}
"""Topics that `gamcli help` generates from the program, each with its title."""

_MARKER = re.compile(r"^<!-- .* -->\n", re.MULTILINE)
"""Begins or ends a generated table."""


def read_page(name: str) -> str:
    return _MARKER.sub("", (FOLDER / f"{name}.md").read_text(encoding="utf-8"))


def read_title(name: str) -> str:
    return REFERENCES[name] if name in REFERENCES else read_page(name).partition("\n")[0].removeprefix("# ")


def find_pages(text: str) -> list[str]:
    """Return the pages that mention `text`, ignoring case."""
    return [name for name in PAGES if text.lower() in read_page(name).lower()]
