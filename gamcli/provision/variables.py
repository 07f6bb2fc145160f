"""
What stands for something else in a manifest: `${NAME}`, `${NAME:-default}` and `${file:PATH}`; `$$` is a dollar sign.

They are replaced in values, not in keys. Paths are relative to the folder of the manifest; the line end that closes
the file is left out.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gamcli.errors import UsageError
from gamcli.provision.toml_scan import Keys

_REFERENCE = re.compile(r"\$(?:\$|\{([^}]*)(\}?))")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_WHOLE = re.compile(r"\$\{(?:file:[^}]+|[A-Za-z_][A-Za-z0-9_]*)\}")
_MAY_HOLD = re.compile(r"\$|\\[uUx]0*24")

LONGEST_FILE = 64 * 1024
"""So many bytes of a file are taken: a value is shorter, and /dev/zero longer."""


def may_be_in(text: str) -> bool:
    """Say whether a TOML text may hold references at all."""
    return _MAY_HOLD.search(text) is not None


def is_reference(value: str) -> bool:
    """Say whether `value` is nothing but a reference, without a default: it tells no secret."""
    return _WHOLE.fullmatch(value) is not None


def escaped(value: str) -> str:
    """Return what stands for `value` itself in a manifest."""
    return value.replace("$", "$$") if _REFERENCE.search(value) else value


class Variables:
    """What references stand for: the environment, and the folder where paths begin."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment = environment
        self._folder = folder
        self.written: dict[Keys, str] = {}
        """Each value that was replaced, as the file has it."""

    def replace(self, tree: Any, keys: Keys = ()) -> Iterator[tuple[Keys, UsageError]]:  # noqa: ANN401 - TOML
        """Replace every reference in `tree` in place; yield what cannot be, with its place."""
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            if isinstance(value, dict | list):
                yield from self.replace(value, (*keys, key))
            elif isinstance(value, str) and "$" in value:
                try:
                    found = self.text(value)
                except UsageError as error:
                    yield (*keys, key), error
                else:
                    tree[key] = found
                    self.written[*keys, key] = value

    def text(self, value: str) -> str:
        """Return `value` with its references replaced; raises UsageError for one that stands for nothing."""
        return _REFERENCE.sub(self._found, value)

    def _found(self, reference: re.Match[str]) -> str:
        inner = reference[1]
        if inner is None:
            return "$"
        variable = _VARIABLE.fullmatch(inner)
        if not reference[2] or not (variable or inner.startswith("file:")):
            raise UsageError(
                "'${' begins no reference", "${NAME}, ${NAME:-default} or ${file:PATH}; $$ is a dollar sign"
            )
        return self._value(variable[1], variable[2]) if variable else self._contents(inner.removeprefix("file:"))

    def _value(self, name: str, default: str | None) -> str:
        value = self._environment.get(name)
        if default is not None:
            return value or default  # as in a shell
        if value is None:
            raise UsageError(f"the environment variable {name} is not set", f"set it, or write ${{{name}:-default}}")
        return value

    def _contents(self, path: str) -> str:
        try:
            with (self._folder / path).open("rb") as file:
                text = file.read(LONGEST_FILE + 1).decode()
        except (OSError, ValueError) as error:
            reason = str(error.strerror).lower() if isinstance(error, OSError) else "it is not UTF-8 text"
            raise UsageError(f"cannot read {path}: {reason}", "paths are relative to the manifest") from error
        if len(text) > LONGEST_FILE:
            raise UsageError(f"{path} is longer than {LONGEST_FILE} bytes", "a value is shorter")
        return text.removesuffix("\n").removesuffix("\r")
