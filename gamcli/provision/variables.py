"""
References in the values of a manifest: `${NAME}`, `${NAME:-default}` and `${file:PATH}`; `$$` is a dollar sign.

Paths are relative to the folder of the manifest. A line end at the end of a file is removed.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gamcli.errors import UsageError
from gamcli.provision.toml_scan import Keys
from gamcli.rules.names import escape_unprintable

_REFERENCE = re.compile(r"\$(?:\$|\{([^}]*)(\}?))")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_ONLY_REFERENCE = re.compile(r"\$\{(?:file:[^}]+|[A-Za-z_][A-Za-z0-9_]*)\}")
_DOLLAR = re.compile(r"\$|\\[uUx]0*24")

MAX_VALUE_SIZE = 64 * 1024
"""In bytes: more than a value needs, and a limit for /dev/zero."""


def can_contain_reference(text: str) -> bool:
    return _DOLLAR.search(text) is not None


def is_reference(value: str) -> bool:
    """Return whether `value` is a single reference without a default, and so contains no secret."""
    return _ONLY_REFERENCE.fullmatch(value) is not None


def escape(value: str) -> str:
    """Return the text that a manifest needs for `value`."""
    return value.replace("$", "$$") if _REFERENCE.search(value) else value


class Variables:
    """Replaces references with values of the environment and contents of files in a folder."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment = environment
        self._folder = folder
        self.originals: dict[Keys, str] = {}
        """Each replaced value as it is in the file."""

    def replace(self, tree: Any, keys: Keys = ()) -> Iterator[tuple[Keys, UsageError]]:  # noqa: ANN401 - TOML
        """Replace every reference in `tree` in place; yield the errors with their key paths."""
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            if isinstance(value, dict | list):
                yield from self.replace(value, (*keys, key))
            elif isinstance(value, str) and "$" in value:
                try:
                    text = self.expand(value)
                except UsageError as error:
                    yield (*keys, key), error
                else:
                    tree[key] = text
                    self.originals[*keys, key] = value

    def expand(self, value: str) -> str:
        """Return `value` with its references replaced; raises UsageError."""
        return _REFERENCE.sub(self._resolve, value)

    def _resolve(self, reference: re.Match[str]) -> str:
        inner = reference[1]
        if inner is None:
            return "$"
        if "${" in inner:
            raise UsageError(
                "a reference within a reference is not supported",
                "use ${NAME:-default} with a default that is plain text",
            )
        variable = _VARIABLE.fullmatch(inner)
        if not reference[2] or not (variable or inner.startswith("file:")):
            raise UsageError(
                "invalid reference after '${'", "use ${NAME}, ${NAME:-default} or ${file:PATH}; $$ is a dollar sign"
            )
        return self._lookup(variable[1], variable[2]) if variable else self._read(inner.removeprefix("file:"))

    def _lookup(self, name: str, default: str | None) -> str:
        value = self._environment.get(name)
        if default is not None:
            return value or default  # as in a shell
        if value is None:
            raise UsageError(f"the environment variable {name} is not set", f"set it, or use ${{{name}:-default}}")
        return value

    def _read(self, path: str) -> str:
        try:
            with (self._folder / path).open("rb") as file:
                text = file.read(MAX_VALUE_SIZE + 1).decode()
        except (OSError, ValueError) as error:
            reason = str(error.strerror).lower() if isinstance(error, OSError) else "it is not UTF-8 text"
            raise UsageError(f"cannot read {path}: {reason}", "paths are relative to the manifest") from error
        if len(text) > MAX_VALUE_SIZE:
            raise UsageError(f"{path} is longer than {MAX_VALUE_SIZE} bytes", "use a shorter value")
        return text.removeprefix("\ufeff").removesuffix("\n").removesuffix("\r")


def redact(value: object, error: UsageError, reference: str) -> UsageError:
    """
    Return an error that says why the value of a reference is invalid without showing it: it can be a secret.

    Where the message or the hint quotes a part of the value, that part is left out.
    """
    words = [word for text in _texts(value) for word in re.findall(r"\w{3,}", escape_unprintable(text).lower())]
    message = error.message
    for text in sorted({*_texts(value), *map(escape_unprintable, _texts(value))}, key=len, reverse=True):
        message = message.replace(f": '{text}'", "").replace(f" '{text}'", "") if text else message
    if "unprintable" in message and any(end in text for text in _texts(value) for end in "\r\n"):
        message = message.replace("an unprintable character", "a line break")
    reason, hint = (
        None if text is None or any(word in text.lower() for word in words) else text for text in (message, error.hint)
    )
    return UsageError(f"the value of {reference} is invalid" + (f": {reason}" if reason else ""), hint)


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]
